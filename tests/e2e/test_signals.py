"""Signals from a build to its audit: real command, real HTTP, and what the files say afterwards."""

import json
import shutil
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.e2e.builds import ROOT, build, environment, manifest, picture
from tests.optout.signals import xmp_files
from tests.servers import Answer, Asked, Server, serve

HOSTS = ("a.localhost", "b.localhost", "pages.localhost")
ROBOTS = b"User-agent: *\nDisallow: /closed/\nContent-Usage: /usage/ train-ai=n\n"
TDMREP = b'[{"location": "/tdm/", "tdm-reservation": 1}]'
JPEG = [("Content-Type", "image/jpeg")]
PROHIBITED = xmp_files.mining("DMI-PROHIBITED")


def with_xmp(body: bytes, packet: bytes) -> bytes:
    return body[:2] + xmp_files.segment(b"http://ns.adobe.com/xap/1.0/\0" + packet) + body[2:]


class Web:
    """Several hosts that say something different about every image; `changed` later on."""

    def __init__(self) -> None:
        self.robots = ROBOTS
        self.more: list[tuple[str, str]] = []

    def __call__(self, asked: Asked) -> Answer:
        if asked.path == "/robots.txt":
            return Answer(body=self.robots)
        if asked.path == "/.well-known/tdmrep.json":
            return Answer(body=TDMREP)
        if asked.host == "pages.localhost":
            meta = b'<meta name="robots" content="noai">' if "noai" in asked.path else b""
            html = b"<!doctype html><html><head>" + meta + b"</head><body></body></html>"
            return Answer(503) if "busy" in asked.path else Answer(body=html)
        if not asked.path.endswith(".jpg"):
            return Answer(404)
        headers = [*JPEG, *self.more]
        if "noai" in asked.path:
            headers.append(("X-Robots-Tag", "NoAI"))
        body = picture(zlib.crc32(f"{asked.host}{asked.path}".encode()))
        if "mining" in asked.path:
            body = with_xmp(body, PROHIBITED)
        if "source" in asked.path:
            body = with_xmp(body, SOURCED)
        return Answer(body=body, headers=headers)


SOURCED = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    b'xmlns:cc="http://creativecommons.org/ns#" '
    b'e:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia">'
    b'<cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
EXPECTED = {
    "/plain/1.jpg": None,
    "/plain/2.jpg": None,
    "/source.jpg": None,
    "/closed/1.jpg": "signal_robots",
    "/usage/1.jpg": "signal_robots",
    "/tdm/1.jpg": "signal_well_known",
    "/noai/1.jpg": "signal_header",
    "/mining.jpg": "signal_embedded",
    "/page-noai.jpg": "signal_page",
    "/page-busy.jpg": "signal_error",
    "/page-fine.jpg": None,
}


def rows(server: Server, host: str = "a.localhost") -> list[dict[str, Any]]:
    return [
        {
            "url": server.url(path, host),
            "caption": f"{host} {path}",
            "page_url": server.url(f"/{path[6:-4]}", "pages.localhost") if "page" in path else None,
        }
        for path in EXPECTED
    ]


def listed(path: Path, found: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


def options(server: Server, *more: str) -> list[str]:
    hosts = ",".join(server.at(*HOSTS))
    return ["--allow-hosts", hosts, "--similarity", "0.9999", "--fetch.retries", "0", *more]


def recuse(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobs", *arguments],
        cwd=ROOT, env=environment() | {"COLUMNS": "150"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def outcomes(out: Path) -> dict[str, str | None]:
    """Return what became of each path of a.localhost."""
    kept = pq.read_table(out / "samples", columns=["url"])["url"].to_pylist()
    vault = pq.read_table(out.with_name(f"{out.name}.vault") / "rows", columns=["url", "reason"])
    pairs = [(url, None) for url in kept] + list(
        zip(vault["url"].to_pylist(), vault["reason"].to_pylist(), strict=True)
    )
    return {"/" + url.split("/", 3)[3]: reason for url, reason in pairs if "a.localhost" in url}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A release, its web (still served), and what was asked while it was made."""
    folder = tmp_path_factory.mktemp("signals")
    web = Web()
    with serve(web) as server:
        source = listed(folder / "urls.jsonl", [*rows(server), *rows(server, "b.localhost")])
        done = build(source, folder / "out", *options(server, "--workers", "2", "--keep-store"))
        assert done.returncode == 0, done.stderr
        yield web, server, folder, list(server.asked)


def test_every_row_ends_as_its_signals_say(made):
    _, _, folder, _ = made
    assert outcomes(folder / "out") == EXPECTED


def test_each_document_is_asked_once_an_origin_whatever_the_workers(made):
    _, _, _, asked = made
    documents = Counter((a.host, a.path) for a in asked if not a.path.endswith(".jpg"))
    once = {key: n for key, n in documents.items() if "txt" in key[1] or "json" in key[1]}
    assert {h for h, _ in once} == set(HOSTS)
    assert set(once.values()) == {1}


def test_what_is_denied_before_is_not_asked(made):
    _, _, _, asked = made
    paths = {a.path for a in asked}
    assert not paths & {"/closed/1.jpg", "/usage/1.jpg", "/page-noai.jpg", "/page-busy.jpg"}
    assert "/tdm/1.jpg" in paths  # a header may lift what tdmrep.json reserves


def test_kept_rows_name_every_channel_that_was_read_and_its_provenance(made):
    _, _, folder, _ = made
    table = pq.read_table(folder / "out" / "samples").to_pylist()
    for row in table:
        channels = {s["channel"] for s in row["signals"]}
        assert channels >= {"robots", "tdmrep.json", "ai.txt", "x-robots-tag", "xmp", "c2pa"}
        assert all(s["evidence"] for s in row["signals"])
    (made_by_machine,) = {r["digital_source_type"] for r in table if "/source" in r["url"]}
    assert made_by_machine == "trainedAlgorithmicMedia"
    rights = next(r["rights"] for r in table if "/source" in r["url"])
    assert rights == [
        {"field": "cc:license", "value": "https://creativecommons.org/licenses/by/4.0/"}
    ]


def test_of_bytes_that_forbid_mining_only_the_digest_is_kept(made):
    _, _, folder, _ = made
    vaulted = pq.read_table(folder / "out.vault" / "rows").to_pylist()
    mined = [row for row in vaulted if row["reason"] == "signal_embedded"]
    assert len(mined) == 2
    for row in mined:
        assert row["sha256"]
        assert not any(row[k] for k in ("pixel_sha256", "pdq", "stored_sha256", "sem"))


def test_the_manifest_records_profile_purpose_and_counts(made):
    _, _, folder, _ = made
    said = manifest(folder / "out")
    assert said["signal_profile"]["name"] == "default"
    assert said["signal_profile"]["channels"]["trust.txt"] == "off"
    assert said["config"]["signals"]["purpose"] == "train-gen"
    assert said["signals"]["xmp"]["DENY"] == 2


def test_replay_comes_to_every_verdict_again(made):
    _, _, folder, _ = made
    done = recuse("audit", "replay-signals", str(folder / "out"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert (said["agrees"], said["disagreements"]) == (True, [])
    assert said["rows"] == {"kept": 8, "not released": 14}


def test_replay_refuses_evidence_that_was_changed_or_is_gone(made, tmp_path):
    _, _, folder, _ = made
    for name in ("out", "out.vault"):
        shutil.copytree(folder / name, tmp_path / name)
    body = next(p for p in (tmp_path / "out" / "evidence").iterdir() if p.suffix != ".parquet")
    kept = body.read_bytes()
    body.write_bytes(kept.replace(b"/closed/", b"/opened/"))
    if body.read_bytes() == kept:
        body.write_bytes(kept + b" ")
    done = recuse("audit", "replay-signals", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "expected sha256" in done.stderr
    body.write_bytes(kept)
    some = next((tmp_path / "out.vault" / "evidence" / "private").iterdir())
    some.unlink()
    done = recuse("audit", "replay-signals", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "vault with digest" in done.stderr
    shutil.rmtree(tmp_path / "out.vault")
    done = recuse("audit", "replay-signals", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "--vault" in done.stderr


@pytest.mark.slow
def test_signals_of_a_store_grow_old(made, tmp_path):
    _, server, folder, _ = made
    asked = len(server.asked)
    again = options(server, "--workers", "0", "--from-store", str(folder / "out.run"))
    done = build(folder / "urls.jsonl", tmp_path / "same", *again)
    assert done.returncode == 0, done.stderr
    assert outcomes(tmp_path / "same") == EXPECTED
    config = tmp_path / "later.yaml"
    config.write_text("signals:\n  max_signal_age_h: 1\n")
    later = {"SOURCE_DATE_EPOCH": "1767312000"}  # a day after the signals were read
    done = subprocess.run(
        [sys.executable, "-m", "jobs", "build", str(folder / "urls.jsonl"), "--out",
         str(tmp_path / "old"), "--config", str(config), *again],
        cwd=ROOT, env=environment() | later, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = manifest(tmp_path / "old")
    assert (said["released"], said["held"]["signal_stale"]) == (0, 8)
    assert len(server.asked) == asked


def test_recheck_lists_what_changed_and_changes_nothing(made, tmp_path):
    web, server, folder, _ = made
    before = (folder / "out" / "manifest.json").read_bytes()
    hosts = ("--allow-hosts", ",".join(server.at(*HOSTS)))
    same = recuse("signals", "recheck", str(folder / "out"), "--headers", *hosts)
    assert same.returncode == 0, same.stderr
    assert "no signal changed" in same.stdout
    web.robots = ROBOTS + b"Disallow: /plain/2.jpg\n"
    web.more = [("tdm-reservation", "1")]
    try:
        found = recuse(
            "signals", "recheck", str(folder / "out"), "--headers", "--out", str(tmp_path), *hosts
        )
        origins = recuse("signals", "recheck", str(folder / "out"), "--max-urls", "1", *hosts)
    finally:
        web.robots, web.more = ROBOTS, []
    assert found.returncode == 1, found.stderr
    changes = pq.read_table(tmp_path / "changes.parquet").to_pylist()
    assert {(c["channel"], c["before"], c["now"]) for c in changes} >= {
        ("robots", "SILENT", "DENY"), ("tdm-reservation", "SILENT", "DENY"),
    }  # fmt: skip
    assert {c["verdict"] for c in changes} == {"drop"}
    assert "7" in origins.stdout  # rows beyond --max-urls
    assert (folder / "out" / "manifest.json").read_bytes() == before


def test_explain_shows_every_channel_and_why(made):
    _, server, _, _ = made
    hosts = ("--allow-hosts", ",".join(server.at(*HOSTS)))
    url, page = server.url("/mining.jpg", "a.localhost"), server.url("/noai", "pages.localhost")
    done = recuse("signals", "explain", url, "--page", page, *hosts)
    assert done.returncode == 0, done.stderr
    for channel in ("robots", "tdmrep.json", "page:robots", "xmp", "c2pa", "spawning"):
        assert channel in done.stdout
    assert "dropped, by page:robots" in done.stdout
    told = json.loads(recuse("signals", "explain", url, "--json", *hosts).stdout)
    says = {line["channel"]: line["says"] for line in told["channels"]}
    assert says["xmp"]["mine"] == "DENY"
    assert (told["verdict"], told["because"]) == ("drop", "xmp")


def test_explain_of_a_file_needs_no_network(tmp_path):
    file = tmp_path / "a.jpg"
    file.write_bytes(with_xmp(picture(1), PROHIBITED))
    done = recuse("signals", "explain", "--file", str(file))
    assert done.returncode == 0, done.stderr
    assert "dropped, by xmp" in done.stdout
    assert recuse("signals", "explain").returncode == 2


def test_stored_pages_speak_without_network(tmp_path):
    html = '<html><head><meta name="robots" content="noimageai"></head></html>'
    with serve(Web()) as server:
        urls = [server.url(f"/plain/{n}.jpg", "a.localhost") for n in range(2)]
        pairs = zip(urls, (html, None), strict=True)
        found = [{"url": url, "caption": "c", "html": page} for url, page in pairs]
        done = build(
            listed(tmp_path / "urls.jsonl", found), tmp_path / "out",
            *options(server, "--workers", "0", "--html-col", "html"),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not [a for a in server.asked if a.host == "pages.localhost"]
    assert outcomes(tmp_path / "out") == {"/plain/0.jpg": "signal_page", "/plain/1.jpg": None}
    assert "html" not in pq.read_schema(tmp_path / "out" / "samples" / "00000.parquet").names
    replayed = recuse("audit", "replay-signals", str(tmp_path / "out"))
    assert replayed.returncode == 0, replayed.stdout


@pytest.mark.slow
def test_lists_of_others_are_asked_and_hold_where_they_fail(tmp_path, monkeypatch):
    def answer(asked: Asked) -> Answer:
        if asked.path == "/api":
            urls = asked.body.decode().split("\n")
            entries = [{"url": u, "optOut": "/plain/0" in u} for u in urls if "/plain/3" not in u]
            return Answer(body=json.dumps({"urls": entries}).encode())
        return Web()(asked)

    with serve(answer) as server:
        urls = [server.url(f"/plain/{n}.jpg", "a.localhost") for n in range(4)]
        source = listed(tmp_path / "urls.jsonl", [{"url": u, "caption": "c"} for u in urls])
        declared = tmp_path / "declared.jsonl"
        declared.write_text(json.dumps({"url": urls[1], "tdm-reservation": 1}) + "\n")
        more = options(
            server, "--workers", "0", "--spawning-url", server.url("/api", "b.localhost"),
            "--declarations", str(declared),
        )  # fmt: skip
        keyless = build(source, tmp_path / "keyless", *more)
        monkeypatch.setenv("SPAWNING_OPTS_KEY", "sesame-17")
        done = build(source, tmp_path / "out", *more)
    assert keyless.returncode == 0, keyless.stderr
    assert manifest(tmp_path / "keyless")["released"] == 0
    assert done.returncode == 0, done.stderr
    assert outcomes(tmp_path / "out") == {
        "/plain/0.jpg": "signal_list", "/plain/1.jpg": "signal_list",
        "/plain/2.jpg": None, "/plain/3.jpg": "signal_error",
    }  # fmt: skip
    assert not any(b"sesame-17" in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    shown = json.dumps(manifest(tmp_path / "out"))
    assert str(tmp_path) not in shown
    replayed = recuse("audit", "replay-signals", str(tmp_path / "out"))
    assert replayed.returncode == 0, replayed.stdout
