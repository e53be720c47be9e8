"""What a copy holds: units with rows, files that only tell of rows, and what nobody can tell."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

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
from jobs.copies.links import Links, is_text
from jobs.copies.samples import KEY, Folder, Tar
from jobs.copies.tables import INFO, STATE, Saved, Table
from jobs.copies.units import Unit, Untold
from jobs.copies.walk import Place, Walk
from pipeline.copies.tables import is_about, telling
from schemas.errors import SchemaError, UsageError

TANGLED = "joined to other files under another link: copy it with links followed, and try there"
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
    links = Links(names, _ties(places, names))
    joins = _joins(places, walk, found)
    _add_tars(places, joins, found)
    for place in places:
        if place.samples or "" in place.plans:
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


def _ties(places: Iterable[Place], names: dict[Path, list[Path]]) -> dict[Path, list[Path]]:
    """Return the files of all samples that hold an image, by image that has several names."""
    ties: dict[Path, list[Path]] = {}
    for place in places if names else ():
        for paths in place.samples.values():
            for path in paths:
                file = path.resolve()
                if len(names.get(file, ())) > 1 and not is_text(path):
                    ties.setdefault(file, []).extend(paths)
    return ties


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
            found.untold.append(Untold(place.path, str(e)))
    others: list[Path] = []
    for name, path in names.items():
        if name in saved:
            continue
        found.about += [path] if name in ABOUT else []
        try:
            kind = kind_of(path)
        except OSError as e:
            found.untold.append(Untold(path, f"cannot be read: {e.strerror or e}"))
            continue
        if kind == TAR:
            place.tars.append(path)
        elif kind == PARQUET:
            place.tables.append(path)
        elif path in quiet or is_silent(path) or tells_of(path, names):
            place.samples[name] = [path]
            place.silent.add(name)
        else:
            others.append(path)
    for key, paths in samples_of(others).items():
        place.samples.setdefault(key, []).extend(paths)
        place.silent.discard(key)


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


def _joins(places: Iterable[Place], walk: Walk, found: Found) -> _Joins:
    """Return which tables describe which samples; add all others."""
    pairs: list[tuple[Path, Path]] = []
    others: list[tuple[Path, pa.Schema]] = []
    for place in places:
        own_here = set[Path]()
        for path in place.tables:
            schema = _schema(path)
            if isinstance(schema, Untold):
                found.untold.append(schema)
                continue
            own = _described(path, schema, place, walk)
            if own is None or own in own_here:
                others.append((path, schema))
            else:
                own_here.add(own)
                pairs.append((own, path))
    joins = _Joins.of(pairs)
    seen = {table.resolve() for _, table in pairs}
    for path in (table for _, table in pairs if table.resolve() in joins.tangled):
        found.untold.append(Untold(path, TANGLED))
    for path, schema in others:
        if path.resolve() not in seen:
            seen.add(path.resolve())
            _add_table(path, schema, found, is_quiet=path in walk.quiet)
    return joins


def _described(table: Path, schema: pa.Schema, place: Place, walk: Walk) -> Path | None:
    if table.suffix.lower() != PARQUET:
        return None
    for path in place.tars:
        if path.stem == table.stem:
            return path
    under = walk.places.get(place.path / table.stem)
    has_samples = under is not None and (under.samples.keys() - under.silent or "" in under.plans)
    return under.path if under and has_samples and KEY in schema.names else None


def _add_tars(places: Iterable[Place], joins: _Joins, found: Found) -> None:
    known: dict[Path, list[tuple[Path, Place]]] = {}
    for place in places:
        for path in place.tars:
            known.setdefault(path.resolve(), []).append((path, place))
        for name in place.plans.keys() - {""} - {path.name for path in place.tars}:
            found.untold.append(Untold(place.plans[name], NO_SUBJECT))
    for file, those in known.items():
        if file in joins.tangled:
            found.untold += [Untold(path, TANGLED) for path, _ in those]
            continue
        said = [s for path, place in those if (s := _statistics(place, path.stem))]
        path = min(path for path, _ in those)
        found.units.append(Tar(path, joins.table.get(file), said[0] if said else None))


def _add_folder(
    place: Place, above: Place | None, joins: _Joins, links: Links, found: Found
) -> None:
    file = place.path.resolve()
    if file in joins.tangled:
        found.untold.append(Untold(place.path, TANGLED))
        return
    table = joins.table.get(file)
    stats = _statistics(above, place.path.name) if above and table else None
    silent = frozenset(place.silent)
    found.units.append(Folder(place.path, place.samples, silent, table, stats, links))


def _statistics(place: Place, stem: str) -> Path | None:
    return place.files.get(f"{stem}{STATISTICS}")


def _add_table(path: Path, schema: pa.Schema, found: Found, *, is_quiet: bool) -> None:
    try:
        tells = telling(schema)
    except SchemaError as e:
        found.untold.append(Untold(path, str(e)))
        return
    if tells:
        found.units.append(Table(path))
    elif not is_quiet and not is_about(schema):
        found.untold.append(Untold(path, "nothing there tells its rows"))


def _schema(path: Path) -> pa.Schema | Untold:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as e:
        return Untold(path, f"no Parquet file that can be read: {e}")
