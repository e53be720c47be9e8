from pathlib import Path

from optout.attribution import NAMING, Form
from optout.lifecycle import (
    ACCEPTANCE,
    ACTS_FROM,
    AUTHORSHIP,
    LEVELS,
    MOVES,
    Acceptance,
    Authorship,
    Event,
    Rule,
    State,
)
from schemas.tables import CLAIMS
from schemas.verdict import Captions, Scope, Stance

DOCS = Path(__file__).parents[2] / "docs"
REGISTRY = (DOCS / "registry.md").read_text(encoding="utf-8")
OPTOUT = (DOCS / "optout.md").read_text(encoding="utf-8")


def row(first: str) -> list[str]:
    """The cells of the table row whose first cell holds a word."""
    (line,) = [t for t in REGISTRY.splitlines() if t.startswith("|") and first in t.split("|")[1]]
    return [cell.strip(" `") for cell in line.strip("|").split("|")]


def test_the_table_of_rules_is_the_one_in_the_code():
    for rule in Rule:
        said = row(f"`{rule}`")[1:]
        levels = [
            ACTS_FROM[stance].get(rule, "never") for stance in (Stance.OPT_OUT, Stance.OPT_IN)
        ]
        assert said == [str(level) for level in levels], rule


def test_the_table_of_moves_is_the_one_in_the_code():
    for state in State:
        said = row(f"`{state}`" if state else "(none)")[1:]
        assert said == [str(MOVES.get((state, event), "")) for event in Event], state


def test_what_moderators_may_state_is_what_is_in_the_code():
    assert (AUTHORSHIP.keys(), ACCEPTANCE.keys()) == (set(Authorship), set(Acceptance))
    for option, meanings in (("authorship", AUTHORSHIP), ("reason", ACCEPTANCE)):
        for value, meaning in meanings.items():
            assert row(f"`--{option} {value}`")[1:] == [meaning]
    for event in Event:
        assert f"`{event}`" in REGISTRY


def test_artists_are_told_every_level_and_kind():
    for level, meaning in LEVELS.items():
        assert (
            f"| {level} | {meaning.replace('the claimant' + chr(39) + 's', 'your')}"
            in OPTOUT.replace("your works", "the works")
        )
    for scope in Scope:
        assert f"`{scope}`" in OPTOUT


def test_artists_are_told_what_a_name_does_and_in_which_forms_it_counts():
    for choice in Captions:
        assert f"| `{choice}`" in OPTOUT
    for form in NAMING - {Form.AT}:
        assert f"*{form}*" in " ".join(REGISTRY.split())
    for option in ("--captions", "--account", "--host"):
        assert f"`{option}`" in OPTOUT


def test_every_column_of_the_claims_table_is_described():
    for name in CLAIMS.names:
        assert f"`{name}`" in REGISTRY, name
