"""Releases with nothing inside: recalled, and audited, whether they are honest or hide rows."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.audit import EXIT_CODES, INCOMPLETE, Name
from tests.e2e.builds import manifest, recuse, rows_in
from tests.independent.liar import Lie, vkey
from tests.jobs.auditing import OWN, changed, run, signed_copies, statuses

MODEL = "builtin:lite"
LAYOUTS = {"parquet": ("one", "no"), "webdataset": ("tars", "no-tars"), "urls": ("urls", "no-urls")}
FORMS = ["parquet", *(pytest.param(f, marks=pytest.mark.slow) for f in ("webdataset", "urls"))]
SAMPLES, EMBEDDINGS = "samples/00000.parquet", "embeddings/00000.parquet"


@pytest.fixture
def laid_out(form, request) -> Path:
    """Releases with nothing inside in one layout, which a test is run for."""
    return request.getfixturevalue("emptied" if form == "parquet" else "emptied_layouts")


def recall(place: Path, name: str, out: Path, *more: object) -> str:
    return recuse("recall", place / name, "--registry", place / "every.db", "--trust-local",
                  "--out", out, *more)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_recall_of_nothing_is_nothing_again(laid_out, tmp_path, form):
    name = LAYOUTS[form][1]
    assert "0 of 0 released rows leave" in recall(laid_out, name, tmp_path / "new")
    assert manifest(tmp_path / "new")["parent"] is not None
    assert not (tmp_path / "new" / "samples").exists()
    assert recall(laid_out, name, tmp_path / "new").endswith("nothing was written\n")


@pytest.mark.parametrize("form", FORMS)
def test_a_recall_that_takes_every_row_leaves_a_release_that_is_whole(laid_out, tmp_path, form):
    old, out = LAYOUTS[form][0], tmp_path / "new"
    count = manifest(laid_out / old)["released"]
    assert f"{count} of {count} released rows leave" in recall(laid_out, old, out)
    assert not (out / "samples").exists()
    assert not (out / "embeddings").exists()
    assert manifest(out)["dropped"] == manifest(laid_out / LAYOUTS[form][1])["dropped"]
    assert len(rows_in(out / "ledger")) == manifest(out)["rows_in"]
    _, found = run(out, "--registry", laid_out / "every.db", "--vault", f"{out}.vault", model=MODEL)
    said = statuses(found)
    assert {n for n, s in said.items() if s == "needs"} == {"signature", "lists", "claims"}
    assert "failed" not in said.values()
    assert "of the release that was recalled" in found["checks"][-1]["needs"][0]
    assert "0 of 0 released rows leave" in recall(tmp_path, "new", tmp_path / "again",
                                                  "--registry", laid_out / "every.db")  # fmt: skip


# --- audits


@pytest.fixture
def copy(emptied, tmp_path) -> Path:
    """A release with nothing inside, and one with rows, signed by a key of the test's own."""
    return signed_copies(emptied, tmp_path, ("one", "no"), "every.db")


def outside(copy: Path, name: str) -> list[object]:
    return [copy / name, "--key", vkey(OWN)[0], "--policy", copy / "policy",
            "--registry", copy / "every.db"]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_release_with_nothing_inside_can_be_complete(laid_out, tmp_path, form):
    name = LAYOUTS[form][1]
    copy = signed_copies(laid_out, tmp_path, [name], "every.db")
    words = [*outside(copy, name), "--vault", copy / f"{name}.vault", "--require-complete"]
    code, found = run(*words, model=MODEL)
    assert statuses(found) == dict.fromkeys(map(str, Name), "verified")
    assert code == 0
    assert found["claims"] == {"active": 3, "replayed": 3, "erased_since": 0}


def test_without_the_vault_its_claims_are_honoured_and_the_rest_still_needs_it(copy):
    code, found = run(*outside(copy, "no"), "--require-complete")
    said = statuses(found)
    assert code == INCOMPLETE
    assert {n for n, s in said.items() if s == "needs"} == {"vault", "ledger", "signals"}


def test_without_the_log_nobody_knows_its_claims(copy):
    _, found = run(*outside(copy, "no")[:5])
    assert statuses(found)["claims"] == "needs"
    assert found["claims"]["replayed"] == 0


def shown_in_no_count(lie: Lie) -> None:
    """The shard is named, and said to have no rows."""
    with_rows(lie)
    for entry in lie.said["files"]:
        if entry["path"].startswith(("samples/", "embeddings/")):
            entry["rows"] = 0
    lie.sign()


def with_rows(lie: Lie) -> None:
    """Put the rows of a release beside it, and name their files in the manifest."""
    before = lie.place.parent / "one"
    counts = {n: lie.said[n] for n in ("released", "rows_in", "roots")}
    for path in (SAMPLES, EMBEDDINGS):
        (lie.place / path).parent.mkdir()
        shutil.copy(before / path, lie.place / path)
        lie.said["files"].append({"path": path, "rows": None})
    lie.said["files"].sort(key=lambda f: f["path"])
    roots = dict(counts["roots"])
    lie.seal()
    lie.said |= counts | {"roots": roots}
    lie.sign()


def not_named(lie: Lie) -> None:
    """The shard lies in the folder, and no manifest speaks of it."""
    (lie.place / "samples").mkdir()
    shutil.copy(lie.place.parent / "one" / SAMPLES, lie.place / SAMPLES)


def under_another_name(lie: Lie) -> None:
    """The shard lies where no shard is sought."""
    (lie.place / "more").mkdir()
    shutil.copy(lie.place.parent / "one" / SAMPLES, lie.place / "more" / "00000.parquet")
    lie.said["files"].append({"path": "more/00000.parquet", "rows": None})
    lie.said["files"].sort(key=lambda f: f["path"])
    lie.seal()


def vectors_alone(lie: Lie) -> None:
    """Vectors of rows that are said not to be inside."""
    (lie.place / "embeddings").mkdir()
    shutil.copy(lie.place.parent / "one" / EMBEDDINGS, lie.place / EMBEDDINGS)
    lie.said["files"].append({"path": EMBEDDINGS, "rows": None})
    lie.said["files"].sort(key=lambda f: f["path"])
    lie.seal()


def counted(lie: Lie) -> None:
    """Nothing hidden at all: every row is inside, counted and under the roots, and denied."""
    with_rows(lie)
    inside = {row["uid"] for rows in lie.rows("samples").values() for row in rows}
    for path in ("ledger/00000.parquet", "vault/rows/00000.parquet"):
        for uid in inside:
            lie.remove(path, uid)
    lie.seal()


LIES: dict[str, tuple[Callable[[Lie], None], Name]] = {
    "rows that no count shows": (with_rows, Name.MANIFEST),
    "a shard said to be empty": (shown_in_no_count, Name.ROWS),
    "a shard that is not named": (not_named, Name.FILES),
    "a shard under another name": (under_another_name, Name.FILES),
    "vectors of no rows": (vectors_alone, Name.FILES),
    "rows that claims deny": (counted, Name.CLAIMS),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_release_that_hides_rows_is_found_out(copy, lie):
    tell, name = LIES[lie]
    tell(changed(copy, "no"))
    code, found = run(*outside(copy, "no"), "--require-complete")
    assert statuses(found)[name] == "failed"
    assert code == EXIT_CODES[name]
