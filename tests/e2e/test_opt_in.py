"""A build that keeps nothing but what opt-in claims grant, from their submission to the release."""

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.demo.gallery import catalogue, paint
from tests.e2e.builds import build, manifest, recuse, rows_in
from tests.servers import serve

PICTURES = [paint(one) for one in catalogue(2)[:10:2]]  # one of each of five hands

GRANT = ("--opt-in", "--license", "CC-BY-4.0", "--attribution", "Mira Venn")
PAGES = {"/mira/0.jpg": 0, "/mira/1.jpg": 1, "/bo/2.jpg": 2, "/bo/3.jpg": 3, "/copy/0.jpg": 0}
"""Addresses and their pictures: an account that grants, another, a picture found elsewhere too."""


def test_only_what_is_granted_is_released_and_says_by_whom(tmp_path):
    registry = str(tmp_path / "registry.db")

    def submit(name: str, *what: str) -> None:
        own = ("--key", str(tmp_path / f"{name}.pem"), "--receipt", str(tmp_path / f"{name}.json"))
        recuse("optout", "submit", *what, *own, "--registry", registry, "--trust-local")

    works = tmp_path / "works"
    works.mkdir()
    (works / "1.jpg").write_bytes(PICTURES[1])
    with serve({path: PICTURES[n] for path, n in PAGES.items()}) as server:
        account = server.url("/mira/").replace(f":{server.port}", "")
        submit("mira", "--artist", "Mira Venn", "--account", account, *GRANT)
        submit("bo", str(works), "--kind", "work", "--artist", "Bo Lind")
        source = tmp_path / "urls.parquet"
        urls = [server.url(path) for path in PAGES]
        pq.write_table(pa.table({"url": urls, "caption": ["a picture"] * len(urls)}), source)
        done = build(
            source, tmp_path / "out", "--allow-hosts", server.at("127.0.0.1")[0],
            "--registry", registry, "--registry.trust-local", "--mode", "opt_in",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    (kept,) = rows_in(tmp_path / "out" / "samples")
    assert kept["url"] == server.url("/mira/0.jpg")
    assert (kept["license"], kept["attribution"]) == ("CC-BY-4.0", "Mira Venn")
    said = manifest(tmp_path / "out")
    assert said["dropped"] == {"not_granted": 3, "optout_work": 1}
    assert said["config"]["mode"] == "opt_in"
    by_url = {row["url"]: row["reason"] for row in rows_in(tmp_path / "out.vault" / "rows")}
    assert by_url[server.url("/mira/1.jpg")] == "optout_work"  # who opts out outranks a grant
    assert by_url[server.url("/copy/0.jpg")] == "not_granted"  # a copy elsewhere is nobody's gift
