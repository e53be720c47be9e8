"""A redirect to what claims deny already is not followed, and nothing is asked there."""

from pipeline.fetch import next_round
from pipeline.screen import denier
from pipeline.web.claimed import ClaimedGates
from schemas.verdict import Outcome
from tests.pipeline.test_fetch import POLICY, one, real, requests
from tests.pipeline.test_screen import claims
from tests.servers import redirect, serve


def test_what_is_claimed_is_not_asked_on_the_same_host_or_another() -> None:
    routes = {
        "a.localhost/x": redirect("/mira/x"),
        "a.localhost/y": lambda asked: redirect(f"http://b.localhost:{server.port}/y"),
        "/z": b"z",
    }
    listed = claims({"accounts": ["a.localhost/mira"]}, {"hosts": ["b.localhost"]})
    gates = ClaimedGates(POLICY, denier(listed))
    with serve(routes) as server:
        same = one(real(server, requests(server.url("/x", "a.localhost")), gates)[0])
        away = real(server, requests(server.url("/y", "a.localhost")), gates)[0].observed
        there = one(real(server, next_round(away), gates)[0])
        plain = one(real(server, requests(server.url("/z", "a.localhost")), gates)[0])
    for row, path, host in ((same, "/mira/x", "a.localhost"), (there, "/y", "b.localhost")):
        assert row["outcome"] == Outcome.GATED
        assert row["final_url"] == server.url(path, host)
        assert row["hops"][-1] == {"url": row["final_url"], "status": None, "documents": []}
        assert server.count(path, host) == 0
    assert [hop["status"] for hop in there["hops"]] == [302, None]
    assert server.count("/robots.txt", "b.localhost") == 0
    assert plain["outcome"] == Outcome.OK
