"""pipeline.judge: every verdict recomputed from the facts, evidence for those who are kept."""

import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from optout.signals.channels import Document, SignalPolicy, found
from optout.signals.evidence import header_document
from pipeline.judge import FAILURES, judge
from schemas.canonical import sha256_hex
from schemas.errors import SchemaError
from schemas.tables import DOCUMENTS, JUDGED, OBSERVED, ROWS, from_rows
from schemas.verdict import Outcome, Purpose, Reason

POLICY = SignalPolicy("ArtBot")
ASKED, FETCHED = 1_767_225_600_000_000, 1_767_225_601_000_000
OPEN = b"User-agent: *\nAllow: /\n"
SHUT = b"User-agent: *\nDisallow: /\n"
URL = "https://h.example/a.jpg"


def robots(
    host: str = "h.example", status: int | None = 200, body: bytes | None = OPEN
) -> Document:
    origin = f"https://{host}"
    url = f"{origin}/robots.txt"
    return found("robots", origin, url, http_status=status, asked_at_us=ASKED, body=body)


@dataclass
class World:
    """Rows, answers and documents, one row for each answer."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    observed: list[dict[str, Any]] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)

    def row(self, url: str = URL, uid: str | None = None, **stop: str) -> "World":
        uid = uid or f"{len(self.rows):032x}"
        self.rows.append({"uid": uid, "row": len(self.rows), "url_key": url, **stop})
        return self

    def answer(
        self,
        url: str = URL,
        *hops: tuple[str, int | None, Document | None],
        outcome: Outcome = Outcome.OK,
        tag: str | None = None,
        **more: Any,
    ) -> "World":
        body = outcome in (Outcome.OK, Outcome.GIVEN)
        headers = [{"name": "Content-Type", "value": "image/jpeg"}]
        headers += [{"name": "X-Robots-Tag", "value": tag}] if tag else []
        asked = [
            {"url": u, "status": s, "robots": d.document_id if d else None} for u, s, d in hops
        ]
        status = hops[-1][1] if hops else None
        row = {
            "url_key": url,
            "outcome": outcome.value,
            "hops": asked,
            "final_url": hops[-1][0] if hops else None,
            "http_status": status,
            "headers": headers if status else None,
            "asked_at": ASKED,
            "fetched_at": FETCHED if body else None,
            "sha256": "ab" * 32 if body else None,
            "pack": "fetch/0.pack" if body else None,
            "offset": 0 if body else None,
            "length": 9 if body else None,
            "unchecked": [],
        }
        self.observed.append(row | more)
        self.documents += [d for _, _, d in hops if d is not None]
        return self

    def tables(self) -> tuple[pa.Table, pa.Table, pa.Table]:
        documents = [
            {k: getattr(d, k) for k in DOCUMENTS.names if k != "asked_at"}
            | {"asked_at": d.asked_at_us}
            for d in self.documents
        ]
        return (
            from_rows(self.rows, ROWS),
            from_rows(self.observed, OBSERVED),
            from_rows(documents, DOCUMENTS),
        )

    def judged(self, policy: SignalPolicy = POLICY) -> list[dict[str, Any]]:
        table = judge(*self.tables(), policy)
        assert table.schema.equals(JUDGED, check_metadata=True)
        table.validate(full=True)
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows


def one(world: World, policy: SignalPolicy = POLICY) -> dict[str, Any]:
    (row,) = world.judged(policy)
    return row


def said(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(s["channel"], s["purpose"], s["verdict"]) for s in row["signals"]]


def test_a_kept_row_carries_its_signals_with_evidence_and_time() -> None:
    row = one(World().row().answer(URL, (URL, 200, robots())))
    assert row["stop_reason"] is None
    assert said(row) == [("robots", "fetch", "ALLOW"), ("x-robots-tag", "train-gen", "SILENT")]
    document, headers = row["signals"]
    assert document["evidence"] == robots().document_id
    assert headers["evidence"] == sha256_hex(header_document(URL, 200, [], ASKED, FETCHED))
    assert [int(s["at"].timestamp() * 1e6) for s in row["signals"]] == [ASKED, FETCHED]
    assert (row["outcome"], row["sha256"], row["length"]) == ("ok", "ab" * 32, 9)


def test_absence_is_evidence() -> None:
    absent = robots(status=404, body=None)
    row = one(World().row().answer(URL, (URL, 200, absent)))
    assert said(row)[0] == ("robots", "train-gen", "SILENT")
    assert row["signals"][0]["evidence"] == absent.document_id


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (robots(body=SHUT), Reason.SIGNAL_ROBOTS),
        (robots(status=403, body=None), Reason.SIGNAL_ROBOTS),
        (robots(status=503, body=None), Reason.SIGNAL_ERROR),
        (robots(status=None, body=None), Reason.SIGNAL_ERROR),
        (robots(), Reason.NOT_OBSERVED),
    ],
)
def test_a_gated_url_is_judged_anew(document: Document, reason: Reason) -> None:
    row = one(World().row().answer(URL, (URL, None, document), outcome=Outcome.GATED))
    assert row["stop_reason"] == reason


def test_a_body_that_was_fetched_and_is_denied_now_is_denied() -> None:
    row = one(World().row().answer(URL, (URL, 200, robots(body=SHUT))))
    assert (row["stop_stage"], row["stop_reason"]) == ("judge", Reason.SIGNAL_ROBOTS)
    detail = json.loads(row["stop_detail"])
    assert (detail["line"], detail["raw"]) == (2, "Disallow: /")


@pytest.mark.parametrize("shut", [0, 1, 2])
def test_a_denial_at_any_hop_denies(shut: int) -> None:
    hosts = ["a.example", "b.example", "c.example"]
    hops = [
        (f"https://{h}/x", 200 if n == 2 else 302, robots(h, body=SHUT if n == shut else OPEN))
        for n, h in enumerate(hosts)
    ]
    row = one(World().row().answer(URL, *hops))
    assert row["stop_reason"] == Reason.SIGNAL_ROBOTS
    assert len({s["evidence"] for s in row["signals"] if s["channel"] == "robots"}) == 3


def test_hops_of_one_origin_are_told_once() -> None:
    document = robots(body=b"")
    row = one(World().row().answer(URL, (URL, 301, document), (URL + "?2", 200, document)))
    assert said(row).count(("robots", "train-gen", "SILENT")) == 1


def test_a_header_denies_for_the_builds_purpose() -> None:
    world = World().row().answer(URL, (URL, 200, robots()), tag="noai")
    row = one(world)
    assert row["stop_reason"] == Reason.SIGNAL_HEADER
    assert said(row)[1:] == [
        ("x-robots-tag", "train-gen", "DENY"),
        ("x-robots-tag", "train-disc", "DENY"),
    ]
    kept = one(world, SignalPolicy("ArtBot", Purpose.MINE))
    assert kept["stop_reason"] is None
    assert said(kept) == said(row)


def test_a_stopped_body_that_would_be_read_now_is_not_observed() -> None:
    hop = (URL, 200, robots())
    world = World().row().answer(URL, hop, outcome=Outcome.STOPPED, tag="noindex")
    assert one(world)["stop_reason"] == Reason.SIGNAL_HEADER
    lenient = SignalPolicy("ArtBot", index_tokens=False)
    assert one(world, lenient)["stop_reason"] == Reason.NOT_OBSERVED


@pytest.mark.parametrize(("outcome", "reason"), list(FAILURES.items()))
def test_a_failure_of_the_web_is_a_reason(outcome: Outcome, reason: Reason) -> None:
    hop = (URL, 404 if outcome is Outcome.STATUS else None, robots())
    row = one(World().row().answer(URL, hop, outcome=outcome, detail="why"))
    assert (row["stop_stage"], row["stop_reason"]) == ("fetch", reason)
    assert json.loads(row["stop_detail"])["detail"] == "why"


def test_headers_of_an_error_page_say_nothing_about_the_image() -> None:
    world = World().row().answer(URL, (URL, 404, robots()), outcome=Outcome.STATUS, tag="noai")
    row = one(world)
    assert row["stop_reason"] == Reason.HTTP_STATUS
    assert [s["channel"] for s in row["signals"]] == ["robots"]


def test_a_refused_address_needs_no_robots() -> None:
    row = one(World().row().answer(URL, (URL, None, None), outcome=Outcome.ADDRESS))
    assert row["stop_reason"] == Reason.ADDRESS_REFUSED
    assert row["signals"] == []


def test_a_denied_row_is_denied_even_if_the_web_failed_too() -> None:
    hop = (URL, None, robots(body=SHUT))
    row = one(World().row().answer(URL, hop, outcome=Outcome.UNREACHABLE))
    assert row["stop_reason"] == Reason.SIGNAL_ROBOTS


def test_a_missing_document_holds() -> None:
    assert one(World().row().answer(URL, (URL, 200, None)))["stop_reason"] == Reason.SIGNAL_ERROR


def test_a_hop_without_id_takes_its_origins_document() -> None:
    world = World().row().answer(URL, (URL, 200, None))
    world.documents.append(robots(body=SHUT))
    assert one(world)["stop_reason"] == Reason.SIGNAL_ROBOTS


def test_bytes_that_came_with_the_source_are_unchecked() -> None:
    world = World().row().answer(URL, outcome=Outcome.GIVEN)
    row = one(world)
    assert row["stop_reason"] == Reason.UNCHECKED
    assert row["unchecked"] == ["robots", "x-robots-tag"]
    half = SignalPolicy("ArtBot", accept_unchecked=frozenset({"robots"}))
    assert json.loads(one(world, half)["stop_detail"]) == {"channels": ["x-robots-tag"]}
    both = SignalPolicy("ArtBot", accept_unchecked=frozenset({"robots", "x-robots-tag"}))
    kept = one(world, both)
    assert (kept["stop_reason"], kept["unchecked"]) == (None, ["robots", "x-robots-tag"])
    assert kept["signals"] == []


def test_a_channel_named_unread_by_the_fetcher_is_unchecked() -> None:
    hop = (URL, 200, robots())
    world = World().row().answer(URL, hop, headers=None, unchecked=["x-robots-tag", "page"])
    row = one(world)
    assert row["stop_reason"] == Reason.UNCHECKED
    assert row["unchecked"] == ["page", "x-robots-tag"]


def test_accepting_an_unread_channel_excuses_no_denial() -> None:
    policy = SignalPolicy("ArtBot", accept_unchecked=frozenset({"robots", "x-robots-tag"}))
    hop = (URL, 200, robots(body=SHUT))
    row = one(World().row().answer(URL, hop, unchecked=["robots"]), policy)
    assert row["stop_reason"] == Reason.SIGNAL_ROBOTS


def test_a_row_that_nobody_asked_for_is_not_observed() -> None:
    row = one(World().row())
    assert (row["stop_reason"], row["outcome"], row["signals"]) == (Reason.NOT_OBSERVED, None, [])


def test_a_row_that_was_stopped_before_passes_through() -> None:
    stop = {"stop_stage": "screen", "stop_reason": "optout_host", "stop_claim": "c"}
    row = one(World().row(**stop, stop_detail="{}").answer(URL, (URL, 200, robots(body=SHUT))))
    assert {name: row[name] for name in stop} == stop
    rest = {k: v for k, v in row.items() if not k.startswith("stop_") and k != "uid"}
    assert set(rest.values()) == {None}


def test_the_last_round_of_a_journey_counts() -> None:
    far = "https://far.example/b.jpg"
    moved, hop = (URL, 302, robots()), (far, 200, robots("far.example"))
    world = World().row().answer(URL, moved, outcome=Outcome.MOVED)
    assert one(world)["stop_reason"] == Reason.NOT_OBSERVED
    for order in (1, -1):
        both = World().row().answer(URL, moved, outcome=Outcome.MOVED).answer(URL, moved, hop)
        both.observed = both.observed[::order]
        assert (one(both)["stop_reason"], one(both)["final_url"]) == (None, far)


def test_rows_share_answers_and_come_back_sorted() -> None:
    world = World().row(uid="b" * 32).row(uid="a" * 32).row("https://h.example/2", uid="c" * 32)
    world.answer(URL, (URL, 200, robots()))
    rows = world.judged()
    assert [row["uid"][0] for row in rows] == ["a", "b", "c"]
    assert [row["stop_reason"] for row in rows] == [None, None, Reason.NOT_OBSERVED]
    assert rows[0]["signals"] == rows[1]["signals"]


def test_nothing_in_nothing_out() -> None:
    assert World().judged() == []


def test_order_of_input_does_not_matter() -> None:
    world = busy(60)
    expected = world.judged()
    random.Random(7).shuffle(world.rows)
    random.Random(8).shuffle(world.observed)
    random.Random(9).shuffle(world.documents)
    assert world.judged() == expected


def test_an_unknown_outcome_is_refused() -> None:
    world = World().row().answer(URL, (URL, 200, robots()))
    world.observed[0]["outcome"] = "perhaps"
    with pytest.raises(SchemaError, match="perhaps"):
        world.judged()


def busy(count: int) -> World:
    world = World()
    tags = ["noai", "nofollow, noarchive", None, "max-snippet:-1"]
    for n in range(count):
        host = f"h{n // 3}.example"
        url = f"https://{host}/images/{n}.jpg"
        body = SHUT if n % 30 < 3 else OPEN + b"Disallow: /private/*.png$\nCrawl-delay: 1\n" * 20
        document = robots(host, body=body + b"# %d\n" % (n // 3))
        world.row(url).answer(url, (url, 200, document), tag=tags[n % 4])
    return world


def test_ten_thousand_rows_take_seconds() -> None:
    tables = busy(10_000).tables()
    start = time.process_time()
    judged = judge(*tables, POLICY)
    spent = time.process_time() - start
    assert len(judged) == 10_000
    assert spent < 5.0  # measured 2.0 s on a busy 2-core machine
