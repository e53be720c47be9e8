"""Bad input ends in one clear message and exit code 1 or 2, without a traceback."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.builds import build


@pytest.fixture
def urls(tmp_path):
    path = tmp_path / "urls.parquet"
    pq.write_table(pa.table({"url": ["http://a.localhost/1.jpg"], "caption": ["x"]}), path)
    return path


def refused(done, *words):
    """Return the exit code of a build that was refused with a message that has all the words."""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    for word in words:
        assert word in done.stderr, done.stderr
    return done.returncode


def test_missing_column_names_what_was_expected_and_found(tmp_path):
    pq.write_table(pa.table({"link": ["x"], "words": ["y"]}), tmp_path / "u.parquet")
    done = build(tmp_path / "u.parquet", tmp_path / "out")
    assert refused(done, "url", "link", "u.parquet") == 2


def test_empty_and_truncated_files_are_named(tmp_path, urls):
    (tmp_path / "empty.csv").write_bytes(b"")
    assert refused(build(tmp_path / "empty.csv", tmp_path / "out"), "empty.csv", "empty") == 2
    (tmp_path / "cut.parquet").write_bytes(urls.read_bytes()[:-20])
    assert refused(build(tmp_path / "cut.parquet", tmp_path / "out"), "cut.parquet") == 2
    assert refused(build(tmp_path / "nowhere.csv", tmp_path / "out"), "nowhere.csv") == 2


def test_unknown_key_and_bad_values_are_usage_errors(tmp_path, urls):
    (tmp_path / "b.yaml").write_text("fetch: {per_hosts: 3}\n")
    done = build(urls, tmp_path / "out", "--config", str(tmp_path / "b.yaml"))
    assert refused(done, "fetch.per_hosts", "did you mean 'fetch.per_host'") == 2
    assert refused(build(urls, tmp_path / "out", "--per-host", "many"), "fetch.per_host") == 2
    assert refused(build(urls, tmp_path / "out", "--filters", "nose > 3"), "nose") == 2
    assert refused(build(urls, tmp_path / "out", "--allow-hosts", "nonsense"), "nonsense") == 2
    assert build(urls, tmp_path / "out", "--no-such-option").returncode == 2


def test_registry_that_is_none_stops_before_any_work(tmp_path, urls):
    (tmp_path / "reg.db").write_bytes(b"not a database at all" * 100)
    done = build(urls, tmp_path / "out", "--registry", str(tmp_path / "reg.db"))
    assert refused(done, "reg.db") == 1
    assert (
        refused(build(urls, tmp_path / "out", "--registry", str(tmp_path / "no.db")), "no.db") == 1
    )
    assert not (tmp_path / "out.run" / "receipts").exists()


def test_output_folder_of_something_else_is_left_alone(tmp_path, urls):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    assert refused(build(urls, tmp_path / "out"), "empty") == 1
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_vault_folder_of_something_else_is_left_alone(tmp_path, urls):
    (tmp_path / "out.vault").mkdir()
    (tmp_path / "out.vault" / "thesis.txt").write_text("mine")
    assert refused(build(urls, tmp_path / "out"), "out.vault", "such as thesis.txt") == 1
    assert (tmp_path / "out.vault" / "thesis.txt").read_text() == "mine"


def test_public_hosts_are_not_asked_without_a_contact(tmp_path):
    pq.write_table(
        pa.table({"url": ["https://example.org/1.jpg"], "caption": ["x"]}), tmp_path / "u.parquet"
    )
    done = build(tmp_path / "u.parquet", tmp_path / "out", "--workers", "0")
    assert refused_after_start(done, "--contact") == 2


def refused_after_start(done, word):
    assert "Traceback" not in done.stderr
    assert word in done.stderr
    return done.returncode


def test_model_that_cannot_be_had_is_named(tmp_path, urls):
    done = build(urls, tmp_path / "out", "--model", "ViT-B-33/nobody")
    assert refused(done, "ViT-B-33") in (1, 2)


def test_dry_run_shows_the_plan_and_does_nothing(tmp_path, urls):
    done = build(urls, tmp_path / "out", "--dry-run")
    assert done.returncode == 0, done.stderr
    for word in ("rows", "estimate", "release", "work folder"):
        assert word in done.stdout
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.run").exists()
