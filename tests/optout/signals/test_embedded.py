"""optout.signals.embedded: what was read of bytes is evidence, and says the same when read back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.embedded import CHANNELS, EmbeddedFacts, of_facts, read
from optout.signals.profiles import PROFILES
from optout.signals.signal import Signal
from schemas.canonical import canonical_json, sha256_hex
from schemas.errors import SchemaError
from schemas.verdict import FAMILY, Channel, Family, Purpose, Say
from tests.optout.signals.c2pa_files import picture, remote, signed
from tests.optout.signals.xmp_files import FILES, VOCABULARY, jpeg, mining, packet, png

DEFAULT = PROFILES["default"]
CONTENT = {"entries": {"cawg.ai_inference": {"use": "notAllowed"}}}
BODIES = {
    "nothing": picture(),
    "xmp": jpeg(mining(f"{VOCABULARY}DMI-PROHIBITED")),
    "xmp in png": png(packet()),
    "cut": jpeg(mining(f"{VOCABULARY}DMI-PROHIBITED"))[:300],
    "c2pa": signed(picture(), [("cawg.training-mining", CONTENT)]),
    "c2pa elsewhere": remote(picture(), "https://m.example/1.c2pa"),
    "no image": b"<html>",
    "no bytes": b"",
}


def says(body: bytes) -> set[tuple[Channel, Purpose, Say]]:
    return {
        (s.channel, s.purpose, s.say) for s in of_facts(read(body, DEFAULT), DEFAULT, Purpose.MINE)
    }


def test_channels_are_those_of_the_family() -> None:
    assert set(CHANNELS) == {c for c in Channel if FAMILY[c] is Family.EMBEDDED}


@pytest.mark.parametrize("name", BODIES)
def test_facts_survive_their_evidence_and_say_the_same(name: str) -> None:
    facts = read(BODIES[name], DEFAULT)
    document = facts.document()
    again = EmbeddedFacts.parse(json.loads(document))
    assert again == facts
    assert again.document() == document
    assert facts.sha256 == sha256_hex(BODIES[name])
    assert of_facts(again, DEFAULT, Purpose.MINE) == of_facts(facts, DEFAULT, Purpose.MINE)


def test_both_channels_speak_and_silence_names_the_purpose() -> None:
    silent = (Channel.C2PA, Purpose.MINE, Say.SILENT)
    assert says(BODIES["nothing"]) == {silent, (Channel.XMP, Purpose.MINE, Say.SILENT)}
    forbidden = {(Channel.XMP, p, Say.DENY) for p in (Purpose.MINE, Purpose.TRAIN_DISC)}
    assert says(BODIES["xmp"]) == {silent, (Channel.XMP, Purpose.TRAIN_GEN, Say.DENY), *forbidden}
    assert (Channel.C2PA, Purpose.INFER, Say.DENY) in says(BODIES["c2pa"])


def test_a_manifest_that_lies_elsewhere_is_an_error_and_is_not_asked() -> None:
    found = {say for channel, _, say in says(BODIES["c2pa elsewhere"]) if channel is Channel.C2PA}
    assert found == {Say.ERROR}


@pytest.mark.parametrize("name", FILES)
def test_a_packet_says_the_same_in_every_container(name: str) -> None:
    body = FILES[name].build(mining(f"{VOCABULARY}DMI-PROHIBITED-AIMLTRAINING"))
    told = {(p, say) for channel, p, say in says(body) if channel is Channel.XMP}
    assert told == {(Purpose.TRAIN_GEN, Say.DENY), (Purpose.TRAIN_DISC, Say.DENY)}


def changed(**values: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read(BODIES["c2pa"], DEFAULT).document())
    return document | values


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        None,
        changed(xmp=None),
        changed(xmp=["no base64"]),
        changed(xmp=[1]),
        changed(faults=1),
        changed(c2pa=[]),
        changed(c2pa={"state": 1}),
        {k: v for k, v in changed().items() if k != "container"},
        {k: v for k, v in changed().items() if k != "sha256"},
    ],
    ids=[*range(11)],  # a manifest has random labels
)
def test_other_json_is_no_evidence(value: Any) -> None:
    with pytest.raises(SchemaError, match="embedded"):
        EmbeddedFacts.parse(value)


PIECE = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBP", b"GIF89a", b"II*\0",
                     b"\0\0\0\x18ftypavif", b"<svg", b"jumb", b"c2pa", b"DMI-PROHIBITED"]),
)  # fmt: skip


@given(st.lists(PIECE, max_size=6).map(b"".join))
def test_any_bytes_are_answered(body: bytes) -> None:
    facts = read(body, DEFAULT)
    said: tuple[Signal, ...] = of_facts(facts, DEFAULT, Purpose.TRAIN_GEN)
    assert {s.channel for s in said} == set(CHANNELS)
    assert EmbeddedFacts.parse(json.loads(canonical_json(json.loads(facts.document())))) == facts
