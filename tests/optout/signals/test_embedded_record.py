"""Records of embedded facts that nobody wrote: refused, or answered like any other."""

from typing import Any

import pytest

from optout.signals.embedded import EmbeddedFacts, of_facts
from optout.signals.profiles import PROFILES
from optout.signals.signal import RAW_BYTES
from schemas.errors import SchemaError
from schemas.verdict import Purpose, Say

RECORDED = {
    "kind": "embedded", "sha256": "ab" * 32, "container": "jpeg", "xmp": [], "faults": [],
    "c2pa": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sha256", None),
        ("container", []),
        ("container", "\ud800"),
        ("xmp", ""),
        ("xmp", ["?"]),
        ("xmp", [1]),
        ("faults", "jpeg: segment cut"),
        ("faults", [1]),
        ("faults", ["\ud800"]),
        ("faults", ["x" * 513]),
        ("c2pa", {}),
        ("c2pa", {"state": [], "assertions": [], "remote": None, "fault": None}),
    ],
)
def test_what_was_not_recorded_is_refused(key: str, value: Any) -> None:
    assert EmbeddedFacts.parse(RECORDED).document()
    with pytest.raises(SchemaError, match="embedded metadata"):
        EmbeddedFacts.parse({**RECORDED, key: value})


@pytest.mark.parametrize("fault", ["\ud800", "x" * 600])
def test_a_fault_of_any_text_is_an_error_with_a_short_note(fault: str) -> None:
    manifest = {"state": "", "assertions": [], "remote": None, "fault": fault}
    facts = EmbeddedFacts.parse({**RECORDED, "c2pa": manifest})
    errors = [s for s in of_facts(facts, PROFILES["default"], Purpose.TRAIN_GEN) if s.note]
    assert {s.say for s in errors} == {Say.ERROR}
    assert all(len(s.note.encode()) <= RAW_BYTES for s in errors)
