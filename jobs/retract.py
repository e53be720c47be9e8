"""Rows that were taken back, dropped from a copy that somebody holds; the dry run comes first.

A copy is a folder: Parquet shards, tars (ours or img2dataset's), folders of images, datasets as
`datasets` saves them. A file is written beside the old one and takes its place whole. What no rule
here knows is left alone, and named: a copy is clean only where all of it could be told.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from jobs.copies.files import RUN, Run, alone_in
from jobs.copies.looking import Looking, Told
from jobs.copies.survey import Found, survey
from jobs.copies.units import Going, Untold
from pipeline.retracted import Retracted
from schemas.errors import SchemaError, StorageError

LEFTOVER = "a part of a file that a run which broke off has left; apply --yes removes it"
BROKEN_OFF = "a run broke off here; apply --yes ends it"
UNENDED = {LEFTOVER, BROKEN_OFF}
"""What a run has left that broke off."""


@dataclass(slots=True)
class Report:
    """What goes, or has gone, out of which files; untold: what nobody can tell.

    failed: files that could not be rewritten, and why; the next run goes on with them.
    """

    going: list[Going] = field(default_factory=list)
    untold: list[Untold] = field(default_factory=list)
    about: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

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
    mean; else it stays, and is named. alone: they go all the same. An image that goes does so
    wherever it is, told by the digest of its bytes.

    Raises UsageError where there is no such folder, StorageError where nothing can be written, or
    another run is at work.
    """
    with alone_in(copy) if yes else nullcontext():
        return _retract(copy, retracted, yes=yes, alone=alone, told=told)


def _retract(copy: Path, retracted: Retracted, *, yes: bool, alone: bool, told: Told) -> Report:
    found = survey(copy)
    before = _left(copy, found)
    run = before or Run()
    looking = Looking.at(found.units, retracted.also(frozenset(run.images)), told)
    looking.meet_again()
    images = looking.retracted.digests - retracted.digests
    evidence = looking.evidence(found.untold)
    if not alone:
        looking.leave(evidence.lone(retracted, frozenset(run.met)))
    report = Report(untold=[*found.untold, *looking.unclear], about=found.about)
    if yes:
        now = Run(met=sorted(evidence.met.union(run.met)), images=sorted(images))
        report.failed = _drop(copy, found, looking, now, told, is_going_on=before is not None)
    else:
        report.untold += [Untold(path, LEFTOVER) for path in found.leftovers]
        report.untold += [Untold(path, BROKEN_OFF) for path in looking.unfinished]
        report.untold += [Untold(copy / RUN, BROKEN_OFF)] if before else []
    report.untold.sort(key=lambda one: one.path)
    seen = set[Path]()
    for one in looking.looked:
        report.going += [g for g in one.going if g.path.resolve() not in seen]
        seen.update(g.path.resolve() for g in one.going)
    return report


def _drop(
    copy: Path, found: Found, looking: Looking, run: Run, told: Told, *, is_going_on: bool
) -> list[str]:
    """Rewrite files, and return which could not be. run: what the next has to know then."""
    try:
        for path in found.leftovers:
            path.unlink(missing_ok=True)
        if not looking.doing and not is_going_on:
            return []
        run.keep(copy)
        failed = looking.drop(told)
        if not failed:
            run.forget(copy)
    except OSError as e:
        raise StorageError(f"could not write in {copy}: {e}") from e
    return failed


def _left(copy: Path, found: Found) -> Run | None:
    """Return what a run that broke off has left of what it knew, null for nothing."""
    try:
        return Run.read(copy)
    except SchemaError as e:
        found.untold.append(Untold(copy / RUN, str(e)))
        return None
