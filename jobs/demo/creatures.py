"""Scenes of animals and people, back to front."""

# ruff: noqa: PLR2004  # places and sizes are what a scene is made of

from collections.abc import Callable

import numpy as np

from jobs.demo.scene import Scene, sun


def whale(s: Scene) -> None:
    s.backdrop(tone=0.85)
    s.put("cloud", (s.at(0.2, 0.8), 0.16), 0.3, "light", 0.95, stretch=1.5)
    s.ridge(0.42, 0.02, "water", 0.6, 0.3)
    s.put("whale", (0.5, 0.54), 0.82, "subject", 0.25, flip=bool(s.random.integers(2)))
    s.ridge(0.67, 0.03, "water", 0.45, 0.25)


def fishes(s: Scene) -> None:
    s.backdrop("water", 0.55)
    for k in range(int(s.random.integers(3, 6))):
        s.put("fish", (s.at(.24, .76), .16 + .19 * k), s.at(.26, .46), "subject", s.at(.3, .9),
              turn=s.at(-.3, .3), stretch=1.35, flip=bool(s.random.integers(2)))  # fmt: skip
    for _ in range(9):
        s.put("disc", (s.at(0, 1), s.at(0, 1)), s.at(0.02, 0.05), "light", 0.95)


def perched(s: Scene) -> None:
    s.backdrop(tone=0.85)
    s.lines(
        [np.array([[-0.02, 0.74], [0.3, 0.79], [0.62, 0.75], [1.02, 0.66]])], 0.035, "ground", 0.15
    )
    for k in range(8):
        s.put(
            "leaf",
            (0.06 + 0.125 * k, 0.72 + s.at(-0.09, 0.07)),
            s.at(0.16, 0.26),
            "near",
            s.at(0.35, 0.6),
            turn=s.at(-1.4, 1.4),
        )
    s.put("bird", (0.47, 0.47), 0.68, "subject", 0.4, flip=bool(s.random.integers(2)))


def owl(s: Scene) -> None:
    s.backdrop(tone=0.3)
    s.put("disc", (0.66, 0.3), 0.5, "light", 0.97)
    s.put("owl", (0.47, 0.52), 0.72, "subject", 0.35)
    for x in (0.40, 0.54):
        s.put("disc", (x, 0.33), 0.13, "light", 0.95)
        s.put("disc", (x, 0.335), 0.06, "detail", 0.05)
    s.lines([np.array([[-0.02, 0.9], [0.5, 0.87], [1.02, 0.92]])], 0.05, "ground", 0.2)


def cat(s: Scene) -> None:
    s.backdrop(tone=0.8)
    s.put("house", (0.5, 0.32), 1.0, "far", 0.92, stretch=0.8)
    s.put("disc", (s.at(0.35, 0.65), 0.32), 0.2, "light", 0.97)
    s.ridge(0.82, 0.005, "ground", 0.5, 1.0)
    s.put("tail", (0.5, 0.58), 0.72, "subject", 0.18)
    s.put("cat", (0.48, 0.56), 0.76, "subject", 0.2)
    for x in (0.45, 0.52):
        s.put("disc", (x, 0.38), 0.035, "light", 0.97)


def portrait(s: Scene) -> None:
    s.backdrop(tone=0.8)
    s.put("disc", (0.62, 0.4), 0.86, "light", 0.92)
    s.put("face", (0.46, 0.56), 0.88, "subject", 0.88)
    hair = [(.40, .24), (.52, .08), (.74, .06), (.95, .24), (.98, .56), (1.06, .84), (.98, 1.1),
            (.80, .96), (.74, .74), (.66, .62), (.68, .44), (.56, .32)]  # fmt: skip
    s.curve(hair, (0.46, 0.56), 0.88, "near", 0.2)


def jellyfish(s: Scene) -> None:
    s.backdrop("water", 0.3)
    for x, y, size in ((0.36, 0.34, 0.5), (0.72, 0.58, 0.36), (0.2, 0.78, 0.24)):
        t = np.linspace(0, 1, 24)
        arms = [
            np.c_[x + d * size + 0.03 * np.sin(9 * t + 20 * d) * t, y + t * size * 0.85]
            for d in np.linspace(-0.3, 0.3, 7)
        ]
        s.lines(arms, 0.014 * size * 2, "detail", 0.8)
        s.put("bell", (x, y), size, "subject", s.at(0.7, 0.92))
    for _ in range(8):
        s.put("disc", (s.at(0, 1), s.at(0, 1)), s.at(0.015, 0.03), "light", 0.9)


def moth(s: Scene) -> None:
    s.backdrop(tone=s.at(0.7, 0.9))
    s.put("wings", (0.5, 0.5), 0.84, "subject", 0.4)
    s.put("wings", (0.5, 0.5), 0.56, "near", 0.7)
    for d in (-1, 1):
        for y, r in ((0.33, 0.12), (0.66, 0.09)):
            s.put("disc", (0.5 + d * 0.23, y), r, "light", 0.95)
            s.put("disc", (0.5 + d * 0.23, y), r * 0.5, "detail", 0.1)
    s.put("lemon", (0.5, 0.5), 0.6, "detail", 0.15, stretch=0.2)
    s.lines(
        [np.array([[0.5, 0.27], [0.5 + d * 0.06, 0.16], [0.5 + d * 0.15, 0.10]]) for d in (-1, 1)],
        0.01,
    )


def snail(s: Scene) -> None:
    s.backdrop(tone=0.85)
    s.ridge(0.76, 0.015, "ground", 0.45)
    s.put("snail", (0.48, 0.52), 0.84, "subject", 0.75)
    for r, tone in ((0.52, 0.35), (0.40, 0.7), (0.28, 0.4), (0.17, 0.75), (0.08, 0.3)):
        s.put(
            "disc",
            (0.56 + (0.52 - r) * 0.10, 0.48 + (0.52 - r) * 0.16),
            r,
            "near" if tone < 0.5 else "detail",
            tone,
        )
    for k in range(3):
        s.put("leaf", (0.12 + 0.36 * k, 0.90), 0.26, "near", 0.35, turn=s.at(-1, 1))


def fox(s: Scene) -> None:
    s.backdrop(tone=0.9)
    s.ridge(0.46, 0.08, "far", 0.7)
    s.ridge(0.74, 0.03, "ground", 0.8)
    s.put("fox", (0.5, 0.6), 0.8, "subject", 0.45, flip=bool(s.random.integers(2)))
    for x in (0.06, 0.9):
        s.put("pine", (x, 0.46), 0.8, "near", 0.25, stretch=0.5)


def horse(s: Scene) -> None:
    s.backdrop(tone=0.85)
    sun(s)
    s.ridge(0.6, 0.05, "far", 0.6)
    s.put("horse", (0.5, 0.56), 0.9, "subject", 0.35, flip=bool(s.random.integers(2)))


def swan(s: Scene) -> None:
    s.backdrop(tone=0.7)
    s.ridge(0.4, 0.05, "far", 0.45)
    s.ridge(0.56, 0.008, "water", 0.5, 0.3)
    s.put("swan", (0.5, 0.52), 0.74, "subject", 0.97, flip=bool(s.random.integers(2)))
    s.ridge(0.78, 0.02, "water", 0.4, 0.2)


SCENES: dict[str, tuple[Callable[[Scene], None], str]] = {
    "whale": (whale, "a whale between two waves"),
    "fishes": (fishes, "fish in a pond"),
    "perched": (perched, "a bird on a branch"),
    "owl": (owl, "an owl before the full moon"),
    "cat": (cat, "a black cat at the window"),
    "portrait": (portrait, "a woman in profile, looking left"),
    "jellyfish": (jellyfish, "three jellyfish in deep water"),
    "moth": (moth, "a moth with its wings spread"),
    "snail": (snail, "a snail on a leaf"),
    "fox": (fox, "a fox in the snow"),
    "horse": (horse, "a horse on the ridge"),
    "swan": (swan, "a swan on the lake"),
}
