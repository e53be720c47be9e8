"""Files that were taken apart are remembered: many small ones, few large ones.

A host is asked for many images, and its files are read once. What a file becomes can be fifty times
its size, and strangers choose how large their files are and on how many names they serve them: so
what is remembered has a bound by size, not by number alone. Nothing else depends on it.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

LARGE_BYTES = 32_768
SMALL_FILES, LARGE_FILES = 512, 8

_CLEARS: list[Callable[[], None]] = []


def remembered(read: Callable[P, R]) -> Callable[P, R]:
    """Return a function that remembers its answers; its first argument is the file."""
    small = lru_cache(maxsize=SMALL_FILES)(read)
    large = lru_cache(maxsize=LARGE_FILES)(read)

    _CLEARS.extend((small.cache_clear, large.cache_clear))

    @wraps(read)
    def answer(*args: P.args, **more: P.kwargs) -> R:
        size = len(args[0])  # type: ignore[arg-type]  # every caller's first argument has one
        return (large if size > LARGE_BYTES else small)(*args, **more)  # type: ignore[arg-type]  # hashable likewise

    return answer


def forget() -> None:
    """Forget every file, where it is known that none of them comes back."""
    for clear in _CLEARS:
        clear()
