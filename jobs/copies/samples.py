"""Samples of a copy as files of their own, in tars or folders, and the table beside them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.copies.files import Plan, instead, plan_of
from jobs.copies.links import Links, head_of
from jobs.copies.tables import filter_parquet, judged
from jobs.copies.units import Looked, Untold, going, untold
from pipeline.copies.counts import statistics_without
from pipeline.copies.samples import Joined, Samples, join, told_beside
from pipeline.copies.tables import Judged, telling
from pipeline.copies.tars import digest_without, samples_in, write_tar_without
from pipeline.retracted import Retracted, is_json, is_picture
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError

KEY = "key"
JSON_BYTES = 16 << 20
UNTOLD_SAMPLES = "samples without image, uid or digest"
LISTS = "a file that tells of several rows, of which some were taken back"
NO_FIT = "the plan of a run that broke off, of other files than there are: delete it"

DigestWithout = Callable[[AbstractSet[str]], str]
"""Gives a digest of the samples there, but for those of some keys."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What img2dataset writes beside the samples of a shard: a table of its rows, statistics.

    Either is null where there is none. at: the path of the samples, by which a plan is kept.
    """

    at: Path
    table: Path | None
    statistics: Path | None

    def find(
        self,
        samples: Samples,
        retracted: Retracted,
        digest_of_others: DigestWithout,
        also: AbstractSet[str] = frozenset(),
    ) -> "_Found":
        """Return what goes, by what either samples or table tell, or by the plan of a run.

        also: keys of samples that go in any case.
        """
        keys, rows, unclear = self._rows(retracted)
        plan, told = self._plan(keys, digest_of_others)
        said, more = self._said()
        is_old = plan is not None and keys is not None and _digest_of(keys) == plan.keys
        positions = plan.rows if plan and is_old else ()
        planned = also | frozenset(plan.samples if plan else ())
        joined = join(samples, keys or [None] * len(rows.keep), rows, (planned, positions))
        return _Found(samples, keys, joined, plan, said, unclear, [*told, *more])

    def _rows(self, retracted: Retracted) -> tuple[list[str | None] | None, Judged, int]:
        """Return keys of the table's rows, null for no such column; what is known, and is not."""
        if self.table is None:
            return None, Judged.nothing(0), 0
        with pq.ParquetFile(self.table) as file:
            tells, count = bool(telling(file.schema_arrow)), file.metadata.num_rows
            has_keys = KEY in file.schema_arrow.names
            keys = file.read(columns=[KEY])[KEY] if has_keys else None
        rows = judged(self.table, retracted)
        if keys is None:
            return None, rows, rows.untold if tells else count
        if not pa.types.is_string(keys.type):
            keys = keys.cast(pa.string())
        return keys.to_pylist(), rows, 0

    def _plan(
        self, keys: Sequence[str | None] | None, digest_of_others: DigestWithout
    ) -> tuple[Plan | None, list[Untold]]:
        """Return the plan of a run that broke off, where it is of the files that are there."""
        place = plan_of(self.at)
        try:
            plan = Plan.read(self.at)
        except SchemaError as e:
            return None, [Untold(place, str(e))]
        if plan is None:
            return None, []
        is_of_samples = plan.left == digest_of_others(frozenset(plan.samples))
        if is_of_samples and _digest_of(keys) in (plan.keys, plan.keys_left):
            return plan, []
        return None, [Untold(place, NO_FIT)]

    def _said(self) -> tuple[str, list[Untold]]:
        """Return the statistics, "" for none that could be changed."""
        if self.statistics is None or not self.statistics.exists():
            return "", []
        try:
            said = self.statistics.read_bytes()
            statistics_without(said, 0)
            return said.decode(), []
        except (SchemaError, ValueError, OSError) as e:
            return "", [Untold(self.statistics, str(e))]

    def looked(self, found: "_Found", unclear: int) -> Looked:
        """Return how many rows go out of the samples and out of the table beside them."""
        gone = going(self.at, len(found.gone.samples), len(found.samples.every))
        told = [*untold(self.at, unclear, UNTOLD_SAMPLES), *found.untold]
        if self.table is not None:
            gone += going(self.table, int(found.gone.rows.sum()), len(found.gone.rows))
            told += untold(self.table, found.unclear, "rows that nothing tells")
        return Looked(gone, told, found.gone.evidence, is_unfinished=found.plan is not None)

    def plan(self, found: "_Found", digest_of_others: DigestWithout) -> Plan:
        """Return what has to be done in all of the files."""
        gone, before = found.gone, found.plan
        of = len(found.samples.every) if self.table is None else len(gone.rows)
        stay = None if found.keys is None else list(compress(found.keys, ~gone.rows))
        return Plan(
            samples=sorted(gone.samples),
            rows=np.flatnonzero(gone.rows).tolist(),
            of=of,
            lost=before.lost + max(before.of - of, 0) if before else 0,
            statistics=(before.statistics if before else "") or found.statistics,
            left=digest_of_others(gone.samples),
            keys=_digest_of(found.keys),
            keys_left=_digest_of(stay),
        )

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
    """keys: of the table's rows. statistics: as they are. unclear: rows that nothing tells."""

    samples: Samples
    keys: Sequence[str | None] | None
    gone: Joined
    plan: Plan | None
    statistics: str
    unclear: int
    untold: list[Untold]


def _digest_of(keys: Sequence[str | None] | None) -> str:
    if keys is None:
        return ""
    return sha256_hex("\0".join(key or "" for key in keys).encode(errors="surrogatepass"))


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
        with self.path.open("rb") as file:
            samples = samples_in(file, retracted)
        found = self.beside.find(samples, retracted, self._digest_without)
        looked = self.beside.looked(found, len(samples.untold - found.gone.samples))
        lists = untold(self.path, len(found.gone.lists), LISTS)
        told = [*looked.untold, *lists]
        return replace(looked, untold=told, drop=partial(self._drop, found))

    def _drop(self, found: _Found) -> None:
        plan = self.beside.plan(found, self._digest_without)
        with plan.kept(self.path):
            if found.gone.samples:
                with self.path.open("rb") as source, instead(self.path) as target:
                    write_tar_without(source, target, found.gone.samples)
            self.beside.drop(found, plan)

    def _digest_without(self, keys: AbstractSet[str]) -> str:
        with self.path.open("rb") as file:
            return digest_without(file, keys)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of samples as files, those of one named alike.

    files: by key. silent: keys of files that hold no rows as a rule, and are not named where they
    tell nothing. table: as img2dataset writes it beside the folder.
    """

    path: Path
    files: Mapping[str, Sequence[Path]]
    silent: frozenset[str]
    table: Path | None
    statistics: Path | None
    links: Links

    @property
    def beside(self) -> Beside:
        return Beside(self.path, self.table, self.statistics)

    def look(self, retracted: Retracted) -> Looked:
        samples, unread = self._samples(retracted)
        found = self.beside.find(samples, retracted, self._digest_without)
        while more := self._tied_to(found.gone.samples) & samples.every:
            also = found.gone.samples | more
            found = self.beside.find(samples, retracted, self._digest_without, also)
        looked = self.beside.looked(found, 0)
        strays = sorted(samples.untold - found.gone.samples)
        told = [*looked.untold, *unread]
        told += [Untold(p, "of no kind that is known here") for k in strays for p in self._there(k)]
        told += [Untold(p, LISTS) for k in sorted(found.gone.lists) for p in self._there(k)]
        return replace(looked, untold=told, drop=partial(self._drop, found))

    def _drop(self, found: _Found) -> None:
        plan = self.beside.plan(found, self._digest_without)
        with plan.kept(self.path):
            for key in plan.samples:
                self.links.remove(self._there(key))
            self.beside.drop(found, plan)

    def _tied_to(self, keys: AbstractSet[str]) -> set[str]:
        """Return the keys of other samples that hold an image of some."""
        if not self.links.ties:
            return set()
        files = {path.resolve() for key in keys for path in self.files.get(key, ())}
        tied = {path for file in files for path in self.links.ties.get(file, ())}
        return {k for k, paths in self.files.items() if not tied.isdisjoint(paths)} - keys

    def _there(self, key: str) -> list[Path]:
        return [path for path in self.files.get(key, ()) if path.exists()]

    def _samples(self, retracted: Retracted) -> tuple[Samples, list[Untold]]:
        samples, unread = Samples(), list[Untold]()
        for key in self.files:
            files = self._there(key)
            try:
                told = told_beside({p.name: p.read_bytes() for p in files if _may_tell(p)})
                digests = [_digest(path) for path in files]
                has_image = any(is_picture(path.name, head_of(path)) for path in files)
            except OSError as e:
                unread += [Untold(p, f"cannot be read: {e.strerror or e}") for p in files]
                continue
            if files and (key not in self.silent or retracted.hits(told, digests)):
                samples.add(key, told, digests, retracted, is_pictured=has_image)
        return samples, unread

    def _digest_without(self, keys: AbstractSet[str]) -> str:
        """Return a digest of names and sizes of the files of all other samples."""
        left = hashlib.sha256()
        for key in sorted(self.files.keys() - keys - self.silent):
            for path in sorted(self._there(key)):
                left.update(
                    f"{path.name}\0{path.stat().st_size}\n".encode(errors="surrogateescape")
                )
        return left.hexdigest()


def _may_tell(path: Path) -> bool:
    return is_json(path.name) and path.stat().st_size <= JSON_BYTES


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
