"""What a file of a copy is, by its name or by how it begins, and which sample it belongs to."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from jobs.copies.links import HEAD_BYTES, TEXTS
from pipeline.retracted import is_image

ABOUT = {"manifest.json", "report.html"}
"""Files of a release that tell of rows, and are not rewritten: take those of the new release."""
PROSE = {"", ".md", ".txt", ".rst"}
SILENT = {"license", "citation", "readme", "manifest.json.note", "retractions.parquet.note"}
SILENT |= {".gitattributes", ".gitignore", "cachedir.tag", "dataset_dict.json"}
"""Files that hold no rows; of some, with endings of PROSE."""
STATISTICS = "_stats.json"
HUB = "/.cache/huggingface/"

TAR, PARQUET = ".tar", ".parquet"
TAR_MAGIC, TAR_MAGIC_AT, PARQUET_MAGIC = b"ustar", 257, b"PAR1"


def kind_of(path: Path) -> str:
    """Return TAR or PARQUET, by a file's ending or else by how it begins; "" for anything else.

    Raises OSError for a file that cannot be read.
    """
    ending = path.suffix.lower()
    if ending in (TAR, PARQUET):
        return ending
    if is_of_sample(path):
        return ""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(PARQUET_MAGIC):
        return PARQUET
    return TAR if head[TAR_MAGIC_AT:].startswith(TAR_MAGIC) else ""


def is_silent(path: Path) -> bool:
    """Say whether a file holds no rows, by its name."""
    name, ending = path.name.lower(), path.suffix.lower()
    if name in SILENT or name in ABOUT or (ending in PROSE and path.stem.lower() in SILENT):
        return True
    if ending == ".crc":  # Hadoop's; it goes when its file is rewritten
        return path.with_name(path.stem.removeprefix(".")).exists()
    of_hub = any(p.name == "refs" and (p.parent / "snapshots").is_dir() for p in path.parents)
    return of_hub or (ending == ".metadata" and HUB in path.as_posix())


def tells_of(path: Path, names: Mapping[str, Path]) -> bool:
    """Say whether a file is img2dataset's statistics of another one. names: beside it."""
    of = path.name.removesuffix(STATISTICS)
    beside = (f"{of}{TAR}", f"{of}{PARQUET}")
    is_beside = not names.keys().isdisjoint(beside) or (path.parent / of).is_dir()
    return of not in ("", path.name) and is_beside


def is_of_sample(path: Path) -> bool:
    """Say whether a file is an image, or a text that belongs to one, by its name."""
    return path.suffix.lower() in TEXTS or is_image(path.name)


def samples_of(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Return the files of a folder by the samples that they belong to.

    What is alike but for the ending is one sample; so is what goes on behind the name of one
    (`1.jpg.json`, `1.orig.jpg` beside `1.jpg`). Any other file is one by itself.
    """
    samples: dict[str, list[Path]] = {}
    stems = {path.stem for path in files if is_of_sample(path)}
    for path in files:
        key = _root(path.stem, stems) if is_of_sample(path) else path.name
        samples.setdefault(key, []).append(path)
    return samples


def _root(stem: str, stems: set[str]) -> str:
    """Return the shortest of the stems with which another one begins, up to a dot."""
    ends = (at for at, letter in enumerate(stem) if letter == "." and at)
    return next((stem[:at] for at in ends if stem[:at] in stems), stem)
