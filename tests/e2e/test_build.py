"""The main job over real HTTP: claims recorded, a build run, every row as the fixture said.

The fixtures know each row's verdict by construction; nothing here asks the code under test.
"""

import hashlib
import json
import subprocess
import sys

import cv2
import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml

from jobs.demo.expect import Site, compare
from jobs.demo.outcome import rows_of
from jobs.demo.run import gather as demo_cast
from jobs.demo.run import submit_command, write_list
from pipeline.image.canonical import CanonicalHasher
from pipeline.storage import open_store
from pipeline.stored_likeness import read_likeness
from tests.e2e import corpus_site, generated_site
from tests.e2e.builds import (
    ROOT,
    build,
    digests,
    environment,
    manifest,
    picture,
    scripted,
    url_list,
)
from tests.e2e.generated_site import cache_folder
from tests.servers import Answer, Asked, serve


def recuse(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobs", *arguments],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip


def released(site: Site, folder, *options: str):
    """Record a site's claims, build its list, and return the release."""
    for claim in site.claims:
        done = recuse(*submit_command(claim, folder / "registry.db", folder / "claims"))
        assert done.returncode == 0, done.stderr
        if claim.style != "none":
            assert claim.style in done.stdout
    write_list(site, folder / "urls.parquet")
    config = folder / "build.yaml"
    config.write_text(yaml.safe_dump(site.build_config(str(folder / "registry.db"))))
    with site.serve():
        done = build(folder / "urls.parquet", folder / "out", "--config", str(config), *options)
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    site = generated_site.site(folder)
    return site, released(site, folder, "--workers", "1")


def test_every_generated_row_ends_as_it_must(generated):
    site, out = generated
    found = compare(site, rows_of(out))
    assert found.leaked == ()
    assert found.wrong == ()
    assert found.total == manifest(out)["rows_in"]


@pytest.mark.slow
def test_every_row_of_the_corpus_ends_as_it_must(tmp_path):
    try:
        site = corpus_site.site(tmp_path)
    except corpus_site.UnavailableError as e:
        pytest.skip(str(e))
    out = released(site, tmp_path, "--workers", "1")
    found = compare(site, rows_of(out))
    assert found.leaked == ()
    assert found.wrong == ()
    assert found.total >= 300


def test_release_names_every_file_by_its_digest_and_balances(generated):
    _, out = generated
    said = manifest(out)
    found = digests(out, leave=("manifest.json", "manifest.json.note"))
    assert {f["path"]: f["sha256"] for f in said["files"]} == found
    total = said["released"] + sum(said["dropped"].values()) + sum(said["held"].values())
    assert total == said["rows_in"]


def test_kept_rows_carry_evidence_and_the_public_folder_names_no_claim(generated):
    _, out = generated
    rows = pq.read_table(out / "samples", columns=["uid", "signals"]).to_pylist()
    channels = {s["channel"] for row in rows for s in row["signals"]}
    assert channels >= {"robots", "tdmrep.json", "ai.txt", "x-robots-tag", "xmp", "c2pa"}
    index = pq.read_table(out / "evidence" / "index.parquet")
    known = set(index["document_id"].to_pylist())
    public = {"robots", "tdmrep.json", "ai.txt"}
    told = {s["evidence"] for r in rows for s in r["signals"] if s["channel"] in public}
    assert told <= known
    matches = pq.read_table(out.with_name("out.vault") / "matches.parquet")
    claims = {c.encode() for c in matches["claim_id"].to_pylist()}
    everything = b"".join(p.read_bytes() for p in out.rglob("*") if p.is_file())
    assert claims
    assert not any(claim in everything for claim in claims)


def test_the_vault_knows_which_rows_were_measured_against_which_styles(generated):
    _, out = generated
    vault = open_store(str(out.with_name("out.vault")))
    paths = [p for p in vault.paths("similarities") if p.endswith(".rows.parquet")]
    found = [read_likeness(vault.read, number) for number in range(len(paths))]
    styles = {name for one in found for name in one.styles["claim_id"].to_pylist()}
    assert styles
    assert {c for one in found for c in one.similarities["claim_id"].to_pylist()} <= styles
    rows = {uid for one in found for uid in one.rows["uid"].to_pylist()}
    released = pq.read_table(out / "samples", columns=["uid"])["uid"].to_pylist()
    assert rows >= set(released)
    assert manifest(out)["thresholds"]["style_floor"] == pytest.approx(0.02)


def test_no_file_of_the_run_keeps_bytes_or_vectors_of_other_rows(generated):
    _, out = generated
    left = {p.name for p in out.with_name("out.run").rglob("*") if p.is_file()}
    assert {name.split(".")[-1] for name in left} == {"json", "jsonl"}
    assert "plan.json" in left


def test_release_loads_where_people_load_it(generated):
    datasets = pytest.importorskip("datasets")
    _, out = generated
    rows = manifest(out)["released"]
    files = str(out / "samples" / "*.parquet")
    assert pl.read_parquet(files).height == rows
    assert duckdb.read_parquet(files).aggregate("count(*)").fetchall() == [(rows,)]
    loaded = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(out.parent / "cache")
    )
    sizes = [(row["image"].width, row["image"].height) for row in loaded]
    assert sizes == list(zip(loaded["width"], loaded["height"], strict=True))


@pytest.mark.slow
def test_engine_of_img2dataset_builds_fifty_images_and_says_what_it_could_not_check(tmp_path):
    with serve(scripted) as server:
        names = ("a.localhost", "b.localhost")
        folders = ("/p/", "/p/", "/p/", "/p/", "/closed/")
        urls = [server.url(f"{folders[i % 5]}{i}.jpg", names[i % 2]) for i in range(50)]
        source = url_list(tmp_path / "urls.jsonl", urls)
        options = (
            "--engine", "img2dataset", "--allow-hosts", ",".join(server.at(*names)),
            "--workers", "0", "--similarity", "0.9999",
        )  # fmt: skip
        strict = build(source, tmp_path / "strict", *options)
        assert strict.returncode == 0, strict.stderr
        accepted = build(source, tmp_path / "out", *options, "--accept-unchecked", "headers")
        assert accepted.returncode == 0, accepted.stderr
    assert manifest(tmp_path / "strict")["released"] == 0
    assert manifest(tmp_path / "strict")["held"]["unchecked"] > 0
    said = manifest(tmp_path / "out")
    assert said["dropped"]["signal_robots"] == 10
    assert said["unchecked"] == {"headers": said["released"]}
    assert said["released"] > 20
    for asked in server.asked:
        assert "closed" not in asked.path


@pytest.mark.parametrize("form", ["webdataset", "urls"])
def test_other_forms_hold_the_same_rows(tmp_path, form):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(4):
        (pictures / f"{i}.jpg").write_bytes(picture(i))
        (pictures / f"{i}.txt").write_text(f"picture {i}")
    options = (
        "--workers", "0", "--accept-unchecked", "robots,well-known,headers",
        "--output-format", form, "--similarity", "0.9999",
    )  # fmt: skip
    done = build(pictures, tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    assert manifest(tmp_path / "out")["released"] == 4
    names = {p.name for p in (tmp_path / "out" / "samples").iterdir()}
    if form == "urls":
        assert names == {"00000.parquet"}
        assert "image" not in pq.read_schema(tmp_path / "out" / "samples" / "00000.parquet").names
    else:
        assert names == {"00000.tar", "00000.parquet", "00000_stats.json"}
        again = build(tmp_path / "out" / "samples", tmp_path / "again", *options[:2])
        assert again.returncode == 0, again.stderr
        assert manifest(tmp_path / "again")["held"] == {"unchecked": 4}


@pytest.mark.parametrize("pinned", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_claim_recorded_during_the_build_is_honoured_unless_it_is_pinned(tmp_path, pinned):
    works = [w.body() for w in demo_cast(cache_folder() / "gallery").others[:4]]  # of four hands
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "0.jpg").write_bytes(works[0])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "3.jpg").write_bytes(works[3])
    registry = str(tmp_path / "registry.db")

    def submit(name: str, artist: str) -> None:
        who = ("--artist", artist, "--registry", registry, "--key", str(tmp_path / f"{name}.pem"))
        receipt = ("--receipt", str(tmp_path / f"{name}.json"))
        submitted = recuse("optout", "submit", str(tmp_path / name), *who, *receipt)
        assert submitted.returncode == 0, submitted.stderr

    def answer(asked: Asked) -> Answer:
        if not asked.path.endswith(".jpg"):
            return Answer(404)
        if asked.path == "/0.jpg" and not (tmp_path / "mine.json").exists():
            submit("mine", "Ada Moss")  # while her picture is being asked for
        return Answer(200, works[int(asked.path[1])])

    submit("other", "Bo Lind")
    with serve(answer) as server:
        source = url_list(tmp_path / "urls.jsonl", [server.url(f"/{i}.jpg") for i in range(4)])
        options = (
            "--workers", "0", "--allow-hosts", server.at("127.0.0.1")[0], "--timeout-s", "120",
            "--registry", registry,
        )  # fmt: skip
        done = build(source, tmp_path / "out", *options, *(["--pin"] if pinned else []))
        assert done.returncode == 0, done.stderr
    said = manifest(tmp_path / "out")
    assert said["dropped"] == {"optout_work": 1 if pinned else 2}
    assert said["lists"][0]["size"] == (2 if pinned else 3)
    assert said["lists"][0]["pinned"] == pinned
    shown = json.dumps(said)
    assert "Ada" not in shown
    assert registry not in shown


def test_nothing_of_what_a_safety_list_names_is_ever_stored(tmp_path):
    works = [w.body() for w in demo_cast(cache_folder() / "gallery").others[:4]]
    keys = CanonicalHasher().keys(works[1])
    (tmp_path / "bytes.txt").write_text(hashlib.sha256(works[0]).hexdigest() + "\n")
    (tmp_path / "pictures.txt").write_text(keys.pdq.hex() + "\n")
    again = cv2.imencode(".jpg", cv2.imdecode(np.frombuffer(works[1], np.uint8), 1))[1].tobytes()
    served = {f"/{i}.jpg": body for i, body in enumerate([works[0], again, works[2], works[3]])}
    with serve({**served, "/robots.txt": Answer(404)}) as server:
        source = url_list(tmp_path / "urls.jsonl", [server.url(path) for path in served])
        options = (
            "--workers", "0", "--allow-hosts", server.at("127.0.0.1")[0], "--keep-store",
            "--safety.sha256", str(tmp_path / "bytes.txt"),
            "--safety.pdq", str(tmp_path / "pictures.txt"),
        )  # fmt: skip
        done = build(source, tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    said = manifest(tmp_path / "out")
    assert said["dropped"] == {"safety": 2}
    assert said["released"] == 2
    kept = b"".join(p.read_bytes() for p in tmp_path.glob("out*/**/*") if p.is_file())
    assert works[2] in kept  # the store was kept, as asked
    assert works[0] not in kept
    assert again not in kept
