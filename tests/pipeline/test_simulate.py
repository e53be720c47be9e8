"""A claim tried out on released rows does what it would do in a build."""

from dataclasses import replace

import pyarrow as pa
import pytest

from optout.tail import Tail
from pipeline.floods import LEAST_BY_NAME
from pipeline.likeness import Likeness, likeness, measured_rows, measured_styles
from pipeline.simulate import Accepted, accept, by_rule, find, is_stored, simulate
from schemas.config import BuildConfig, MatchConfig
from schemas.errors import UsageError
from schemas.snapshot import Honoured
from schemas.tables import CLAIMS, EDGES, SAMPLES, SIMILARITIES, WORKS, from_rows
from tests.pipeline.test_likeness import COHORT, vectors
from tests.pipeline.test_likeness import honoured as honoured_styles

READ = pa.schema([
    SAMPLES.field(name) for name in (
        "uid", "url", "caption", "host", "final_url", "sha256", "pixel_sha256", "pdq",
        "pdq_quality", "stored_pdq", "original_width", "original_height", "clip_similarity",
    )
])  # fmt: skip
TAIL = Tail(3.0, 0.02, 0.1, 1.0, 1e-3, 0.1, 0.05).pack()


def claim(name: str, **changes: object) -> dict:
    given = {
        "claim_id": name, "scope": "artist", "stance": "opt_out", "level": 0, "names": [],
        "captions": "drop", "hosts": [], "accounts": [], "urls": [], "license": "",
        "attribution": "", "style_state": "none", "seq": 0, "commitment": "", "trusted": False,
    }  # fmt: skip
    return given | changes


def honoured(*claims: dict, works: tuple[dict, ...] = ()) -> Honoured:
    return Honoured("m", from_rows(list(claims), CLAIMS), from_rows(list(works), WORKS))


def row(n: int, **changes: object) -> dict:
    given = {
        "uid": f"{n:032x}", "url": f"http://h{n}.example/{n}.jpg", "caption": f"a tree, no. {n}",
        "host": f"h{n}.example", "sha256": f"{n:064x}", "pixel_sha256": f"{n + 999:064x}",
    }  # fmt: skip
    return given | changes


def tried(rows: list[dict], accepted: Accepted) -> tuple[dict[int, str], int, pa.Table]:
    table = from_rows(rows, READ)
    found = find(table, table.select(["uid"]), accepted, None)
    decided = simulate([found], accepted)
    numbers = [int(uid, 16) for uid in decided["uid"].to_pylist()]
    by = dict(zip(numbers, by_rule(decided), strict=True))
    return by, len(found.redacted), decided


def test_a_claim_is_tried_as_if_its_control_were_proved():
    rows = [
        row(1, url="http://ada.example.org/1.jpg", host="ada.example.org"),
        row(2, caption="a boat by Ada Example"),
        row(3),
        row(4, url="http://x.example/listed.jpg", host="x.example"),
        row(5, final_url="http://img.ada.example.org/5.jpg"),
        row(6, final_url="http://h6.example/elsewhere.jpg"),
    ]
    one = claim("c", names=["Ada Example"], hosts=["ada.example.org"],
                urls=["http://x.example/listed.jpg"])  # fmt: skip
    by, redacted, _ = tried(rows, accept(honoured(one), "c", BuildConfig()))
    assert by == {1: "host", 2: "name", 4: "url", 5: "host"}
    assert redacted == 0


def test_the_very_files_of_a_work_are_found():
    work = {"claim_id": "c", "work_id": "w", "sha256": f"{7:064x}", "pixel_sha256": "p",
            "pdq": [bytes(32)] * 8, "pdq_quality": 100}  # fmt: skip
    by, _, _ = tried(
        [row(7), row(8)], accept(honoured(claim("c"), works=(work,)), "c", BuildConfig())
    )
    assert by == {7: "sha256"}


def test_other_claims_are_left_out_of_it():
    both = honoured(claim("c", names=["Ada Example"]), claim("d", names=["Bo Lind"]))
    rows = [row(1, caption="by Ada Example"), row(2, caption="by Bo Lind")]
    assert tried(rows, accept(both, "c", BuildConfig()))[0] == {1: "name"}


def test_captions_that_would_be_redacted_are_counted_apart():
    one = claim("c", names=["Ada Example"], captions="redact")
    rows = [row(1, caption="a castle on a hill by Ada Example"), row(2)]
    by, redacted, _ = tried(rows, accept(honoured(one), "c", BuildConfig()))
    assert (by, redacted) == ({}, 1)


def test_the_flood_guard_speaks_even_where_the_build_had_accepted_the_claim():
    rows = [row(n, caption=f"no. {n} by Ada Example") for n in range(LEAST_BY_NAME + 1)]
    config = BuildConfig(match=MatchConfig(accept_floods=("c",)))
    _, _, decided = tried(rows, accept(honoured(claim("c", names=["Ada Example"])), "c", config))
    assert set(decided["verdict"].to_pylist()) == {"hold"}


def both(released: list[dict], vaulted: list[dict], accepted: Accepted, edges=()) -> pa.Table:
    """Try a claim on released rows, with rows of the vault beside them."""
    tables = [from_rows(rows, READ) for rows in (released, vaulted)]
    found, beside = ([find(t, t.select(["uid"]), accepted, None)] for t in tables)
    return simulate(found, accepted, beside, from_rows(list(edges), EDGES))


def test_rows_of_the_vault_count_for_the_cap_and_are_not_told_of():
    rows = [row(n, caption=f"no. {n} by Ada Example") for n in range(LEAST_BY_NAME + 1)]
    accepted = accept(honoured(claim("c", names=["Ada Example"])), "c", BuildConfig())
    _, _, alone = tried(rows[:60], accepted)
    assert set(alone["verdict"].to_pylist()) == {"drop"}
    decided = both(rows[:60], rows[60:], accepted)
    assert decided["uid"].to_pylist() == [r["uid"] for r in rows[:60]]
    assert set(decided["verdict"].to_pylist()) == {"hold"}


def test_a_denial_in_the_vault_reaches_its_released_copies():
    work = {"claim_id": "c", "work_id": "w", "sha256": f"{7:064x}", "pixel_sha256": "p",
            "pdq": [bytes(32)] * 8, "pdq_quality": 100}  # fmt: skip
    accepted = accept(honoured(claim("c"), works=(work,)), "c", BuildConfig())
    edge = {"uid_a": row(1)["uid"], "uid_b": row(7)["uid"], "sha256": False, "pixel_sha256": False,
            "pdq_distance": 4, "similarity": 0.98}  # fmt: skip
    assert both([row(1), row(2)], [row(7)], accepted).num_rows == 0
    (told,) = both([row(1), row(2)], [row(7)], accepted, [edge]).to_pylist()
    assert (told["uid"], told["reason"], told["rule"]) == (row(1)["uid"], "optout_copy", "sha256")


def test_what_is_stored_of_a_style_is_read_and_gives_the_same():
    style = honoured_styles({"c": (1, -1.0)})
    accepted = accept(style, "c", BuildConfig())
    epsilon = accepted.config.match.epsilon
    rows, seen = [row(n) for n in range(9)], vectors({row(n)["uid"]: n + 1 for n in range(9)})
    measured = likeness(seen, style, COHORT, epsilon)
    told = pa.table(  # such as nobody would measure
        [*measured.select(["uid", "claim_id"]).columns, pa.array([99.0] * len(measured), "f4")],
        schema=SIMILARITIES,
    )
    stored = Likeness(told, measured_styles(style, COHORT, epsilon), measured_rows(seen))
    assert measured.num_rows
    assert is_stored(stored.styles, accepted, COHORT)
    table = from_rows(rows, READ)
    assert find(table, seen, accepted, COHORT).similarities.equals(measured)
    assert find(table, seen, accepted, COHORT, stored).similarities.equals(told)
    others = measured_styles(honoured_styles({"c": (2, -1.0)}), COHORT, epsilon)
    assert not is_stored(others, accepted, COHORT)
    again = find(table, seen, accepted, COHORT, replace(stored, styles=others))
    assert again.similarities.equals(measured)


def test_a_style_that_waits_for_review_is_tried_as_if_it_were_let_in():
    style = {"scope": "style", "style_tail": list(TAIL), "style_alpha": 1e-3}
    others = [claim(name, level=2, style_state="active", **style) for name in ("d", "e")]
    waiting = claim("c", style_state="needs review", **style)
    found = accept(honoured(waiting, *others), "c", BuildConfig())
    assert found.honoured.claims["style_state"].to_pylist() == ["active"]
    assert (found.state, found.styles) == ("needs review", 3)
    assert found.config.match.style_budget == pytest.approx(0.001 / 3)
    never = accept(honoured(waiting | {"style_state": "not separable"}), "c", BuildConfig())
    assert never.honoured.claims["style_state"].to_pylist() == ["not separable"]


def test_a_claim_that_is_not_in_force_is_refused():
    with pytest.raises(UsageError, match="in force"):
        accept(honoured(claim("c")), "d", BuildConfig())
