"""pipeline.embedded: what real files say about themselves stops their rows before decoding."""

import datetime as dt
import json
from typing import Any

import pyarrow as pa
import pytest

from optout.signals.embedded import EmbeddedFacts
from optout.signals.policy import SignalPolicy
from optout.signals.profiles import PROFILES
from pipeline.embedded import embedded
from pipeline.evidence import Evidence
from pipeline.judge import Judged
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError
from schemas.tables import JUDGED, TRACED, from_rows
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.c2pa_files import picture, signed
from tests.optout.signals.xmp_files import FILES, VOCABULARY, jpeg, mining, packet

AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
POLICY = SignalPolicy("ArtBot")
PLAIN = jpeg(packet())


def dmi(code: str) -> bytes:
    return jpeg(mining(VOCABULARY + code))


def uses(**entries: str) -> bytes:
    """Return a signed image whose manifest says how it may be used."""
    content = {"entries": {f"cawg.{key}": {"use": use} for key, use in entries.items()}}
    return signed(picture(), [("cawg.training-mining", content)])


class Bodies(dict[str, bytes]):
    """Bodies by sha256 that count how often they are asked."""

    def __init__(self, *bodies: bytes) -> None:
        super().__init__({sha256_hex(body): body for body in bodies})
        self.asked: list[str] = []

    def __getitem__(self, sha256: str) -> bytes:
        self.asked.append(sha256)
        return super().__getitem__(sha256)


def judged(*bodies: bytes | None, **more: Any) -> Judged:
    """Return rows as judge leaves them, each with a body; None is a row without one."""
    before = {
        "channel": "robots",
        "purpose": "fetch",
        "verdict": "ALLOW",
        "evidence": "e",
        "at": AT,
    }
    rows = [
        {"uid": str(i), "sha256": sha256_hex(body) if body is not None else None,
         "pack": "packs/0.pack" if body is not None else None,
         "signals": [before], "fetched_at": AT, "unchecked": [], **more}
        for i, body in enumerate(bodies)
    ]  # fmt: skip
    traced = [{"uid": row["uid"], "lists": []} for row in rows]
    return Judged(from_rows(rows, JUDGED), from_rows(traced, TRACED), Evidence())


def opened(*bodies: bytes, policy: SignalPolicy = POLICY) -> list[dict[str, Any]]:
    found = embedded(judged(*bodies), Bodies(*bodies), policy)
    assert found.table.schema.equals(JUDGED, check_metadata=True)
    assert found.traced.schema.equals(TRACED, check_metadata=True)
    found.table.validate(full=True)
    rows: list[dict[str, Any]] = found.table.to_pylist()
    return rows


def said(row: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return what the body of a row said, silence left out."""
    return {
        (s["channel"], s["purpose"], s["verdict"])
        for s in row["signals"]
        if s["channel"] in (Channel.XMP, Channel.C2PA) and s["verdict"] != Say.SILENT
    }


@pytest.mark.parametrize(
    ("body", "reason", "purposes"),
    [
        (dmi("DMI-PROHIBITED"), "signal_embedded", {"mine", "train-disc", "train-gen"}),
        (dmi("DMI-PROHIBITED-GENAIMLTRAINING"), "signal_embedded", {"train-gen"}),
        (uses(data_mining="notAllowed"), "signal_embedded", {"mine", "train-disc", "train-gen"}),
        (uses(ai_inference="notAllowed"), "signal_embedded", {"infer"}),
        (uses(ai_training="notAllowed"), None, {"train-disc"}),  # not what this release is for
        (dmi("DMI-MAYBE"), "signal_error", {"train-gen"}),
        (dmi("DMI-ALLOWED"), None, {"mine", "train-disc", "train-gen"}),
        (uses(ai_generative_training="allowed"), None, {"train-gen"}),
        (PLAIN, None, set()),
    ],
    ids=["all", "generative", "mining", "inference", "another", "error", "xmp", "c2pa", "silent"],
)
def test_body_that_reserves_its_rights_stops_its_row_before_decoding(
    body: bytes, reason: str | None, purposes: set[str]
) -> None:
    (row,) = opened(body)
    assert row["stop_reason"] == reason
    assert row["stop_stage"] == ("embedded" if reason else None)
    assert {purpose for _, purpose, _ in said(row)} == purposes


def test_every_channel_answers_after_what_was_said_before_at_the_time_of_the_fetch() -> None:
    (row,) = opened(PLAIN)
    assert [s["channel"] for s in row["signals"]] == ["robots", "xmp", "c2pa"]
    assert {s["verdict"] for s in row["signals"][1:]} == {Say.SILENT}
    assert {s["at"] for s in row["signals"]} == {AT}


@pytest.mark.parametrize("name", FILES)
def test_each_container_stops_its_row(name: str) -> None:
    body = FILES[name].build(mining(VOCABULARY + "DMI-PROHIBITED"))
    (row,) = opened(body)
    assert row["stop_reason"] == "signal_embedded"


def test_what_stops_a_row_depends_on_what_the_build_is_for() -> None:
    bodies = dmi("DMI-PROHIBITED-GENAIMLTRAINING"), uses(ai_training="notAllowed")
    reasons = {
        purpose: [row["stop_reason"] for row in opened(*bodies, policy=policy)]
        for purpose in (Purpose.MINE, Purpose.TRAIN_DISC, Purpose.TRAIN_GEN)
        if (policy := SignalPolicy("ArtBot", purpose))
    }
    assert reasons == {
        Purpose.MINE: [None, None],
        Purpose.TRAIN_DISC: [None, "signal_embedded"],
        Purpose.TRAIN_GEN: ["signal_embedded", None],
    }


def test_what_was_read_is_evidence_and_absence_is_too() -> None:
    bodies = [dmi("DMI-PROHIBITED"), PLAIN, picture("PNG")]
    found = embedded(judged(*bodies), Bodies(*bodies), POLICY)
    kept = {row["sha256"]: row for row in found.evidence.table().to_pylist()}
    assert {row["kind"] for row in kept.values()} == {"embedded"}
    assert len(kept) == 3
    rows = zip(bodies, found.table.to_pylist(), found.traced["embedded"].to_pylist(), strict=True)
    for body, row, digest in rows:
        own = [s["evidence"] for s in row["signals"] if s["channel"] in (Channel.XMP, Channel.C2PA)]
        assert set(own) == {digest}
        facts = EmbeddedFacts.parse(json.loads(kept[digest]["body"]))
        assert facts == POLICY.read_bytes(body)
        again = {(s.channel, s.purpose, s.say) for s in POLICY.of_embedded(facts)}
        assert {a for a in again if a[2] is not Say.SILENT} == said(row)


def test_equal_bodies_are_opened_once_and_dropped_rows_never() -> None:
    bodies = Bodies(dmi("DMI-PROHIBITED"))
    (body,) = bodies.values()
    found = embedded(judged(body, body), bodies, POLICY)
    assert bodies.asked == [sha256_hex(body)]
    assert found.table["stop_reason"].to_pylist() == ["signal_embedded"] * 2
    assert found.evidence.table().num_rows == 1

    stopped = judged(body, stop_stage="judge", stop_reason="signal_robots")
    left = embedded(stopped, bodies, POLICY)
    assert left.table.equals(stopped.table)
    assert left.traced["embedded"].to_pylist() == [None]
    assert left.evidence.table().num_rows == 0
    assert len(bodies.asked) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (dmi("DMI-PROHIBITED"), "signal_embedded"),
        (dmi("DMI-MAYBE"), "unchecked"),
        (dmi("DMI-ALLOWED"), "unchecked"),
        (PLAIN, "unchecked"),
    ],
    ids=["deny", "error", "allow", "silent"],
)
def test_a_held_row_is_opened_and_only_a_denial_outranks_what_holds_it(
    body: bytes, reason: str
) -> None:
    held = judged(body, stop_stage="judge", stop_reason="unchecked", stop_detail="{}")
    (row,) = embedded(held, Bodies(body), POLICY).table.to_pylist()
    assert row["stop_reason"] == reason
    assert {s["channel"] for s in row["signals"]} >= {Channel.XMP, Channel.C2PA}
    assert row["stop_stage"] == ("embedded" if reason == "signal_embedded" else "judge")


def test_rows_whose_bytes_lie_nowhere_keep_what_they_have() -> None:
    body = dmi("DMI-PROHIBITED")
    table = judged(None, body, None)
    found = embedded(table, Bodies(body), POLICY).table.to_pylist()
    before = table.table.to_pylist()
    assert (found[0], found[2]) == (before[0], before[2])
    assert found[1]["stop_reason"] == "signal_embedded"


def test_no_rows_give_no_rows() -> None:
    found = embedded(judged(), Bodies(), POLICY)
    assert found.table.equals(JUDGED.empty_table())
    assert found.traced.num_rows == 0


def test_the_kind_of_source_and_rights_are_told() -> None:
    iptc = 'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    source = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    made = jpeg(packet(attributes=f'{iptc} Iptc4xmpExt:DigitalSourceType="{source}"'))
    owner = '<xmpRights:WebStatement xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/">'
    owned = jpeg(packet(f"{owner}https://e.example/rights</xmpRights:WebStatement>"))
    first, second = opened(made, owned)
    assert first["digital_source_type"] == "trainedAlgorithmicMedia"
    assert first["rights"] == []
    assert second["digital_source_type"] is None
    assert [r["value"] for r in second["rights"]] == ["https://e.example/rights"]
    assert (first["stop_reason"], second["stop_reason"]) == (None, None)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_any_bytes_are_answered(profile: Any) -> None:
    bodies = [b"", b"x", b"\xff\xd8\xff\xe1\xff", b"\x89PNG\r\n\x1a\n", bytes(range(256)) * 9]
    rows = opened(*bodies, policy=SignalPolicy("ArtBot", profile=profile))
    assert len(rows) == len(bodies)


def test_other_tables_are_refused() -> None:
    table = judged(PLAIN)
    with pytest.raises(SchemaError):
        embedded(Judged(pa.table({"uid": ["a"]}), table.traced, Evidence()), Bodies(PLAIN), POLICY)
