"""Releases that were really built, for whatever audits them; copies, and what was taken back."""

import shutil
import threading
from pathlib import Path

import pytest

from jobs.cli import given
from jobs.witness import HeadFile, Witness, WitnessServer
from pipeline.retracted import Retracted
from tests.e2e.builds import build, recuse, url_list
from tests.e2e.generated_site import picture
from tests.fakes import FixedClock
from tests.jobs.publishing import AT, WITNESS
from tests.jobs.retracting import VERIFIER, taken_back
from tests.servers import Answer, Asked, serve

COUNT = 7
LISTED = (2, 5)
LATER = 6


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    """Two releases of seven pictures: by one claim, and by one more; receipts of both."""
    place = tmp_path_factory.mktemp("rows")

    def answer(asked: Asked) -> Answer:
        number = asked.path.removeprefix("/").removesuffix(".jpg")
        return Answer(200, picture(int(number))) if number.isdigit() else Answer(404)

    def submit(name: str, numbers: tuple[int, ...]) -> None:
        folder = place / name
        folder.mkdir()
        for number in numbers:
            (folder / f"{number}.jpg").write_bytes(picture(number))
        recuse("optout", "submit", folder, "--artist", f"{name} Example", "--kind", "work",
               "--registry", place / "registry.db", "--receipt", place / f"{name}.tlog-proof",
               "--key", place / f"{name}.key")  # fmt: skip

    with serve(answer) as server:
        source = url_list(place / "urls.jsonl", [server.url(f"/{n}.jpg") for n in range(COUNT)])
        host = server.at("127.0.0.1")[0]
        submit("Adalind", LISTED)
        options = ("--registry", str(place / "registry.db"), "--workers", "0", "--no-dedup")
        done = build(source, place / "one", "--allow-hosts", host, "--keep-store", *options)
        assert done.returncode == 0, done.stderr
        for suffix in ("", ".keys", ".log-key"):
            shutil.copy(f"{place / 'registry.db'}{suffix}", f"{place / 'first.db'}{suffix}")
    submit("Berthold", (LATER,))
    done = build(source, place / "two", "--from-store", str(place / "one.run"), *options)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="session")
def other_layouts(place) -> Path:
    """The first release once more, in tars and as addresses alone."""
    for name, form in (("tars", "webdataset"), ("urls", "urls")):
        built_again(place, name, place / "first.db", form)
    return place


@pytest.fixture(scope="session")
def emptied(place) -> Path:
    """A release of which nothing is left, by a claim to every picture."""
    registry = place / "every.db"
    for suffix in ("", ".keys", ".log-key"):
        shutil.copy(f"{place / 'registry.db'}{suffix}", f"{registry}{suffix}")
    works = place / "Everyone"
    works.mkdir()
    for number in range(COUNT):
        (works / f"{number}.jpg").write_bytes(picture(number))
    recuse("optout", "submit", works, "--artist", "Cordula Example", "--kind", "work",
           "--registry", registry, "--receipt", place / "Everyone.tlog-proof",
           "--key", place / "Everyone.key")  # fmt: skip
    built_again(place, "no", registry, "parquet")
    return place


@pytest.fixture(scope="session")
def emptied_layouts(emptied, other_layouts) -> Path:
    """The same in tars and as addresses alone."""
    for name, form in (("no-tars", "webdataset"), ("no-urls", "urls")):
        built_again(emptied, name, emptied / "every.db", form)
    return emptied


def built_again(place: Path, name: str, registry: Path, form: str) -> None:
    """Build from what the first build has fetched."""
    options = ("--registry", str(registry), "--workers", "0", "--no-dedup",
               "--output-format", form)  # fmt: skip
    done = build(place / "urls.jsonl", place / name, "--from-store", str(place / "one.run"),
                 *options)  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture
def retractions(tmp_path) -> Path:
    """The file of rows that were taken back."""
    return taken_back(tmp_path)


@pytest.fixture
def retracted(retractions) -> Retracted:
    return Retracted.read(retractions, [VERIFIER])


@pytest.fixture
def copy(tmp_path) -> Path:
    """The empty folder of a copy."""
    (tmp_path / "copy").mkdir()
    return tmp_path / "copy"


@pytest.fixture
def own_place(tmp_path, monkeypatch) -> Path:
    """A place with a registry of one's own in `home`, which commands find, and no matcher."""
    monkeypatch.setenv("RECUSE_REGISTRY", str(tmp_path / "home" / "registry.db"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(given, "matcher_of", lambda _name: None)
    return tmp_path


@pytest.fixture
def witness(tmp_path):
    """A witness that knows any log whose key is put into `logs`."""
    logs = []
    heads = HeadFile(tmp_path / "witness" / "heads.db", WITNESS.verifier)
    clock = FixedClock(AT * 1_000_000)
    server = WitnessServer(Witness(WITNESS, logs, heads, clock, lambda _: None), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.url, logs
    server.shutdown()
    server.server_close()
    thread.join()
