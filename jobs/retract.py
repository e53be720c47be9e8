"""Rows that were taken back, dropped from a copy that somebody holds; the dry run comes first.

A copy is a folder: Parquet shards, tars (ours or img2dataset's), folders of images, datasets as
`datasets` saves them. A file is written beside the old one and takes its place whole. What no rule
here knows is left alone, and named: a copy is clean only where all of it could be told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from jobs.copies.survey import survey
from jobs.copies.units import Going, Looked, Unit, Untold, untold
from pipeline.copies.samples import Evidence
from pipeline.retracted import Retracted
from schemas.errors import SchemaError, StorageError

LEFTOVER = "a part of a file that a run which broke off has left; apply --yes removes it"
LONE = "rows that were taken back, but without image: one here may be theirs, encoded anew"

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
    copy: Path,
    retracted: Retracted,
    *,
    yes: bool,
    alone: bool = False,
    told: Told = lambda _done, _all: None,
) -> Report:
    """Return what goes out of a copy, and drop it where `yes`.

    A row without image goes only where its image goes too, or where no image is there that it may
    mean; else it stays, and is named. alone: they go all the same.

    Raises UsageError where there is no such folder, StorageError for files that cannot be written;
    those before them are done, and the same again goes on.
    """
    found = survey(copy)
    report = Report(untold=found.untold, about=found.about)
    if not yes:
        report.untold += [Untold(path, LEFTOVER) for path in found.leftovers]
    looked: list[Looked] = []
    for number, unit in enumerate(found.units):
        # What drops it may hold all keys of a shard, and the copy has thousands of these.
        looked.append(replace(_look(unit, retracted), drop=None))
        told(number + 1, len(found.units))
    evidence = Evidence.joined(one.evidence for one in looked)
    lone = frozenset() if alone else evidence.lone(retracted)
    if lone:
        retracted = retracted.without(lone)
        _look_again(found.units, looked, lone, retracted)
    seen = set[Path]()
    for one in looked:
        report.going += [g for g in one.going if g.path.resolve() not in seen]
        seen.update(g.path.resolve() for g in one.going)
        report.untold += one.untold
    if yes:
        for path in found.leftovers:
            path.unlink(missing_ok=True)
        doing = [
            unit
            for unit, one in zip(found.units, looked, strict=True)
            if one.going or one.is_unfinished
        ]
        _drop(doing, retracted, told)
    report.untold.sort(key=lambda one: one.path)
    return report


def _look_again(
    units: Sequence[Unit], looked: list[Looked], lone: frozenset[str], retracted: Retracted
) -> None:
    """Say anew what goes out of units with rows that stay, which are named.

    lone: uids and digests of these rows, which are no more in retracted.
    """
    for number, unit in enumerate(units):
        count = sum(not lone.isdisjoint(hits) for hits in looked[number].evidence.alone)
        if count:
            again = _look(unit, retracted)
            named = untold(unit.path, count, LONE)
            looked[number] = replace(again, drop=None, untold=[*again.untold, *named])


def _drop(units: Sequence[Unit], retracted: Retracted, told: Told) -> None:
    """Rewrite files, each unit looked at again: one before may have changed what they share."""
    failed: list[str] = []
    for number, unit in enumerate(units):
        looked = _look(unit, retracted)
        if looked.drop and (looked.going or looked.is_unfinished):
            try:
                looked.drop()
            except OSError as e:
                raise StorageError(f"could not retract from {unit.path}: {e}") from e
            except (SchemaError, pa.ArrowException) as e:  # the others may be rewritten yet
                failed.append(f"{unit.path}: {e}")
        elif not looked.drop:
            failed += [f"{unit.path}: {one.why}" for one in looked.untold]
        told(number + 1, len(units))
    if failed:
        raise StorageError(f"could not retract from {len(failed):,} files, as {failed[0]}")


def _look(unit: Unit, retracted: Retracted) -> Looked:
    """Return what goes out of a unit; of one that cannot be read, that nobody can tell."""
    try:
        return unit.look(retracted)
    except (OSError, SchemaError, pa.ArrowException) as e:
        return Looked(untold=[Untold(unit.path, str(e))])
