"""Files of a copy that have several names: links, and the blobs of a cache behind them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobs.copies.files import part_beside


@dataclass(slots=True)
class Links:
    """The names of files in the copy that say what these are, where one has several, or a link.

    A file is removed with the last of its names: so whoever still has another one (the same image
    in another revision, a label of several images) finds it, also after a run that broke off.
    names: as the copy was found; what is left of them is kept as they are removed.
    """

    names: Mapping[Path, Sequence[Path]] = field(default_factory=dict)
    _left: dict[Path, set[Path]] = field(default_factory=dict)

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove names of files, and the files to which no other name leads."""
        for path in paths:
            file = path.resolve()
            if file not in self._left:
                self._left[file] = {*self.names.get(file, ())}
            left = self._left[file]
            left.discard(path)
            if left and not path.is_symlink():
                for other in sorted(left):
                    _link_hard(file, other)
            elif not left:  # the file first: nothing would say what it is, were its name gone
                file.unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def _link_hard(file: Path, name: Path) -> None:
    """Let a link to a file be that file, as its first name is about to go."""
    beside = part_beside(name)
    try:
        beside.hardlink_to(file)
        beside.replace(name)
    finally:
        beside.unlink(missing_ok=True)


def head_of(path: Path, size: int) -> bytes:
    """Return how a file begins; nothing of one that is not there."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        return b""
