"""What a claim would do to a release, on one page for whoever decides about it. Private."""

from dataclasses import dataclass

from optout.lifecycle import Rule
from pipeline.report.pages import render
from pipeline.report.trial import Shown

HOSTS_SHOWN = 20

RULE_WORDS = {
    str(Rule.URL): "Listed addresses",
    str(Rule.HOST): "Hosts",
    str(Rule.ACCOUNT): "Accounts",
    str(Rule.NAME): "Names in captions",
    str(Rule.SHA256): "These very files",
    str(Rule.PIXEL_SHA256): "These very pixels",
    str(Rule.PERCEPTUAL): "Copies, by two keys",
    str(Rule.COPY): "Copies, by likeness",
    str(Rule.KEYPOINTS): "Copies, by details and likeness",
    str(Rule.STYLE): "Look-alikes",
    str(Rule.STYLE_VOTE): "Look-alikes, by a source's vote",
    str(Rule.STYLE_WEAK): "Look-alikes with a second key",
    str(Rule.STYLE_BAND): "Nearly look-alikes",
}
"""How a rule is called, in the order in which rules are shown."""


@dataclass(frozen=True, slots=True)
class Group:
    """What one rule reaches: rows dropped and held, and some of their pictures."""

    rule: str
    dropped: int
    held: int
    pictures: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class SimulationFacts:
    """What the page is made of. redacted: captions changed. compared: by likeness at all."""

    claim_id: str
    release: str
    rows: int
    dropped: int
    held: int
    redacted: int
    style_state: str
    hosts: tuple[tuple[str, int], ...]
    groups: tuple[Group, ...]
    compared: bool


def render_simulation(facts: SimulationFacts) -> str:
    """Return the page: one file, no script, no network."""
    groups = [
        {
            "id": group.rule,
            "title": RULE_WORDS[group.rule],
            "dropped": group.dropped,
            "held": group.held,
            "pictures": [one.as_dict() for one in group.pictures],
        }
        for group in facts.groups
    ]
    return render(
        "simulation.html.j2",
        {
            "facts": facts,
            "groups": groups,
            "hosts": facts.hosts[:HOSTS_SHOWN],
            "most": max((rows for _, rows in facts.hosts), default=1),
        },
        "trial.css",
    )
