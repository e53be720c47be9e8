"""optout.signals.remembered: many small files, few large ones."""

from optout.signals.remembered import (
    LARGE_BYTES,
    LARGE_FILES,
    SMALL_FILES,
    forget,
    remembered,
)


def test_files_are_read_once_and_large_ones_make_room_for_each_other() -> None:
    read: list[int] = []

    @remembered
    def size(body: bytes) -> int:
        read.append(len(body))
        return len(body)

    small = [b"%d" % n for n in range(SMALL_FILES)]
    large = [b"%d" % n + bytes(LARGE_BYTES) for n in range(LARGE_FILES + 1)]
    for body in (*small, *small, *large):
        assert size(body) == len(body)
    assert len(read) == len(small) + len(large)
    size(large[0])  # the oldest had to go
    assert len(read) == len(small) + len(large) + 1
    forget()
    size(large[0])
    assert len(read) == len(small) + len(large) + 2
