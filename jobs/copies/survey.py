"""What a copy holds: units with rows, files that only tell of rows, and what nobody can tell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.copies.files import plan_of
from jobs.copies.kinds import (
    ABOUT,
    PARQUET,
    STATISTICS,
    TAR,
    is_silent,
    kind_of,
    samples_of,
    tells_of,
)
from jobs.copies.links import Links
from jobs.copies.samples import KEY, Folder, Tar
from jobs.copies.tables import INFO, STATE, Saved, Table
from jobs.copies.units import Unit, Untold
from jobs.copies.walk import Place, Walk
from pipeline.copies.keys import NO_SAMPLE
from pipeline.copies.tables import is_about, telling
from schemas.errors import SchemaError, UsageError

TANGLED = (
    "nobody can say which table and statistics are of which samples here: keep one of each, or copy"
    " it with links followed, and try there"
)
NO_SUBJECT = "the plan of a run that broke off, of a file that is not there: delete it"


@dataclass(slots=True)
class Found:
    """A copy as it stands. leftovers: parts of files that a run which broke off has left."""

    units: list[Unit] = field(default_factory=list)
    untold: list[Untold] = field(default_factory=list)
    about: list[Path] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)


def survey(copy: Path) -> Found:
    """Return the files of a copy, as units; links are followed. Raises UsageError for no folder."""
    if not copy.is_dir():
        raise UsageError(f"expected the folder of a copy, found none at {copy}")
    walk = Walk.through(copy)
    places = list(walk.places.values())
    found = Found(untold=walk.untold, leftovers=walk.leftovers)
    names = _names(places)
    for place in places:
        _sort(place, walk.quiet, found)
    links = Links(names)
    joins = _joins(places, walk, found)
    _add_tars(places, joins, found)
    for place in places:
        if place.samples or place.plans or place.path.resolve() in joins.table:
            _add_folder(place, walk.places.get(place.path.parent), joins, links, found)
    found.units.sort(key=lambda unit: unit.path)
    found.untold.sort(key=lambda one: one.path)
    return found


# --- links


def _names(places: Iterable[Place]) -> dict[Path, list[Path]]:
    """Return the names of files that have several, or a link; drop names that say nothing.

    The cache of a hub holds blobs without endings, and links to them that say what they are.
    """
    known: dict[Path, list[tuple[Path, Place]]] = {}
    for place in places:
        for path in place.files.values():
            known.setdefault(path.resolve(), []).append((path, place))
    names: dict[Path, list[Path]] = {}
    for file, those in known.items():
        links = [path for path, _ in those if path.is_symlink()]
        for path, place in those:
            if links and not path.is_symlink() and not path.suffix:
                del place.files[path.name]
            elif links:
                names.setdefault(file, []).append(path)
    return names


# --- what each file is


def _sort(place: Place, quiet: set[Path], found: Found) -> None:
    """Say of each file in a folder what it is."""
    names = place.files
    saved = set[str]()
    if {STATE, INFO} <= names.keys():
        unit = Saved(place.path)
        try:
            saved = {STATE, INFO, *(path.name for path in unit.files())}
            found.units.append(unit)
        except (SchemaError, OSError) as e:
            found.untold.append(Untold(place.path, str(e), is_mute=True))
    others: list[Path] = []
    for name, path in names.items():
        if name in saved:
            continue
        found.about += [path] if name in ABOUT else []
        try:
            kind = kind_of(path)
            silent = not kind and (path in quiet or is_silent(path) or tells_of(path, names))
        except OSError as e:
            why = f"cannot be read: {e.strerror or e}"
            found.untold.append(Untold(path, why, is_mute=True))
            continue
        if kind == TAR:
            place.tars.append(path)
        elif kind == PARQUET:
            place.tables.append(path)
        elif silent:
            key = f"{NO_SAMPLE}{name}"
            place.samples[key] = [path]
            place.silent.add(key)
        else:
            others.append(path)
    samples, place.roots = samples_of(others)
    place.samples |= samples


# --- samples and the tables beside them


@dataclass(frozen=True, slots=True)
class _Joins:
    """table: by tar or folder of samples, links resolved, the table that describes it.

    tangled: tars, folders and tables, links resolved, of which nobody can say so.
    """

    table: dict[Path, Path] = field(default_factory=dict)
    tangled: set[Path] = field(default_factory=set)

    @classmethod
    def of(cls, pairs: list[tuple[Path, Path]]) -> "_Joins":
        """Return what belongs together. pairs: of samples and a table beside them."""
        joins = cls()
        owner: dict[Path, Path] = {}
        for samples, table in pairs:
            own, described = samples.resolve(), table.resolve()
            first = joins.table.setdefault(own, table)
            if first.resolve() != described or owner.setdefault(described, own) != own:
                joins.tangled.update((own, described))
        while (
            more := {
                one
                for samples, table in pairs
                for one in (samples.resolve(), table.resolve())
                if not joins.tangled.isdisjoint((samples.resolve(), table.resolve()))
            }
            - joins.tangled
        ):
            joins.tangled.update(more)
        return joins


def _joins(places: Sequence[Place], walk: Walk, found: Found) -> _Joins:
    """Return which tables describe which samples; add all others."""
    pairs: list[tuple[Path, Path]] = []
    others: list[tuple[Path, pa.Schema]] = []
    # Where samples are also in folders inside of one, no key says in which.
    above = {folder for p in places if p.samples.keys() - p.silent for folder in p.path.parents}
    for place in places:
        own_here = set[Path]()
        for path in place.tables:
            schema = _schema(path)
            if isinstance(schema, Untold):
                found.untold.append(schema)
                continue
            own = _described(path, schema, place, walk, above)
            if not own or not own_here.isdisjoint(own):
                others.append((path, schema))
            else:
                own_here.update(own)
                pairs += [(samples, path) for samples in own]
    joins = _Joins.of(pairs)
    seen = {table.resolve() for _, table in pairs}
    for path in {table for _, table in pairs if table.resolve() in joins.tangled}:
        found.untold.append(Untold(path, TANGLED, is_mute=True))
    for path, schema in others:
        if path.resolve() not in seen:
            seen.add(path.resolve())
            _add_table(path, schema, found, is_quiet=path in walk.quiet)
    return joins


def _described(
    table: Path, schema: pa.Schema, place: Place, walk: Walk, above: set[Path]
) -> list[Path]:
    """Return the tar and the folder that a table is of, by its name: one of them as a rule.

    above: folders with samples in folders inside.
    """
    if table.suffix.lower() != PARQUET:
        return []
    own = [path for path in place.tars if path.stem == table.stem][:1]
    under = walk.places.get(place.path / table.stem)
    if under is not None and KEY in schema.names and under.path not in above:
        has_samples = under.samples.keys() - under.silent or plan_of(under.path) in under.plans
        own += [under.path] if has_samples or not own else []
    return own


def _add_tars(places: Iterable[Place], joins: _Joins, found: Found) -> None:
    known: dict[Path, list[tuple[Path, Place]]] = {}
    for place in places:
        for path in place.tars:
            known.setdefault(path.resolve(), []).append((path, place))
        known_plans = {plan_of(path) for path in (place.path, *place.tars)}
        found.untold += [Untold(path, NO_SUBJECT) for path in place.plans - known_plans]
    for file, those in known.items():
        said = {s.resolve(): s for path, place in those if (s := _statistics(place, path.stem))}
        if file in joins.tangled or len(said) > 1:
            found.untold += [Untold(path, TANGLED, is_mute=True) for path, _ in those]
            continue
        path = min(path for path, _ in those)
        found.units.append(Tar(path, joins.table.get(file), next(iter(said.values()), None)))


def _add_folder(
    place: Place, above: Place | None, joins: _Joins, links: Links, found: Found
) -> None:
    file = place.path.resolve()
    if file in joins.tangled:
        found.untold.append(Untold(place.path, TANGLED, is_mute=True))
        return
    table = joins.table.get(file)
    stats = _statistics(above, place.path.name) if above and table else None
    silent = frozenset(place.silent)
    found.units.append(Folder(place.path, place.samples, place.roots, silent, table, stats, links))


def _statistics(place: Place, stem: str) -> Path | None:
    return place.files.get(f"{stem}{STATISTICS}")


def _add_table(path: Path, schema: pa.Schema, found: Found, *, is_quiet: bool) -> None:
    try:
        tells = telling(schema)
    except SchemaError as e:
        found.untold.append(Untold(path, str(e), is_mute=True))
        return
    if tells:
        found.units.append(Table(path))
    elif not is_quiet and not is_about(schema) and pq.read_metadata(path).num_rows:
        found.untold.append(Untold(path, "nothing there tells its rows", is_mute=True))


def _schema(path: Path) -> pa.Schema | Untold:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError, ValueError) as e:
        return Untold(path, f"no Parquet file that can be read: {e}", is_mute=True)
