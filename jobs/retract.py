"""Rows that were taken back, dropped from a copy that somebody holds; the dry run comes first.

A copy is a folder: Parquet shards, tars (ours or img2dataset's), folders of files as img2dataset
writes them, datasets as `datasets` saves them. A file is written beside the old one and takes its
place whole. What no rule here knows is left alone, and named.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from jobs.retract_units import INFO, PART, STATE, Files, Going, Saved, Table, Tar, Unit
from pipeline.retract import (
    telling,
)
from pipeline.retracted import Retracted
from schemas.errors import StorageError, UsageError

ABOUT = {"manifest.json", "report.html"}
"""Files of a release that tell of rows, and are not rewritten: take those of the new release."""

Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A copy as it stands. untold: files with rows by which nobody can tell them."""

    units: tuple[Unit, ...]
    untold: tuple[Path, ...]
    about: tuple[Path, ...]


@dataclass(slots=True)
class Report:
    """What goes, or has gone, out of which files."""

    going: list[Going] = field(default_factory=list)
    untold: Sequence[Path] = ()
    about: Sequence[Path] = ()

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.going)


def retract(
    copy: Path, retracted: Retracted, *, yes: bool, told: Told = lambda _done, _all: None
) -> Report:
    """Return what goes out of a copy, and drop it where `yes`.

    Raises UsageError where there is no such folder, StorageError and SchemaError for files that
    cannot be read or written; those before them are done, and the same again goes on.
    """
    found = survey(copy)
    report = Report(untold=found.untold, about=found.about)
    for number, unit in enumerate(found.units):
        try:
            going = unit.look(retracted)
            if yes and going:
                unit.drop(retracted)
        except (OSError, pa.ArrowInvalid) as e:
            raise StorageError(f"could not retract from {unit}: {e}") from e
        report.going += going
        told(number + 1, len(found.units))
    return report


def survey(copy: Path) -> Found:
    """Return the files of a copy, as units. Raises UsageError."""
    if not copy.is_dir():
        raise UsageError(f"expected the folder of a copy, found none at {copy}")
    units: list[Unit] = []
    untold: list[Path] = []
    about: list[Path] = []
    for place, folders, names in os.walk(copy):
        here = Path(place)
        folders.sort()
        if {STATE, INFO} <= set(names):
            units.append(Saved(here))
            folders.clear()
            continue
        about += [here / name for name in sorted(ABOUT & set(names))]
        for name in sorted(names):
            stem, _, kind = name.rpartition(".")
            if name.startswith(PART):
                continue
            if kind == "tar":
                units.append(Tar(here / name))
            elif kind == "parquet" and stem in folders:
                units.append(Files(here / stem))
                folders.remove(stem)
            elif kind == "parquet" and f"{stem}.tar" not in names:
                _add_table(here / name, units, untold)
    return Found(tuple(units), tuple(untold), tuple(about))


def _add_table(path: Path, units: list[Unit], untold: list[Path]) -> None:
    if telling(pq.read_schema(path)):
        units.append(Table(path))
    elif path.name != "retractions.parquet" and path.parent.name not in {"ledger", "evidence"}:
        untold.append(path)
