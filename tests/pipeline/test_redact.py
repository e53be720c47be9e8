import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.mentions import form_in
from pipeline.redact import Redacted, redact
from schemas.tables import CLAIMS, MATCHES, ORIGINALS, ROWS, from_rows

NAMES = ("Mira Venn", "Bo Lind", "Flora")


def rows(captions: list[str | None], **extra: pa.Array) -> pa.Table:
    told = [
        {"uid": f"{n:032x}", "row": n, "url": f"http://h.example/{n}", "host": "h.example",
         "url_key": f"http://h.example/{n}", "caption": caption}
        for n, caption in enumerate(captions)
    ]  # fmt: skip
    table = from_rows(told, ROWS)
    for name, column in extra.items():
        table = table.append_column(f"extra.{name}", column)
    return table


def claims(*given_claims: dict[str, Any]) -> pa.Table:
    usual = {"scope": "artist", "stance": "opt_out", "level": 2, "captions": "redact"}
    return from_rows(
        [{"claim_id": f"c{n}", **usual, **c} for n, c in enumerate(given_claims)], CLAIMS
    )


def redacted(table: pa.Table, *given_claims: dict[str, Any]) -> Redacted:
    return redact(table, claims(*given_claims))


def test_a_caption_loses_the_name_and_keeps_its_row_and_its_uid() -> None:
    table = rows(["a castle by Mira Venn, oil", "a tree", None])
    found = redacted(table, {"names": ["Mira Venn"]})
    assert found.rows["caption"].to_pylist() == ["a castle, oil", "a tree", None]
    assert found.rows["stop_reason"].null_count == 3
    assert found.rows["uid"].equals(table["uid"])
    assert found.rows.schema.equals(table.schema)


def test_what_it_said_before_is_kept_with_every_claim_and_form() -> None:
    table = rows(["x", "a castle by Mira Venn and Bo Lind"], tags=pa.array([["y"], ["oil"]]))
    found = redacted(table, {"names": ["Bo Lind"]}, {"names": ["Mira Venn"]})
    assert found.originals.schema.names == [*ORIGINALS.names, "extra.tags"]
    (row,) = found.originals.to_pylist()
    assert (row["uid"], row["claim_id"], row["extra.tags"]) == (f"{1:032x}", "c0", ["oil"])
    assert row["caption"] == "a castle by Mira Venn and Bo Lind"
    assert json.loads(row["detail"]) == [
        {"claim": "c0", "name": "Bo Lind", "form": "named"},
        {"claim": "c1", "name": "Mira Venn", "form": "by"},
    ]
    assert found.named.schema.equals(MATCHES)
    assert [(m["claim_id"], m["rule"]) for m in found.named.to_pylist()] == [
        ("c0", "name"),
        ("c1", "name"),
    ]


def test_other_columns_of_the_row_lose_the_names_of_the_same_claims() -> None:
    table = rows(
        ["a castle by Mira Venn", "a castle"],
        artist=pa.array(["M. Venn", "M. Venn"]),
        tags=pa.array([["oil", "#miravenn"], ["#miravenn"]]),
        page=pa.array(["https://h.example/mira-venn/", "https://h.example/"]),
        votes=pa.array([3, 4]),
        info=pa.array([{"by": "Mira Venn", "n": 1}, {"by": "Mira Venn", "n": 1}]),
    )
    found = redacted(table, {"names": ["Mira Venn", "M. Venn"]}, {"names": ["Bo Lind"]}).rows
    assert [
        found[f"extra.{n}"].to_pylist() for n in ("artist", "tags", "page", "votes", "info")
    ] == [
        [None, "M. Venn"],
        [["oil", None], ["#miravenn"]],
        [None, "https://h.example/"],
        [3, 4],
        [{"by": None, "n": 1}, {"by": "Mira Venn", "n": 1}],
    ]


def test_rows_that_are_stopped_are_left_as_they_are() -> None:
    table = rows(["a castle by Mira Venn", "Mira Venn", "Mira Venn, oil by Bo Lind"])
    found = redacted(table, {"names": ["Mira Venn"]}, {"names": ["Bo Lind"], "captions": "drop"})
    assert found.rows["stop_reason"].to_pylist() == [None, "optout_name", "optout_name"]
    assert found.rows["caption"].to_pylist()[1:] == table["caption"].to_pylist()[1:]
    assert found.originals.num_rows == 1


@pytest.mark.parametrize(("level", "trusted"), [(1, False), (0, True)])
def test_a_name_is_redacted_once_control_is_proved(level: int, trusted: bool) -> None:
    claim = {"names": ["Mira Venn"], "level": level, "trusted": trusted}
    found = redacted(rows(["a castle by Mira Venn"]), claim)
    assert found.originals.num_rows == int(trusted)


def test_names_that_meet_where_another_was_go_as_well() -> None:
    found = redacted(
        rows(["Bo Mira Venn Lind, oil"]), {"names": ["Bo Lind"]}, {"names": ["Mira Venn"]}
    )
    assert found.rows["caption"].to_pylist() == ["oil"]


captions = st.lists(
    st.lists(
        st.sampled_from(
            [
                "Mira",
                "Venn",
                "Mira Venn",
                "bo_lind",
                "#MiraVenn",
                "by",
                "and",
                "a castle",
                "Flora",
                ",",
                "oil",
            ]
        ),
        max_size=7,
    ).map(" ".join)
    | st.none(),
    max_size=4,
)
claim_lists = st.lists(
    st.fixed_dictionaries(
        {
            "names": st.lists(st.sampled_from(NAMES), max_size=2),
            "captions": st.sampled_from(["drop", "redact", None]),
            "level": st.integers(0, 3),
        }
    ),
    max_size=3,
)


@given(captions, claim_lists)
def test_no_row_that_stays_names_anybody_who_acts(
    given_captions: list[str | None], given_claims: list[dict[str, Any]]
) -> None:
    table = rows(given_captions)
    found = redacted(table, *given_claims)
    acting = [name for c in given_claims if c["level"] >= 2 for name in c["names"]]
    changed = found.originals["uid"].to_pylist()
    assert found.rows["uid"].equals(table["uid"])
    for before, row in zip(given_captions, found.rows.to_pylist(), strict=True):
        assert (row["caption"] != before) == (row["uid"] in changed)
        if row["stop_reason"] is None and row["caption"] is not None:
            assert not [name for name in acting if form_in(row["caption"], name)]


@given(captions, captions, claim_lists)
def test_redacting_a_concatenation_concatenates(
    a: list[str | None], b: list[str | None], given_claims: list[dict[str, Any]]
) -> None:
    whole = redacted(rows([*a, *b]), *given_claims).rows
    parts = [redacted(rows(c), *given_claims).rows for c in (a, b)]
    for name in ("caption", "stop_reason"):
        assert whole[name].to_pylist() == [v for p in parts for v in p[name].to_pylist()]
