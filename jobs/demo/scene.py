"""A scene is a pile of masks, back to front, that every hand paints in its own manner."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from jobs.demo.canvas import Field, Points, Random, fbm, polygon, spline, stroke
from jobs.demo.shapes import outline


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
        """Return a shape's outlines in pixels; `size` of the shorter edge, `turn` in radians."""
        edge = min(self.height, self.width) * size
        cos, sin = np.cos(turn), np.sin(turn)
        placed = []
        for points in outline(name):
            p = (points - 0.5) * np.array([edge * stretch * (-1 if flip else 1), edge])
            p = p @ np.array([[cos, sin], [-sin, cos]])
            placed.append(p + np.array([at[0] * self.width, at[1] * self.height]))
        return placed

    def put(self, name: str, at: tuple[float, float], size: float, role: str = "subject",
            tone: float = 0.4, *, turn: float = 0.0, stretch: float = 1.0,
            flip: bool = False) -> None:  # fmt: skip
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

    def curve(self, points: Sequence[tuple[float, float]], at: tuple[float, float], size: float,
              role: str, tone: float) -> None:  # fmt: skip
        """Add a closed curve through points of the unit square, placed like a shape."""
        edge = min(self.height, self.width) * size
        where = np.array([at[0] * self.width, at[1] * self.height])
        mask = polygon(self.height, self.width, [(spline(points) - 0.5) * edge + where])
        self.add(mask, role, tone)

    def at(self, low: float, high: float) -> float:
        """Return a number between two bounds."""
        return float(self.random.uniform(low, high))


def sun(s: Scene, tone: float = 0.95) -> None:
    s.put("disc", (s.at(0.2, 0.8), s.at(0.16, 0.32)), s.at(0.16, 0.3), "light", tone)
