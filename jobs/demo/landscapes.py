"""Scenes of land, sea and sky, back to front."""

# places and sizes are what a scene is made of

from collections.abc import Callable

import numpy as np

from jobs.demo.scene import Scene, sun


def mountains(s: Scene) -> None:
    s.backdrop(tone=0.85)
    sun(s)
    for level, role, tone in ((0.42, "far", 0.65), (0.55, "far", 0.5), (0.68, "near", 0.35)):
        s.ridge(level, 0.17, role, tone, 0.45)
    s.ridge(0.84, 0.04, "ground", 0.2, 0.8)


def moonlit(s: Scene) -> None:
    s.backdrop(tone=0.25)
    s.put("moon", (s.at(0.25, 0.75), 0.24), 0.26, "light", 0.97, turn=s.at(-0.5, 0.5))
    s.ridge(0.6, 0.06, "far", 0.45)
    for x in np.linspace(0.04, 0.96, 7):
        s.put(
            "pine",
            (x + s.at(-0.04, 0.04), s.at(0.66, 0.74)),
            s.at(0.36, 0.58),
            "near",
            s.at(0.15, 0.4),
            stretch=0.6,
        )
    s.ridge(0.9, 0.03, "ground", 0.6, 0.7)


def sailing(s: Scene) -> None:
    s.backdrop(tone=0.82)
    sun(s)
    s.ridge(0.58, 0.012, "water", 0.5, 0.3)
    x = s.at(0.35, 0.65)
    s.put("sails", (x, 0.42), 0.5, "subject", 0.92)
    s.put("hull", (x, 0.70), 0.1, "subject", 0.15, stretch=4.6)
    s.ridge(0.74, 0.02, "water", 0.4, 0.2)
    s.put("gull", (1 - x, 0.16), 0.13, "detail", 0.9)


def lighthouse(s: Scene) -> None:
    s.backdrop(tone=0.75)
    s.put("cloud", (0.24, 0.2), 0.3, "light", 0.93, stretch=1.5)
    s.ridge(0.68, 0.015, "water", 0.5, 0.25)
    s.put("rock", (0.66, 0.8), 0.44, "near", 0.3, stretch=1.7)
    s.put("tower", (0.66, 0.46), 0.54, "subject", 0.92, stretch=0.8)
    for y in (0.40, 0.58):
        s.put("hull", (0.66, y), 0.075, "detail", 0.3, stretch=1.8)
    s.put("roof", (0.66, 0.17), 0.12, "detail", 0.2, stretch=1.1)
    s.ridge(0.84, 0.03, "water", 0.4, 0.2)


def village(s: Scene) -> None:
    s.backdrop(tone=0.85)
    sun(s)
    s.ridge(0.46, 0.06, "far", 0.6)
    s.ridge(0.62, 0.03, "ground", 0.5)
    for k in range(6):
        x, y, size = 0.08 + 0.17 * k + s.at(-0.03, 0.03), s.at(0.56, 0.76), s.at(0.22, 0.32)
        s.put("house", (x, y), size, "subject", s.at(0.65, 0.95))
        s.put("roof", (x, y), size, "detail", s.at(0.15, 0.4))
        s.put("hull", (x, y + size * 0.3), size * 0.22, "near", 0.2, stretch=0.7)


def forest(s: Scene) -> None:
    s.backdrop(tone=0.9)
    s.ridge(0.5, 0.1, "far", 0.7)
    for row, (y, size, tone) in enumerate(
        ((0.56, 0.4, 0.55), (0.68, 0.56, 0.4), (0.82, 0.8, 0.22))
    ):
        for k in range(6 - row):
            s.put(
                "pine",
                (k / (5 - row) + s.at(-0.08, 0.08), y),
                size * s.at(0.8, 1.1),
                "near",
                tone,
                stretch=0.62,
            )


def old_tree(s: Scene) -> None:
    s.backdrop(tone=0.85)
    sun(s)
    s.ridge(0.8, 0.03, "ground", 0.45)
    x = s.at(0.42, 0.58)
    branches = [
        np.array([[x, 0.86], [x + 0.01, 0.6], [x + d, 0.36 + abs(d) * 0.5]])
        for d in (-0.26, -0.12, 0.02, 0.14, 0.27)
    ]
    s.lines(branches, 0.045, "subject", 0.15)
    for _ in range(11):
        s.put(
            "cloud",
            (x + s.at(-0.3, 0.3), s.at(0.2, 0.46)),
            s.at(0.2, 0.32),
            "near",
            s.at(0.3, 0.65),
            turn=s.at(0, 6),
        )


def desert(s: Scene) -> None:
    s.backdrop(tone=0.85)
    sun(s)
    s.put("peak", (0.7, 0.5), 0.4, "far", 0.65, stretch=2.0)
    s.ridge(0.62, 0.05, "ground", 0.7, 0.8)
    for x, size in ((0.28, 0.62), (0.76, 0.4)):
        s.put("cactus", (x, 0.6), size, "subject", 0.35)
        for d, y in ((-1, 0.0), (1, -0.06)):
            p = np.array(
                [
                    [x, 0.62 + y],
                    [x + d * size * 0.25, 0.62 + y],
                    [x + d * size * 0.25, 0.62 + y - size * 0.3],
                ]
            )
            s.lines([p], 0.07 * size * 1.6, "subject", 0.35)
    s.ridge(0.86, 0.03, "near", 0.5, 0.6)


def balloons(s: Scene) -> None:
    s.backdrop(tone=0.82)
    for _ in range(3):
        s.put(
            "cloud", (s.at(0.1, 0.9), s.at(0.1, 0.7)), s.at(0.16, 0.3), "light", 0.95, stretch=1.6
        )
    for x, y, size in ((0.34, 0.36, 0.58), (0.74, 0.3, 0.32), (0.8, 0.66, 0.24)):
        s.lines(
            [
                np.array(
                    [[x + d * size * 0.08, y + size * 0.44], [x + d * size * 0.05, y + size * 0.6]]
                )
                for d in (-1, 1)
            ],
            0.006,
        )
        s.put("balloon", (x, y), size, "subject", s.at(0.4, 0.7))
        s.put("balloon", (x, y), size, "light", 0.9, stretch=0.36)
        s.put("hull", (x, y + size * 0.64), size * 0.09, "detail", 0.2, stretch=1.4)
    s.ridge(0.9, 0.04, "far", 0.5)


def mill(s: Scene) -> None:
    s.backdrop(tone=0.85)
    s.put("cloud", (s.at(0.15, 0.3), 0.2), 0.28, "light", 0.95, stretch=1.5)
    s.ridge(0.66, 0.04, "ground", 0.5)
    s.put("tower", (0.52, 0.58), 0.6, "subject", 0.75, stretch=1.3)
    s.put("roof", (0.52, 0.29), 0.2, "detail", 0.25)
    s.put("mill", (0.52, 0.36), 0.62, "detail", 0.15, turn=s.at(-0.6, 0.6))
    for k in range(5):
        s.put("tulip", (0.06 + 0.22 * k, 0.9), 0.18, "near", s.at(0.3, 0.7))


def kites(s: Scene) -> None:
    s.backdrop(tone=0.85)
    for _ in range(2):
        s.put("cloud", (s.at(0.1, 0.9), s.at(0.2, 0.6)), 0.26, "light", 0.95, stretch=1.6)
    for x, y, size in ((0.28, 0.28, 0.4), (0.7, 0.4, 0.32), (0.45, 0.66, 0.22)):
        t = np.linspace(0, 1, 24)
        s.lines(
            [np.c_[x + 0.05 * np.sin(10 * t + 9 * x) + 0.1 * t, y + size * 0.5 + t * 0.4]],
            0.008,
            "detail",
            0.2,
        )
        s.put("kite", (x, y), size, "subject", s.at(0.4, 0.8), turn=s.at(-0.5, 0.5))
        s.put("kite", (x, y), size * 0.4, "light", 0.92, turn=s.at(-0.5, 0.5))
    s.ridge(0.88, 0.04, "ground", 0.4)


def cypresses(s: Scene) -> None:
    s.backdrop(tone=0.8)
    sun(s)
    s.ridge(0.5, 0.1, "far", 0.65)
    s.ridge(0.66, 0.06, "ground", 0.55)
    for k in range(5):
        s.put(
            "cypress",
            (0.1 + 0.2 * k + s.at(-0.05, 0.05), s.at(0.56, 0.66)),
            s.at(0.4, 0.66),
            "subject",
            s.at(0.15, 0.35),
        )
    s.ridge(0.86, 0.03, "near", 0.45)


def campfire(s: Scene) -> None:
    s.backdrop(tone=0.2)
    s.ridge(0.5, 0.12, "far", 0.3)
    s.ridge(0.78, 0.02, "ground", 0.4)
    s.put("flame", (0.5, 0.56), 0.58, "subject", 0.6)
    s.put("flame", (0.5, 0.64), 0.36, "light", 0.95)
    for turn in (-0.35, 0.35):
        s.put("hull", (0.5, 0.84), 0.08, "detail", 0.1, turn=turn, stretch=6)
    for _ in range(12):
        s.put("disc", (s.at(0, 1), s.at(0, 0.35)), s.at(0.008, 0.018), "light", 0.97)


SCENES: dict[str, tuple[Callable[[Scene], None], str]] = {
    "mountains": (mountains, "mountains one behind the other under a low sun"),
    "moonlit": (moonlit, "a pine wood under a crescent moon"),
    "sailing": (sailing, "a sailing boat on a calm sea"),
    "lighthouse": (lighthouse, "a lighthouse on its rock"),
    "village": (village, "the roofs of a village"),
    "forest": (forest, "fir trees on a slope"),
    "old tree": (old_tree, "an old tree in the field"),
    "desert": (desert, "cactuses in the desert"),
    "balloons": (balloons, "hot-air balloons over the hills"),
    "mill": (mill, "a windmill and its tulips"),
    "kites": (kites, "kites in the wind"),
    "cypresses": (cypresses, "cypresses along a road"),
    "campfire": (campfire, "a campfire under the stars"),
}
