"""Names taken out of captions by a real build, whose claims come by the command line, even late."""

import json
import threading

import pyarrow as pa
import pyarrow.parquet as pq

from tests.e2e.builds import build, digests, manifest, picture, recuse, rows_in
from tests.servers import Answer, Asked, serve

ROWS = [
    ("/0.jpg", "a castle by Mira Venn, oil", ["oil", "Mira Venn"], "Mira Venn"),
    ("/1.jpg", "a plain tree", ["Mira Venn"], "Mira Venn"),
    ("/2.jpg", "by @miravenn", [], None),
    ("/3.jpg", "a boat by Mira Venn and Bo Lind", [], None),
    ("/bo/4.jpg", "a house", [], None),
    ("/5.jpg", "Замок, Мира Венн, масло", [], "Мира Венн"),
    ("/6.jpg", "a pond after Mira Venn", [], "https://a.example/mira-venn"),
]
LEFT = {"/0.jpg": "a castle, oil", "/5.jpg": "Замок, масло", "/6.jpg": "a pond"}


def test_a_release_holds_no_name_that_the_newest_snapshot_redacts(tmp_path):
    registry = str(tmp_path / "registry.db")

    once = threading.Lock()  # pictures are asked for side by side

    def submit(name: str, *what: str) -> None:
        own = ("--key", str(tmp_path / f"{name}.pem"), "--receipt", str(tmp_path / f"{name}.json"))
        recuse("optout", "submit", *what, *own, "--registry", registry, "--trust-local")

    def answer(asked: Asked) -> Answer:
        if not asked.path.endswith(".jpg"):
            return Answer(404)
        with once:
            if not (tmp_path / "mira.receipt.json").exists():
                submit("mira", "--artist", "Mira Venn", "--captions", "redact")  # while it is built
        return Answer(200, picture(int(asked.path[-5])))

    with serve(answer) as server:
        at = server.at("127.0.0.1")[0]
        account = server.url("/bo").rsplit(":", 1)[0] + "/bo/"
        submit("bo", "--artist", "Bo Lind", "--account", account)
        paths, captions, tags, artists = zip(*ROWS, strict=True)
        urls = [server.url(path) for path in paths]
        source = tmp_path / "urls.parquet"
        pq.write_table(
            pa.table({"url": urls, "caption": captions, "tags": list(tags), "artist": artists}),
            source,
        )
        options = (
            "--allow-hosts", at, "--timeout-s", "120", "--registry", registry,
            "--registry.trust-local", "--similarity", "0.9999",
            "--filters", "len(caption) < 20",  # met by what is left of "a castle by Mira Venn, oil"
        )  # fmt: skip
        for name, workers in (("out", "0"), ("again", "1")):
            done = build(source, tmp_path / name, *options, "--workers", workers)
            assert done.returncode == 0, done.stderr
    said = manifest(tmp_path / "out")
    assert said["dropped"] == {"optout_account": 1, "optout_name": 2}
    assert said["captions_redacted"] == len(LEFT)
    assert said["lists"][0]["size"] == 2

    samples = {row["url"]: row for row in rows_in(tmp_path / "out" / "samples")}
    before = {server.url(path): caption for path, caption, *_ in ROWS}
    left = {server.url(path): caption for path, caption in LEFT.items()}
    plain = server.url("/1.jpg")
    assert {url: row["caption"] for url, row in samples.items()} == {**left, plain: before[plain]}
    assert {url: row["caption_redacted"] for url, row in samples.items()} == {
        **dict.fromkeys(left, True),
        plain: False,
    }
    castle, pond = samples[server.url("/0.jpg")], samples[server.url("/6.jpg")]
    assert (castle["tags"], castle["artist"]) == (["oil", None], None)
    assert pond["artist"] is None
    assert samples[plain]["tags"] == ["Mira Venn"]  # whose caption names nobody

    vault = tmp_path / "out.vault"
    given = {row["uid"]: row for row in rows_in(vault / "captions")}
    assert {row["uid"] for row in samples.values() if row["caption_redacted"]} == given.keys()
    for url in left:
        kept = given[samples[url]["uid"]]
        assert kept["caption"] == before[url]
        assert json.loads(kept["detail"])[0]["name"] == "Mira Venn"
    dropped = {row["url"]: row["caption"] for row in rows_in(vault / "rows")}
    assert dropped == {url: before[url] for url in before if url not in samples}

    shown = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "a castle, oil" in shown
    assert "Mira" not in shown

    # Judged by the same claims from the start, on a cluster, it is the same release.
    folders = [tmp_path / name / "samples" for name in ("out", "again")]
    assert digests(folders[0]) == digests(folders[1])
