"""optout.signals.trust_txt: the one line that is read, and any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.signal import RAW_BYTES
from optout.signals.trust_txt import PURPOSES, of_file
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.ai_txt_cases import TRUST, TrustCase


@pytest.mark.parametrize("case", TRUST, ids=lambda case: case.name)
def test_a_file_says_what_the_table_says(case: TrustCase) -> None:
    signals = of_file(case.body, case.content_type)
    expected = [] if case.say is Say.SILENT else [(p, case.say) for p in PURPOSES]
    assert [(s.purpose, s.say) for s in signals] == expected
    shown = {(s.channel, s.note, s.line, s.place) for s in signals}
    assert shown <= {(Channel.TRUST_TXT, case.note, case.line, "")}


def test_the_line_is_shown_as_it_stands() -> None:
    (one, other) = of_file(b"# trust\n DataTrainingAllowed=NO # all\r\n", None)
    assert one.raw == other.raw == "DataTrainingAllowed=NO # all"
    assert {one.purpose, other.purpose} == {Purpose.TRAIN_GEN, Purpose.TRAIN_DISC}


LINES = st.sampled_from(
    [b"datatrainingallowed=no", b"datatrainingallowed=yes", b"datatrainingallowed", b"x=no", b"#"]
)


@given(st.binary() | st.lists(LINES).map(b"\n".join), st.none() | st.text())
def test_any_bytes_are_answered(body: bytes, content_type: str | None) -> None:
    assert all(len(s.raw.encode()) <= RAW_BYTES for s in of_file(body, content_type))


@given(st.lists(LINES))
def test_one_no_is_never_read_as_permission(lines: list[bytes]) -> None:
    signals = of_file(b"\n".join([*lines, b"datatrainingallowed=no"]), None)
    assert {s.say for s in signals} <= {Say.DENY, Say.ERROR}
    assert signals
