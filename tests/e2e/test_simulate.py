"""A simulation of a claim says, row for row, what a build that honours it does."""

import re
import shutil
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from jobs.cli import optout
from jobs.demo.gallery import catalogue, paint
from jobs.enrol import Track
from jobs.releases import open_release
from jobs.simulation import Registered, Simulated, facts, run
from jobs.vaults import Vault, open_vault
from optout.registry import Registry
from pipeline.report.simulation import render_simulation
from pipeline.storage import open_store
from schemas.errors import ProofError
from schemas.tables import MEASURED_STYLES
from tests.e2e.builds import build, manifest, recuse, url_list
from tests.fakes import FixedClock
from tests.servers import Answer, Asked, serve

pytestmark = pytest.mark.slow

HANDS = ("Mira Venn", "Oskar Pell", "Teo Marsh")
EACH = 9
PICTURES = [p for p in catalogue(EACH) if p.artist.name in HANDS]
LISTED = 6  # works of Mira Venn that are in the claim


def untold(names: list[str], _doing: str) -> list[str]:
    return names


TRACK: Track = untold  # type: ignore[assignment]


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """Releases built without and with a claim, in three formats, and the claim's registry."""
    place = tmp_path_factory.mktemp("web")
    bodies = {f"/{p.path}": paint(p) for p in PICTURES}
    works = place / "works"
    works.mkdir()
    for p in PICTURES[:LISTED]:
        (works / Path(p.path).name).write_bytes(bodies[f"/{p.path}"])
    registry = str(place / "registry.db")
    recuse("optout", "submit", str(works), "--artist", "Mira Venn", "--kind", "style",
           "--trust-local", "--registry", registry, "--key", str(place / "key.pem"),
           "--receipt", str(place / "receipt.json"))  # fmt: skip

    def answer(asked: Asked) -> Answer:
        body = bodies.get(asked.path)
        return Answer(200, body) if body else Answer(404)

    with serve(answer) as server:
        urls = [server.url(path) for path in bodies]
        source = url_list(place / "urls.jsonl", urls)
        lines = source.read_text().splitlines()
        lines[-1] = lines[-1].replace('"caption": "', '"caption": "after Mira Venn, ')
        source.write_text("\n".join(lines) + "\n")
        shared = ("--allow-hosts", server.at("127.0.0.1")[0], "--workers", "0", "--title", "Web",
                  "--no-dedup", "--keep-store")  # fmt: skip
        builds = {
            "parquet": (),
            "claimed": ("--registry", registry, "--registry.trust-local"),
        }
        for name, more in builds.items():
            done = build(source, place / name, *shared, *more)
            assert done.returncode == 0, done.stderr
    for form in ("webdataset", "urls"):
        done = build(source, place / form, *shared[2:], "--output-format", form,
                     "--from-store", str(place / "parquet.run"))  # fmt: skip
        assert done.returncode == 0, done.stderr
    return place


def simulated(web: Path, release: str, vault: Vault | None = None) -> Simulated:
    with Registry.open(str(web / "registry.db"), FixedClock()) as registry:
        (claim,) = [str(row.claim_id) for row in registry.claims()]
        at = Registered(registry, claim, trust_local=True)
        return run(at, open_release(open_store(str(web / release))), TRACK, vault)


def test_it_drops_what_a_build_with_the_claim_drops(web):
    found = simulated(web, "parquet")
    said = dict(zip(found.decided["uid"].to_pylist(), found.rules, strict=True))
    rows = [
        row
        for path in sorted((web / "claimed.vault" / "rows").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    # what merely shares a picture with a denied row is not the claim's own reach
    own = {row["uid"]: row for row in rows if row["reason"] != "optout_copy"}
    assert said.keys() == own.keys()
    for uid, row in own.items():
        assert said[uid] == (row["rule"] or "name")
    assert "sha256" in said.values()
    assert "name" in said.values()
    assert len(said) >= LISTED + 1
    assert manifest(web / "parquet")["released"] == found.rows


class Forgetful(Vault):
    """A vault of which nobody knows what was measured."""

    @cached_property
    def styles(self) -> pa.Table:
        return MEASURED_STYLES.empty_table()


def test_the_vault_answers_as_measuring_does(web):
    opened = open_release(open_store(str(web / "claimed")))
    vault = open_vault(str(web / "claimed.vault"), opened.manifest)
    stored, measured = (simulated(web, "claimed", v) for v in (vault, Forgetful(vault.store)))
    assert (stored.stored, measured.stored) == (True, False)
    assert stored.decided.equals(measured.decided)
    assert stored.beside == opened.manifest.rows_in - opened.manifest.released
    assert stored.decided.num_rows == 0  # what honoured the claim has nothing left for it


def test_a_claim_that_no_vault_knows_is_measured(web):
    opened = open_release(open_store(str(web / "parquet")))
    vault = open_vault(str(web / "parquet.vault"), opened.manifest)
    found = simulated(web, "parquet", vault)
    assert not found.stored
    assert found.decided.equals(simulated(web, "parquet").decided)


def test_the_vault_of_another_release_is_refused(web):
    opened = open_release(open_store(str(web / "parquet")))
    with pytest.raises(ProofError, match="vault"):
        open_vault(str(web / "claimed.vault"), opened.manifest)


@pytest.mark.parametrize("release", ["webdataset", "urls"])
def test_every_format_of_a_release_gives_the_same_answer(web, release):
    one, other = simulated(web, "parquet"), simulated(web, release)
    assert other.decided.equals(one.decided)
    assert other.hosts() == one.hosts()


@pytest.mark.parametrize(("release", "pictured"), [("parquet", True), ("webdataset", True),
                                                   ("urls", False)])  # fmt: skip
def test_a_page_shows_pictures_by_rule(web, release, pictured):
    found = simulated(web, release)
    page = render_simulation(facts(found, "Web"))
    for words in ("These very files", "Names in captions", "127.0.0.1", "It stays within its caps"):
        assert words in page
    assert page.count("data:image/jpeg") == (found.decided.num_rows if pictured else 0)
    assert "<script" not in page
    assert re.search(r"default-src &#39;none&#39;|default-src 'none'", page)


def test_a_release_that_was_tampered_with_is_refused(web, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(web / "urls", copy)
    (path,) = (copy / "samples").glob("*.parquet")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ProofError, match="sha256"):
        open_release(open_store(str(copy))).part(path.stem)


def test_the_command_says_rows_hosts_and_what_the_guard_would_do(web):
    with Registry.open(str(web / "registry.db"), FixedClock()) as registry:
        (claim,) = [str(row.claim_id) for row in registry.claims()]
    page = web / "page.html"
    where = ["--registry", str(web / "registry.db"), "--html", str(page),
             "--vault", str(web / "parquet.vault")]  # fmt: skip
    done = CliRunner().invoke(optout.app, ["simulate", claim[:8], str(web / "parquet"), *where])
    assert done.exit_code == 0, done.output
    for words in ("on 27 released rows; nothing is changed", "these very files", "together",
                  "names in captions", "127.0.0.1", "stays within its caps",
                  "by the vault's 0 rows"):  # fmt: skip
        assert words in done.output
    assert page.stat().st_mode & 0o077 == 0
