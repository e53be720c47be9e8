"""A claim acts where redirects lead, over real HTTP: at the start, at the end, and from a store."""

import json
import threading

import pytest

from tests.e2e.builds import build, manifest, picture, recuse, rows_in, url_list
from tests.servers import Answer, Asked, redirect, serve

pytestmark = pytest.mark.slow

PLACES = {
    "/plain.jpg": (),
    "/moved.jpg": ("cdn.localhost/moved.jpg",),
    "/ada.jpg": ("ada.localhost/ada.jpg",),
    "/through.jpg": ("bo.localhost/hop.jpg", "cdn.localhost/through.jpg"),
    "/mira.jpg": ("short.localhost/u/mira/1.jpg",),
    "/listed.jpg": ("cdn.localhost/hop.jpg", "cdn.localhost/listed.jpg"),
}
"""Addresses on short.localhost, and where each leads, hop after hop."""
DENIED = {
    "/ada.jpg": ("optout_host", "ada.localhost/ada.jpg"),
    "/through.jpg": ("optout_host", "bo.localhost/hop.jpg"),
    "/mira.jpg": ("optout_account", "short.localhost/u/mira/1.jpg"),
    "/listed.jpg": ("optout_url", "cdn.localhost/listed.jpg"),
}


def test_what_is_fetched_from_a_claimed_place_is_not_released(tmp_path):
    registry = str(tmp_path / "registry.db")
    once = threading.Lock()
    late: list[tuple[str, ...]] = []  # claims that are recorded while a build asks

    def submit(name: str, *what: str) -> None:
        own = ("--key", str(tmp_path / f"{name}.pem"), "--receipt", str(tmp_path / f"{name}.json"))
        whose = ("--artist", f"{name} Example", "--registry", registry, "--trust-local")
        recuse("optout", "submit", *whose, *what, *own)

    def answer(asked: Asked) -> Answer:
        if not asked.path.endswith(".jpg"):
            return Answer(404)
        with once:
            while late:
                submit(*late.pop())
        ways = (("short.localhost" + path, *way) for path, way in PLACES.items())
        for number, way in enumerate(ways):
            here = f"{asked.host}{asked.path}"
            if here in way[:-1]:
                host, _, path = way[way.index(here) + 1].partition("/")
                return redirect(f"http://{host}:{server.port}/{path}")
            if here in way:
                return Answer(200, picture(number))
        return Answer(404)

    with serve(answer) as server:
        urls = {server.url(path, "short.localhost"): path for path in PLACES}
        source = url_list(tmp_path / "urls.jsonl", urls)
        usual = ("--allow-hosts", f"*.localhost:{server.port}", "--workers", "0",
                 "--timeout-s", "120", "--similarity", "0.9999",
                 "--contact", "https://example.org/bot")  # fmt: skip
        claimed = (*usual, "--registry", registry, "--registry.trust-local")

        def left_out(out: str, *options: str) -> dict[str, tuple[str, str]]:
            """Build; return the reason of each row that is not released, and what was met where."""
            done = build(source, tmp_path / out, *options)
            assert done.returncode == 0, done.stderr
            found = {}
            for row in rows_in(tmp_path / f"{out}.vault" / "rows"):
                assert (row["stage"], row["verdict"]) == ("screen", "drop")
                met = json.loads(row["detail"])["redirect"]
                found[urls[row["url"]]] = (row["reason"], met.replace(f":{server.port}", ""))
            assert len(rows_in(tmp_path / out / "samples")) == len(PLACES) - len(found)
            return {path: (why, met.removeprefix("http://")) for path, (why, met) in found.items()}

        assert left_out("open", *usual, "--keep-store") == {}
        assert server.count("/ada.jpg", "ada.localhost") == 1

        submit("Ada", "--host", "ada.localhost", "--account", "short.localhost/u/mira")
        listed = server.url("/listed.jpg", "cdn.localhost")
        late.append(("Bo", "--host", "bo.localhost", "--url", listed))
        asked = len(server.asked)
        assert left_out("late", *claimed) == DENIED
        assert manifest(tmp_path / "late")["lists"][0]["size"] == 2
        again = [f"{one.host}{one.path}" for one in server.asked[asked:]]
        assert "bo.localhost/hop.jpg" in again  # nobody had claimed it yet
        assert not [one for one in again if one.startswith("ada.localhost")]  # robots.txt neither
        assert "short.localhost/u/mira/1.jpg" not in again

        asked = len(server.asked)
        assert left_out("stored", *claimed, "--from-store", str(tmp_path / "open.run")) == DENIED
        assert len(server.asked) == asked
