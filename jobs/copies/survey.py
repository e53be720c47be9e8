"""What a copy holds: units with rows, files that only tell of rows, and what nobody can tell."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.copies.files import OWN, PART
from jobs.copies.samples import KEY, Folder, Tar
from jobs.copies.tables import INFO, STATE, Saved, Table
from jobs.copies.units import Unit, Untold
from pipeline.retract import is_about, telling
from pipeline.retracted import is_image
from schemas.errors import SchemaError, UsageError

MANIFEST = "manifest.json"
ABOUT = {MANIFEST, "report.html"}
"""Files of a release that tell of rows, and are not rewritten: take those of the new release."""
OF_RELEASE = ("ledger", "evidence")
"""Folders of a release that tell of rows which are not inside, and of the world outside."""
PROSE = {"", ".md", ".txt", ".rst"}
SILENT = {"license", "citation", "readme", "manifest.json.note", "retractions.parquet.note"}
SILENT |= {".gitattributes", ".gitignore", "cachedir.tag", "dataset_dict.json"}
"""Files that hold no rows; of some, with endings of PROSE."""
TEXTS = {".txt", ".json", ".caption", ".cls"}
"""Endings of files that belong to the image of the same name."""
STATISTICS = "_stats.json"
HUB = "/.cache/huggingface/"
GIT, GIT_CONTENT = ".git", "lfs"

TAR, PARQUET = ".tar", ".parquet"
TAR_MAGIC, TAR_MAGIC_AT, PARQUET_MAGIC = b"ustar", 257, b"PAR1"
HEAD_BYTES = 512


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
    found = Found()
    places = {place.path: place for place in _walk(copy, set(), found)}
    links = _once(places.values())
    for place in places.values():
        _sort(place, found)
    tables = _tables_beside(places, found)
    for place in places.values():
        for path in place.tars:
            stats = _statistics(place, path.stem)
            found.units.append(Tar(path, tables.get(path), stats))
        if place.samples:
            above, table = places.get(place.path.parent), tables.get(place.path)
            stats = _statistics(above, place.path.name) if above and table else None
            silent = frozenset(place.silent)
            found.units.append(Folder(place.path, place.samples, silent, table, stats, links))
    found.units.sort(key=lambda unit: unit.path)
    found.untold.sort(key=lambda one: one.path)
    return found


@dataclass(slots=True)
class _Place:
    """A folder of the copy, and its files by name; then what they are.

    is_quiet: it is of a release, and tells of rows that are not inside. silent: keys of files that
    hold no rows as a rule. Both are looked at all the same, and not named where they tell nothing.
    """

    path: Path
    files: dict[str, Path]
    is_quiet: bool
    tars: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    samples: dict[str, list[Path]] = field(default_factory=dict)  # files by key
    silent: set[str] = field(default_factory=set)


def _walk(folder: Path, seen: set[Path], found: Found, *, quiet: bool = False) -> Iterator[_Place]:
    """Yield the folders of a copy, each once, and note what nobody can look into."""
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    place = _Place(folder, {}, quiet)
    inside = []
    for path in _entries(folder, found):
        if path.name == GIT and path.is_dir():
            found.untold.append(Untold(path, "its history holds files as they were: clone it anew"))
            inside.append(path / GIT_CONTENT)
        elif path.is_dir():
            inside.append(path)
        elif path.name.startswith(OWN):
            found.leftovers += [path] if path.name.startswith(PART) else []
        elif path.is_file() and path.stat().st_size:
            place.files[path.name] = path
    yield place
    of_release = MANIFEST in place.files
    for path in filter(Path.is_dir, inside):
        hushed = quiet or (of_release and path.name in OF_RELEASE)
        yield from _walk(path, seen, found, quiet=hushed)


def _entries(folder: Path, found: Found) -> list[Path]:
    """Return what is in a folder, without links to nothing."""
    try:
        return sorted(path for path in folder.iterdir() if path.exists())
    except OSError as e:
        found.untold.append(Untold(folder, f"a folder that cannot be read: {e.strerror or e}"))
        return []


def _once(places: Iterable[_Place]) -> dict[Path, list[Path]]:
    """Leave each file in one folder, by the name that says most; return the links to each."""
    names: dict[Path, list[tuple[Path, _Place]]] = {}
    for place in places:
        for path in place.files.values():
            names.setdefault(path.resolve(), []).append((path, place))
    for known in names.values():
        known.sort(key=lambda one: (not one[0].suffix, str(one[0])))
        for path, place in known[1:]:
            del place.files[path.name]
    return {file: [p for p, _ in known if p.is_symlink()] for file, known in names.items()}


def _sort(place: _Place, found: Found) -> None:
    """Say of each file in a folder what it is."""
    names = place.files
    saved = set[str]()
    if {STATE, INFO} <= names.keys():
        unit = Saved(place.path)
        try:
            saved = {STATE, INFO, *(path.name for path in unit.files())}
            found.units.append(unit)
        except SchemaError as e:
            found.untold.append(Untold(place.path, str(e)))
    for name, path in names.items():
        if name in saved:
            continue
        found.about += [path] if name in ABOUT else []
        kind = _kind(path)
        if kind == TAR:
            place.tars.append(path)
        elif kind == PARQUET:
            place.tables.append(path)
        elif place.is_quiet or name in ABOUT or _is_silent(path) or _tells_of(path, names):
            place.samples[name] = [path]
            place.silent.add(name)
        else:
            joins = path.suffix.lower() in TEXTS or is_image(name)
            place.samples.setdefault(path.stem if joins else name, []).append(path)


def _kind(path: Path) -> str:
    """Return what a file is, by its ending or else by how it begins; "" for anything else."""
    ending = path.suffix.lower()
    if ending in (TAR, PARQUET):
        return ending
    if ending in TEXTS or is_image(path.name):
        return ""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(PARQUET_MAGIC):
        return PARQUET
    return TAR if head[TAR_MAGIC_AT:].startswith(TAR_MAGIC) else ""


def _is_silent(path: Path) -> bool:
    """Say whether a file holds no rows, by its name."""
    name, ending = path.name.lower(), path.suffix.lower()
    if name in SILENT or (ending in PROSE and path.stem.lower() in SILENT):
        return True
    if ending == ".crc":  # Hadoop's; it goes when its file is rewritten
        return path.with_name(path.stem.removeprefix(".")).exists()
    of_hub = any(p.name == "refs" and (p.parent / "snapshots").is_dir() for p in path.parents)
    return of_hub or (ending == ".metadata" and HUB in path.as_posix())


def _tells_of(path: Path, names: Mapping[str, Path]) -> bool:
    """Say whether a file is img2dataset's statistics of another one."""
    of, stats, _ = path.name.partition(STATISTICS)
    beside = (f"{of}{TAR}", f"{of}{PARQUET}")
    return bool(stats) and (not names.keys().isdisjoint(beside) or (path.parent / of).is_dir())


def _tables_beside(places: Mapping[Path, _Place], found: Found) -> dict[Path, Path]:
    """Return the tables by the tar or folder of samples that they describe; add all others."""
    beside: dict[Path, Path] = {}
    for place in places.values():
        for path in place.tables:
            schema = _schema(path)
            if isinstance(schema, Untold):
                found.untold.append(schema)
                continue
            own = _samples_of(path, schema, place, places)
            if own is None or own in beside:
                _add_table(path, schema, place, found)
            else:
                beside[own] = path
    return beside


def _samples_of(
    table: Path, schema: pa.Schema, place: _Place, places: Mapping[Path, _Place]
) -> Path | None:
    if table.suffix.lower() != PARQUET:
        return None
    for path in place.tars:
        if path.stem == table.stem:
            return path
    under = places.get(place.path / table.stem)
    has_samples = under is not None and bool(under.samples.keys() - under.silent)
    return under.path if under and has_samples and KEY in schema.names else None


def _statistics(place: _Place, stem: str) -> Path | None:
    return place.files.get(f"{stem}{STATISTICS}")


def _add_table(path: Path, schema: pa.Schema, place: _Place, found: Found) -> None:
    try:
        tells = telling(schema)
    except SchemaError as e:
        found.untold.append(Untold(path, str(e)))
        return
    if tells:
        found.units.append(Table(path))
    elif not place.is_quiet and not is_about(schema):
        found.untold.append(Untold(path, "nothing there tells its rows"))


def _schema(path: Path) -> pa.Schema | Untold:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as e:
        return Untold(path, f"no Parquet file that can be read: {e}")
