"""Lists from registry to release, through the commands: subscribed, declined, refused, recorded."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from jobs.demo.run import gather as demo_cast
from tests.e2e.builds import build, digests, environment, manifest, picture, recuse, url_list
from tests.e2e.generated_site import cache_folder
from tests.servers import Answer, Asked, Server, serve

PATHS = ["/0.jpg", "/1.jpg", "/2.jpg", "/3.jpg"]
ADA = "ada.localhost"  # the last picture lies there
HOSTS = ["a.localhost", "a.localhost", "a.localhost", ADA]


@dataclass
class Publisher:
    """A registry with its key, and the folder to which it exports."""

    folder: Path
    name: str
    verifier: str = ""

    def __post_init__(self) -> None:
        said = recuse("registry", "keygen", self.name, "--key", self.folder / "key")
        (self.verifier,) = [w for w in said.split() if w.startswith(f"{self.name}+")]

    @property
    def out(self) -> Path:
        return self.folder / "pub"

    @property
    def registry(self) -> Path:
        return self.folder / "registry.db"

    def submit(self, *options: object) -> None:
        who = ("--artist", "Ada Moss", "--registry", self.registry)
        recuse("optout", "submit", *options, *who)

    def export(self, out: Path | None = None) -> Path:
        place = out or self.out
        key = ("--key", self.folder / "key")
        recuse("optout", "export", "--registry", self.registry, *key, "--out", place)
        return place

    def subscribed(self, location: object = None, **changes: object) -> dict[str, object]:
        place = str(location or self.out)
        return {"name": self.name, "location": place, "key": self.verifier} | changes


def publisher(folder: Path, name: str) -> Publisher:
    place = folder / name
    place.mkdir()
    return Publisher(place, name)


def urls_of(server: Server) -> list[str]:
    return [server.url(path, host) for path, host in zip(PATHS, HOSTS, strict=True)]


@pytest.fixture(scope="module")
def works() -> list[bytes]:
    """Pictures of four hands, none of which is like another."""
    return [w.body() for w in demo_cast(cache_folder() / "gallery").others[:4]]


@pytest.fixture
def web(works) -> Iterator[Server]:
    bodies = dict(zip(PATHS, works, strict=True))
    with serve({**bodies, "/robots.txt": Answer(404)}) as server:
        yield server


def built(server: Server, out: Path, lists: list[dict], *options: str, **registry: object):
    """Build from the four pictures of a server; the clock stands still, as that of exports does."""
    told = {
        "registry": {"lists": lists, **registry},
        "fetch": {"allow_hosts": server.at("a.localhost", ADA)},
        "relate": {"similarity": 0.9999},
        "workers": {"count": 0},
    }
    config = out.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(told))
    source = out.with_name("urls.jsonl")
    if not source.exists():
        url_list(source, urls_of(server))
    return build(source, out, "--config", str(config), *options)


def test_a_list_that_is_subscribed_acts_and_one_that_is_declined_does_not(tmp_path, web, works):
    ada, broad, own = (publisher(tmp_path, f"{n}.example") for n in ("ada", "broad", "own"))
    (tmp_path / "works").mkdir()
    (tmp_path / "works" / "0.jpg").write_bytes(works[0])
    ada.submit(tmp_path / "works", "--host", ADA)
    broad.submit("--url", urls_of(web)[1])
    own.submit("--url", urls_of(web)[2])
    why = "takes every sunset"
    lists = [
        ada.subscribed(ada.export()),
        broad.subscribed(broad.export(), subscribe=False, origin="local/b", reason=why),
    ]
    out = tmp_path / "out"
    done = built(web, out, lists, url=str(own.registry), trust_local=True)
    assert done.returncode == 0, done.stderr
    said = manifest(out)
    # Her host waits for level 2: trust in one's own registry says nothing of somebody else's list.
    assert said["dropped"] == {"optout_url": 1, "optout_work": 1}
    assert said["released"] == 2
    mine, listed, declined = said["lists"]
    assert (mine["name"], mine["trust_local"], mine["key"]) == ("", True, None)
    note = dict(line.split(" ") for line in (ada.out / "list.note").read_text().splitlines()[1:7])
    for key in ("origin", "root", "recorded_at", "exported_at", "snapshot_sha256"):
        assert listed[key] == note[key], key
    assert (listed["name"], listed["size"], listed["claims_active"]) == ("ada.example", 2, 1)
    assert ada.verifier.startswith(f"{listed['key']}+")
    assert listed["used"]
    assert not listed["trust_local"]
    assert not declined["used"]
    assert [declined[k] for k in ("name", "origin", "reason")] == ["broad.example", "local/b", why]
    rows = pq.read_table(tmp_path / "out.vault" / "rows").to_pylist()
    lists = {
        claim["claim_id"]: (claim["list"], claim["origin"])
        for claim in pq.read_table(tmp_path / "out.vault" / "claims.parquet").to_pylist()
    }
    assert {row["reason"]: lists[row["claim_id"]] for row in rows} == {
        "optout_work": ("ada.example", listed["origin"]),
        "optout_url": ("", mine["origin"]),
    }
    assert "of list ada.example" in (tmp_path / "out.vault" / "review.html").read_text()
    shown = json.dumps(said)
    assert str(tmp_path) not in shown
    assert "Ada" not in shown
    report = (out / "report.html").read_text()
    for words in ("ada.example", "broad.example", why, "own registry", "signed by"):
        assert words in report


@pytest.mark.slow
def test_the_same_list_from_elsewhere_gives_the_same_release(tmp_path, web):
    ada = publisher(tmp_path, "ada.example")
    ada.submit("--url", urls_of(web)[0])
    ada.export()
    with serve({f"/list/{p.name}": p.read_bytes() for p in ada.out.iterdir()}) as host:
        one = ada.subscribed(host.url("/list"))
        away = built(web, tmp_path / "away", [one], "--keep-store")
    assert away.returncode == 0, away.stderr
    recuse("optout", "import", ada.out, "--key", ada.verifier, "--to", tmp_path / "lists")
    (kept,) = (tmp_path / "lists").iterdir()
    store = ("--keep-store", "--from-store", str(tmp_path / "away.run"))
    here = built(web, tmp_path / "here", [ada.subscribed(kept)], *store)
    assert here.returncode == 0, here.stderr
    assert digests(tmp_path / "here") == digests(tmp_path / "away")
    assert manifest(tmp_path / "here")["dropped"] == {"optout_url": 1}


OTHER_FAULTS = ("absent", "other key", "other origin", "stale")
FAULTS = ["tampered", *(pytest.param(fault, marks=pytest.mark.slow) for fault in OTHER_FAULTS)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_list_that_cannot_be_used_stops_the_build_before_any_work(
    tmp_path, web, fault, monkeypatch
):
    ada, out = publisher(tmp_path, "ada.example"), tmp_path / "out"
    ada.submit("--url", urls_of(web)[0])
    ada.export()
    one, words = ada.subscribed(), []
    if fault == "tampered":
        header = (ada.out / "snapshot.json").read_bytes()
        (ada.out / "snapshot.json").write_bytes(header.replace(b'"size":1', b'"size":2'))
        words = ["snapshot.json of sha256"]
    elif fault == "absent":
        shutil.rmtree(ada.out)
        words = ["expected a signed list"]
    elif fault == "other key":
        one["key"] = publisher(tmp_path, "stranger.example").verifier
        words = ["stranger.example"]
    elif fault == "other origin":
        one["origin"] = "local/other"
        words = ["expected the list of local/other"]
    else:
        week_later = int(os.environ.get("SOURCE_DATE_EPOCH", environment()["SOURCE_DATE_EPOCH"]))
        monkeypatch.setattr("tests.e2e.builds.EPOCH", str(week_later + 8 * 86_400))
        words = ["at most 7 days old", "max_age_days"]
    done = built(web, out, [one])
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    for word in [*words, "list 'ada.example'", "decline it"]:
        assert word in done.stderr, done.stderr
    assert not out.exists()
    assert not list(tmp_path.glob("out.run/plan.json"))
    assert not web.asked


@pytest.mark.slow
@pytest.mark.parametrize(("start", "later", "options", "size"), [
    ("old", "new", (), 2), ("old", "new", ("--pin",), 1), ("new", "old", (), None),
])  # fmt: skip
def test_a_list_that_changes_while_the_build_runs(tmp_path, start, later, options, size):
    """Newer claims are honoured unless they are pinned; an older list is never used."""
    where = tmp_path / "where"

    def answer(asked: Asked) -> bytes | Answer:
        if not asked.path.endswith(".jpg"):
            return Answer(404)
        shutil.copytree(tmp_path / later, where, dirs_exist_ok=True)
        return picture(PATHS.index(asked.path))

    with serve(answer) as server:
        ada = publisher(tmp_path, "ada.example")
        for name, url in zip(("old", "new"), urls_of(server), strict=False):
            ada.submit("--url", url)
            ada.export(tmp_path / name)
        shutil.copytree(tmp_path / start, where)
        lists = [ada.subscribed(where)]
        done = built(server, tmp_path / "out", lists, *options)
        if size is None:
            assert done.returncode == 1
            assert "expected 2 log entries" in done.stderr
            assert not (tmp_path / "out" / "manifest.json").exists()
            options, size = ("--pin",), 2  # goes on by what the plan has pinned
            done = built(server, tmp_path / "out", lists, *options)
    assert done.returncode == 0, done.stderr
    said = manifest(tmp_path / "out")
    assert said["dropped"] == {"optout_url": size}
    assert (said["lists"][0]["size"], said["lists"][0]["pinned"]) == (size, bool(options))
