"""What the pictures show. A scene is a pile of masks, back to front, that every hand paints its own way."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from jobs.demo.canvas import Field, Points, Random, fbm, polygon, stroke
from jobs.demo.shapes import outline, petals


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing in a scene. `role` says what it is, `tone` how light it lies (0 dark, 1 light)."""

    mask: Field
    role: str  # sky, light, far, near, water, ground, subject, detail
    tone: float


@dataclass(slots=True)
class Scene:
    """The pile while it is built; sizes and places are in shares of the picture's edges."""

    height: int
    width: int
    random: Random
    layers: list[Layer] = field(default_factory=list)

    def add(self, mask: Field, role: str, tone: float) -> None:
        """Put a layer on top."""
        self.layers.append(Layer(mask, role, tone))

    def backdrop(self, role: str = "sky", tone: float = 0.8) -> None:
        """Fill the whole picture."""
        self.add(np.ones((self.height, self.width), np.float32), role, tone)

    def place(self, name: str, at: tuple[float, float], size: float, turn: float = 0.0,
              stretch: float = 1.0, *, flip: bool = False) -> list[Points]:  # fmt: skip
        """Return a shape's outlines in pixels: centred, `size` of the shorter edge, turned (radians)."""
        edge = min(self.height, self.width) * size
        cos, sin = np.cos(turn), np.sin(turn)
        placed = []
        for points in outline(name):
            p = (points - 0.5) * np.array([edge * stretch * (-1 if flip else 1), edge])
            p = p @ np.array([[cos, sin], [-sin, cos]])
            placed.append(p + np.array([at[0] * self.width, at[1] * self.height]))
        return placed

    def put(self, name: str, at: tuple[float, float], size: float, role: str = "subject",
            tone: float = 0.4, *, turn: float = 0.0, stretch: float = 1.0, flip: bool = False) -> None:  # fmt: skip
        """Add a named shape."""
        shapes = self.place(name, at, size, turn, stretch, flip=flip)
        self.add(polygon(self.height, self.width, shapes), role, tone)

    def ridge(self, level: float, rough: float, role: str, tone: float, scale: float = 0.5) -> None:
        """Add ground below a wavering line at `level` from the top."""
        noise = fbm(self.random, 4, self.width, self.width * scale, 4)[1]
        y = (level + rough * noise) * self.height
        x = np.arange(self.width, dtype=np.float64)
        shape = np.r_[np.c_[x, y], [[self.width, self.height], [0, self.height]]]
        self.add(polygon(self.height, self.width, [shape]), role, tone)

    def lines(
        self, lines: list[Points], width: float, role: str = "detail", tone: float = 0.2
    ) -> None:
        """Add lines given in shares; `width` in shares of the shorter edge."""
        scale = np.array([self.width, self.height])
        mask = stroke(self.height, self.width, [p * scale for p in lines],
                      max(1.2, width * min(self.height, self.width)))  # fmt: skip
        self.add(mask, role, tone)

    def at(self, low: float, high: float) -> float:
        """Return a number between two bounds."""
        return float(self.random.uniform(low, high))


def _sun(s: Scene, tone: float = 0.95) -> None:
    s.put("disc", (s.at(0.2, 0.8), s.at(0.16, 0.32)), s.at(0.16, 0.3), "light", tone)


def mountains(s: Scene) -> None:
    s.backdrop(tone=0.85)
    _sun(s)
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
    _sun(s)
    s.ridge(0.58, 0.012, "water", 0.5, 0.3)
    x = s.at(0.35, 0.65)
    s.put("sails", (x, 0.42), 0.5, "subject", 0.92)
    s.put("hull", (x, 0.70), 0.1, "subject", 0.15, stretch=4.6)
    s.ridge(0.74, 0.02, "water", 0.4, 0.2)
    s.put("gull", (1 - x, 0.16), 0.13, "detail", 0.9)


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
    _sun(s)
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
    _sun(s)
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
    _curve(s, hair, (0.46, 0.56), 0.88, "near", 0.2)


def _curve(s: Scene, points: list[tuple[float, float]], at: tuple[float, float], size: float,
           role: str, tone: float) -> None:  # fmt: skip
    from jobs.demo.canvas import spline

    edge = min(s.height, s.width) * size
    shape = (spline(points) - 0.5) * edge + np.array([at[0] * s.width, at[1] * s.height])
    s.add(polygon(s.height, s.width, [shape]), role, tone)


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


def desert(s: Scene) -> None:
    s.backdrop(tone=0.85)
    _sun(s)
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
    _sun(s)
    s.ridge(0.6, 0.05, "far", 0.6)
    s.put("horse", (0.5, 0.56), 0.9, "subject", 0.35, flip=bool(s.random.integers(2)))


def swan(s: Scene) -> None:
    s.backdrop(tone=0.7)
    s.ridge(0.4, 0.05, "far", 0.45)
    s.ridge(0.56, 0.008, "water", 0.5, 0.3)
    s.put("swan", (0.5, 0.52), 0.74, "subject", 0.97, flip=bool(s.random.integers(2)))
    s.ridge(0.78, 0.02, "water", 0.4, 0.2)


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
    _sun(s)
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


def open_hand(s: Scene) -> None:
    s.backdrop(tone=0.75)
    s.put("disc", (0.5, 0.44), 0.8, "light", 0.9)
    s.put("hand", (0.5, 0.54), 0.86, "subject", 0.6)
    s.put("disc", (0.46, 0.66), 0.14, "detail", 0.9)
    s.put("disc", (0.46, 0.66), 0.06, "near", 0.15)


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
    "whale": (whale, "a whale between two waves"),
    "fishes": (fishes, "fish in a pond"),
    "perched": (perched, "a bird on a branch"),
    "owl": (owl, "an owl before the full moon"),
    "still life": (still_life, "fruit, a bowl and a bottle"),
    "bouquet": (bouquet, "flowers in a vase"),
    "lighthouse": (lighthouse, "a lighthouse on its rock"),
    "village": (village, "the roofs of a village"),
    "forest": (forest, "fir trees on a slope"),
    "old tree": (old_tree, "an old tree in the field"),
    "cat": (cat, "a black cat at the window"),
    "portrait": (portrait, "a woman in profile, looking left"),
    "jellyfish": (jellyfish, "three jellyfish in deep water"),
    "moth": (moth, "a moth with its wings spread"),
    "mushrooms": (mushrooms, "mushrooms in the moss"),
    "tulips": (tulips, "a row of tulips"),
    "desert": (desert, "cactuses in the desert"),
    "balloons": (balloons, "hot-air balloons over the hills"),
    "snail": (snail, "a snail on a leaf"),
    "fox": (fox, "a fox in the snow"),
    "horse": (horse, "a horse on the ridge"),
    "swan": (swan, "a swan on the lake"),
    "mill": (mill, "a windmill and its tulips"),
    "kites": (kites, "kites in the wind"),
    "cypresses": (cypresses, "cypresses along a road"),
    "hand": (open_hand, "an open hand with an eye"),
    "campfire": (campfire, "a campfire under the stars"),
}
"""Every scene with the words of its caption."""


def compose(name: str, height: int, width: int, random: Random) -> list[Layer]:
    """Return the layers of a scene, back to front; the first covers the picture."""
    scene = Scene(height, width, random)
    SCENES[name][0](scene)
    return scene.layers
