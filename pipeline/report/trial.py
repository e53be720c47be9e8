"""What a style would take, on one page for the artist: outcome, distances, nearest pictures."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.report.pages import render

Values = npt.NDArray[np.float64]
Thumb = tuple[bytes, int, int]
"""JPEG, width, height."""

WIDTH = 1000
LANE = 74
TICK = 30
MARGIN = 0.04
HANDS_SHOWN = 8

HEADLINES = {
    "active": "Your style can be told from others",
    "not separable": "Your style cannot be told from others",
    "needs review": "Somebody has to look at your style first",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture on a page. thumb: null where there is no picture to show. note: beside it."""

    name: str
    where: str
    thumb: Thumb | None
    similarity: float | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return what a template reads."""
        source, width, height = None, 0, 0
        if self.thumb:
            body, width, height = self.thumb
            source = f"data:image/jpeg;base64,{base64.b64encode(body).decode()}"
        return {
            "name": self.name,
            "where": self.where,
            "source": source,
            "width": width,
            "height": height,
            "similarity": self.similarity,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, eq=False)
class TrialFacts:
    """What the page is made of.

    said, numbers: the outcome in words, as the terminal says it. own, cohort, near: similarities of
    the works to each other, of images by other hands, of the background. hands: name and images of
    the cohort hands that are reached. taken, below: background pictures, the nearest first.
    """

    folder: str
    state: str
    said: tuple[str, ...]
    numbers: tuple[tuple[str, str], ...]
    threshold: float
    works: tuple[Shown, ...]
    works_count: int
    own: Values
    cohort: Values
    cohort_hands: int
    hands: tuple[tuple[str, int], ...]
    background: str
    near: Values
    taken_count: int
    copies_count: int  # of the background pictures taken, copies of the works themselves
    taken: tuple[Shown, ...]
    below: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the strip: a tick for each image."""

    title: str
    told: str
    kind: str
    path: str
    text_y: float
    base_y: float


@dataclass(frozen=True, slots=True)
class Strip:
    """Similarities side by side, with the line from which an image is left out."""

    lanes: tuple[Lane, ...]
    line_x: float
    height: int
    summary: str


def render_trial(facts: TrialFacts) -> str:
    """Return the page: one file, no script, no network."""
    return render(
        "trial.html.j2",
        {
            "facts": facts,
            "headline": HEADLINES.get(facts.state, "Nothing was tested"),
            "strip": strip(facts),
            "works": [one.as_dict() for one in facts.works],
            "taken": [one.as_dict() for one in facts.taken],
            "below": [one.as_dict() for one in facts.below],
            "hands": facts.hands[:HANDS_SHOWN],
            "hands_more": max(len(facts.hands) - HANDS_SHOWN, 0),
            "cohort_taken": int((facts.cohort >= facts.threshold).sum()),
            "own_taken": int((facts.own >= facts.threshold).sum()),
        },
        "trial.css",
    )


def strip(facts: TrialFacts) -> Strip:
    """Return the strip of a trial."""
    named = [
        ("Your works", "each compared with the others", "own", facts.own),
        ("Other hands", f"{facts.cohort_hands} of them, as a measure", "cohort", facts.cohort),
        ("The background", facts.background, "near", facts.near),
    ]
    present = [one for one in named if len(one[3])]
    values = np.concatenate([one[3] for one in present] + [np.array([facts.threshold])])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    room = MARGIN * max(high - low, 1e-6)
    scale = WIDTH / (high - low + 2 * room)

    def x(value: float) -> float:
        return round((value - low + room) * scale, 1)

    lanes = tuple(
        _lane(number, one, [x(float(v)) for v in np.sort(one[3]) if np.isfinite(v)])
        for number, one in enumerate(present)
    )
    return Strip(lanes, x(facts.threshold), LANE * len(lanes) + 26, _summary(present, facts))


def _lane(number: int, named: tuple[str, str, str, Values], xs: Sequence[float]) -> Lane:
    title, told, kind, _ = named
    top = number * LANE + 42
    # where ticks coincide one is enough
    path = "".join(f"M{x} {top}v{TICK}" for x in dict.fromkeys(xs))
    return Lane(title, told, kind, path, top - 9, top + TICK)


def _summary(present: Sequence[tuple[str, str, str, Values]], facts: TrialFacts) -> str:
    said = [
        f"{title.lower()}: {int((values >= facts.threshold).sum())} of {len(values)} at or beyond"
        " the line"
        for title, _, _, values in present
    ]
    return "; ".join(said)
