"""Samples of a copy as files of their own, in tars or folders, and the table beside them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from jobs.copies.files import Plan, instead
from jobs.copies.tables import filter_parquet, judged
from jobs.copies.units import Looked, Untold, going, untold
from pipeline.retract import (
    Joined,
    join_by_key,
    statistics_without,
    tar_keys,
    telling,
    told_beside,
    write_tar_without,
)
from pipeline.retracted import Retracted, is_image

KEY = "key"
UNTOLD_SAMPLES = "samples without image, uid or digest"
JSON_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Beside:
    """What img2dataset writes beside the samples of a shard: a table of its rows, statistics.

    Either is null where there is none. at: the path of the samples, by which a plan is kept.
    """

    at: Path
    table: Path | None
    statistics: Path | None

    def find(self, every: Iterable[str], gone: Iterable[str], retracted: Retracted) -> "_Found":
        """Return what goes, by what either samples or table tell, or by the plan of a run."""
        samples, plan = frozenset(every), Plan.read(self.at)
        lost = {*gone, *(plan.samples if plan else ())} & samples
        if self.table is None:
            nothing = np.zeros(0, bool)
            return _Found(samples, Joined(frozenset(lost), nothing), plan)
        with pq.ParquetFile(self.table) as file:
            tells, count = bool(telling(file.schema_arrow)), file.metadata.num_rows
            has_keys = KEY in file.schema_arrow.names
            keys = file.read(columns=[KEY])[KEY] if has_keys else None
        out = ~judged(self.table, retracted).keep if tells else None
        flags = np.zeros(count, bool) if out is None else out
        if plan and plan.of == count:
            flags[plan.rows] = True
        if keys is None:
            unclear = count if out is None else 0
            return _Found(samples, Joined(frozenset(lost), flags), plan, unclear)
        return _Found(samples, join_by_key(samples, lost, keys, flags), plan)

    def looked(self, found: "_Found", unclear: int) -> Looked:
        """Return how many rows go out of the samples and out of the table beside them."""
        gone = going(self.at, len(found.gone.samples), len(found.every))
        told = untold(self.at, unclear, UNTOLD_SAMPLES)
        if self.table is not None:
            gone += going(self.table, int(found.gone.rows.sum()), len(found.gone.rows))
            told += untold(self.table, found.unclear, "rows that nothing tells")
        return Looked(gone, told, is_unfinished=found.plan is not None)

    def plan(self, found: "_Found") -> Plan:
        """Return what has to be done in all of the files."""
        rows = np.flatnonzero(found.gone.rows).tolist()
        of = len(found.every) if self.table is None else len(found.gone.rows)
        before = found.plan
        lost = before.lost + max(before.of - of, 0) if before else 0
        said = before.statistics if before else ""
        if self.statistics and not said:
            said = self.statistics.read_text(encoding="utf-8")
            statistics_without(said.encode(), 0)  # what cannot be changed later is told now
        return Plan(sorted(found.gone.samples), rows, of, lost, said)

    def drop(self, found: "_Found", plan: Plan) -> None:
        """Rewrite table and statistics."""
        if self.table is not None and found.gone.rows.any():
            filter_parquet(self.table, ~found.gone.rows)
        if plan.statistics and self.statistics:
            less = plan.lost + len(plan.samples if self.table is None else plan.rows)
            with instead(self.statistics) as target:
                target.write(statistics_without(plan.statistics.encode(), less))


@dataclass(frozen=True, slots=True)
class _Found:
    """every: keys of the samples. unclear: rows of the table that nothing tells."""

    every: frozenset[str]
    gone: Joined
    plan: Plan | None
    unclear: int = 0


@dataclass(frozen=True, slots=True)
class Tar:
    """A tar of samples, with its table beside it where there is one."""

    path: Path
    table: Path | None
    statistics: Path | None

    @property
    def beside(self) -> Beside:
        return Beside(self.path, self.table, self.statistics)

    def look(self, retracted: Retracted) -> Looked:
        found, unclear = self._find(retracted)
        looked = self.beside.looked(found, len(unclear - found.gone.samples))
        return replace(looked, drop=partial(self._drop, found))

    def _drop(self, found: _Found) -> None:
        plan = self.beside.plan(found)
        with plan.kept(self.path):
            if found.gone.samples:
                with self.path.open("rb") as source, instead(self.path) as target:
                    write_tar_without(source, target, found.gone.samples)
            self.beside.drop(found, plan)

    def _find(self, retracted: Retracted) -> tuple[_Found, frozenset[str]]:
        with self.path.open("rb") as file:
            own = tar_keys(file, retracted)
        return self.beside.find(own.every, own.gone, retracted), own.untold


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of samples as files, the files of one alike but for their endings.

    files: by key. silent: keys of files that hold no rows as a rule, and are not named where they
    tell nothing. table: as img2dataset writes it beside the folder. links: by file, the links in
    the copy that lead to it.
    """

    path: Path
    files: Mapping[str, Sequence[Path]]
    silent: frozenset[str]
    table: Path | None
    statistics: Path | None
    links: Mapping[Path, Sequence[Path]]

    @property
    def beside(self) -> Beside:
        return Beside(self.path, self.table, self.statistics)

    def look(self, retracted: Retracted) -> Looked:
        found, unclear = self._find(retracted)
        looked = self.beside.looked(found, 0)
        strays = [p for key in sorted(unclear - found.gone.samples) for p in self._there(key)]
        told = [*looked.untold, *(Untold(path, "of no kind that is known here") for path in strays)]
        return replace(looked, untold=told, drop=partial(self._drop, found))

    def _drop(self, found: _Found) -> None:
        plan = self.beside.plan(found)
        with plan.kept(self.path):
            for path in [p for key in plan.samples for p in self._there(key)]:
                file = path.resolve()
                for link in (*self.links.get(file, ()), path, file):
                    link.unlink(missing_ok=True)
            self.beside.drop(found, plan)

    def _there(self, key: str) -> list[Path]:
        return [path for path in self.files[key] if path.exists()]

    def _find(self, retracted: Retracted) -> tuple[_Found, frozenset[str]]:
        gone, unclear = set[str](), set[str]()
        for key in self.files:
            files = self._there(key)
            texts = {p.name: p.read_bytes() for p in files if _may_tell(p)}
            told = told_beside(texts)
            if not retracted.stays(told, map(_digest, files)):
                gone.add(key)
            elif not told.tells and not any(is_image(p.name) for p in files):
                unclear |= {key} - self.silent
        every = [key for key in self.files if key not in self.silent and self._there(key)]
        every += gone & self.silent
        return self.beside.find(every, gone, retracted), frozenset(unclear)


def _may_tell(path: Path) -> bool:
    return path.suffix.lower() == ".json" and path.stat().st_size <= JSON_BYTES


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
