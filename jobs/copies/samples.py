"""Samples of a copy as files of their own, in tars or folders, and the table beside them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.copies.files import Plan, instead, plan_of, quoted
from jobs.copies.links import Links, head_of
from jobs.copies.tables import CHANGED, filter_parquet, judged_in
from jobs.copies.units import Looked, Untold, going, untold
from pipeline.copies.counts import statistics_without
from pipeline.copies.samples import File, Joined, Samples, is_text, join, told_beside
from pipeline.copies.tables import STATUS, Flags, Judged, is_failed
from pipeline.copies.tars import digest_without, samples_in, write_tar_without
from pipeline.retracted import HEAD_BYTES, JSON_BYTES, Retracted, is_json
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError

KEY, ERROR = "key", "error_message"
UNTOLD_SAMPLES = "samples without image, uid or digest"
UNREAD = "samples with JSON that cannot be read"
UNMET = "rows that fit no sample by their key, and tell nothing"
LISTS = "a file that tells of several rows, of which some were taken back"
LONG = f"longer than {JSON_BYTES:,} bytes, and so not read"
NO_FIT = "the plan of a run that broke off, of other files than there are: delete it"

DigestWithout = Callable[[AbstractSet[str]], str]
"""Gives a digest of the samples there, but for those of some keys."""
Remove = Callable[[AbstractSet[str]], None]
"""Removes the samples of some keys."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Samples with what img2dataset writes beside them: a table of its rows, statistics.

    Either is null where there is none. at: the path of the samples, by which a plan is kept.
    """

    at: Path
    table: Path | None
    statistics: Path | None
    digest_without: DigestWithout
    remove: Remove

    def find(
        self, samples: Samples, retracted: Retracted, also: AbstractSet[str] = frozenset()
    ) -> "FoundInShard":
        """Return what goes, by what either samples or table tell, or by the plan of a run.

        also: keys of samples that go in any case.
        """
        keys, rows = self._rows(retracted)
        plan, told = self._plan(samples, keys)
        positions = plan.rows if plan and self._is_old(plan) else ()
        planned = also | (plan.going if plan else frozenset())
        joined = join(samples, keys or [None] * len(rows.keep), rows, (planned, positions))
        return FoundInShard(samples, keys, joined, plan, told)

    def _rows(self, retracted: Retracted) -> tuple[list[str | None] | None, Judged]:
        """Return keys of the table's rows, null for no such column; what is known of each."""
        if self.table is None:
            return None, Judged.nothing(0)
        with pq.ParquetFile(self.table) as file:
            rows = judged_in(file, retracted)
            if KEY not in file.schema_arrow.names:
                return None, rows
            keys = file.read(columns=[KEY])[KEY]
        return (keys if pa.types.is_string(keys.type) else keys.cast(pa.string())).to_pylist(), rows

    def _plan(
        self, samples: Samples, keys: Sequence[str | None] | None
    ) -> tuple[Plan | None, list[Untold]]:
        """Return the plan of a run that broke off, where it is of the files that are there."""
        place = plan_of(self.at)
        try:
            plan = Plan.read(self.at)
        except SchemaError as e:
            return None, [Untold(place, str(e))]
        if plan is None:
            return None, []
        is_of_samples = plan.is_of(samples.bodies) and plan.left == self.digest_without(plan.going)
        if is_of_samples and (self._is_old(plan) or self._digest_of(keys) == plan.keys):
            return plan, []
        return None, [Untold(place, NO_FIT)]

    def _is_old(self, plan: Plan) -> bool:
        """Say whether the table is as it was before the run that broke off."""
        return plan.table == (_digest(self.table) if self.table else "")

    def _digest_of(self, keys: Sequence[str | None] | None) -> str:
        if self.table is None:
            return ""
        said = f"{pq.read_metadata(self.table).num_rows}" if keys is None else _joined(keys)
        return sha256_hex(said.encode(errors="surrogatepass"))

    def _said(self) -> tuple[bytes, list[Untold]]:
        """Return the statistics, nothing for none that could be changed."""
        if self.statistics is None or not self.statistics.exists():
            return b"", []
        try:
            said = self.statistics.read_bytes()
            statistics_without(said, 0, 0)
        except (SchemaError, OSError) as e:
            return b"", [Untold(self.statistics, str(e))]
        return said, []

    def looked(
        self, found: "FoundInShard", unclear: Sequence[Untold], drop: Callable[[], None]
    ) -> Looked:
        """Return how many rows go out of the samples and out of the table beside them."""
        gone = going(self.at, len(found.gone.samples), len(found.samples.every))
        told = [*unclear, *found.untold, *self._said()[1]]
        if self.table is not None:
            gone += going(self.table, int(found.gone.rows.sum()), len(found.gone.rows))
            told += untold(self.table, found.gone.unmet, UNMET)
        return Looked(gone, told, found.gone.evidence, found.plan is not None, drop)

    def plan(self, found: "FoundInShard") -> Plan:
        """Return what has to be done in all of the files.

        Raises SchemaError where the table has changed since it was read.
        """
        gone, said = found.gone, self._said()[0]
        before = _digest(self.table) if self.table else ""
        if self.table and pq.read_metadata(self.table).num_rows != len(gone.rows):
            raise SchemaError(CHANGED)
        samples, rows = len(gone.samples), int(gone.rows.sum())
        counted, failed = rows if self.table else samples, self._failed(gone.rows) if said else []
        less = statistics_without(said, counted, samples, failed) if said else None
        stay = None if found.keys is None else list(compress(found.keys, ~gone.rows))
        after = _joined(stay) if stay is not None else f"{len(gone.rows) - rows}"
        return Plan(
            samples={quoted(key): sorted(found.samples.bodies[key]) for key in gone.samples},
            left=self.digest_without(gone.samples),
            rows=np.flatnonzero(gone.rows).tolist(),
            table=before,
            keys=sha256_hex(after.encode(errors="surrogatepass")) if self.table else "",
            statistics=less.decode() if less is not None else None,
        )

    def _failed(self, rows: Flags) -> list[tuple[str, str]]:
        """Return status and error of those of some rows that were never fetched."""
        if self.table is None or not rows.any():
            return []
        with pq.ParquetFile(self.table) as file:
            if not {STATUS, ERROR} <= {*file.schema_arrow.names}:
                return []
            said = file.read(columns=[STATUS, ERROR]).filter(pa.array(rows))
        pairs = zip(said[STATUS].to_pylist(), said[ERROR].to_pylist(), strict=True)
        return [(state, str(why)) for state, why in pairs if is_failed(state)]

    def follow(self, plan: Plan, of: int) -> None:
        """Do what a plan says, and remove it. of: how many rows the table has."""
        with plan.kept(self.at):
            if plan.samples:
                self.remove(plan.going)
            if self.table is not None and plan.rows and self._is_old(plan):
                keep = np.ones(of, bool)
                keep[plan.rows] = False
                filter_parquet(self.table, keep)
            if plan.statistics is not None and self.statistics:
                with instead(self.statistics) as target:
                    target.write(plan.statistics.encode())

    def drop(self, found: "FoundInShard", look: Callable[[], Looked]) -> None:
        """Drop what goes. look: again, once the plan of a run that broke off was followed."""
        if found.plan is None:
            self.follow(self.plan(found), len(found.gone.rows))
            return
        self.follow(found.plan, len(found.gone.rows))
        again = look()
        if again.going and again.drop:
            again.drop()


@dataclass(frozen=True, slots=True)
class FoundInShard:
    """What is known of a shard. keys: of the table's rows."""

    samples: Samples
    keys: Sequence[str | None] | None
    gone: Joined
    plan: Plan | None
    untold: Sequence[Untold]


def _joined(keys: Sequence[str | None]) -> str:
    return "\0".join(key or "" for key in keys)


@dataclass(frozen=True, slots=True)
class Tar:
    """A tar of samples, with its table beside it where there is one."""

    path: Path
    table: Path | None
    statistics: Path | None

    def look(self, retracted: Retracted) -> Looked:
        with self.path.open("rb") as file:
            samples = samples_in(file, retracted)
        shard = Shard(self.path, self.table, self.statistics, self._digest_without, self._remove)
        found = shard.find(samples, retracted)
        gone = found.gone.samples
        unsaid = samples.untold - gone
        is_mute = not samples.strange.isdisjoint(unsaid)
        unclear = untold(self.path, len(unsaid), UNTOLD_SAMPLES, is_mute=is_mute)
        unclear += untold(self.path, len(samples.unread - samples.untold - gone), UNREAD)
        unclear += untold(self.path, len(found.gone.lists), LISTS)
        drop = partial(shard.drop, found, partial(self.look, retracted))
        return shard.looked(found, unclear, drop)

    def _remove(self, keys: AbstractSet[str]) -> None:
        with self.path.open("rb") as source, instead(self.path) as target:
            write_tar_without(source, target, keys)

    def _digest_without(self, keys: AbstractSet[str]) -> str:
        with self.path.open("rb") as file:
            return digest_without(file, keys)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of samples as files, those of one named alike.

    files: by key. roots: by key of a sample with an image, that of another which it may belong to.
    silent: keys of files that hold no rows as a rule, and are not named where they tell nothing.
    table: as img2dataset writes it beside the folder.
    """

    path: Path
    files: Mapping[str, Sequence[Path]]
    roots: Mapping[str, str]
    silent: frozenset[str]
    table: Path | None
    statistics: Path | None
    links: Links

    def look(self, retracted: Retracted) -> Looked:
        samples, unclear = self._samples(retracted)
        shard = Shard(self.path, self.table, self.statistics, self._digest_without, self._remove)
        found = shard.find(samples, retracted)
        if more := self._more(samples, found.gone):
            found = shard.find(samples, retracted, more)
        gone = found.gone.samples
        for keys, why in (
            (samples.untold - gone, "of no kind that is known here"),
            (samples.unread - samples.untold - gone, UNREAD),
            (found.gone.lists, LISTS),
        ):
            for path in (path for key in sorted(keys) for path in self._there(key)):
                unclear.append(Untold(path, why, is_mute=not is_text(path.name)))
        drop = partial(shard.drop, found, partial(self.look, retracted))
        return shard.looked(found, unclear, drop)

    def _more(self, samples: Samples, gone: Joined) -> set[str]:
        """Return keys of images that are called as one that goes by what is told of it."""
        return {
            key
            for key, root in self.roots.items()
            if root in gone.by_told and not samples.is_named(key) and key not in gone.samples
        }

    def _remove(self, keys: AbstractSet[str]) -> None:
        for key in sorted(keys):
            # Images first, while something still says that they go.
            self.links.remove(sorted(self._there(key), key=lambda path: is_text(path.name)))

    def _there(self, key: str) -> list[Path]:
        return [path for path in self.files.get(key, ()) if path.exists()]

    def _samples(self, retracted: Retracted) -> tuple[Samples, list[Untold]]:
        samples, unread = Samples(), list[Untold]()
        for key in self.files:
            files = self._there(key)
            texts = [path for path in files if is_json(path.name)]
            try:
                long = {path for path in texts if path.stat().st_size > JSON_BYTES}
                told = told_beside({p.name: p.read_bytes() for p in texts if p not in long})
                known = [File.of(p.name, head_of(p, HEAD_BYTES), _digest(p)) for p in files]
            except OSError as e:
                why = f"cannot be read: {e.strerror or e}"
                unread += [Untold(path, why, is_mute=True) for path in files]
                continue
            unread += [Untold(path, LONG) for path in sorted(long)]
            digests = [file.digest for file in known]
            if files and (key not in self.silent or retracted.hits(told, digests)):
                samples.add(key, told, known, retracted)
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


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
