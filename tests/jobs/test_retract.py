"""Rows that were taken back leave copies in every layout, once, and nothing else changes."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from jobs.cli import retract as command
from jobs.retract import retract
from optout.log.note import SignerKey
from optout.signed_file import sign_file
from pipeline.retracted import KIND, Retracted
from pipeline.shard import with_images, write_parquet, write_vectors
from pipeline.tars import write_tar
from schemas.errors import ProofError, SchemaError, StorageError, UsageError
from schemas.tables import LEDGER, RETRACTIONS, from_rows, vector
from tests.jobs.retracting import (
    COUNT,
    GONE,
    KEY,
    VERIFIER,
    members,
    ours,
    require_once,
    write_members,
)
from tests.pipeline.samples import bodies, sample

# --- (a) Parquet


def test_rows_leave_our_parquet_shards_and_their_embeddings(tmp_path, retractions):
    copy = tmp_path / "copy"
    for folder in ("samples", "embeddings", "ledger"):
        (copy / folder).mkdir(parents=True)
    whole = with_images(ours(), bodies(COUNT), "jpg")
    (copy / "samples" / "00000.parquet").write_bytes(write_parquet(whole))
    vectors = pa.table({"uid": whole["uid"], "sty": pa.array([[0.5, 0.5]] * COUNT, vector(2))})
    (copy / "embeddings" / "00000.parquet").write_bytes(write_vectors(vectors))
    rows = [{"uid": uid.as_py(), "commitment": "c"} for uid in whole["uid"]]
    pq.write_table(from_rows(rows, LEDGER), copy / "ledger" / "00000.parquet")
    (copy / "manifest.json").write_text("{}")
    require_once(copy, retractions)
    left = pq.read_table(copy / "samples" / "00000.parquet")
    kept = pa.array([n not in GONE for n in range(COUNT)])
    assert left.equals(whole.filter(kept))
    assert left.schema.metadata == whole.schema.metadata
    assert pq.read_table(copy / "embeddings" / "00000.parquet").equals(vectors.filter(kept))
    assert pq.read_table(copy / "ledger" / "00000.parquet").num_rows == COUNT


def test_a_table_without_uids_is_told_by_its_digests_or_images(tmp_path, retractions):
    copy = tmp_path / "copy"
    copy.mkdir()
    rows = ours()
    pq.write_table(rows.select(["sha256", "caption"]), copy / "digests.parquet")
    pq.write_table(pa.table({"jpg": bodies(COUNT), "n": range(COUNT)}), copy / "images.parquet")
    pq.write_table(rows.select(["caption"]), copy / "captions.parquet")
    report = retract(copy, Retracted.read(retractions, [VERIFIER]), yes=True)
    assert {g.path.name: (g.rows, g.of) for g in report.going} == {
        "digests.parquet": (2, COUNT),
        "images.parquet": (2, COUNT),
    }
    assert pq.read_table(copy / "images.parquet")["n"].to_pylist() == [0, 2, 3, 5]
    assert [one.path.name for one in report.untold] == ["captions.parquet"]


# --- (b) tars


def test_rows_leave_our_tars(tmp_path, retractions):
    copy = tmp_path / "copy"
    copy.mkdir()
    for suffix, body in write_tar(ours(), bodies(COUNT), "jpg", 3).items():
        (copy / f"00003{suffix}").write_bytes(body)
    before = members(copy / "00003.tar")
    require_once(copy, retractions)
    gone = {f"00003{n:04d}" for n in GONE}
    assert members(copy / "00003.tar") == {
        name: body for name, body in before.items() if name.split(".")[0] not in gone
    }
    assert pq.read_table(copy / "00003.parquet").num_rows == COUNT - len(GONE)
    stats = json.loads((copy / "00003_stats.json").read_bytes())
    assert (stats["count"], stats["successes"]) == (4, 4)
    assert stats["status_dict"] == {"success": 4}


def test_a_bare_tar_is_told_by_its_images(tmp_path, retractions):
    copy = tmp_path / "copy"
    copy.mkdir()
    write_members(
        copy / "a.tar",
        (
            (f"x/{n}.{kind}", content)
            for n, body in enumerate(bodies(COUNT).to_pylist())
            for kind, content in (("jpg", body), ("txt", b"caption"))
        ),
    )
    require_once(copy, retractions)
    assert {name.split(".")[0] for name in members(copy / "a.tar")} == {"x/0", "x/2", "x/3", "x/5"}


# --- (c) a Hugging Face dataset


def dataset(**columns):
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_dict(columns)
    images = [{"bytes": b, "path": None} for b in bodies(COUNT).to_pylist()]
    return table.add_column("image", images).cast_column("image", datasets.Image(decode=False))


@pytest.mark.parametrize("told", ["uid", "image"])
def test_rows_leave_a_saved_dataset_which_still_loads(tmp_path, retractions, told):
    datasets = pytest.importorskip("datasets")
    columns = {"n": list(range(COUNT))}
    if told == "uid":
        columns["uid"] = [sample(n)["uid"] for n in range(COUNT)]
    copy = tmp_path / "copy"
    datasets.DatasetDict({"train": dataset(**columns)}).save_to_disk(copy, num_shards={"train": 2})
    before = json.loads((copy / "train" / "state.json").read_bytes())["_fingerprint"]
    require_once(copy, retractions)
    loaded = datasets.load_from_disk(str(copy))["train"]
    assert loaded["n"][:] == [n for n in range(COUNT) if n not in GONE]
    assert loaded.cast_column("image", datasets.Image())[1]["image"].size == (24, 16)
    assert loaded.info.splits is None or loaded.info.splits["train"].num_examples == 4
    assert loaded._fingerprint != before  # what was cached of the old rows is no answer


# --- (d) img2dataset


@pytest.mark.parametrize("kind", ["webdataset", "files", "parquet"])
def test_rows_leave_what_img2dataset_wrote(tmp_path, retractions, kind):
    writers = pytest.importorskip("img2dataset.writer")
    named = {"webdataset": "WebDataset", "files": "Files", "parquet": "Parquet"}[kind]
    copy = tmp_path / "copy"
    copy.mkdir()
    names = ["caption", "url", "key", "status", "error_message", "sha256"]
    schema = pa.schema([(name, pa.string()) for name in names])
    writer = getattr(writers, f"{named}SampleWriter")(0, str(copy), True, 5, schema, "jpg")
    for n, row in enumerate(ours().to_pylist()):
        failed = n == 3
        meta = {"caption": row["caption"], "url": row["url"], "key": f"00000{n:04d}",
                "status": "failed_to_download" if failed else "success",
                "error_message": "no" if failed else None,
                "sha256": None if failed else row["sha256"]}  # fmt: skip
        body = None if failed else bodies(COUNT)[n].as_py()
        writer.write(body, meta["key"], row["caption"], meta)
    writer.close()
    stats = {"count": COUNT, "successes": COUNT - 1, "failed_to_download": 1,
             "status_dict": {"success": COUNT - 1, "no": 1}}  # fmt: skip
    (copy / "00000_stats.json").write_text(json.dumps(stats))
    require_once(copy, retractions)
    table = pq.read_table(copy / "00000.parquet")
    assert table["key"].to_pylist() == [f"00000{n:04d}" for n in range(COUNT) if n not in GONE]
    if kind != "parquet":
        assert json.loads((copy / "00000_stats.json").read_bytes()) == {
            "count": 4, "successes": 3, "failed_to_download": 1,
            "status_dict": {"success": 3, "no": 1},
        }  # fmt: skip
    if kind == "files":
        assert {p.name.split(".")[0] for p in (copy / "00000").iterdir()} == {
            f"00000{n:04d}" for n in (0, 2, 5)
        }


# --- signatures, and the command


def test_only_trusted_keys_take_rows_back(tmp_path, retractions):
    stranger = str(SignerKey("builder/test", b"s" * 32).verifier)
    with pytest.raises(ProofError):
        Retracted.read(retractions, [stranger])
    with pytest.raises(ProofError, match="note"):
        Retracted.read(retractions.read_bytes(), [VERIFIER])
    more = write_parquet(from_rows([{"uid": "0" * 32}], RETRACTIONS))
    note = retractions.with_name("retractions.parquet.note").read_bytes()
    with pytest.raises(ProofError, match="sha256"):
        Retracted.read(more, [VERIFIER], note)
    other = sign_file("recuse-manifest/1", more, KEY, {})
    with pytest.raises(ProofError, match=KIND):
        Retracted.read(more, [VERIFIER], other)
    with pytest.raises(StorageError):
        Retracted.read(tmp_path / "none.parquet", [VERIFIER])
    broken = sign_file(KIND, b"PAR1", KEY, {})
    with pytest.raises(SchemaError):
        Retracted.read(b"PAR1", [VERIFIER], broken)


def test_the_command_says_what_would_go_before_it_goes(tmp_path, retractions):
    copy = tmp_path / "copy"
    copy.mkdir()
    path = copy / "00000.parquet"
    path.write_bytes(write_parquet(with_images(ours(), bodies(COUNT), "jpg")))
    (copy / "report.html").write_text("<p>")
    keys = tmp_path / "keys"
    keys.write_text(f"# whom we trust\n{VERIFIER}\n")

    def run(*arguments: str):
        return CliRunner().invoke(command.app, [*arguments, "--keys", str(keys)])

    arguments = (str(copy), str(retractions))
    before = path.read_bytes()
    assert run("check", *arguments).exit_code == 1
    dry = run("apply", *arguments)
    assert dry.exit_code == 0
    for words in ("2 of 6 rows", "would go: 2 rows", "--yes", "report.html"):
        assert words in dry.output
    assert path.read_bytes() == before
    assert "dropped: 2 rows" in run("apply", *arguments, "--yes").output
    clean = run("check", *arguments)
    assert clean.exit_code == 0, clean.output
    assert "none of the rows" in clean.output
    path.rename(tmp_path / "elsewhere.parquet").write_bytes(before)
    path.symlink_to(tmp_path / "elsewhere.parquet")
    assert "a link to" in " ".join(run("apply", *arguments, "--yes").output.split())
    (copy / "more.zip").write_bytes(b"PK")
    for words in (("check", *arguments), ("apply", *arguments, "--yes")):
        untold = run(*words)
        assert untold.exit_code == 3
        assert "more.zip" in untold.output
        assert "nobody can tell" in untold.output
    (copy / "more.zip").unlink()
    keys.write_text(f"log {VERIFIER} https://a.example\nquorum none\n")
    policy = CliRunner().invoke(command.app, ["check", *arguments, "--policy", str(keys)])
    assert policy.exit_code == 0, policy.output
    bare = CliRunner().invoke(command.app, ["check", *arguments])
    assert isinstance(bare.exception, UsageError)
