"""Rows that were taken back, dropped from a copy that somebody holds; the dry run comes first.

A copy is a folder: Parquet shards, tars (ours or img2dataset's), folders of images, datasets as
`datasets` saves them. A file is written beside the old one and takes its place whole. What no rule
here knows is left alone, and named: a copy is clean only where all of it could be told.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from jobs.copies.survey import survey
from jobs.copies.units import Going, Looked, Unit, Untold
from pipeline.retracted import Retracted
from schemas.errors import SchemaError, StorageError

Told = Callable[[int, int], None]


@dataclass(slots=True)
class Report:
    """What goes, or has gone, out of which files; untold: what nobody can tell."""

    going: list[Going] = field(default_factory=list)
    untold: list[Untold] = field(default_factory=list)
    about: list[Path] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.going)


def retract(
    copy: Path, retracted: Retracted, *, yes: bool, told: Told = lambda _done, _all: None
) -> Report:
    """Return what goes out of a copy, and drop it where `yes`.

    Raises UsageError where there is no such folder, StorageError for files that cannot be written;
    those before them are done, and the same again goes on.
    """
    found = survey(copy)
    report = Report(untold=found.untold, about=found.about)
    for path in found.leftovers if yes else ():
        path.unlink(missing_ok=True)
    failed: list[str] = []
    for number, unit in enumerate(found.units):
        looked = _look(unit, retracted)
        if yes and looked.drop and (looked.going or looked.is_unfinished):
            try:
                looked.drop()
            except OSError as e:
                raise StorageError(f"could not retract from {unit.path}: {e}") from e
            except (SchemaError, pa.ArrowException) as e:  # the others may be rewritten yet
                failed.append(f"{unit.path}: {e}")
                continue
        report.going += looked.going
        report.untold += looked.untold
        told(number + 1, len(found.units))
    if failed:
        raise StorageError(f"could not retract from {len(failed):,} files, as {failed[0]}")
    return report


def _look(unit: Unit, retracted: Retracted) -> Looked:
    """Return what goes out of a unit; of one that cannot be read, that nobody can tell."""
    try:
        return unit.look(retracted)
    except (OSError, SchemaError, pa.ArrowException) as e:
        return Looked(untold=[Untold(unit.path, str(e))])
