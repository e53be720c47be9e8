"""Scenes of plants and things, back to front."""

# places and sizes are what a scene is made of

from collections.abc import Callable

import numpy as np

from jobs.demo.canvas import polygon
from jobs.demo.scene import Scene
from jobs.demo.shapes import petals


def still_life(s: Scene) -> None:
    s.backdrop(tone=0.75)
    s.ridge(0.68, 0.008, "ground", 0.5, 1.0)
    first, second, third = s.random.permutation(["pear", "apple", "lemon"])
    s.put("bottle", (s.at(0.2, 0.3), 0.47), 0.72, "near", 0.3)
    s.put(str(first), (0.44, 0.66), 0.36, "subject", 0.7)
    s.put("bowl", (0.70, 0.66), 0.52, "near", 0.85, stretch=1.1)
    s.put(str(second), (0.63, 0.52), 0.26, "subject", 0.55)
    s.put(str(third), (0.79, 0.53), 0.24, "subject", 0.8)
    s.put("bowl", (0.70, 0.66), 0.52, "near", 0.85, stretch=1.1)


def bouquet(s: Scene) -> None:
    s.backdrop(tone=0.85)
    s.ridge(0.80, 0.006, "ground", 0.5, 1.0)
    heads = [(s.at(0.16, 0.84), s.at(0.12, 0.5)) for _ in range(8)]
    s.lines(
        [np.array([[0.5, 0.66], [(0.5 + x) / 2, 0.55], [x, y]]) for x, y in heads],
        0.012,
        "near",
        0.35,
    )
    for _ in range(6):
        s.put(
            "leaf",
            (s.at(0.25, 0.75), s.at(0.36, 0.62)),
            s.at(0.16, 0.26),
            "near",
            0.4,
            turn=s.at(-1.5, 1.5),
        )
    for x, y in heads:
        size = min(s.height, s.width) * s.at(0.2, 0.32)
        shape = (petals(s.random) - 0.5) * size + np.array([x * s.width, y * s.height])
        s.add(polygon(s.height, s.width, [shape]), "subject", s.at(0.4, 0.9))
        s.put("disc", (x, y), size / min(s.height, s.width) * 0.26, "light", 0.95)
    s.put("vase", (0.5, 0.74), 0.44, "subject", 0.25)


def mushrooms(s: Scene) -> None:
    s.backdrop(tone=0.85)
    s.ridge(0.78, 0.03, "ground", 0.4)
    for x, y, size in ((0.3, 0.62, 0.5), (0.62, 0.56, 0.68), (0.84, 0.72, 0.32)):
        s.put("stalk", (x, y), size, "near", 0.92)
        s.put("cap", (x, y), size, "subject", s.at(0.3, 0.5), stretch=1.15)
        for d in (-0.22, 0.0, 0.2):
            s.put(
                "disc",
                (x + d * size, y - size * (0.22 + 0.1 * (d == 0))),
                size * 0.1,
                "light",
                0.97,
            )


def tulips(s: Scene) -> None:
    s.backdrop(tone=0.88)
    s.ridge(0.86, 0.02, "ground", 0.5)
    for k in range(5):
        x, y = 0.12 + 0.19 * k + s.at(-0.03, 0.03), s.at(0.22, 0.46)
        s.lines([np.array([[x + s.at(-0.03, 0.03), 1.0], [x, 0.7], [x, y]])], 0.018, "near", 0.35)
        s.put("leaf", (x + 0.05, 0.78), 0.42, "near", s.at(0.3, 0.5), turn=s.at(0.1, 0.5))
        s.put("leaf", (x - 0.05, 0.80), 0.36, "near", s.at(0.3, 0.5), turn=s.at(-0.5, -0.1))
        s.put("tulip", (x, y), s.at(0.3, 0.4), "subject", s.at(0.4, 0.8))


def open_hand(s: Scene) -> None:
    s.backdrop(tone=0.75)
    s.put("disc", (0.5, 0.44), 0.8, "light", 0.9)
    s.put("hand", (0.5, 0.54), 0.86, "subject", 0.6)
    s.put("disc", (0.46, 0.66), 0.14, "detail", 0.9)
    s.put("disc", (0.46, 0.66), 0.06, "near", 0.15)


SCENES: dict[str, tuple[Callable[[Scene], None], str]] = {
    "still life": (still_life, "fruit, a bowl and a bottle"),
    "bouquet": (bouquet, "flowers in a vase"),
    "mushrooms": (mushrooms, "mushrooms in the moss"),
    "tulips": (tulips, "a row of tulips"),
    "hand": (open_hand, "an open hand with an eye"),
}
