"""Text files, line by line: bounded in memory, and never stopped by one bad line."""

import codecs
from collections.abc import Iterator, Sequence
from typing import IO

from pipeline.formats.files import File, open_unpacked, reading
from schemas.config import SourceConfig
from schemas.errors import UsageError

MAX_LINE_BYTES = 64 << 20
"""A longer line is cut here: it is malformed anyway, and must not fill the memory."""
SAMPLE_BYTES = 1 << 20
SAMPLE_BYTES_WITH_PAGES = 4 << 20
"""Where lines hold whole pages, of which a megabyte is too few rows to tell types from."""
SAMPLE_LINES = 10_000
ESTIMATE_FILES = 5
GZIP_RATIO = 4
"""Lists of URLs and captions shrink to about a quarter."""


def lines(path: str) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line without its end) of a file, unpacked where it is gzip.

    A byte-order mark is dropped. Raises UsageError where the file is no UTF-8 text at all.
    """
    with reading(path), open_unpacked(path) as f:
        number = 0
        while line := _line(f):
            number += 1
            if number == 1:
                line = _first(line, path)
            yield number, line.rstrip(b"\r\n")


def sample_bytes(config: SourceConfig) -> int:
    """Return how much of each file the plan looks at."""
    return SAMPLE_BYTES_WITH_PAGES if config.html_col or config.wat_col else SAMPLE_BYTES


def sample_lines(path: str, limit_bytes: int = SAMPLE_BYTES) -> Iterator[tuple[int, bytes]]:
    """Yield the first lines, as `lines`: what the plan looks at."""
    seen = 0
    for number, line in lines(path):
        yield number, line
        seen += len(line) + 1
        if seen >= limit_bytes or number >= SAMPLE_LINES:
            return


def estimate_lines(files: Sequence[File]) -> int:
    """Return about how many lines the files hold, by the first lines of a few of them."""
    seen = count = 0
    for file in files[:ESTIMATE_FILES]:
        for _, line in sample_lines(file.path):
            seen += len(line) + 1
            count += 1
    packed = sum(file.size_bytes for file in files if file.relative.lower().endswith(".gz"))
    size = sum(file.size_bytes for file in files) + (GZIP_RATIO - 1) * packed
    return size * count // max(1, seen)


def _line(f: IO[bytes]) -> bytes:
    line = f.readline(MAX_LINE_BYTES)
    if len(line) < MAX_LINE_BYTES or line.endswith(b"\n"):
        return line
    while rest := f.readline(MAX_LINE_BYTES):  # skip to the end of the line
        if rest.endswith(b"\n"):
            break
    return line


def _first(line: bytes, path: str) -> bytes:
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError(f"{path}: expected text in UTF-8, found UTF-16")
    if line.startswith(b"PAR1"):
        raise UsageError(f"{path}: expected lines of text, found a Parquet file")
    line = line.removeprefix(codecs.BOM_UTF8)
    if b"\0" in line[:512]:
        raise UsageError(f"{path}: expected lines of text, found binary data")
    return line
