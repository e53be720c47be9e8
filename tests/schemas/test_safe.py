import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UsageError
from schemas.safe import MAX_WORDS, Cleared, parse_safe, render_safe, safe_table

digits = st.text("0123456789abcdef", min_size=64, max_size=64)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
lines = st.builds(
    Cleared,
    claim_id=digits.map(lambda d: d[:32]),
    sha256=digits,
    pixel_sha256=digits,
    at=st.datetimes().map(lambda at: f"{at.replace(microsecond=0).isoformat()}Z"),
    by=words,
    why=words,
)
ONE = Cleared("a" * 32, "b" * 64, "c" * 64, "2026-01-01T00:00:00Z", "Ada", "a photograph")


@given(st.lists(lines, max_size=5))
def test_a_safe_list_is_read_back(found):
    assert parse_safe(render_safe(found), "safe.jsonl") == found


@given(st.binary(max_size=200))
def test_any_bytes_give_a_list_or_a_usage_error(body):
    with suppress(UsageError):
        assert isinstance(parse_safe(body, "safe.jsonl"), list)


@pytest.mark.parametrize(
    "change",
    [
        {"claim_id": "*"},
        {"claim_id": "A" * 32},
        {"sha256": "b" * 63},
        {"pixel_sha256": ""},
        {"at": "yesterday"},
        {"at": "2026-01-01T00:00:00"},
        {"by": 3},
        {"why": "x" * (MAX_WORDS + 1)},
        {"why": "\ud800"},
        {"more": ""},
    ],
)
def test_a_line_that_is_none_is_refused_with_its_number(change):
    value = json.loads(render_safe([ONE])) | change
    body = render_safe([ONE]) + b"\n" + json.dumps(value).encode()
    with pytest.raises(UsageError, match=r"here\.jsonl, line 3"):
        parse_safe(body, "here.jsonl")


def test_a_content_is_cleared_once():
    later = Cleared(ONE.claim_id, ONE.sha256, ONE.pixel_sha256, ONE.at, "Bo", "")
    assert safe_table([ONE, later]).to_pylist() == [
        {"claim_id": "a" * 32, "sha256": "b" * 64, "pixel_sha256": "c" * 64}
    ]
