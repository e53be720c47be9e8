"""Files of a copy, changed in place: written beside the old one, which they replace whole.

A copy is a folder on a disk, whoever made it: so these are plain files and no store. Links are
followed to the file, since it is the file that must not hold the rows.
"""

import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.canonical import sha256_hex
from schemas.errors import SchemaError, StorageError

PART, PLAN, ENDING = ".retract-part-", ".retract-plan-", ".json"
RUN = f".retract-run{ENDING}"
"""How files are named, or begin, that a run leaves behind when it is cut off."""
TOKEN_BYTES = 8
OWNER_ONLY = 0o600
_PART = re.compile(re.escape(PART) + f"[0-9a-f]{{{2 * TOKEN_BYTES}}}")


@contextmanager
def alone_in(copy: Path) -> Iterator[None]:
    """Keep other runs out of a copy; the system forgets it with the process, however that ends.

    The folder itself is locked, where a file for it would be one more in somebody's copy. A disk
    that knows no such locks keeps nobody out. Raises StorageError for another run there.
    """
    with ExitStack() as stack:
        try:
            handle = os.open(copy, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise StorageError(f"another run is at work in {copy}: wait for its end") from e
        except OSError:
            pass
        yield


@contextmanager
def instead(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write; whole, it takes the place of another, with that one's mode."""
    place = path.resolve()
    with _whole(place) as file:
        yield file
        os.fchmod(file.fileno(), stat.S_IMODE(place.stat().st_mode))
    # Hadoop's checksum of what was there: its readers would refuse the file.
    try:
        place.with_name(f".{place.name}.crc").unlink(missing_ok=True)
    except OSError as e:
        if e.errno != errno.ENAMETOOLONG:  # then there is none
            raise


@contextmanager
def _whole(place: Path) -> Iterator[IO[bytes]]:
    """Give a file to write that only its owner reads; it is there whole, or not at all."""
    beside = part_beside(place)
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


def part_beside(path: Path) -> Path:
    """Return a new name beside a file, for what is to take its place."""
    return path.with_name(f"{PART}{secrets.token_hex(TOKEN_BYTES)}")


class Plan(BaseModel):
    """What a run goes through with in files that tell of each other, so that the next can end it.

    samples: by key of each that goes, percent-encoded, the digests of its files. left: digest of
    names and sizes of all others. rows: places in the table of those that go. table: digest of the
    table before; keys: digest of its keys after. Either is "" where there is none. statistics: what
    is to be in them, null where there are none. By the digests it is told whether a plan is of
    these files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    samples: dict[str, list[str]]
    left: str
    rows: list[int]
    table: str
    keys: str
    statistics: str | None

    @property
    def going(self) -> frozenset[str]:
        """The keys of the samples that go."""
        return frozenset(map(unquoted, self.samples))

    def is_of(self, bodies: Mapping[str, Collection[str]]) -> bool:
        """Say whether samples that go are those that are there. bodies: digests of their files.

        Some, or some of their files, may have gone.
        """
        return all(set(bodies.get(unquoted(k), ())) <= {*d} for k, d in self.samples.items())

    @classmethod
    def read(cls, path: Path) -> "Plan | None":
        """Return the plan that a run left for a file, null for none. Raises SchemaError."""
        return _read(cls, plan_of(path))

    @contextmanager
    def kept(self, path: Path) -> Iterator[None]:
        """Keep the plan beside a file until all in it is done."""
        _write(self, plan_of(path))
        yield
        plan_of(path).unlink()


class Run(BaseModel):
    """What has to be known of images that may have gone, where a run breaks off between files.

    met: uids and digests of rows whose images go. images: digests of images that go.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    met: list[str] = []
    images: list[str] = []

    @classmethod
    def read(cls, copy: Path) -> "Run | None":
        """Return what a run left in a copy, null for nothing. Raises SchemaError."""
        return _read(cls, copy / RUN)

    def keep(self, copy: Path) -> None:
        """Keep it in the copy, until it is forgotten."""
        _write(self, copy / RUN)

    def forget(self, copy: Path) -> None:
        """Remove it: all is done."""
        (copy / RUN).unlink(missing_ok=True)


Left = TypeVar("Left", bound=BaseModel)


def _read(kind: type[Left], place: Path) -> Left | None:
    try:
        return kind.model_validate_json(place.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as e:
        raise SchemaError(f"expected the plan of a run that broke off in {place}: {e}") from e


def _write(plan: BaseModel, place: Path) -> None:
    with _whole(place) as file:
        file.write(plan.model_dump_json().encode())


def quoted(key: str) -> str:
    """Return a key of a sample as a plan has it: names of files may hold any bytes."""
    return quote_from_bytes(os.fsencode(key))


def unquoted(key: str) -> str:
    """Return the key of a sample that a plan has."""
    return os.fsdecode(unquote_to_bytes(key))


def plan_of(path: Path) -> Path:
    """Return where the plan for a file, or a folder of files, is kept."""
    if path.is_dir():  # inside it: the copy may be this very folder
        return path / f"{PLAN}{ENDING}"
    name = sha256_hex(os.fsencode(path.name))[: 4 * TOKEN_BYTES]  # of any length, this one fits
    return path.with_name(f"{PLAN}{name}{ENDING}")


def is_plan(name: str) -> bool:
    """Say whether a file of this name is a plan."""
    return name.startswith(PLAN) and name.endswith(ENDING)


def is_part(name: str) -> bool:
    """Say whether a file of this name is one that a run which broke off had begun to write."""
    return bool(_PART.fullmatch(name))
