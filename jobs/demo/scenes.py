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

    def lines(self, lines: list[Points], width: float, role: str = "detail", tone: float = 0.2) -> None:
        """Add lines given in shares; `width` in shares of the shorter edge."""
        scale = np.array([self.width, self.height])
        mask = stroke(self.height, self.width, [p * scale for p in lines],
                      max(1.2, width * min(self.height, self.width)))  # fmt: skip
        self.add(mask, role, tone)

    def at(self, low: float, high: float) -> float:
        """Return a number between two bounds."""
        return float(self.random.uniform(low, high))


def _sun(s: Scene, tone: float = 0.95) -> None:
    s.put("disc", (s.at(.2, .8), s.at(.16, .32)), s.at(.16, .3), "light", tone)


def mountains(s: Scene) -> None:
    s.backdrop(tone=.85)
    _sun(s)
    for level, role, tone in ((.42, "far", .65), (.55, "far", .5), (.68, "near", .35)):
        s.ridge(level, .17, role, tone, .45)
    s.ridge(.84, .04, "ground", .2, .8)


def moonlit(s: Scene) -> None:
    s.backdrop(tone=.25)
    s.put("moon", (s.at(.25, .75), .24), .26, "light", .97, turn=s.at(-.5, .5))
    s.ridge(.6, .06, "far", .45)
    for x in np.linspace(.04, .96, 7):
        s.put("pine", (x + s.at(-.04, .04), s.at(.66, .74)), s.at(.36, .58), "near", s.at(.15, .4), stretch=.6)
    s.ridge(.9, .03, "ground", .6, .7)


def sailing(s: Scene) -> None:
    s.backdrop(tone=.82)
    _sun(s)
    s.ridge(.58, .012, "water", .5, .3)
    x = s.at(.35, .65)
    s.put("sails", (x, .42), .5, "subject", .92)
    s.put("hull", (x, .70), .1, "subject", .15, stretch=4.6)
    s.ridge(.74, .02, "water", .4, .2)
    s.put("gull", (1 - x, .16), .13, "detail", .9)


def whale(s: Scene) -> None:
    s.backdrop(tone=.85)
    s.put("cloud", (s.at(.2, .8), .16), .3, "light", .95, stretch=1.5)
    s.ridge(.42, .02, "water", .6, .3)
    s.put("whale", (.5, .54), .82, "subject", .25, flip=bool(s.random.integers(2)))
    s.ridge(.67, .03, "water", .45, .25)


def fishes(s: Scene) -> None:
    s.backdrop("water", .55)
    for k in range(int(s.random.integers(3, 6))):
        s.put("fish", (s.at(.24, .76), .16 + .19 * k), s.at(.26, .46), "subject", s.at(.3, .9),
              turn=s.at(-.3, .3), stretch=1.35, flip=bool(s.random.integers(2)))  # fmt: skip
    for _ in range(9):
        s.put("disc", (s.at(0, 1), s.at(0, 1)), s.at(.02, .05), "light", .95)


def perched(s: Scene) -> None:
    s.backdrop(tone=.85)
    s.lines([np.array([[-.02, .74], [.3, .79], [.62, .75], [1.02, .66]])], .035, "ground", .15)
    for k in range(8):
        s.put("leaf", (.06 + .125 * k, .72 + s.at(-.09, .07)), s.at(.16, .26), "near", s.at(.35, .6), turn=s.at(-1.4, 1.4))
    s.put("bird", (.47, .47), .68, "subject", .4, flip=bool(s.random.integers(2)))


def owl(s: Scene) -> None:
    s.backdrop(tone=.3)
    s.put("disc", (.66, .3), .5, "light", .97)
    s.put("owl", (.47, .52), .72, "subject", .35)
    for x in (.40, .54):
        s.put("disc", (x, .33), .13, "light", .95)
        s.put("disc", (x, .335), .06, "detail", .05)
    s.lines([np.array([[-.02, .9], [.5, .87], [1.02, .92]])], .05, "ground", .2)


def still_life(s: Scene) -> None:
    s.backdrop(tone=.75)
    s.ridge(.68, .008, "ground", .5, 1.0)
    first, second, third = s.random.permutation(["pear", "apple", "lemon"])
    s.put("bottle", (s.at(.2, .3), .47), .72, "near", .3)
    s.put(str(first), (.44, .66), .36, "subject", .7)
    s.put("bowl", (.70, .66), .52, "near", .85, stretch=1.1)
    s.put(str(second), (.63, .52), .26, "subject", .55)
    s.put(str(third), (.79, .53), .24, "subject", .8)
    s.put("bowl", (.70, .66), .52, "near", .85, stretch=1.1)


def bouquet(s: Scene) -> None:
    s.backdrop(tone=.85)
    s.ridge(.80, .006, "ground", .5, 1.0)
    heads = [(s.at(.16, .84), s.at(.12, .5)) for _ in range(8)]
    s.lines([np.array([[.5, .66], [(.5 + x) / 2, .55], [x, y]]) for x, y in heads], .012, "near", .35)
    for _ in range(6):
        s.put("leaf", (s.at(.25, .75), s.at(.36, .62)), s.at(.16, .26), "near", .4, turn=s.at(-1.5, 1.5))
    for x, y in heads:
        size = min(s.height, s.width) * s.at(.2, .32)
        shape = (petals(s.random) - .5) * size + np.array([x * s.width, y * s.height])
        s.add(polygon(s.height, s.width, [shape]), "subject", s.at(.4, .9))
        s.put("disc", (x, y), size / min(s.height, s.width) * .26, "light", .95)
    s.put("vase", (.5, .74), .44, "subject", .25)


def lighthouse(s: Scene) -> None:
    s.backdrop(tone=.75)
    s.put("cloud", (.24, .2), .3, "light", .93, stretch=1.5)
    s.ridge(.68, .015, "water", .5, .25)
    s.put("rock", (.66, .8), .44, "near", .3, stretch=1.7)
    s.put("tower", (.66, .46), .54, "subject", .92, stretch=.8)
    for y in (.40, .58):
        s.put("hull", (.66, y), .075, "detail", .3, stretch=1.8)
    s.put("roof", (.66, .17), .12, "detail", .2, stretch=1.1)
    s.ridge(.84, .03, "water", .4, .2)


def village(s: Scene) -> None:
    s.backdrop(tone=.85)
    _sun(s)
    s.ridge(.46, .06, "far", .6)
    s.ridge(.62, .03, "ground", .5)
    for k in range(6):
        x, y, size = .08 + .17 * k + s.at(-.03, .03), s.at(.56, .76), s.at(.22, .32)
        s.put("house", (x, y), size, "subject", s.at(.65, .95))
        s.put("roof", (x, y), size, "detail", s.at(.15, .4))
        s.put("hull", (x, y + size * .3), size * .22, "near", .2, stretch=.7)


def forest(s: Scene) -> None:
    s.backdrop(tone=.9)
    s.ridge(.5, .1, "far", .7)
    for row, (y, size, tone) in enumerate(((.56, .4, .55), (.68, .56, .4), (.82, .8, .22))):
        for k in range(6 - row):
            s.put("pine", (k / (5 - row) + s.at(-.08, .08), y), size * s.at(.8, 1.1), "near", tone, stretch=.62)


def old_tree(s: Scene) -> None:
    s.backdrop(tone=.85)
    _sun(s)
    s.ridge(.8, .03, "ground", .45)
    x = s.at(.42, .58)
    branches = [np.array([[x, .86], [x + .01, .6], [x + d, .36 + abs(d) * .5]]) for d in (-.26, -.12, .02, .14, .27)]
    s.lines(branches, .045, "subject", .15)
    for _ in range(11):
        s.put("cloud", (x + s.at(-.3, .3), s.at(.2, .46)), s.at(.2, .32), "near", s.at(.3, .65), turn=s.at(0, 6))


def cat(s: Scene) -> None:
    s.backdrop(tone=.8)
    s.put("house", (.5, .32), 1.0, "far", .92, stretch=.8)
    s.put("disc", (s.at(.35, .65), .32), .2, "light", .97)
    s.ridge(.82, .005, "ground", .5, 1.0)
    s.put("tail", (.5, .58), .72, "subject", .18)
    s.put("cat", (.48, .56), .76, "subject", .2)
    for x in (.45, .52):
        s.put("disc", (x, .38), .035, "light", .97)


def portrait(s: Scene) -> None:
    s.backdrop(tone=.8)
    s.put("disc", (.62, .4), .86, "light", .92)
    s.put("face", (.46, .56), .88, "subject", .88)
    hair = [(.40, .24), (.52, .08), (.74, .06), (.95, .24), (.98, .56), (1.06, .84), (.98, 1.1),
            (.80, .96), (.74, .74), (.66, .62), (.68, .44), (.56, .32)]  # fmt: skip
    _curve(s, hair, (.46, .56), .88, "near", .2)


def _curve(s: Scene, points: list[tuple[float, float]], at: tuple[float, float], size: float,
           role: str, tone: float) -> None:  # fmt: skip
    from jobs.demo.canvas import spline

    edge = min(s.height, s.width) * size
    shape = (spline(points) - .5) * edge + np.array([at[0] * s.width, at[1] * s.height])
    s.add(polygon(s.height, s.width, [shape]), role, tone)


def jellyfish(s: Scene) -> None:
    s.backdrop("water", .3)
    for x, y, size in ((.36, .34, .5), (.72, .58, .36), (.2, .78, .24)):
        t = np.linspace(0, 1, 24)
        arms = [np.c_[x + d * size + .03 * np.sin(9 * t + 20 * d) * t, y + t * size * .85] for d in np.linspace(-.3, .3, 7)]
        s.lines(arms, .014 * size * 2, "detail", .8)
        s.put("bell", (x, y), size, "subject", s.at(.7, .92))
    for _ in range(8):
        s.put("disc", (s.at(0, 1), s.at(0, 1)), s.at(.015, .03), "light", .9)


def moth(s: Scene) -> None:
    s.backdrop(tone=s.at(.7, .9))
    s.put("wings", (.5, .5), .84, "subject", .4)
    s.put("wings", (.5, .5), .56, "near", .7)
    for d in (-1, 1):
        for y, r in ((.33, .12), (.66, .09)):
            s.put("disc", (.5 + d * .23, y), r, "light", .95)
            s.put("disc", (.5 + d * .23, y), r * .5, "detail", .1)
    s.put("lemon", (.5, .5), .6, "detail", .15, stretch=.2)
    s.lines([np.array([[.5, .27], [.5 + d * .06, .16], [.5 + d * .15, .10]]) for d in (-1, 1)], .01)


def mushrooms(s: Scene) -> None:
    s.backdrop(tone=.85)
    s.ridge(.78, .03, "ground", .4)
    for x, y, size in ((.3, .62, .5), (.62, .56, .68), (.84, .72, .32)):
        s.put("stalk", (x, y), size, "near", .92)
        s.put("cap", (x, y), size, "subject", s.at(.3, .5), stretch=1.15)
        for d in (-.22, .0, .2):
            s.put("disc", (x + d * size, y - size * (.22 + .1 * (d == 0))), size * .1, "light", .97)


def tulips(s: Scene) -> None:
    s.backdrop(tone=.88)
    s.ridge(.86, .02, "ground", .5)
    for k in range(5):
        x, y = .12 + .19 * k + s.at(-.03, .03), s.at(.22, .46)
        s.lines([np.array([[x + s.at(-.03, .03), 1.0], [x, .7], [x, y]])], .018, "near", .35)
        s.put("leaf", (x + .05, .78), .42, "near", s.at(.3, .5), turn=s.at(.1, .5))
        s.put("leaf", (x - .05, .80), .36, "near", s.at(.3, .5), turn=s.at(-.5, -.1))
        s.put("tulip", (x, y), s.at(.3, .4), "subject", s.at(.4, .8))


def desert(s: Scene) -> None:
    s.backdrop(tone=.85)
    _sun(s)
    s.put("peak", (.7, .5), .4, "far", .65, stretch=2.0)
    s.ridge(.62, .05, "ground", .7, .8)
    for x, size in ((.28, .62), (.76, .4)):
        s.put("cactus", (x, .6), size, "subject", .35)
        for d, y in ((-1, .0), (1, -.06)):
            p = np.array([[x, .62 + y], [x + d * size * .25, .62 + y], [x + d * size * .25, .62 + y - size * .3]])
            s.lines([p], .07 * size * 1.6, "subject", .35)
    s.ridge(.86, .03, "near", .5, .6)


def balloons(s: Scene) -> None:
    s.backdrop(tone=.82)
    for _ in range(3):
        s.put("cloud", (s.at(.1, .9), s.at(.1, .7)), s.at(.16, .3), "light", .95, stretch=1.6)
    for x, y, size in ((.34, .36, .58), (.74, .3, .32), (.8, .66, .24)):
        s.lines([np.array([[x + d * size * .08, y + size * .44], [x + d * size * .05, y + size * .6]]) for d in (-1, 1)], .006)
        s.put("balloon", (x, y), size, "subject", s.at(.4, .7))
        s.put("balloon", (x, y), size, "light", .9, stretch=.36)
        s.put("hull", (x, y + size * .64), size * .09, "detail", .2, stretch=1.4)
    s.ridge(.9, .04, "far", .5)


def snail(s: Scene) -> None:
    s.backdrop(tone=.85)
    s.ridge(.76, .015, "ground", .45)
    s.put("snail", (.48, .52), .84, "subject", .75)
    for r, tone in ((.52, .35), (.40, .7), (.28, .4), (.17, .75), (.08, .3)):
        s.put("disc", (.56 + (.52 - r) * .10, .48 + (.52 - r) * .16), r, "near" if tone < .5 else "detail", tone)
    for k in range(3):
        s.put("leaf", (.12 + .36 * k, .90), .26, "near", .35, turn=s.at(-1, 1))


def fox(s: Scene) -> None:
    s.backdrop(tone=.9)
    s.ridge(.46, .08, "far", .7)
    s.ridge(.74, .03, "ground", .8)
    s.put("fox", (.5, .6), .8, "subject", .45, flip=bool(s.random.integers(2)))
    for x in (.06, .9):
        s.put("pine", (x, .46), .8, "near", .25, stretch=.5)


def horse(s: Scene) -> None:
    s.backdrop(tone=.85)
    _sun(s)
    s.ridge(.6, .05, "far", .6)
    s.put("horse", (.5, .56), .9, "subject", .35, flip=bool(s.random.integers(2)))


def swan(s: Scene) -> None:
    s.backdrop(tone=.7)
    s.ridge(.4, .05, "far", .45)
    s.ridge(.56, .008, "water", .5, .3)
    s.put("swan", (.5, .52), .74, "subject", .97, flip=bool(s.random.integers(2)))
    s.ridge(.78, .02, "water", .4, .2)


def mill(s: Scene) -> None:
    s.backdrop(tone=.85)
    s.put("cloud", (s.at(.15, .3), .2), .28, "light", .95, stretch=1.5)
    s.ridge(.66, .04, "ground", .5)
    s.put("tower", (.52, .58), .6, "subject", .75, stretch=1.3)
    s.put("roof", (.52, .29), .2, "detail", .25)
    s.put("mill", (.52, .36), .62, "detail", .15, turn=s.at(-.6, .6))
    for k in range(5):
        s.put("tulip", (.06 + .22 * k, .9), .18, "near", s.at(.3, .7))


def kites(s: Scene) -> None:
    s.backdrop(tone=.85)
    for _ in range(2):
        s.put("cloud", (s.at(.1, .9), s.at(.2, .6)), .26, "light", .95, stretch=1.6)
    for x, y, size in ((.28, .28, .4), (.7, .4, .32), (.45, .66, .22)):
        t = np.linspace(0, 1, 24)
        s.lines([np.c_[x + .05 * np.sin(10 * t + 9 * x) + .1 * t, y + size * .5 + t * .4]], .008, "detail", .2)
        s.put("kite", (x, y), size, "subject", s.at(.4, .8), turn=s.at(-.5, .5))
        s.put("kite", (x, y), size * .4, "light", .92, turn=s.at(-.5, .5))
    s.ridge(.88, .04, "ground", .4)


def cypresses(s: Scene) -> None:
    s.backdrop(tone=.8)
    _sun(s)
    s.ridge(.5, .1, "far", .65)
    s.ridge(.66, .06, "ground", .55)
    for k in range(5):
        s.put("cypress", (.1 + .2 * k + s.at(-.05, .05), s.at(.56, .66)), s.at(.4, .66), "subject", s.at(.15, .35))
    s.ridge(.86, .03, "near", .45)


def open_hand(s: Scene) -> None:
    s.backdrop(tone=.75)
    s.put("disc", (.5, .44), .8, "light", .9)
    s.put("hand", (.5, .54), .86, "subject", .6)
    s.put("disc", (.46, .66), .14, "detail", .9)
    s.put("disc", (.46, .66), .06, "near", .15)


def campfire(s: Scene) -> None:
    s.backdrop(tone=.2)
    s.ridge(.5, .12, "far", .3)
    s.ridge(.78, .02, "ground", .4)
    s.put("flame", (.5, .56), .58, "subject", .6)
    s.put("flame", (.5, .64), .36, "light", .95)
    for turn in (-.35, .35):
        s.put("hull", (.5, .84), .08, "detail", .1, turn=turn, stretch=6)
    for _ in range(12):
        s.put("disc", (s.at(0, 1), s.at(0, .35)), s.at(.008, .018), "light", .97)


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
