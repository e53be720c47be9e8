"""Trying a style without registering it: the test of `submit`, and what the style would take."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jobs.backgrounds import Background
from jobs.enrol import Enrolled, Folder, Matcher, Tools
from jobs.submit import Order, tested
from optout.enrol import Works
from optout.registry import Registry
from optout.trial import Reach, reach
from optout.works import vectors_of
from pipeline.report.gallery import thumbnail
from pipeline.report.trial import Shown, TrialFacts
from schemas.errors import UsageError
from schemas.verdict import Scope

SHOWN_TAKEN = 60
SHOWN_NEAR = 36
SHOWN_WORKS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """What testing a style gave. background: null where none was named."""

    enrolled: Enrolled
    reach: Reach
    background: Background | None

    def nearest(self, count: int) -> list[int]:
        """Return the places of the nearest background images, the nearest first."""
        return [int(place) for place in self.reach.order[:count]]


def try_style(
    order: Order, registry: Registry | None, tools: Tools, own_key: str, near: Background | None
) -> Tried:
    """Return what `submit` would find out about a style. Nothing is recorded.

    registry: whose claims it is held against; null for none. own_key: public key whose claims are
    the claimant's own, "" for none. Raises ClaimError where `submit` would refuse, UsageError
    where no model is installed.
    """
    if order.wish.scope != Scope.STYLE or order.works is None or tools.matcher is None:
        raise UsageError("expected a folder of works and a model to test a style with, found none")
    return tried(tested(order, registry, tools, own_key), tools.matcher, near)


def tried(enrolled: Enrolled, matcher: Matcher, near: Background | None) -> Tried:
    """Return how far a style that was just tested reaches."""
    counted = [enrolled.part.works[place] for place in enrolled.exemplars.distinct]
    means = np.array([work.cohort_mean for work in counted], np.float32)
    works = Works(vectors_of(counted, "sty"), vectors_of(counted, "cpy"), means)
    none = np.empty((0, 0), np.float32)
    sty, cpy = (near.sty, near.cpy) if near else (none, none)
    found = reach(works, enrolled.part.style, matcher.cohort, sty, cpy)
    return Tried(enrolled, found, near)


def facts(
    found: Tried,
    works: Folder,
    matcher: Matcher,
    said: Sequence[str],
    numbers: Mapping[str, str],
) -> TrialFacts:
    """Return what a page about a trial shows. said, numbers: the outcome in words."""
    style, near = found.enrolled.part.style, found.background
    names = matcher.cohort.card.get("hands", [])
    hands = [
        (str(names[number]) if number < len(names) else f"hand {number}", count)
        for number, count in found.reach.taken_hands()
    ]
    taken = int(found.reach.taken.sum())
    places = found.nearest(min(taken, SHOWN_TAKEN))
    below = [int(p) for p in found.reach.order[taken : taken + SHOWN_NEAR]]
    shown = list(_shown(found, [*places, *below]))
    return TrialFacts(
        folder=works.store.root.rstrip("/").rpartition("/")[2],
        state=style.state,
        said=tuple(said),
        numbers=tuple(numbers.items()),
        threshold=found.reach.threshold,
        works=tuple(_works(found.enrolled, works)),
        works_count=len(found.enrolled.exemplars.accepted),
        own=found.reach.own,
        cohort=found.reach.cohort,
        cohort_hands=len(np.unique(found.reach.hands)),
        hands=tuple(hands),
        background=near.told if near else "",
        near=found.reach.background,
        taken_count=taken,
        copies_count=int((found.reach.taken & found.reach.copies).sum()),
        taken=tuple(shown[: len(places)]),
        below=tuple(shown[len(places) :]),
    )


def _works(enrolled: Enrolled, works: Folder) -> Iterator[Shown]:
    for name in enrolled.exemplars.accepted[:SHOWN_WORKS]:
        yield Shown(name, "", thumbnail(works.read(name)))


def _shown(found: Tried, places: Sequence[int]) -> Iterator[Shown]:
    near = found.background
    if near is None:
        return
    bodies = near.bodies(places)
    for place in places:
        body = bodies.get(place)
        yield Shown(
            near.said[place],
            near.where[place],
            thumbnail(body) if body else None,
            float(found.reach.background[place]),
            "a copy of yours" if found.reach.copies[place] else "",
        )
