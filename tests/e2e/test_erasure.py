"""An erasure while a build is under way: by claims that were pinned before it nothing comes out."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.builds import ROOT, build, command, environment, manifest, recuse, url_list
from tests.e2e.generated_site import picture
from tests.servers import Answer, Asked, serve

COUNT = 5
LISTED = 2
LEFT_OUT: dict[str, dict[str, int]] = {"--all": {}, "--identity": {"optout_work": 1}}
ERASURES = ["--identity", pytest.param("--all", marks=pytest.mark.slow)]


class Site:
    """Pictures of a site, a registry in which one of them is listed, and a build of all."""

    def __init__(self, place: Path, server) -> None:
        self.place, self.registry, self.out = place, place / "registry.db", place / "out"
        self.server = server
        works = place / "works"
        works.mkdir()
        (works / "one.jpg").write_bytes(picture(LISTED))
        said = recuse("optout", "submit", works, "--artist", "Ada Example", "--kind", "work",
                      "--registry", self.registry, "--key", place / "ada.key",
                      "--receipt", place / "ada.tlog-proof")  # fmt: skip
        (self.claim,) = [w for w in said.split() if len(w) == 32 and w.isalnum()]
        self.source = url_list(place / "urls.jsonl",
                               [server.url(f"/{n}.jpg") for n in range(COUNT)])  # fmt: skip
        host = server.at("127.0.0.1")[0]
        self.options = ("--allow-hosts", host, "--workers", "0", "--no-dedup",
                        "--registry", str(self.registry))  # fmt: skip

    def build(self, *more: str) -> subprocess.CompletedProcess[str]:
        return build(self.source, self.out, *self.options, *more)

    def erase(self, how: str) -> None:
        recuse("optout", "erase", self.claim, how, "--yes", "--registry", self.registry,
               "--key", self.place / "ada.key")  # fmt: skip

    def require_stopped(self, done: subprocess.CompletedProcess[str]) -> None:
        said = " ".join(done.stderr.split())
        assert done.returncode == 1, said
        assert "withdrawn since: it holds a claim that was erased" in said
        assert f"{self.out}.run" in said
        assert "Traceback" not in said
        assert not (self.out / "manifest.json").exists()
        assert not (self.out / "samples").exists()


@pytest.fixture
def site(tmp_path):
    """The site; `during` is called once, when the last picture is asked for."""
    during: list[Callable[[], None]] = []

    def answer(asked: Asked) -> Answer:
        number = asked.path.removeprefix("/").removesuffix(".jpg")
        if not number.isdigit():
            return Answer(404)
        if during and int(number) == COUNT - 1:
            during.pop()()
        return Answer(200, picture(int(number)))

    with serve(answer) as server:
        found = Site(tmp_path, server)
        yield found, during


@pytest.mark.parametrize("how", ERASURES)
def test_a_pinned_build_stops_where_its_claims_are_erased_meanwhile(site, how):
    made, during = site
    during.append(lambda: made.erase(how))
    made.require_stopped(made.build("--registry.pin"))


@pytest.mark.parametrize("how", ERASURES)
def test_a_pinned_build_that_was_cut_off_does_not_go_on_after_an_erasure(site, how):
    made, during = site
    asked = command(made.source, made.out, *made.options, "--registry.pin")
    process = subprocess.Popen(asked, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    during.append(lambda: os.kill(process.pid, signal.SIGKILL))
    assert process.wait(timeout=300) == -signal.SIGKILL
    made.erase(how)
    before = len(made.server.asked)
    made.require_stopped(made.build("--registry.pin"))
    assert len(made.server.asked) == before  # nobody is asked for what cannot be released
    shutil.rmtree(f"{made.out}.run")  # as it says
    done = made.build("--registry.pin")
    assert done.returncode == 0, done.stderr
    assert manifest(made.out)["dropped"] == LEFT_OUT[how]


@pytest.mark.slow
def test_a_build_that_is_not_pinned_goes_on_by_the_claims_that_are_left(site):
    made, during = site
    during.append(lambda: made.erase("--all"))
    done = made.build()
    assert done.returncode == 0, done.stderr
    assert manifest(made.out)["dropped"] == LEFT_OUT["--all"]
