"""The pages of trials and simulations: the line, what stands before it, and nothing unescaped."""

from dataclasses import replace

import numpy as np

from optout.lifecycle import Rule
from pipeline.report.gallery import thumbnail
from pipeline.report.simulation import RULE_WORDS, Group, SimulationFacts, render_simulation
from pipeline.report.trial import Shown, TrialFacts, render_trial, strip
from tests.pipeline.samples import picture

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e"
THUMB = thumbnail(picture(1))


def trial(text: str = "tree") -> TrialFacts:
    shown = Shown(text, text, THUMB, 3.5, text)
    return TrialFacts(
        folder=text, state="active", said=(text,), numbers=((text, text),), threshold=3.0,
        works=(shown, Shown(text, "", None)), works_count=12, own=np.array([4.0, 5.0]),
        cohort=np.array([-1.0, 0.5, 3.1]), cohort_hands=2, hands=((text, 1),), background=text,
        near=np.array([3.5, 1.0, np.nan]), taken_count=1, copies_count=1, taken=(shown,),
        below=(replace(shown, similarity=1.0),),
    )  # fmt: skip


def simulation(text: str = "tree", **changes: object) -> SimulationFacts:
    shown = Shown(text, text, THUMB, 0.9, text)
    given = {
        "claim_id": text, "release": text, "rows": 100, "dropped": 3, "held": 0, "redacted": 2,
        "style_state": "active", "hosts": ((text, 3),), "compared": True,
        "groups": (Group("copy", 3, 0, (shown,)),),
    }  # fmt: skip
    return SimulationFacts(**given | changes)


def test_the_strip_has_a_lane_for_each_kind_and_a_line():
    found = strip(trial())
    assert [lane.kind for lane in found.lanes] == ["own", "cohort", "near"]
    xs = [float(tick.split(" ")[0]) for tick in found.lanes[1].path.split("M")[1:]]
    assert xs == sorted(xs)
    assert xs[1] < found.line_x < xs[2]
    assert "other hands: 1 of 3 at or beyond the line" in found.summary
    alone = strip(replace(trial(), near=np.empty(0), background=""))
    assert [lane.kind for lane in alone.lanes] == ["own", "cohort"]


def test_what_is_taken_stands_before_the_line_and_the_rest_behind_it():
    page = render_trial(trial())
    above, below = page.index("likeness 3.50"), page.index("likeness 1.00")
    assert above < page.index('id="line"') < below
    assert "12" in page
    assert page.count("data:image/jpeg;base64,") == 3


def test_nothing_becomes_markup_and_nothing_is_fetched():
    for page in (render_trial(trial(EVIL)), render_simulation(simulation(EVIL))):
        assert "<script" not in page
        assert "<img src=x" not in page
        assert "\u202e" not in page
        assert "default-src" in page
        assert "http" not in page.replace("http-equiv", "")


def test_pictures_are_described():
    for page in (render_trial(trial()), render_simulation(simulation())):
        assert page.count("<img ") == page.count(' alt="tree"')


def test_a_page_says_where_the_flood_guard_steps_in():
    assert "within its caps" in render_simulation(simulation())
    flooded = render_simulation(simulation(held=2))
    assert "The flood guard would stop it" in flooded
    assert "match.accept_floods" in flooded
    none = render_simulation(simulation(dropped=0, groups=(), hosts=(), redacted=0))
    assert "reaches nothing" in none
    assert "another matcher" in render_simulation(simulation(compared=False))


def test_every_rule_has_words():
    assert RULE_WORDS.keys() == set(Rule)
