"""pipeline.judge: every verdict recomputed from the facts, evidence for those who are kept."""

import json
import random
import time
from dataclasses import replace
from typing import Any

import pytest

from optout.signals.document import PATHS, Document, Kind, found
from optout.signals.policy import SignalPolicy
from optout.signals.profiles import PROFILES
from pipeline.judge import FAILURES, judge
from schemas.errors import SchemaError
from schemas.verdict import Channel, Family, Outcome, Purpose, Reason
from tests.pipeline.worlds import ASKED, FETCHED, OPEN, POLICY, SHUT, URL, World, absent, robots


def one(world: World, policy: SignalPolicy = POLICY, **more: Any) -> dict[str, Any]:
    (row,) = world.judged(policy, **more)
    return row


def said(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what was said, silence left out."""
    return [
        (s["channel"], s["purpose"], s["verdict"])
        for s in row["signals"]
        if s["verdict"] != "SILENT"
    ]


def test_a_kept_row_carries_its_signals_with_evidence_and_time() -> None:
    world = World().row().answer(URL, (URL, 200, robots()))
    row = one(world)
    assert row["stop_reason"] is None
    assert said(row) == [("robots", "fetch", "ALLOW")]
    by_channel = {s["channel"]: s for s in row["signals"]}
    read = {c for c in Channel if POLICY.profile.reads(c)}
    unasked = {c for c in read if c.startswith("page") or c in ("xmp", "c2pa", "spawning")}
    assert set(by_channel) == read - unasked - {Channel.DECLARATIONS}
    assert by_channel["robots"]["evidence"] == robots().document_id
    assert by_channel["tdmrep.json"]["evidence"] == absent(Kind.TDMREP).document_id
    found = judge(*world.tables(), POLICY)
    assert by_channel["content-usage"]["evidence"] == found.traced["answer"][0].as_py()
    times = {int(s["at"].timestamp() * 1e6) for s in row["signals"]}
    assert times == {ASKED, FETCHED}
    assert (row["outcome"], row["sha256"], row["length"]) == ("ok", "ab" * 32, 9)


def test_absence_is_evidence() -> None:
    no_file = robots(status=404, body=None)
    row = one(World().row().answer(URL, (URL, 200, no_file)))
    first = row["signals"][0]
    assert (first["channel"], first["verdict"]) == ("robots", "SILENT")
    assert first["evidence"] == no_file.document_id


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
    assert [s["channel"] for s in row["signals"]].count("robots") == 1


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
    profile = replace(PROFILES["default"], index_tokens=False)
    lenient = SignalPolicy("ArtBot", profile=profile)
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
    assert "x-robots-tag" not in [s["channel"] for s in row["signals"]]


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


def test_a_kind_of_document_that_was_never_asked_holds() -> None:
    row = one(World().row().answer(URL, (URL, 200, robots()), bare=True))
    assert row["stop_reason"] == Reason.SIGNAL_ERROR
    assert json.loads(row["stop_detail"])["channel"] == "tdmrep.json"


def test_bytes_that_came_with_the_source_are_unchecked() -> None:
    world = World().row().answer(URL, outcome=Outcome.GIVEN)
    row = one(world)
    assert row["stop_reason"] == Reason.UNCHECKED
    families = ["headers", "robots", "well-known"]
    assert row["unchecked"] == families
    half = SignalPolicy("ArtBot", accept_unchecked=frozenset({Family.ROBOTS, Family.HEADERS}))
    assert json.loads(one(world, half)["stop_detail"]) == {"families": ["well-known"]}
    every = SignalPolicy("ArtBot", accept_unchecked=frozenset(Family))
    kept = one(world, every)
    assert (kept["stop_reason"], kept["unchecked"]) == (None, families)
    assert kept["signals"] == []


def test_a_family_named_unread_by_the_fetcher_is_unchecked() -> None:
    hop = (URL, 200, robots())
    world = World().row().answer(URL, hop, headers=None, unchecked=["headers", "embedded"])
    row = one(world)
    assert row["stop_reason"] == Reason.UNCHECKED
    assert row["unchecked"] == ["embedded", "headers"]


def test_accepting_an_unread_family_excuses_no_denial() -> None:
    policy = SignalPolicy("ArtBot", accept_unchecked=frozenset(Family))
    hop = (URL, 200, robots(body=SHUT))
    row = one(World().row().answer(URL, hop, unchecked=["headers"]), policy)
    assert row["stop_reason"] == Reason.SIGNAL_ROBOTS


def tags(**found: Any) -> str:
    whole = {"metas": [], "licenses": [], "rsl": [], "headers": [], "truncated": False}
    return json.dumps(whole | found)


NOAI = tags(metas=[["robots", "noai"]])


def fetched() -> World:
    return World().row().answer(URL, (URL, 200, robots()))


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ({"page_tags": tags()}, None),
        ({"page_tags": NOAI}, Reason.SIGNAL_PAGE),
        ({"outcome": "status", "http_status": 404}, None),
        ({"outcome": "status", "http_status": 403}, Reason.SIGNAL_ERROR),
        ({"outcome": "gated"}, Reason.SIGNAL_ERROR),
        ({"outcome": "too_slow"}, Reason.SIGNAL_ERROR),
    ],
)
def test_the_page_around_an_image_speaks_too(page: dict[str, Any], reason: Reason | None) -> None:
    row = one(fetched().page("https://h.example/p", **page))
    assert row["stop_reason"] == reason
    assert {s["channel"] for s in row["signals"]} >= {"page:robots", "page:tdm", "page:license"}


def test_a_page_that_nobody_asked_holds_nothing_back_by_itself() -> None:
    assert one(fetched())["stop_reason"] is None


def test_a_page_stored_in_the_source_needs_no_network() -> None:
    world = fetched()
    world.rows[0]["page_tags"] = NOAI
    row = one(world)
    assert row["stop_reason"] == Reason.SIGNAL_PAGE
    (signal,) = [s for s in row["signals"] if s["purpose"] == "train-gen"
                 and s["channel"] == "page:robots"]  # fmt: skip
    assert signal["at"] is None


def test_a_row_whose_page_denies_needs_no_answer() -> None:
    row = one(World().row().page("https://h.example/p", page_tags=NOAI))
    assert row["stop_reason"] == Reason.SIGNAL_PAGE


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"optOut": True}, Reason.SIGNAL_LIST),
        (None, Reason.SIGNAL_ERROR),
        ({"optOut": False}, None),
    ],
)
def test_a_list_of_others_speaks(entry: dict[str, Any] | None, reason: Reason | None) -> None:
    world = fetched()
    body = json.dumps({"kind": "list", "list": "spawning", "answer": entry}).encode()
    world.listed.append({"url_key": URL, "channel": "spawning", "at": ASKED, "body": body})
    asking = SignalPolicy("ArtBot", lists=frozenset({Channel.SPAWNING}))
    assert one(world, asking)["stop_reason"] == reason


def test_a_list_that_is_to_be_asked_and_was_not_is_unchecked() -> None:
    asking = SignalPolicy("ArtBot", lists=frozenset({Channel.SPAWNING}))
    row = one(fetched(), asking)
    assert (row["stop_reason"], row["unchecked"]) == (Reason.UNCHECKED, ["lists"])


@pytest.mark.parametrize(("before", "reason"), [(ASKED, None), (ASKED + 1, Reason.SIGNAL_STALE)])
def test_signals_that_are_too_old_hold(before: int, reason: Reason | None) -> None:
    assert one(fetched(), stale_before_us=before)["stop_reason"] == reason


@pytest.mark.parametrize(
    ("value", "profile", "reason"),
    [
        ("0", "default", None),  # T04
        ("1", "default", Reason.SIGNAL_HEADER),
        (None, "default", Reason.SIGNAL_WELL_KNOWN),
        ("0", "strict", Reason.SIGNAL_WELL_KNOWN),
    ],
)
def test_a_header_supersedes_the_file(
    value: str | None, profile: str, reason: Reason | None
) -> None:
    policy = SignalPolicy("ArtBot", profile=PROFILES[profile])
    origin = "https://h.example"
    file = found(
        Kind.TDMREP, origin, origin + PATHS[Kind.TDMREP][1], http_status=200, asked_at_us=ASKED,
        body=b'[{"location": "/", "tdm-reservation": 1}]',
    )  # fmt: skip
    world = fetched()
    files = [robots(), file, absent(Kind.AI), absent(Kind.TRUST)]
    world.documents += files
    world.observed[0]["hops"][0]["documents"] = [d.document_id for d in files]
    if value is not None:
        world.observed[0]["headers"].append({"name": "TDM-Reservation", "value": value})
    if profile == "strict":
        second = found(Kind.TRUST_WELL_KNOWN, origin, origin, http_status=404, asked_at_us=ASKED)
        world.documents.append(second)
        world.observed[0]["hops"][0]["documents"].append(second.document_id)
    row = one(world, policy)
    assert row["stop_reason"] == reason
    assert "tdmrep.json" in {s["channel"] for s in row["signals"]}


def test_a_row_that_nobody_asked_for_is_not_observed() -> None:
    row = one(World().row())
    assert (row["stop_reason"], row["outcome"], row["signals"]) == (Reason.NOT_OBSERVED, None, [])


def test_a_row_that_was_stopped_before_passes_through() -> None:
    stop = {"stop_stage": "screen", "stop_reason": "optout_host", "stop_claim": "c"}
    row = one(World().row(**stop, stop_detail="{}").answer(URL, (URL, 200, robots(body=SHUT))))
    assert {name: row[name] for name in stop} == stop
    rest = {k: v for k, v in row.items() if not k.startswith("stop_") and k != "uid"}
    assert all(value is None for value in rest.values())


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
    assert len(judged.table) == 10_000
    assert spent < 12.0  # measured 4 s on a busy 2-core machine
