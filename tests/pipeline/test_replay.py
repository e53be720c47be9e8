"""pipeline.replay: an auditor comes to the release's verdicts from its evidence, or says where not.

`publish` judges a small world as a build does; each test takes what it published, changes one
thing, and asks the replay.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optout.signals.policy import SignalPolicy
from optout.signals.profiles import PROFILES
from pipeline.embedded import embedded
from pipeline.evidence import public_evidence
from pipeline.judge import judge
from pipeline.replay import Claimed, Disagreement, Grounds, Private, library_of, replay
from schemas.canonical import plain_json, sha256_hex
from schemas.errors import SchemaError
from schemas.tables import EVIDENCED, TRACED, from_rows
from schemas.verdict import Channel, Family, Outcome, Reason
from tests.optout.signals.c2pa_files import picture
from tests.optout.signals.xmp_files import VOCABULARY, jpeg, mining
from tests.pipeline.worlds import ASKED, SHUT, World, robots

POLICY = SignalPolicy("ArtBot")
PLAIN = picture()
PLAIN_TAGS = '{"metas": [], "licenses": [], "rsl": [], "headers": [], "truncated": false}'
RESERVED = jpeg(mining(VOCABULARY + "DMI-PROHIBITED"))
UNCLEAR = jpeg(mining(VOCABULARY + "DMI-MAYBE"))
BODIES = {sha256_hex(body): body for body in (PLAIN, RESERVED, UNCLEAR)}


def at(name: str) -> str:
    return f"https://h.example/{name}.jpg"


def listing(entry: dict[str, Any]) -> bytes:
    value = {
        "kind": "list",
        "list": "spawning",
        "answer": entry,
        "asked_at": "2026-01-01T00:00:00Z",
    }
    return plain_json(value)


def world() -> World:
    """One row for each way in which a row ends; its uid is its name."""
    made = World()

    def row(name: str, body: bytes = PLAIN, robots_body: bytes = b"", **more: Any) -> None:
        document = robots(body=robots_body)
        made.row(at(name), uid=name)
        made.answer(at(name), (at(name), 200, document), sha256=sha256_hex(body), **more)

    row("kept")
    row("paged")
    made.page("https://h.example/p", page_tags=PLAIN_TAGS)
    row("listed")
    body = listing({"optOut": False})
    made.listed.append({"url_key": at("listed"), "channel": "spawning", "at": ASKED, "body": body})
    row("headers", tag="noai")
    row("reserved", RESERVED)
    row("unclear", UNCLEAR)
    row("half", unchecked=["headers"], headers=None)
    row("half-reserved", RESERVED, unchecked=["headers"], headers=None)
    row("shut", robots_body=SHUT)
    made.row(at("gone"), uid="gone")
    made.answer(at("gone"), (at("gone"), 404, robots()), outcome=Outcome.STATUS)
    made.row(at("unasked"), uid="unasked")
    made.row(at("screened"), uid="screened", stop_stage="screen", stop_reason="optout_host")
    return made


REASONS = {
    "kept": None,
    "paged": None,
    "listed": None,
    "headers": Reason.SIGNAL_HEADER,
    "reserved": Reason.SIGNAL_EMBEDDED,
    "unclear": Reason.SIGNAL_ERROR,
    "half": Reason.UNCHECKED,
    "half-reserved": Reason.SIGNAL_EMBEDDED,
    "shut": Reason.SIGNAL_ROBOTS,
    "gone": Reason.HTTP_STATUS,
    "unasked": Reason.NOT_OBSERVED,
    "screened": Reason.OPTOUT_HOST,
}


@dataclass
class Published:
    """What a release and its vault hold, free to be changed."""

    claimed: dict[str, Claimed]
    traced: dict[str, dict[str, Any]]
    evidence: dict[str, dict[str, Any]]
    index: pa.Table
    bodies: dict[str, bytes]
    policy: SignalPolicy = POLICY
    stale_before_us: int | None = None
    documents: list[Disagreement] = field(default_factory=list)

    def replayed(self) -> list[Disagreement]:
        library, self.documents = library_of(self.index, self.bodies)
        private = Private(from_rows(list(self.evidence.values()), EVIDENCED))
        grounds = Grounds(library, self.policy, self.stale_before_us)
        traced = from_rows(list(self.traced.values()), TRACED)
        return replay(self.claimed.values(), traced, private, grounds)

    def claim(self, uid: str, **changes: Any) -> None:
        self.claimed[uid] = replace(self.claimed[uid], **changes)

    def body(self, uid: str, column: str) -> tuple[str, dict[str, Any]]:
        """Return the digest and the value of a row's evidence."""
        digest = self.traced[uid][column]
        digest = digest[0] if column == "lists" else digest
        return digest, json.loads(self.evidence[digest]["body"])

    def rewrite(self, uid: str, column: str, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change a row's evidence and name the new one in its trace, as a forger would."""
        _, value = self.body(uid, column)
        changed = change(value)
        body = json.dumps(value if changed is None else changed).encode()
        digest = sha256_hex(body)
        self.evidence[digest] = {"sha256": digest, "kind": column, "body": body}
        self.traced[uid][column] = [digest] if column == "lists" else digest


def publish(policy: SignalPolicy = POLICY, stale_before_us: int | None = None) -> Published:
    table, facts = world().tables()
    judged = judge(table, facts, policy, stale_before_us=stale_before_us)
    judged = embedded(judged, BODIES, policy)
    rows = judged.table.to_pylist()
    reasons = [None if (r := row["stop_reason"]) is None else Reason(r) for row in rows]
    index, bodies = public_evidence(facts.documents)
    return Published(
        {
            row["uid"]: Claimed(row["uid"], row["signals"], reason)
            for row, reason in zip(rows, reasons, strict=True)
        },
        {row["uid"]: row for row in judged.traced.to_pylist()},
        {row["sha256"]: row for row in judged.evidence.table().to_pylist()},
        index,
        bodies,
        policy,
        stale_before_us,
    )


@pytest.fixture
def published() -> Published:
    return publish()


def what(found: Iterable[Disagreement]) -> set[tuple[str, str]]:
    return {(one.uid, one.what) for one in found}


# --- agreement


def test_a_release_agrees_with_its_evidence(published: Published) -> None:
    assert {uid: row.reason for uid, row in published.claimed.items()} == REASONS
    assert published.replayed() == []
    assert published.documents == []


def test_times_beside_tars_are_text_and_agree_as_well(published: Published) -> None:
    for uid, row in published.claimed.items():
        signals = [s | {"at": s["at"] and s["at"].isoformat()} for s in row.signals or ()]
        published.claim(uid, signals=signals if row.signals is not None else None)
    assert published.replayed() == []
    published.claim("kept", signals=[s | {"at": "soon"} for s in published.claimed["kept"].signals])
    assert ("kept", "evidence") in what(published.replayed())


@pytest.mark.parametrize(
    "policy",
    [
        SignalPolicy("ArtBot", profile=PROFILES["strict"]),
        SignalPolicy("ArtBot", profile=PROFILES["rfc-literal"]),
        SignalPolicy("ArtBot", lists=frozenset({Channel.SPAWNING})),
        SignalPolicy("ArtBot", accept_unchecked=frozenset(Family)),
    ],
    ids=["strict", "rfc-literal", "lists", "accepting"],
)
def test_a_release_agrees_under_the_policy_that_made_it(policy: SignalPolicy) -> None:
    assert publish(policy).replayed() == []


def test_staleness_is_replayed_too() -> None:
    stale = publish(stale_before_us=ASKED + 1)
    assert stale.claimed["kept"].reason is Reason.SIGNAL_STALE
    assert stale.replayed() == []
    stale.stale_before_us = None
    assert ("kept", "verdict") in what(stale.replayed())


def test_nothing_claimed_and_nothing_traced_agrees(published: Published) -> None:
    published.claimed, published.traced = {}, {}
    assert published.replayed() == []


def test_another_policy_than_the_releases_disagrees(published: Published) -> None:
    published.policy = SignalPolicy("ArtBot", accept_unchecked=frozenset(Family))
    assert published.replayed() == []  # more would be kept: that the release held is no fault
    published.policy = SignalPolicy("ArtBot", lists=frozenset({Channel.SPAWNING}))
    assert ("kept", "verdict") in what(published.replayed())


@pytest.mark.parametrize("reason", [Reason.OPTOUT_STYLE, Reason.SAFETY, Reason.NOT_GRANTED])
def test_a_weightier_reason_than_a_signal_is_no_disagreement(
    published: Published, reason: Reason
) -> None:
    for uid in ("kept", "half"):
        published.claim(uid, reason=reason)
    assert published.replayed() == []


def test_a_reason_that_spread_from_a_copy_is_not_asked_of_the_row(published: Published) -> None:
    published.claim("kept", reason=Reason.SIGNAL_ROBOTS, own=False)
    assert published.replayed() == []
    published.claim("kept", own=True)
    assert what(published.replayed()) == {("kept", "verdict")}


# --- signals


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "ALLOW"},
        {"channel": "content-usage"},
        {"purpose": "mine"},
        {"evidence": "0" * 64},
        {"evidence": None},
        {"at": None},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("uid", ["kept", "headers", "reserved", "gone"])
def test_a_signal_that_was_changed_is_told(
    published: Published, uid: str, change: dict[str, Any]
) -> None:
    signals = [dict(signal) for signal in published.claimed[uid].signals or ()]
    signals[-1] |= change
    published.claim(uid, signals=signals)
    assert what(published.replayed()) == {(uid, "signals")}


def test_a_signal_that_is_left_out_added_or_moved_is_told(published: Published) -> None:
    signals = list(published.claimed["kept"].signals or ())
    for other in (signals[1:], signals[:-1], [], [*signals, signals[0]], signals[::-1]):
        published.claim("kept", signals=other)
        assert what(published.replayed()) == {("kept", "signals")}


def test_a_released_row_without_signals_is_told(published: Published) -> None:
    published.claim("kept", signals=None)
    assert what(published.replayed()) == {("kept", "signals")}


def test_a_row_cannot_be_dropped_for_a_signal_that_it_does_not_list(published: Published) -> None:
    published.claim("screened", reason=Reason.SIGNAL_ROBOTS)
    assert what(published.replayed()) == {("screened", "verdict")}
    published.claim("screened", own=False)
    assert published.replayed() == []


# --- traces


def test_a_row_without_a_trace_is_told(published: Published) -> None:
    del published.traced["kept"]
    assert what(published.replayed()) == {("kept", "trace")}


def test_a_trace_without_a_row_is_told(published: Published) -> None:
    del published.claimed["headers"]
    assert what(published.replayed()) == {("headers", "row")}


# --- evidence


@pytest.mark.parametrize(
    ("uid", "column"),
    [("kept", "answer"), ("kept", "embedded"), ("paged", "page"), ("headers", "answer")],
)
def test_evidence_that_is_absent_is_told(published: Published, uid: str, column: str) -> None:
    digest, _ = published.body(uid, column)
    del published.evidence[digest]
    assert (uid, "evidence") in what(published.replayed())
    assert any(digest in one.found for one in published.replayed())


@pytest.mark.parametrize(("uid", "column"), [("kept", "answer"), ("paged", "page")])
@pytest.mark.parametrize("body", [b"{}", b"", b"[", b"[]", b"\xff", b"null"])
def test_evidence_other_than_its_digest_is_told(
    published: Published, uid: str, column: str, body: bytes
) -> None:
    digest, _ = published.body(uid, column)
    published.evidence[digest]["body"] = body
    assert what(published.replayed()) == {(uid, "evidence")}


def test_evidence_of_a_list_that_is_absent_is_told(published: Published) -> None:
    (digest,) = published.traced["listed"]["lists"]
    del published.evidence[digest]
    assert what(published.replayed()) == {("listed", "evidence")}


def test_evidence_of_other_bytes_is_told(published: Published) -> None:
    published.traced["kept"]["embedded"] = published.traced["reserved"]["embedded"]
    assert what(published.replayed()) == {("kept", "evidence")}


def test_evidence_of_bytes_that_nobody_should_have_opened_is_told(published: Published) -> None:
    for uid in ("shut", "gone", "unasked"):
        published.traced[uid]["embedded"] = published.traced["kept"]["embedded"]
    assert what(published.replayed()) == {(u, "evidence") for u in ("shut", "gone", "unasked")}


@pytest.mark.parametrize("body", [b"[]", b"7", b'{"kind": "answer"}', b"{}", b"\xff", b"[" * 9])
@pytest.mark.parametrize("column", ["answer", "page", "embedded"])
def test_evidence_of_another_shape_is_told(published: Published, column: str, body: bytes) -> None:
    digest = sha256_hex(body)
    published.evidence[digest] = {"sha256": digest, "kind": column, "body": body}
    published.traced["paged"][column] = digest
    assert what(published.replayed()) == {("paged", "evidence")}


# --- documents


def test_a_document_other_than_its_name_is_told(published: Published) -> None:
    changed = next(sha256 for sha256, body in published.bodies.items() if body == SHUT)
    published.bodies[changed] = b""
    published.replayed()
    assert [one.what for one in published.documents] == ["document"]


def test_a_body_that_is_absent_is_told(published: Published) -> None:
    del published.bodies[sha256_hex(SHUT)]
    found = published.replayed()
    assert [(one.what, one.found) for one in published.documents] == [("document", "no body")]
    assert ("shut", "verdict") in what(found)


@pytest.mark.parametrize(
    ("column", "value"),
    [("http_status", 410), ("kind", "ai"), ("origin", "https://other.example")],
)
def test_a_document_other_than_its_id_is_told(
    published: Published, column: str, value: Any
) -> None:
    rows = published.index.to_pylist()
    rows[0][column] = value
    published.index = pa.Table.from_pylist(rows, schema=published.index.schema)
    published.replayed()
    assert [one.what for one in published.documents] == ["document"]
    assert rows[0]["document_id"] in published.documents[0].claimed


def test_a_document_that_is_absent_leaves_its_rows_unproved(published: Published) -> None:
    rows = [row for row in published.index.to_pylist() if row["kind"] != "tdmrep"]
    published.index = pa.Table.from_pylist(rows, schema=published.index.schema)
    found = what(published.replayed())
    assert published.documents == []
    assert {("kept", "signals"), ("kept", "verdict")} <= found


# --- verdicts


@pytest.mark.parametrize(
    "uid", [uid for uid, reason in REASONS.items() if reason not in (None, Reason.OPTOUT_HOST)]
)
def test_a_kept_row_whose_evidence_says_otherwise_is_told(published: Published, uid: str) -> None:
    published.claim(uid, reason=None)
    (wrong,) = published.replayed()
    assert (wrong.uid, wrong.what, wrong.claimed) == (uid, "verdict", "keep")
    assert wrong.found == str(REASONS[uid])


@pytest.mark.parametrize(
    "reason", [Reason.SIGNAL_ROBOTS, Reason.SIGNAL_EMBEDDED, Reason.SIGNAL_ERROR]
)
def test_a_row_that_nothing_speaks_against_cannot_be_dropped_for_a_signal(
    published: Published, reason: Reason
) -> None:
    published.claim("kept", reason=reason)
    (wrong,) = published.replayed()
    assert (wrong.what, wrong.claimed, wrong.found) == ("verdict", reason, "nothing against it")


def test_another_signal_than_the_one_that_counts_is_told(published: Published) -> None:
    published.claim("headers", reason=Reason.SIGNAL_ROBOTS)
    (wrong,) = published.replayed()
    assert (wrong.claimed, wrong.found) == (Reason.SIGNAL_ROBOTS, Reason.SIGNAL_HEADER)


@pytest.mark.parametrize("reason", [Reason.UNCHECKED, Reason.HTTP_STATUS, Reason.DUPLICATE])
def test_a_denial_cannot_be_hidden_behind_a_lighter_reason(
    published: Published, reason: Reason
) -> None:
    published.claim("headers", reason=reason)
    assert what(published.replayed()) == {("headers", "verdict")}


def test_a_kept_row_whose_bytes_were_never_opened_is_told(published: Published) -> None:
    published.traced["kept"]["embedded"] = None
    signals = [s for s in published.claimed["kept"].signals or () if s["channel"] != Channel.XMP]
    published.claim("kept", signals=[s for s in signals if s["channel"] != Channel.C2PA])
    (wrong,) = published.replayed()
    assert (wrong.what, wrong.found) == ("verdict", "its bytes were never opened")


def test_a_forged_answer_is_found_by_the_signals_that_name_it(published: Published) -> None:
    def silence(value: dict[str, Any]) -> None:
        value["headers"] = []

    published.rewrite("headers", "answer", silence)
    published.claim("headers", reason=None)
    assert {("headers", "signals"), ("headers", "verdict")} <= what(published.replayed())


# --- any evidence is answered


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
WHOLE = publish()
TAMPERED = [("paged", "answer"), ("paged", "page"), ("paged", "embedded"), ("listed", "lists")]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_evidence_that_was_tampered_with_is_told_and_breaks_nothing(data: st.DataObject) -> None:
    published = replace(
        WHOLE,
        traced={uid: dict(row) for uid, row in WHOLE.traced.items()},
        evidence=dict(WHOLE.evidence),
    )
    uid, column = data.draw(st.sampled_from(TAMPERED))

    def tamper(value: dict[str, Any]) -> None:
        value[data.draw(st.sampled_from(sorted(value)))] = data.draw(JSON)

    published.rewrite(uid, column, tamper)
    if published.traced[uid] != WHOLE.traced[uid]:
        assert uid in {one.uid for one in published.replayed()}


@pytest.mark.parametrize("table", [pa.table({"uid": ["a"]}), EVIDENCED.empty_table()])
def test_other_tables_are_refused(table: pa.Table) -> None:
    private = Private(EVIDENCED.empty_table())
    grounds = Grounds(library_of(WHOLE.index, WHOLE.bodies)[0], POLICY)
    with pytest.raises(SchemaError):
        replay([], table, private, grounds)
    with pytest.raises(SchemaError):
        Private(pa.table({"uid": ["a"]}))
    with pytest.raises(SchemaError):
        library_of(table, {})
