"""What a file of a copy is, by its name or by how it begins, and which sample it belongs to."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from jobs.copies.links import head_of
from pipeline.copies.keys import NO_SAMPLE
from pipeline.copies.samples import is_text
from pipeline.retracted import HEAD_BYTES, is_image

ABOUT = {"manifest.json", "report.html"}
"""Files of a release that tell of rows, and are not rewritten: take those of the new release."""
PROSE = {"", ".md", ".txt", ".rst"}
SILENT = {"license", "citation", "readme", "manifest.json.note", "retractions.parquet.note"}
SILENT |= {".gitattributes", ".gitignore", "cachedir.tag", "dataset_dict.json", "version"}
SILENT |= {".ds_store", "thumbs.db", "desktop.ini"}
"""Files that hold no rows; of some, with endings of PROSE."""
STATISTICS = "_stats.json"
HUB = "/.cache/huggingface/"

TAR, PARQUET = ".tar", ".parquet"
CRC_MAGIC, APPLE_MAGIC = b"crc\0", b"\0\5\x16\7"
"""How checksums of Hadoop begin, and what a Mac keeps of a file on other disks."""
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
    """Say whether a file holds no rows, by its name, or by how it begins."""
    name, ending = path.name.lower(), path.suffix.lower()
    if name in SILENT or name in ABOUT or (ending in PROSE and path.stem.lower() in SILENT):
        return True
    if name.startswith(".") and head_of(path, len(APPLE_MAGIC)).startswith(
        (CRC_MAGIC, APPLE_MAGIC)
    ):
        return True
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
    return is_text(path.name) or is_image(path.name)


def samples_of(files: Iterable[Path]) -> tuple[dict[str, list[Path]], dict[str, str]]:
    """Return the files of a folder by the samples that they belong to, and more of some keys.

    What is alike but for the ending is one sample; so is a text whose name goes on behind that of
    an image, or else of a text (`1.jpg.json` beside `1.jpg`). Any other file is one by itself. An
    image whose name goes on (`1.orig.jpg`) is one too, but may belong to the other: of these, the
    key of that one.
    """
    own = [path for path in files if is_of_sample(path)]
    samples = {f"{NO_SAMPLE}{path.name}": [path] for path in files if not is_of_sample(path)}
    pictures = {path.stem for path in own if not is_text(path.name)}
    stems = pictures | {path.stem for path in own}
    roots: dict[str, str] = {}
    for path in own:
        begun = [*_begun(path.stem)]
        key = path.stem
        if is_text(path.name) and key not in pictures:
            # The nearest image, or else the shortest text.
            near = next((stem for stem in reversed(begun) if stem in pictures), None)
            key = near or next((stem for stem in begun if stem in stems), key)
        elif root := next((stem for stem in begun if stem in stems), None):
            roots[key] = root
        samples.setdefault(key, []).append(path)
    return samples, roots


def _begun(stem: str) -> Iterator[str]:
    """Yield what a name begins with up to each of its dots, shortest first."""
    yield from (stem[:at] for at, letter in enumerate(stem) if letter == "." and at)
