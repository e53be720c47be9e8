"""Paint the test patterns that intake refuses, and print their PDQ hashes for optout/hot.py.

    python bench/hot_patterns.py [FOLDER]

FOLDER: also write the pictures there, to look at.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.image.canonical import pdq
from schemas.ports import Pixels

HEIGHT, WIDTH = 480, 640
BARS = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0),
        (0, 0, 191)]  # fmt: skip


def columns(colours: list[tuple[int, int, int]], height: int = HEIGHT) -> Pixels:
    """Return bars side by side."""
    place = np.arange(WIDTH) * len(colours) // WIDTH
    return np.repeat(np.array(colours, np.uint8)[place][None], height, axis=0)


def smpte() -> Pixels:
    """Return the bars of SMPTE ECR 1-1978: bars, castellations, PLUGE."""
    black = (19, 19, 19)
    castle = [BARS[6], black, BARS[4], black, BARS[2], black, BARS[0]]
    foot = [(0, 33, 76), (255, 255, 255), (50, 0, 106), black, (9, 9, 9), (29, 29, 29), black]
    parts = (columns(BARS, 320), columns(castle, 40), columns(foot, 120))
    return np.concatenate(parts)


def steps(count: int) -> Pixels:
    """Return a grey wedge of so many steps."""
    levels = np.linspace(255, 0, count).astype(int)
    return columns([(v, v, v) for v in levels.tolist()])


def checkers(across: int, edge: tuple[int, int] = (480, 480)) -> Pixels:
    """Return a chequered board of so many fields each way."""
    down, right = (np.arange(e) * across // e for e in edge)
    plane = ((down[:, None] + right[None]) % 2 * 255).astype(np.uint8)
    return np.repeat(plane[..., None], 3, axis=2)


def circle() -> Pixels:
    """Return the circle-and-grid card of broadcasters."""
    card = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for at in range(0, WIDTH, 40):
        cv2.line(card, (at, 0), (at, HEIGHT), (255, 255, 255), 2)
    for at in range(0, HEIGHT, 40):
        cv2.line(card, (0, at), (WIDTH, at), (255, 255, 255), 2)
    disc = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(disc, (WIDTH // 2, HEIGHT // 2), 200, 255, -1)
    ends = [(255, 255, 255), (0, 0, 0)]
    rows = (columns(ends, 120), columns(BARS, 120), steps(6)[:120], columns(ends[::-1], 120))
    inside = np.concatenate(rows)
    card[disc > 0] = inside[disc > 0]
    cv2.circle(card, (WIDTH // 2, HEIGHT // 2), 200, (255, 255, 255), 3)
    return card


def cards() -> Iterator[tuple[str, Pixels]]:
    yield "colour bars", smpte()
    for across in (2, 3, 4, 5, 6, 8, 10, 16):
        yield f"chequers, {across} x {across}", checkers(across)
    yield "a circle on a grid", circle()


def stripes() -> Iterator[tuple[str, Pixels]]:
    """Give patterns whose rows are all alike, of which PDQ can make no lasting hash."""
    yield "bars", columns(BARS)
    yield "EBU bars", columns([(255, 255, 255), *BARS[1:], (0, 0, 0)])
    for count in (2, 3, 8, 16, WIDTH):
        yield f"{count} greys", steps(count)


def main() -> None:
    for name, pixels in cards():
        found, quality = pdq(pixels)
        print(f"{quality:3d}  {found.hex()}  {name}")
        if len(sys.argv) > 1:
            path = Path(sys.argv[1]) / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels[..., ::-1])


if __name__ == "__main__":
    main()
