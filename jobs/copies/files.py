"""Files of a copy, changed in place: written beside the old one, which they replace whole.

A copy is a folder on a disk, whoever made it: so these are plain files and no store. Links are
followed to the file, since it is the file that must not hold the rows.
"""

import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from schemas.errors import SchemaError

PART = ".retract-part-"
PLAN = ".retract-plan-"
OWN = (PART, PLAN)
"""How files begin that a run leaves behind when it is cut off."""
OWNER_ONLY = 0o600


@contextmanager
def instead(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write; whole, it takes the place of another, with that one's mode."""
    place = path.resolve()
    beside = place.with_name(f"{PART}{secrets.token_hex(8)}")
    try:
        # Nobody may read more than before, not even while it is written.
        handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), stat.S_IMODE(place.stat().st_mode))
            os.fsync(file.fileno())
        beside.replace(place)
        # Hadoop's checksum of what was there: its readers would refuse the file.
        place.with_name(f".{place.name}.crc").unlink(missing_ok=True)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run goes through with in files that tell of each other, so that the next can end it.

    samples: keys that go. rows: places in the table that go. of: how many rows there are, or
    samples where there is no table. statistics: as they were before, "" where there are none;
    lost: what has gone since.
    """

    samples: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    of: int = 0
    lost: int = 0
    statistics: str = ""

    @classmethod
    def read(cls, path: Path) -> "Plan | None":
        """Return the plan that a run left for a file, null for none. Raises SchemaError."""
        place = _plan_of(path)
        try:
            return cls(**json.loads(place.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as e:
            raise SchemaError(f"expected the plan of a run that broke off in {place}: {e}") from e

    @contextmanager
    def kept(self, path: Path) -> Iterator[None]:
        """Keep the plan beside a file until all in it is done."""
        place = _plan_of(path)
        part = place.with_name(f"{PART}{secrets.token_hex(8)}")
        with part.open("xb") as file:
            file.write(json.dumps(asdict(self)).encode())
            file.flush()
            os.fsync(file.fileno())
        part.replace(place)
        yield
        place.unlink()


def _plan_of(path: Path) -> Path:
    if path.is_dir():  # inside it: the copy may be this very folder
        return path / f"{PLAN}folder.json"
    return path.with_name(f"{PLAN}{path.name}.json")
