from typing import Any

import pyarrow as pa
import pytest

from optout.lifecycle import Rule
from pipeline.listed import Listed, listed, listed_names
from pipeline.wording import Met, wordings
from schemas.tables import CLAIMS, from_rows
from schemas.verdict import Captions, Stance


def claims(*given_claims: dict[str, Any]) -> pa.Table:
    usual = {"scope": "artist", "stance": "opt_out", "level": 2, "captions": "redact"}
    full = [{"claim_id": f"c{n}", **usual, **c} for n, c in enumerate(given_claims)]
    return from_rows(full, CLAIMS)


def worded(captions: list[str | None], *given_claims: dict[str, Any]) -> dict[int, Any]:
    column = pa.chunked_array([pa.array(captions, pa.string())])
    return wordings(column, claims(*given_claims))


MIRA = {"names": ["Mira Venn"]}


def test_captions_that_hold_no_name_have_no_wording() -> None:
    assert worded(["a castle", None], MIRA) == {}
    assert worded(["a castle by Mira Venn"]) == {}
    assert worded(["a castle by Mira Venn"], {**MIRA, "captions": "drop"}) == {}


def test_a_wording_says_what_is_left_and_who_was_met() -> None:
    (found,) = worded(["a castle by Mira Venn"], MIRA).values()
    assert (found.text, found.stop) == ("a castle", None)
    assert found.met == (Met(Listed("c0", "Mira Venn"), "by"),)


@pytest.mark.parametrize("caption", ["Mira Venn", "by the artist @mira_venn", "a Mira Venn"])
def test_a_caption_of_nothing_else_stops_its_row(caption: str) -> None:
    (found,) = worded([caption], MIRA).values()
    assert found.stop == found.met[0]


def test_what_is_left_must_not_read_as_a_name_that_drops() -> None:
    moss = {"names": ["Ada Moss"], "captions": "drop"}
    (found,) = worded(["Ada Mira Venn Moss"], MIRA, moss).values()
    assert found.stop == Met(Listed("c1", "Ada Moss"), "named")


def test_claims_are_listed_by_what_they_ask_of_captions_and_null_drops() -> None:
    unproved = {**MIRA, "level": 1}
    told = (MIRA, {"names": ["Bo Lind"], "captions": None}, unproved)
    assert listed_names(claims(*told), Captions.REDACT) == [Listed("c0", "Mira Venn")]
    assert listed_names(claims(*told), Captions.DROP) == [Listed("c1", "Bo Lind")]
    trusted = claims(*told, {**unproved, "trusted": True})
    assert [one.claim_id for one in listed_names(trusted, Captions.REDACT)] == ["c0", "c3"]


def test_keys_are_listed_for_the_scopes_that_use_them() -> None:
    given = {"names": ["Mira Venn"], "accounts": ["a.example/m"]}
    table = claims(*({**given, "scope": s} for s in ("work", "artist", "style", "domain")))
    by_rule = {
        rule: [one.claim_id for one in listed(table, rule, Stance.OPT_OUT)]
        for rule in (Rule.NAME, Rule.ACCOUNT)
    }
    assert by_rule == {Rule.NAME: ["c1", "c2"], Rule.ACCOUNT: ["c1", "c2", "c3"]}
