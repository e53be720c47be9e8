"""Verdicts: what outranks what, whom a claim reaches, and that no opt-out ever releases a row."""

import json
import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decide import decide
from pipeline.floods import HANDFUL, LEAST_BY_NAME
from pipeline.standing import STANDING, VERDICT_OF, Standing
from schemas.config import BuildConfig, MatchConfig, RegistryConfig
from schemas.errors import SchemaError
from schemas.tables import CLAIMS, DECIDED, EDGES, GRANTS, MATCHES, SAFE, SLIM, from_rows
from schemas.verdict import Reason, Stance, Verdict


def uid(n: int) -> str:
    return f"{n:032x}"


def row(n: int, **values: Any) -> dict[str, Any]:
    base = {
        "uid": uid(n),
        "row": n,
        "url_key": f"http://h{n}.example/{n}.jpg",
        "host": f"h{n}.example",
        "sha256": f"{n:064x}",
        "pixel_sha256": f"{n + (1 << 60):064x}",
        "original_width": 100,
        "original_height": 100,
    }
    return base | values


def stopped(n: int, reason: Reason, **values: Any) -> dict[str, Any]:
    return row(n, stop_stage="judge", stop_reason=str(reason), **values)


def match(n: int, claim: str, rule: str, **values: Any) -> dict[str, Any]:
    return {"uid": uid(n), "claim_id": claim, "stance": "opt_out", "rule": rule} | values


def claim(name: str, **values: Any) -> dict[str, Any]:
    base = {"claim_id": name, "scope": "style", "stance": "opt_out", "level": 2}
    return base | {"style_state": "active", "style_alpha": 0.001} | values


def edge(a: int, b: int, **values: Any) -> dict[str, Any]:
    a, b = sorted((a, b))
    return {"uid_a": uid(a), "uid_b": uid(b), "sha256": False, "pixel_sha256": False} | values


TWO_KEYS = {"pdq_distance": 8, "similarity": 0.97}


def decided(  # noqa: PLR0917  # the tables of decide
    rows: list[dict[str, Any]],
    matches: list[dict[str, Any]] | None = None,
    edges: list[dict[str, Any]] | None = None,
    claims: list[dict[str, Any]] | None = None,
    grants: list[dict[str, Any]] | None = None,
    config: BuildConfig | None = None,
    safe: list[dict[str, Any]] | None = None,
) -> pa.Table:
    return decide(
        from_rows(rows, SLIM),
        from_rows(matches or [], MATCHES),
        from_rows(edges or [], EDGES),
        from_rows(claims or [], CLAIMS),
        from_rows(grants or [], GRANTS),
        config or BuildConfig(),
        safe=from_rows(safe or [], SAFE),
    )


def reasons(table: pa.Table) -> dict[int, str | None]:
    return {int(r["uid"], 16): r["reason"] for r in table.to_pylist()}


def test_a_row_without_a_finding_is_kept() -> None:
    out = decided([row(1)])
    assert out.schema.equals(DECIDED)
    assert out.to_pylist()[0] == dict.fromkeys(DECIDED.names) | {"uid": uid(1), "verdict": "keep"}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_leads_to_exactly_one_verdict_that_is_not_keep(reason: Reason) -> None:
    (out,) = decided([stopped(1, reason)]).to_pylist()
    assert out["reason"] == reason
    held = {
        "signal_error", "signal_stale", "unchecked", "not_observed", "not_judged", "review"
    }  # fmt: skip
    assert out["verdict"] == ("hold" if reason in held else "drop")
    assert VERDICT_OF[reason] == out["verdict"]
    assert reason in STANDING


@pytest.mark.parametrize("rule", ["sha256", "pixel_sha256", "perceptual", "copy"])
def test_a_listed_work_denies_at_any_level(rule: str) -> None:
    out = decided(
        [row(1)], [match(1, "c", rule, work_id="w", margin=0.1)], [], [claim("c", level=0)]
    )
    (found,) = out.to_pylist()
    assert (found["reason"], found["claim_id"], found["rule"]) == ("optout_work", "c", rule)
    assert json.loads(found["detail"]) == {"work_id": "w"}


def test_a_style_needs_proved_control_or_a_registry_of_ones_own() -> None:
    matches, claims = [match(1, "c", "style")], [claim("c", level=1)]
    assert reasons(decided([row(1)], matches, [], claims)) == {1: None}
    trusted = [claim("c", level=1, trusted=True)]
    assert reasons(decided([row(1)], matches, [], trusted)) == {1: "optout_style"}


def test_trust_in_one_claim_says_nothing_of_another() -> None:
    claims = [claim("c", level=0, trusted=True), claim("d", level=0, trusted=False)]
    matches = [match(1, "c", "style"), match(2, "d", "style")]
    assert reasons(decided([row(1), row(2)], matches, [], claims)) == {1: "optout_style", 2: None}


def test_a_weak_style_acts_with_a_second_key_of_the_same_claim_only() -> None:
    claims = [claim("c"), claim("d")]
    alone = [match(1, "c", "style_weak"), match(1, "d", "name", stance="opt_out")]
    assert reasons(decided([row(1)], alone[:1], [], claims)) == {1: None}
    low = [claim("c"), claim("d", level=0)]
    assert reasons(decided([row(1)], alone, [], low)) == {1: None}
    both = [match(1, "c", "style_weak"), match(1, "c", "host")]
    assert reasons(decided([row(1)], both, [], claims)) == {1: "optout_host"}


def test_a_vote_drops_the_row_and_says_whose_it_was() -> None:
    told = '{"kind":"host","source":"ada.example","images":7,"near":5}'
    matches = [match(1, "c", "style_vote", margin=0.5, detail=told)]
    (one,) = decided([row(1)], matches, [], [claim("c")]).to_pylist()
    assert (one["reason"], one["rule"], one["detail"]) == ("optout_style", "style_vote", told)
    assert reasons(decided([row(1)], matches, [], [claim("c", level=1)])) == {1: None}


def test_a_name_that_was_redacted_denies_nothing_and_is_a_second_key() -> None:
    claims = [claim("c", captions="redact"), claim("d")]
    named, alike = match(1, "c", "name"), match(1, "c", "style_weak")
    assert reasons(decided([row(1)], [named], [], claims)) == {1: None}
    assert reasons(decided([row(1)], [named, alike], [], claims)) == {1: "optout_style"}
    assert reasons(decided([row(1)], [match(1, "d", "name")], [], claims)) == {1: "optout_name"}


def test_an_account_grants_in_an_opt_in_build() -> None:
    granted = [{"uid": uid(1), "claim_id": "c", "rule": "account"}]
    claims = [claim("c", scope="domain", stance="opt_in", license="CC0-1.0")]
    config = BuildConfig(mode=Stance.OPT_IN, registry=RegistryConfig(url="r"))
    out = decided([row(1), row(2)], [], [], claims, granted, config)
    assert reasons(out) == {1: None, 2: "not_granted"}
    assert out["license"].to_pylist() == ["CC0-1.0", None]


def test_a_match_by_an_unknown_claim_is_refused() -> None:
    with pytest.raises(SchemaError, match="expected matches by claims of the snapshot, found c"):
        decided([row(1)], [match(1, "c", "sha256")])


def test_uids_that_occur_twice_are_refused() -> None:
    with pytest.raises(SchemaError, match="unique uids"):
        decided([row(1), row(1)])


# --- standing


def test_denied_outranks_held_outranks_unusable() -> None:
    rows = [
        stopped(1, Reason.UNCHECKED),
        stopped(2, Reason.FILTER),
        stopped(3, Reason.TOO_SMALL, sha256=f"{1:064x}", pixel_sha256=None),
        stopped(4, Reason.SAFETY),
    ]
    matches = [match(n, "c", "sha256") for n in (1, 2, 4)]
    out = reasons(decided(rows, matches, [], [claim("c")]))
    assert out == {1: "optout_work", 2: "optout_work", 3: "optout_copy", 4: "safety"}
    assert Standing.DENIED < Standing.HELD < Standing.UNUSABLE < Standing.DUPLICATE


# --- flood guard


def flood(count: int, **config: Any) -> pa.Table:
    rows = [row(n) for n in range(count)]
    matches = [match(n, "c", "style", margin=0.1) for n in range(count)]
    return decided(rows, matches, [], [claim("c")], config=BuildConfig(match=MatchConfig(**config)))


def test_a_style_that_reaches_a_handful_drops_it() -> None:
    assert set(flood(HANDFUL)["reason"].to_pylist()) == {"optout_style"}


def test_a_style_that_floods_is_held_for_review() -> None:
    out = flood(HANDFUL + 1)
    assert set(out["reason"].to_pylist()) == {"review"}
    assert set(out["verdict"].to_pylist()) == {"hold"}


def test_a_style_within_its_share_drops_more_than_a_handful() -> None:
    rows = HANDFUL + 5
    assert set(flood(rows, style_budget=0.5)["reason"].to_pylist()) == {"optout_style"}


def test_a_flooding_claim_keeps_its_listed_works_and_other_styles_act() -> None:
    rows = [row(n) for n in range(HANDFUL + 2)]
    matches = [match(n, "c", "style", margin=0.1) for n in range(HANDFUL + 2)]
    matches += [match(0, "c", "sha256"), match(1, "d", "style", margin=0.01)]
    out = reasons(decided(rows, matches, [], [claim("c"), claim("d")]))
    assert (out[0], out[1], out[2]) == ("optout_work", "optout_style", "review")


def test_copies_of_its_own_works_do_not_count_as_reach_of_a_style() -> None:
    count = HANDFUL + 5
    matches = [match(n, "c", "style") for n in range(count)]
    matches += [match(n, "c", "copy") for n in range(count - 3)]
    out = reasons(decided([row(n) for n in range(count)], matches, [], [claim("c")]))
    assert out[count - 1] == "optout_style"


def test_copies_of_a_row_under_review_are_held_too() -> None:
    count = HANDFUL + 1
    rows = [row(n) for n in range(count + 1)]
    matches = [match(n, "c", "style") for n in range(count)]
    out = reasons(decided(rows, matches, [edge(0, count, **TWO_KEYS)], [claim("c")]))
    assert out[count] == "review"


def test_a_style_that_somebody_looked_at_drops_what_it_reaches() -> None:
    assert set(flood(HANDFUL + 5, accept_floods=("c",))["reason"].to_pylist()) == {"optout_style"}
    assert set(flood(HANDFUL + 5, accept_floods=("d",))["reason"].to_pylist()) == {"review"}


def test_a_held_row_says_how_far_its_claim_reaches() -> None:
    out = flood(HANDFUL + 3)
    assert json.loads(out["detail"][0].as_py()) == {"reached": HANDFUL + 3, "cap": HANDFUL}
    assert out["claim_id"][0].as_py() == "c"


def copies(count: int, rule: str = "copy", works: int = 1, **config: Any) -> set[str | None]:
    matches = [match(n, "c", rule, work_id=f"w{n % works}") for n in range(count)]
    rows = [row(n) for n in range(count)]
    settings = BuildConfig(match=MatchConfig(**config))
    return set(reasons(decided(rows, matches, [], [claim("c", level=0)], config=settings)).values())


@pytest.mark.parametrize("rule", ["copy", "perceptual"])
def test_a_work_that_is_found_everywhere_is_held_for_review(rule: str) -> None:
    assert copies(HANDFUL, rule) == {"optout_work"}
    assert copies(HANDFUL + 1, rule) == {"review"}
    assert copies(HANDFUL + 1, rule, accept_floods=("c",)) == {"optout_work"}
    assert copies(HANDFUL + 1, rule, claim_share=1.0) == {"optout_work"}


def test_each_listed_work_may_have_a_handful_of_copies() -> None:
    assert copies(3 * HANDFUL, works=3) == {"optout_work"}
    assert copies(3 * HANDFUL + 1, works=3) == {"review"}


def test_the_very_bytes_of_a_work_have_no_cap() -> None:
    assert copies(HANDFUL + 9, "sha256") == {"optout_work"}


def named(count: int, **config: Any) -> set[str | None]:
    rows = [stopped(n, Reason.OPTOUT_NAME, stop_claim="c") for n in range(count)]
    settings = BuildConfig(match=MatchConfig(**config))
    return set(reasons(decided(rows, [], [], [claim("c")], config=settings)).values())


def test_a_name_in_very_many_captions_is_held_for_review() -> None:
    assert named(LEAST_BY_NAME) == {"optout_name"}
    assert named(LEAST_BY_NAME + 1) == {"review"}
    assert named(LEAST_BY_NAME + 1, accept_floods=("c",)) == {"optout_name"}


def test_a_name_under_review_holds_rows_of_the_same_address_and_no_copies() -> None:
    count = LEAST_BY_NAME + 1
    stop = {"stop_stage": "screen", "stop_reason": "optout_name", "stop_claim": "c"}
    rows = [row(n, **stop) for n in range(count)]
    rows += [row(count, sha256=f"{0:064x}"), row(count + 1, url_key="http://h1.example/1.jpg")]
    out = reasons(decided(rows, [], [], [claim("c")]))
    assert (out[count], out[count + 1]) == (None, "review")


def test_hosts_are_dropped_however_many_rows_they_hold() -> None:
    rows = [stopped(n, Reason.OPTOUT_HOST, stop_claim="c") for n in range(3 * LEAST_BY_NAME)]
    assert set(reasons(decided(rows, [], [], [claim("c")])).values()) == {"optout_host"}


def test_a_row_under_review_is_dropped_where_another_claim_reaches_it_within_its_cap() -> None:
    matches = [match(n, "c", "copy", work_id="w") for n in range(HANDFUL + 1)]
    matches += [match(0, "d", "copy", work_id="v")]
    claims = [claim("c", level=0), claim("d", level=0)]
    out = reasons(decided([row(n) for n in range(HANDFUL + 1)], matches, [], claims))
    assert (out[0], out[1]) == ("optout_work", "review")


# --- the band under a threshold, and the safe list


def test_a_row_in_the_band_is_held_and_so_are_its_copies() -> None:
    matches = [match(1, "c", "style_band", similarity=3.5, threshold=3.25, margin=0.25)]
    out = decided([row(1), row(2)], matches, [edge(1, 2, **TWO_KEYS)], [claim("c")])
    first, second = out.to_pylist()
    assert (first["verdict"], first["reason"], first["rule"]) == ("hold", "review", "style_band")
    assert (first["claim_id"], first["similarity"], first["threshold"]) == ("c", 3.5, 3.25)
    assert (second["reason"], second["by_uid"]) == ("review", uid(1))


def test_a_row_in_the_band_is_dropped_by_a_second_key_or_by_another_claim() -> None:
    near = match(1, "c", "style_band", margin=0.1)
    for other, reason in (
        (match(1, "c", "name"), "optout_name"),
        (match(1, "c", "host"), "optout_host"),
        (match(1, "c", "copy", margin=0.01), "optout_work"),
        (match(1, "d", "style", margin=0.01), "optout_style"),
    ):
        out = decided([row(1)], [near, other], [], [claim("c"), claim("d")])
        assert reasons(out) == {1: reason}


def test_the_band_is_no_second_key_and_needs_proved_control() -> None:
    both = [match(1, "c", "style_band"), match(2, "c", "style_weak"), match(2, "d", "style_band")]
    out = decided([row(1), row(2)], both[1:2], [], [claim("c")])
    assert reasons(out) == {1: None, 2: None}
    assert reasons(decided([row(1)], both[:1], [], [claim("c", level=1)])) == {1: None}
    assert reasons(decided([row(1), row(2)], both, [], [claim("c"), claim("d")])) == {
        1: "review",
        2: "review",
    }


def test_the_band_does_not_count_for_the_flood_guard() -> None:
    rows = [row(n) for n in range(2 * HANDFUL)]
    matches = [
        match(n, "c", "style" if n < HANDFUL else "style_band", margin=0.1)
        for n in range(2 * HANDFUL)
    ]
    out = reasons(decided(rows, matches, [], [claim("c")]))
    assert (out[0], out[HANDFUL]) == ("optout_style", "review")


def cleared(n: int, claim_id: str, **values: str) -> dict[str, str]:
    known = {key: row(n)[key] for key in ("sha256", "pixel_sha256")}
    return {"claim_id": claim_id} | known | values


@pytest.mark.parametrize("rule", ["style", "style_band"])
def test_the_safe_list_sets_a_look_alike_of_that_claim_and_content_aside(rule: str) -> None:
    rows, matches = [row(1), row(2)], [match(n, "c", rule) for n in (1, 2)]
    kept = reasons(decided(rows, matches, [], [claim("c")], safe=[cleared(1, "c")]))
    assert (kept[1], kept[2] is None) == (None, False)
    held = reasons(decided(rows, matches, [], [claim("c")], safe=[cleared(1, "d")]))
    assert held[1] is not None


@pytest.mark.parametrize("key", ["sha256", "pixel_sha256"])
def test_a_content_is_the_same_by_its_bytes_or_by_its_pixels(key: str) -> None:
    other = "f" * 64
    entry = cleared(1, "c", **{key: other})
    out = decided([row(1)], [match(1, "c", "style")], [], [claim("c")], safe=[entry])
    assert reasons(out) == {1: None}
    unknown = cleared(1, "c", sha256=other, pixel_sha256=other)
    out = decided([row(1)], [match(1, "c", "style")], [], [claim("c")], safe=[unknown])
    assert reasons(out) == {1: "optout_style"}


def test_what_is_set_aside_does_not_count_for_the_flood_guard() -> None:
    rows = [row(n) for n in range(HANDFUL + 1)]
    matches = [match(n, "c", "style") for n in range(HANDFUL + 1)]
    out = reasons(decided(rows, matches, [], [claim("c")], safe=[cleared(0, "c")]))
    assert (out[0], out[1]) == (None, "optout_style")


# --- opt-in

OPT_IN = BuildConfig(mode=Stance.OPT_IN, registry=RegistryConfig(url="r"))
LICENCE = {"stance": "opt_in", "license": "CC-BY-4.0", "attribution": "Ada"}


def test_opt_in_keeps_only_what_is_granted_with_licence_and_attribution() -> None:
    grants = [{"uid": uid(2), "claim_id": "g", "rule": "host"}]
    matches = [match(1, "g", "sha256", stance="opt_in")]
    out = decided([row(n) for n in (1, 2, 3)], matches, [], [claim("g", **LICENCE)], grants, OPT_IN)
    first, second, third = out.to_pylist()
    assert third["reason"] == "not_granted"
    for kept, rule in ((first, "sha256"), (second, "host")):
        assert (kept["verdict"], kept["license"], kept["attribution"]) == (
            "keep",
            "CC-BY-4.0",
            "Ada",
        )
        assert (kept["claim_id"], kept["rule"]) == ("g", rule)


@pytest.mark.parametrize("rule", ["style", "copy", "perceptual"])
def test_likeness_grants_nothing(rule: str) -> None:
    matches = [match(1, "g", rule, stance="opt_in")]
    assert reasons(decided([row(1)], matches, [], [claim("g", **LICENCE)], config=OPT_IN)) == {
        1: "not_granted"
    }


def test_an_unproved_opt_in_grants_nothing() -> None:
    matches = [match(1, "g", "sha256", stance="opt_in")]
    low = [claim("g", **LICENCE | {"level": 1})]
    assert reasons(decided([row(1)], matches, [], low, config=OPT_IN)) == {1: "not_granted"}


def test_an_opt_in_overrides_no_denial() -> None:
    claims = [claim("g", **LICENCE), claim("c", level=0)]
    matches = [match(1, "g", "sha256", stance="opt_in"), match(1, "c", "sha256")]
    assert reasons(decided([row(1)], matches, [], claims, config=OPT_IN)) == {1: "optout_work"}


@pytest.mark.parametrize("mode", [OPT_IN, BuildConfig()])
def test_an_opt_out_of_one_registry_outranks_the_opt_in_of_any_other(mode: BuildConfig) -> None:
    grant = claim("g", **LICENCE, origin="own", trusted=True)
    grants = [{"uid": uid(n), "claim_id": "g", "rule": "host"} for n in (1, 2)]
    claims = [grant, claim("c", level=0, origin="other", trusted=False)]
    matches = [match(1, "g", "sha256", stance="opt_in"), match(1, "c", "copy")]
    found = reasons(decided([row(1), row(2)], matches, [], claims, grants, mode))
    assert found == {1: "optout_work", 2: None}


def test_in_opt_out_mode_a_grant_still_carries_its_terms() -> None:
    grants = [{"uid": uid(1), "claim_id": "g", "rule": "host"}]
    out = decided([row(1), row(2)], [], [], [claim("g", **LICENCE)], grants)
    assert out["license"].to_pylist() == ["CC-BY-4.0", None]
    assert out["verdict"].to_pylist() == ["keep", "keep"]


# --- properties

N = 12
numbers = st.integers(0, N - 1)
stops = st.dictionaries(numbers, st.sampled_from(list(Reason)), max_size=5)
met = st.tuples(
    numbers,
    st.sampled_from(["c", "d", "e"]),
    st.sampled_from(["sha256", "copy", "style", "style_weak", "style_band", "perceptual", "name"]),
)
edge_values = st.sampled_from([TWO_KEYS, {"pdq_distance": 3}, {"similarity": 0.99}])
edge_sets = st.dictionaries(
    st.tuples(numbers, numbers).filter(lambda p: p[0] < p[1]), edge_values, max_size=12
)


def world(marks: dict[int, Reason], shared: list[int]) -> list[dict[str, Any]]:
    rows = [stopped(n, marks[n]) if n in marks else row(n) for n in range(N)]
    for n in shared:  # some rows share bytes, some an address
        rows[n]["sha256" if n % 2 else "url_key"] = "shared"
        rows[n]["pixel_sha256"] = None
    return rows


@settings(max_examples=60, deadline=None)
@given(stops, st.lists(numbers, max_size=5), st.lists(met, max_size=8), met, edge_sets)
def test_adding_an_opt_out_match_never_releases_a_row(
    marks: dict[int, Reason],
    shared: list[int],
    before: list[tuple[int, str, str]],
    added: tuple[int, str, str],
    pairs: dict[tuple[int, int], dict[str, Any]],
) -> None:
    rows = world(marks, shared)
    edges = [edge(a, b, **values) for (a, b), values in pairs.items()]
    claims = [claim(name) for name in "cde"]
    one = decided(rows, [match(*m) for m in before], edges, claims)
    two = decided(rows, [match(*m) for m in [*before, added]], edges, claims)
    for a, b in zip(one["verdict"].to_pylist(), two["verdict"].to_pylist(), strict=True):
        assert not (a != "keep" and b == "keep")


def test_a_style_reaches_copies_of_a_row_that_a_name_decides() -> None:
    met = [match(1, "c", "style"), match(1, "c", "name")]
    out = decided([row(0), row(1)], met, [edge(0, 1, **TWO_KEYS)], [claim("c")])
    assert out["reason"].to_pylist() == ["optout_copy", "optout_name"]


@settings(max_examples=40, deadline=None)
@given(
    stops, st.lists(numbers, max_size=5), st.lists(met, max_size=8), edge_sets, st.integers(0, 99)
)
def test_order_of_rows_matches_and_edges_does_not_matter(
    marks: dict[int, Reason],
    shared: list[int],
    found: list[tuple[int, str, str]],
    pairs: dict[tuple[int, int], dict[str, Any]],
    seed: int,
) -> None:
    rows, matches = world(marks, shared), [match(*m) for m in found]
    edges = [edge(a, b, **values) for (a, b), values in pairs.items()]
    claims = [claim(name) for name in "cde"]
    straight = decided(rows, matches, edges, claims)
    shuffle = random.Random(seed).shuffle
    for part in (rows, matches, edges, claims):
        shuffle(part)
    assert decided(rows, matches, edges, claims).equals(straight)
    assert straight["uid"].to_pylist() == [uid(n) for n in range(N)]
    said = straight["verdict"].to_pylist()
    assert set(said) <= set(Verdict)
    assert all((v == "keep") == (r is None) for v, r in zip(said, straight["reason"].to_pylist()))  # noqa: B905  # same table


safe_lists = st.lists(st.tuples(numbers, st.sampled_from(["c", "d", "e"])), max_size=8, unique=True)
STYLES = {"style", "style_weak", "style_band"}


@settings(max_examples=60, deadline=None)
@given(stops, st.lists(numbers, max_size=5), st.lists(met, max_size=8), edge_sets, safe_lists)
def test_the_safe_list_is_no_more_than_the_absence_of_those_style_matches(
    marks: dict[int, Reason],
    shared: list[int],
    found: list[tuple[int, str, str]],
    pairs: dict[tuple[int, int], dict[str, Any]],
    cleared_pairs: list[tuple[int, str]],
) -> None:
    rows, claims = world(marks, shared), [claim(name) for name in "cde"]
    edges = [edge(a, b, **values) for (a, b), values in pairs.items()]
    contents = {n: (rows[n]["sha256"], rows[n]["pixel_sha256"]) for n in range(N)}
    safe = [
        {"claim_id": c, "sha256": contents[n][0], "pixel_sha256": contents[n][1] or "0" * 64}
        for n, c in cleared_pairs
    ]

    def aside(n: int, claim_id: str, rule: str) -> bool:
        same = ({contents[m][0] for m, c in cleared_pairs if c == claim_id},
                {contents[m][1] for m, c in cleared_pairs if c == claim_id} - {None})  # fmt: skip
        return rule in STYLES and (contents[n][0] in same[0] or contents[n][1] in same[1])

    with_list = decided(rows, [match(*m) for m in found], edges, claims, safe=safe)
    left = [match(*m) for m in found if not aside(*m)]
    assert with_list.equals(decided(rows, left, edges, claims))


@settings(max_examples=60, deadline=None)
@given(stops, st.lists(met, max_size=8), numbers, st.sampled_from(["c", "d", "e"]))
def test_a_row_that_the_safe_list_names_keeps_every_verdict_that_no_style_gave(
    marks: dict[int, Reason], found: list[tuple[int, str, str]], n: int, claim_id: str
) -> None:
    rows, claims = world(marks, []), [claim(name) for name in "cde"]
    matches = [match(*m) for m in found]
    before = decided(rows, matches, [], claims).to_pylist()
    after = decided(rows, matches, [], claims, safe=[cleared(n, claim_id)]).to_pylist()
    for one, two in zip(before, after, strict=True):
        if one["rule"] not in STYLES:
            assert one == two
