"""A recall gives, row for row, what a build of the same bytes by the newer registry would release.

Less what such a build would add, and without a row of what was taken out in any file.
"""

import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from jobs.absence import prove_absence
from jobs.audit import replay_signals
from jobs.demo.gallery import catalogue, paint
from jobs.vaults import open_vault
from pipeline.absence import Absence
from pipeline.manifest import read_manifest
from pipeline.storage import open_store
from tests.e2e.builds import build, digests, manifest, recuse, rows_in
from tests.servers import Answer, Asked, serve

pytestmark = pytest.mark.slow

HANDS = ("Mira Venn", "Oskar Pell", "Teo Marsh")
EACH = 9
PICTURES = [p for p in catalogue(EACH) if p.artist.name in HANDS]
LISTED = 6  # works of Mira Venn that are in the claim
FORMS = ("parquet", "webdataset", "urls")
ALIKE = (
    "caption",
    "caption_redacted",
    "clip_similarity",
    "sha256",
    "stored_sha256",
    "tags",
    "license",
)
"""Columns of the same type in every form of a release."""


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """Releases in three formats by an early registry, builds of the same bytes by a later one."""
    place = tmp_path_factory.mktemp("web")
    bodies = {f"/{p.path}": paint(p) for p in PICTURES}
    registry = str(place / "registry.db")

    def submit(name: str, *what: str) -> None:
        own = ("--key", str(place / f"{name}.pem"), "--receipt", str(place / f"{name}.json"))
        recuse("optout", "submit", *what, *own, "--registry", registry, "--trust-local")

    submit("first", "--artist", "Ann Grove", "--captions", "redact")

    pond = list(bodies)[20]
    bodies["/smaller.png"] = smaller(bodies[pond])

    def answer(asked: Asked) -> Answer:
        body = bodies.get(asked.path)
        return Answer(200, body) if body else Answer(404)

    with serve(answer) as server:
        paths = [server.url(path) for path in bodies]
        captions = [f"picture {i}" for i in range(len(paths))]
        captions[12] = "after Ann Grove, a boat"
        captions[13] = "after Bo Lind, a castle"
        captions[14] = "Cy Dale and Ann Grove, a pond"
        captions[20] = "Cy Dale, a pond"
        source = place / "urls.parquet"
        tags = [[c.split(",")[0].removeprefix("after ")] for c in captions]
        pq.write_table(pa.table({"url": paths, "caption": captions, "tags": tags}), source)
        shared = (
            "--allow-hosts", server.at("127.0.0.1")[0], "--workers", "0", "--title", "Web",
            "--registry", registry, "--registry.trust-local", "--output.shard-rows", "7",
        )  # fmt: skip
        done = build(source, place / "parquet", *shared, "--keep-store")
        assert done.returncode == 0, done.stderr
    again = ("--from-store", str(place / "parquet.run"))
    for form in FORMS[1:]:
        done = build(source, place / form, *shared, *again, "--output-format", form)
        assert done.returncode == 0, done.stderr
    works = place / "works"
    works.mkdir()
    for p in PICTURES[:LISTED]:
        (works / Path(p.path).name).write_bytes(bodies[f"/{p.path}"])
    work = place / "work"
    work.mkdir()
    (work / "one.png").write_bytes(bodies[f"/{PICTURES[-1].path}"])
    submit("mira", str(works), "--artist", "Mira Venn", "--kind", "style")
    submit("teo", str(work), "--artist", "Somebody Else", "--kind", "work")
    submit("bo", "--artist", "Bo Lind", "--captions", "redact")
    submit("cy", "--artist", "Cy Dale")
    done = build(source, place / "fresh", *shared, *again)
    assert done.returncode == 0, done.stderr
    return place


def smaller(body: bytes) -> bytes:
    """Return the picture with fewer pixels: the copy that is left out."""
    sink = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        image.resize((image.width * 4 // 5, image.height * 4 // 5)).save(sink, "PNG")
    return sink.getvalue()


def recall(web: Path, form: str, out: Path, *more: object) -> str:
    return recuse(
        "recall", web / form, "--registry", web / "registry.db", "--trust-local", "--out", out,
        "--key", web / "builder.key", *more,
    )  # fmt: skip


def by_uid(release: Path) -> dict[str, dict]:
    return {row["uid"]: row for row in rows_in(release / "samples")}


@pytest.mark.parametrize("form", FORMS)
def test_a_recall_is_a_fresh_build_less_what_that_adds(web, tmp_path, form):
    before = digests(web / form)
    out = tmp_path / "new"
    recall(web, form, out)
    assert digests(web / form) == before
    old, new, fresh = (by_uid(p) for p in (web / form, out, web / "fresh"))
    added = fresh.keys() - old.keys()
    assert added  # the second best copy of a work that is gone comes back in a fresh build
    assert new.keys() == fresh.keys() - added
    for uid, row in new.items():
        told = row if form == "parquet" else {name: row[name] for name in ALIKE}
        assert told == {name: fresh[uid][name] for name in told}
    gone = old.keys() - new.keys()
    assert len(gone) >= LISTED + 2
    assert {new[uid]["caption"] for uid in new} >= {"a castle"}
    known = read_manifest(open_store(str(out)))
    assert known.rows_in == manifest(web / form)["rows_in"]
    assert known.recalled is not None
    assert known.recalled.removed == len(gone)
    retracted = pq.read_table(out / "retractions.parquet").to_pylist()
    assert [row["uid"] for row in retracted] == sorted(gone)
    _require_nowhere(out, [old[uid] for uid in gone])
    assert "finished before" in recall(web, form, out)
    proof = prove_absence(str(out), str(web / "work" / "one.png"), 31)  # the roots are its own
    assert isinstance(proof, Absence)
    _require_vault(web, form, out, gone)


def _require_vault(web: Path, form: str, out: Path, gone: set[str]) -> None:
    """The vault knows of the rows that left what it would after a build, and more."""
    vault, like = (Path(f"{p}.vault") for p in (out, web / "fresh"))
    opened = open_vault(str(vault), read_manifest(open_store(str(out))))
    assert {r["uid"] for r in rows_in(vault / "rows")} >= gone
    same = ("claims.parquet", "similarities/styles.parquet", "captions/00000.parquet")
    for name in same:
        if (like / name).exists():
            assert (vault / name).read_bytes() == (like / name).read_bytes()
    said = {r["uid"]: r for r in rows_in(vault / "rows")}
    for row in rows_in(like / "rows"):
        if row["uid"] in gone:
            own = said[row["uid"]]
            verdict = (
                "verdict",
                "reason",
                "stage",
                "claim_id",
                "rule",
                "by_uid",
                "detail",
                "caption",
            )
            assert {k: own[k] for k in verdict} == {k: row[k] for k in verdict}
    assert opened.edges.equals(pq.read_table(web / f"{form}.vault" / "edges.parquet"))


def test_a_recalled_release_is_read_as_any_other(web, tmp_path):
    out = tmp_path / "new"
    assert "nothing was written" in recall(web, "parquet", out, "--dry-run")
    assert not out.exists()
    recall(web, "parquet", out, "--link")
    report = replay_signals(str(out))
    assert report.agrees
    page = (out / "report.html").read_text()
    assert page.count("data:image/jpeg") == manifest(out)["released"]
    again = tmp_path / "again"
    text = recuse(
        "recall", out, "--registry", web / "registry.db", "--trust-local", "--out", again,
        "--key", web / "builder.key",
    )  # fmt: skip
    assert "0 of" in text
    before, after = (pq.read_table(p / "retractions.parquet") for p in (out, again))
    assert after.equals(before)


@pytest.mark.parametrize("form", ["parquet", "webdataset", "urls"])
def test_a_release_and_its_recall_pass_their_audits(web, tmp_path, form):
    """Of a recall, what its parent had left out is for an audit of the parent."""
    key = recall(web, form, tmp_path / "new").split("signed by ")[1].split()[0]
    for release, status in ((web / form, "verified"), (tmp_path / "new", "needs")):
        said = recuse("audit", "verify", release, "--registry", web / "registry.db", "--vault",
                      f"{release}.vault", "--json",
                      *(("--key", key) if release.name == "new" else ()))  # fmt: skip
        checks = {check["name"]: check for check in json.loads(said)["checks"]}
        assert [name for name, one in checks.items() if one["status"] == "failed"] == []
        assert checks["claims"]["status"] == status
    assert checks["signature"]["status"] == "verified"  # of the retractions too
    assert "an audit of the release that was recalled" in checks["claims"]["needs"][0]


def test_whoever_has_a_copy_drops_the_same_rows(web, tmp_path):
    out = tmp_path / "new"
    key = recall(web, "webdataset", out).split("signed by ")[1].split()[0]
    copy = tmp_path / "copy"
    shutil.copytree(web / "webdataset", copy)
    arguments = (copy, out / "retractions.parquet", "--key", key)
    assert "would go" in recuse("retract", "apply", *arguments)
    assert "dropped" in recuse("retract", "apply", *arguments, "--yes")
    assert "none of the rows" in recuse("retract", "check", *arguments)
    assert by_uid(copy).keys() == by_uid(out).keys()


def _require_nowhere(release: Path, rows: list[dict]) -> None:
    """No file of a release speaks of rows, but where it says that they are gone."""
    said = {"retractions.parquet"}
    for path in sorted(release.rglob("*")):
        name = path.relative_to(release).as_posix()
        if not path.is_file() or name in said:
            continue
        body = path.read_bytes()
        if path.suffix == ".parquet":
            body = json.dumps(pq.read_table(path).to_pylist(), default=_text).encode()
        for row in rows:
            keys = [row["sha256"], row["stored_sha256"], row["url"]]
            if not name.startswith("ledger/"):
                keys.append(row["uid"])
            for key in keys:
                assert key.encode() not in body, (name, key)
            if (image := (row.get("image") or {}).get("bytes")) is not None:
                assert image not in body
                assert image.hex().encode() not in body


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
