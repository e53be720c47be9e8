"""What the layouts have in common: files of a copy that change together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.copies.samples import Evidence
from pipeline.retracted import Retracted


@dataclass(frozen=True, slots=True)
class Going:
    """A file, or a folder of files, out of which rows go. of: how many it has."""

    path: Path
    rows: int
    of: int


@dataclass(frozen=True, slots=True)
class Untold:
    """A file with something by which nobody can tell whether it was taken back.

    is_mute: for all that is known, there may be images in it that nothing else tells.
    """

    path: Path
    why: str
    is_mute: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """What goes out of a unit, and what of it nobody can tell.

    evidence: what it says of rows that other units hold. is_unfinished: a run broke off here. drop:
    rewrites the files, by what was found; null where nobody could look.
    """

    going: Sequence[Going] = ()
    untold: Sequence[Untold] = ()
    evidence: Evidence = field(default_factory=Evidence)
    is_unfinished: bool = False
    drop: Callable[[], None] | None = None


class Unit(Protocol):
    """Files of a copy that change together."""

    @property
    def path(self) -> Path:
        """The file or folder by which it is named."""
        ...

    def look(self, retracted: Retracted) -> Looked:
        """Return out of which files how many rows would go, and how to drop them."""
        ...


def going(path: Path, rows: int, of: int) -> list[Going]:
    """Return what goes out of one file, nothing where no row does."""
    return [Going(path, rows, of)] if rows else []


def untold(path: Path, count: int, of_what: str, *, is_mute: bool = False) -> list[Untold]:
    """Return that nobody can tell so many of what is in a file, nothing where it is none."""
    return [Untold(path, f"{count:,} {of_what}", is_mute)] if count else []
