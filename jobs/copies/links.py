"""Files of a copy that have several names: links, and the blobs of a cache behind them."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.retracted import begins_as_image

TEXTS = {".txt", ".json", ".caption", ".cls"}
"""Endings of files that belong to the image of the same name."""
HEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class Links:
    """names: by file, its names in the copy that say what it is, where it has several or a link.

    ties: by file that is no text, all files of the samples that hold it under any name.
    """

    names: Mapping[Path, Sequence[Path]] = field(default_factory=dict)
    ties: Mapping[Path, Sequence[Path]] = field(default_factory=dict)

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove the files of a sample; images first, while something still says that they go.

        An image goes under all its names, with the samples that hold it. A text may be that of
        other samples too (a label, say): only where none is left is the file removed.
        """
        left, seen = sorted(paths, key=is_text), set[Path]()
        while left:
            path = left.pop(0)
            if path in seen:
                continue
            seen.add(path)
            file = path.resolve()
            if is_text(path):
                self._unlink_text(path, file)
                continue
            for name in (file, path, *self.names.get(file, ())):
                name.unlink(missing_ok=True)
            left = sorted([*left, *self.ties.get(file, ())], key=is_text)

    def _unlink_text(self, path: Path, file: Path) -> None:
        others = [n for n in self.names.get(file, ()) if n != path and os.path.lexists(n)]
        if path == file and others:  # others lead here
            return
        path.unlink(missing_ok=True)
        if not others:
            file.unlink(missing_ok=True)


def is_text(path: Path) -> bool:
    """Say whether a file holds what is said of an image, and no image under such a name."""
    return path.suffix.lower() in TEXTS and not begins_as_image(head_of(path))


def head_of(path: Path) -> bytes:
    """Return how a file begins; nothing of one that is not there."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except FileNotFoundError:
        return b""
