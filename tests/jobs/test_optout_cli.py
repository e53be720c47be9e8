import json
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from jobs.cli import given, optout
from jobs.enrol import Matcher
from optout import snapshot
from optout.cohort import Cohort
from optout.hot import MAX_CLAIMANTS
from optout.keypoints import POINT
from optout.registry import Registry
from optout.works import decode_vector
from pipeline.decode import prepare
from pipeline.image.canonical import canonical_pixels
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from pipeline.image.keypoints import WORK, keypoints
from pipeline.storage import open_store
from schemas.config import DecodeConfig
from schemas.errors import ClaimError, CurationError, ModelMismatchError, ProofError, UsageError
from tests.fakes import FakeEmbedder, FixedClock

DIM = 48
RUNNER = CliRunner()


def picture(seed: int, hand: int = 0) -> bytes:
    """A picture of many blots; those of one hand share a palette."""
    rng = np.random.default_rng(seed)
    palette = np.random.default_rng(1000 + hand).integers(0, 256, (4, 3))
    pixels = np.full((300, 320, 3), palette[0], np.uint8)
    for _ in range(40):
        x, y, r = rng.integers(0, 320), rng.integers(0, 300), int(rng.integers(8, 50))
        colour = palette[rng.integers(1, 4)] + rng.integers(-20, 20, 3)
        cv2.circle(pixels, (int(x), int(y)), r, colour.clip(0, 255).tolist(), -1)
    return cv2.imencode(".png", pixels)[1].tobytes()


def fill(folder: Path, count: int = 6, hand: int = 0) -> Path:
    folder.mkdir(parents=True)
    for n in range(count):
        (folder / f"{n:02d}.png").write_bytes(picture(100 * hand + n, hand))
    return folder


def fake_matcher() -> Matcher:
    embedder = FakeEmbedder((("sem", 16), ("cpy", DIM), ("sty", DIM)))
    rng = np.random.default_rng(0)

    def rows(count: int) -> np.ndarray:
        values = rng.standard_normal((count, DIM)).astype(np.float32)
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    fit, calibration = rows(300), rows(400)
    hands = np.arange(400, dtype=np.int32)
    return Matcher(
        embedder,
        Cohort(embedder.card.fingerprint, fit, fit, hands[:300], calibration, calibration, hands),
    )


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("RECUSE_REGISTRY", str(tmp_path / "home" / "registry.db"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(given, "matcher_of", lambda _name: fake_matcher())
    return tmp_path


def run(*args: object) -> str:
    result = RUNNER.invoke(optout.app, [str(a) for a in args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def submitted(place: Path, *args: object) -> tuple[str, str]:
    said = run("submit", *args, "--artist", "Ada Example")
    (new,) = [w for w in said.split() if len(w) == 32 and set(w) <= set("0123456789abcdef")]
    return new, said


def taken(place: Path, *, trust_local: bool = True):
    with Registry.open(str(place / "home" / "registry.db"), FixedClock()) as registry:
        return snapshot.take(registry, trust_local=trust_local)


def test_a_folder_becomes_a_claim_with_key_and_receipt(place):
    works = fill(place / "works")
    (works / "notes.txt").write_text("not an image")
    (works / "blank.png").write_bytes(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1])
    (works / ".hidden").write_text("left alone")
    claim, said = submitted(place, works, "--host", "ada.example.org", "--contact", "ada@x.example")
    for words in ("notes.txt: cannot be read", "blank.png: too flat", "acts now", "level 0",
                  "waits until your control is proved", "recorded in"):  # fmt: skip
        assert words in said
    assert ".hidden" not in said
    found = taken(place)
    assert found.claims["claim_id"].to_pylist() == [claim]
    assert found.works.num_rows == 6
    assert set(found.works["matcher"].to_pylist()) == {"f" * 64}
    home = place / "home" / "claimant"
    for file in (home / f"{claim}.key", home / f"{claim}.receipt.json", place / "home/registry.db"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_image_and_no_contact_reaches_the_snapshot(place):
    works = fill(place / "works")
    submitted(place, works, "--contact", "ada@secret.example")
    run("snapshot", "--out", place / "snap")
    files = [p for p in (place / "snap").rglob("*") if p.is_file()]
    bodies = b"".join(p.read_bytes() for p in files)
    assert b"secret.example" not in bodies
    database = (place / "home" / "registry.db").read_bytes()
    assert all(p.read_bytes()[200:260] not in database for p in works.iterdir())
    assert snapshot.load(open_store(str(place / "snap")), "").works.num_rows == 6


def test_vectors_are_those_that_a_sample_of_the_same_bytes_gets(place):
    works = fill(place / "works", 1)
    submitted(place, works, "--kind", "work")
    found = taken(place)
    (cpy,) = found.works["cpy"].to_pylist()
    matcher = fake_matcher().embedder
    pixels = prepare((works / "00.png").read_bytes(), DecodeConfig(), matcher.edge_px).pixels
    assert np.array_equal(
        np.array(cpy, np.float16), matcher.images([pixels])["cpy"][0].astype("f2")
    )


def test_works_carry_views_by_which_parts_of_them_are_found(place):
    submitted(place, fill(place / "works", 2), "--kind", "work")
    found = taken(place)
    for views, means in zip(*(found.works[n].to_pylist() for n in ("views", "view_means")),
                            strict=True):  # fmt: skip
        assert {"crop", "grey", "framed"} <= set(views)
        assert len(means) == len(views)


def test_works_carry_key_points_by_which_details_are_found(place):
    works = fill(place / "works", 2)
    claim, _ = submitted(place, works, "--kind", "work")
    bodies = [path.read_bytes() for path in works.iterdir()]
    pixels = [canonical_pixels(Decoder(body, read_header(body))) for body in bodies]
    stored = taken(place).works["keypoints"].to_pylist()
    assert set(stored) == {keypoints(one, WORK) for one in pixels}
    count = sum(map(len, stored)) // POINT.itemsize
    assert count > 10
    assert f"and {count} key points" in " ".join(run("show", claim).split())


def test_a_grant_needs_no_views(place):
    grant = ("--kind", "work", "--opt-in", "--license", "CC-BY-4.0")
    submitted(place, fill(place / "works", 2), *grant)
    assert taken(place).works["views"].to_pylist() == [[], []]
    assert taken(place).works["keypoints"].to_pylist() == [None, None]


def test_a_common_design_is_told_as_such(place, monkeypatch):
    works = fill(place / "works", 2)
    plain = fake_matcher()
    pixels = prepare((works / "00.png").read_bytes(), DecodeConfig(), plain.embedder.edge_px).pixels
    fit = plain.cohort.fit_cpy.copy()
    fit[:3] = plain.embedder.images([pixels])["cpy"]  # three others look just like it
    matcher = Matcher(plain.embedder, replace(plain.cohort, fit_cpy=fit))
    monkeypatch.setattr(given, "matcher_of", lambda _name: matcher)
    _, said = submitted(place, works, "--kind", "work")
    assert "00.png: common designs" in said.replace(", 01.png", "")
    assert "almost exact copies" in said
    assert [] in taken(place).works["views"].to_pylist()


def test_a_picture_that_many_have_listed_is_refused(place):
    works = fill(place / "works", 1)
    for n in range(MAX_CLAIMANTS):
        run("submit", works, "--artist", "Ada Example", "--kind", "work", "--key", place / f"{n}")
    with pytest.raises(ClaimError, match="memes and logos"):
        run("submit", works, "--artist", "Ada Example", "--kind", "work")
    again = run("submit", works, "--artist", "Ada Example", "--kind", "work", "--key", place / "0")
    assert "is recorded" in again  # who has listed it may do so again


def test_withdrawn_claim_leaves_the_snapshot(place):
    claim, _ = submitted(place, fill(place / "works"))
    assert "is withdrawn" in run("withdraw", claim[:8])
    assert taken(place).claims.num_rows == 0
    assert "withdrawn" in run("list")
    with pytest.raises(ClaimError):
        run("withdraw", claim)


def test_a_withdrawal_with_another_key_is_refused(place):
    claim, _ = submitted(place, fill(place / "works"))
    other, _ = submitted(place, "--host", "b.example.org")
    with pytest.raises(ClaimError, match="claimant's key"):
        run("withdraw", claim, "--key", place / "home" / "claimant" / f"{other}.key")
    assert taken(place).claims.num_rows == 2


def test_one_key_serves_several_claims(place):
    key = place / "mine.key"
    _, first = submitted(place, "--host", "a.example.org", "--key", key)
    body = key.read_bytes()
    _, second = submitted(place, "--host", "b.example.org", "--key", key)
    assert key.read_bytes() == body
    assert "keep it" in first
    assert "keep it" not in second


def test_a_receipt_is_checked_offline_and_against_the_registry(place):
    claim, _ = submitted(place, fill(place / "works"))
    submitted(place, "--host", "b.example.org")
    receipt = place / "home" / "claimant" / f"{claim}.receipt.json"
    assert "needs --registry" in run("verify-receipt", receipt)
    assert "still has that log" in run(
        "verify-receipt", receipt, "--registry", place / "home/registry.db"
    )
    document = json.loads(receipt.read_text())
    document["parts"]["match"]["names"] = ["Somebody Else"]
    receipt.write_text(json.dumps(document))
    with pytest.raises(ProofError):
        run("verify-receipt", receipt)


def test_a_registry_that_lost_the_entry_is_found(place):
    claim, _ = submitted(place, "--host", "a.example.org")
    submitted_elsewhere = place / "other" / "registry.db"
    run(
        "submit",
        "--artist",
        "Ada Example",
        "--host",
        "x.example.org",
        "--registry",
        submitted_elsewhere,
    )
    receipt = place / "home" / "claimant" / f"{claim}.receipt.json"
    with pytest.raises(CurationError, match="another one"):
        run("verify-receipt", receipt, "--registry", submitted_elsewhere)


def test_show_says_the_numbers_and_keeps_identity_for_the_key(place):
    style = ("--kind", "style", "--trust-local")
    claim, _ = submitted(place, fill(place / "works"), "--contact", "ada@x.example", *style)
    plain = run("show", claim)
    assert "look-alikes" in plain
    for words in ("left out in turn", "works counted", "known again", "threshold", "least rate"):
        assert words in plain
    assert "ada@x.example" not in plain
    key = place / "home" / "claimant" / f"{claim}.key"
    assert "ada@x.example" in run("show", claim, "--key", key)


def test_images_of_a_sibling_hand_make_a_style_not_separable(place):
    works, sibling = fill(place / "works"), fill(place / "sibling")
    for n, path in enumerate(sorted(sibling.iterdir())):
        path.write_bytes(picture(900 + n))
    said = run("submit", works, "--artist", "Ada Example", "--kind", "style", "--trust-local",
               "--contrast", sibling)  # fmt: skip
    assert "not separable" in said
    assert taken(place).claims["style_state"].to_pylist() == ["not separable"]


def test_without_a_model_hashes_names_and_hosts_are_taken(place, monkeypatch):
    monkeypatch.setattr(given, "matcher_of", lambda _name: None)
    _, said = submitted(place, fill(place / "works"), "--kind", "style", "--trust-local")
    assert "for want of a model" in said
    found = taken(place)
    assert found.works["matcher"].to_pylist() == [None] * 6
    assert found.works["cpy"].null_count == 6
    assert found.claims["style_state"].to_pylist() == ["none"]
    assert found.header.matcher == ""


def test_a_machine_without_torch_is_noticed(monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setattr(given, "NEEDED", ("a_package_that_nobody_has",))
    assert given.matcher_of("builtin:lite") is None
    assert "no model is installed" in capsys.readouterr().out


def test_a_registry_of_another_matcher_is_not_mixed(place, monkeypatch):
    submitted(place, fill(place / "works"))
    other = fake_matcher()
    card = other.embedder.card
    other.embedder.card = type(card)("other", "e" * 64, card.weights_sha256, card.vectors, 0.95)
    monkeypatch.setattr(given, "matcher_of", lambda _name: other)
    with pytest.raises(ModelMismatchError):
        submitted(place, fill(place / "more", hand=1))
    assert taken(place).claims.num_rows == 1


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["nowhere", "--artist", "Ada Example"], UsageError),
        (["--artist", "^.+$"], ClaimError),
        (["--artist", "Ada Example", "--kind", "domain"], ClaimError),
        (["--artist", "Ada Example", "--kind", "work"], ClaimError),
        (["--artist", "Ada Example", "--host", "co.uk"], ClaimError),
        (["--artist", "Ada Example", "--opt-in", "--host", "a.example.org"], ClaimError),
        (
            ["--artist", "Ada Example", "--registry", "/proc/none/x.db", "--host", "a.example.org"],
            CurationError,
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_and_leaves_nothing(place, args, error):
    with pytest.raises(error):
        run("submit", *args)
    assert not list((place / "home").rglob("*.key"))


def test_too_few_works_for_a_style_say_how_many(place):
    works = fill(place / "works", 4)
    with pytest.raises(ClaimError, match="add 1 more"):
        run("submit", works, "--artist", "Ada Example", "--kind", "style", "--trust-local")
    with pytest.raises(ClaimError, match="add 6 more"):
        run("submit", works, "--artist", "Ada Example", "--kind", "style")
    assert not list((place / "home").rglob("*.key"))


def test_a_key_that_could_not_be_used_is_not_left(place, monkeypatch):
    def fails(*_args):
        raise CurationError("disk full")

    monkeypatch.setattr(Registry, "append", fails)
    with pytest.raises(CurationError, match="disk full"):
        run("submit", "--artist", "Ada Example", "--host", "a.example.org")
    assert not list(place.rglob("*.key"))


def test_what_was_typed_cannot_command_the_terminal(place):
    works = fill(place / "works", 2)
    (works / "[bold]x\x1b[31m.png").write_bytes(b"no image")
    said = run("submit", works, "--artist", "Ada Example")
    assert "\x1b" not in said
    assert "[bold]x\\x1b" in said


def test_an_unknown_or_short_claim_id_is_refused(place):
    submitted(place, "--host", "a.example.org")
    for text in ("abc", "f" * 32, ""):
        with pytest.raises(UsageError):
            run("show", text)


def test_listing_imports_neither_torch_nor_faiss(place):
    submitted(place, "--host", "a.example.org")
    code = (
        "import sys; from jobs.cli import optout; optout.list_claims('');"
        "print(sorted({'torch', 'faiss', 'open_clip', 'distributed', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert "a.example.org" in done.stdout
    assert not done.stderr


def test_stored_vectors_are_of_unit_length(place):
    submitted(place, fill(place / "works"), "--kind", "style", "--trust-local")
    with Registry.open(str(place / "home" / "registry.db"), FixedClock()) as registry:
        (row,) = registry.claims()
        match, _ = registry.parts(str(row.claim_id))
    for work in json.loads(match.payload)["works"]:
        length = np.linalg.norm(decode_vector(work["sty"]).astype(np.float64))
        assert length == pytest.approx(1.0, abs=2e-3)


def test_accounts_and_what_captions_do_are_recorded_and_said(place):
    claim, said = submitted(
        place, "--account", "https://www.a.example/ada/?tab=art", "--account", "ada.github.io",
        "--captions", "redact",
    )  # fmt: skip
    for words in ("a.example/ada", "ada.github.io", "your name is taken out of captions"):
        assert words in said
    (row,) = taken(place).claims.to_pylist()
    assert (row["accounts"], row["hosts"]) == (["a.example/ada"], ["ada.github.io"])
    assert row["captions"] == "redact"
    assert "a.example/ada" in run("list")
    assert "taken out" in run("show", claim)


def test_a_name_in_a_caption_drops_its_row_unless_told_otherwise(place):
    _, said = submitted(place, "--host", "ada.example.org")
    assert "is left out" in said
    assert taken(place).claims["captions"].to_pylist() == ["drop"]


def test_what_reaches_other_people_is_refused_with_a_hint(place):
    with pytest.raises(ClaimError, match="--host is for your own"):
        run("submit", "--artist", "Ada Example", "--account", "a.example")
    with pytest.raises(ClaimError, match="--account"):
        run("submit", "--artist", "Flora")
    submitted_alone = run("submit", "--artist", "Flora", "--account", "a.example/flora")
    assert "Flora" in submitted_alone
