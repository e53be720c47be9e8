"""Files of a copy, changed in place: written beside the old one, which they replace whole.

A copy is a folder on a disk, whoever made it: so these are plain files and no store. Links are
followed to the file, since it is the file that must not hold the rows.
"""

import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import SchemaError

PART = ".retract-part-"
PLAN, ENDING = ".retract-plan-", ".json"
"""How files begin that a run leaves behind when it is cut off."""
TOKEN_BYTES = 8
OWNER_ONLY = 0o600
_PART = re.compile(re.escape(PART) + f"[0-9a-f]{{{2 * TOKEN_BYTES}}}")


@contextmanager
def instead(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write; whole, it takes the place of another, with that one's mode."""
    place = path.resolve()
    with _whole(place) as file:
        yield file
        os.fchmod(file.fileno(), stat.S_IMODE(place.stat().st_mode))
    # Hadoop's checksum of what was there: its readers would refuse the file.
    place.with_name(f".{place.name}.crc").unlink(missing_ok=True)


@contextmanager
def _whole(place: Path) -> Iterator[IO[bytes]]:
    """Give a file to write that only its owner reads; it is there whole, or not at all."""
    beside = place.with_name(f"{PART}{secrets.token_hex(TOKEN_BYTES)}")
    try:
        # Nobody may read more than before, not even while it is written.
        handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


class Plan(BaseModel):
    """What a run goes through with in files that tell of each other, so that the next can end it.

    samples: keys that go. rows: places in the table that go. of: how many rows there are, or
    samples where there is no table. statistics: as they were before, "" where there are none;
    lost: what has gone since. left: digest of the samples that stay. keys, keys_left: digests of
    the keys of the table, before and after. By these three it is told whether it is of these files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    samples: list[str]
    rows: list[int]
    of: int
    lost: int
    statistics: str
    left: str
    keys: str
    keys_left: str

    @classmethod
    def read(cls, path: Path) -> "Plan | None":
        """Return the plan that a run left for a file, null for none. Raises SchemaError."""
        place = plan_of(path)
        try:
            return cls.model_validate_json(place.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as e:
            raise SchemaError(f"expected the plan of a run that broke off in {place}: {e}") from e

    @contextmanager
    def kept(self, path: Path) -> Iterator[None]:
        """Keep the plan beside a file until all in it is done."""
        place = plan_of(path)
        with _whole(place) as file:
            file.write(self.model_dump_json().encode())
        yield
        place.unlink()


def plan_of(path: Path) -> Path:
    """Return where the plan for a file, or a folder of files, is kept."""
    if path.is_dir():  # inside it: the copy may be this very folder
        return path / f"{PLAN}{ENDING}"
    return path.with_name(f"{PLAN}{path.name}{ENDING}")


def subject_of(plan: str) -> str:
    """Return the name of the file that a plan of this name is for, "" for the folder it is in."""
    return plan.removeprefix(PLAN).removesuffix(ENDING)


def is_plan(name: str) -> bool:
    """Say whether a file of this name is a plan."""
    return name.startswith(PLAN) and name.endswith(ENDING)


def is_part(name: str) -> bool:
    """Say whether a file of this name is one that a run which broke off had begun to write."""
    return bool(_PART.fullmatch(name))
