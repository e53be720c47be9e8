"""`recuse optout refresh` on folders of painted works, after a registry has moved."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from jobs.cli import given
from jobs.enrol import Matcher
from optout.entry import draft_move
from optout.lifecycle import Acceptance, Event, Signer
from optout.registry import Registry
from schemas.errors import ClaimError, ModelMismatchError
from tests.fakes import FakeEmbedder, FixedClock
from tests.jobs.test_optout_cli import fake_matcher, fill, picture, run, submitted, taken
from tests.optout.claims import signing_key

NEWER = "e" * 64


def newer_matcher() -> Matcher:
    plain = fake_matcher()
    embedder = FakeEmbedder((("sem", 16), ("cpy", 48), ("sty", 48)))
    embedder.card = replace(embedder.card, name="newer", fingerprint=NEWER)
    return Matcher(embedder, replace(plain.cohort, matcher=NEWER))


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("RECUSE_REGISTRY", str(tmp_path / "home" / "registry.db"))
    monkeypatch.setenv("COLUMNS", "200")
    known = {"builtin:lite": fake_matcher, "newer": newer_matcher, "none": lambda: None}
    monkeypatch.setattr(given, "matcher_of", lambda name: known[name]())
    return tmp_path


def moved(place: Path, fingerprint: str = NEWER) -> None:
    with Registry.open(str(place / "home" / "registry.db"), FixedClock()) as registry:
        registry.move_matcher(fingerprint, "newer")


def test_works_get_vectors_of_the_new_matcher_and_the_claim_keeps_all_else(place):
    works = fill(place / "works")
    claim, _ = submitted(place, works, "--kind", "style", "--trust-local")
    before = taken(place)
    moved(place)
    said = run("refresh", works, "--claim", claim[:8], "--matcher", "newer", "--trust-local")
    assert "6 works have vectors of newer now, by entry 3" in said
    after = taken(place)
    assert set(after.works["matcher"].to_pylist()) == {NEWER}
    for column in ("work_id", "sha256", "pixel_sha256", "pdq", "cpy"):
        assert after.works[column].to_pylist() == before.works[column].to_pylist()
    assert after.claims["names"].to_pylist() == before.claims["names"].to_pylist()
    assert after.claims["style_state"].to_pylist() == before.claims["style_state"].to_pylist()
    (receipt,) = (place / "home" / "claimant").glob("*.3.receipt.json")
    assert "verified" in run("verify-receipt", receipt, "--registry", place / "home/registry.db")


def test_images_are_told_by_their_pixels_and_strange_ones_are_left_out(place):
    works = fill(place / "works")
    claim, _ = submitted(place, works)
    moved(place)
    again = place / "again"
    again.mkdir()
    pixels = cv2.imdecode(np.frombuffer(picture(0), np.uint8), cv2.IMREAD_COLOR)
    (again / "other-bytes.bmp").write_bytes(cv2.imencode(".bmp", pixels)[1].tobytes())
    (again / "strange.png").write_bytes(picture(77, 7))
    (again / "01.png").write_bytes(picture(1))
    said = run("refresh", again, "--claim", claim, "--matcher", "newer")
    assert "2 works have vectors" in said
    assert "4 works have none of it" in said
    assert "left out, as no work of the claim: 1 files (strange.png)" in said
    assert (
        sorted(m or "" for m in taken(place).works["matcher"].to_pylist()) == [""] * 4 + [NEWER] * 2
    )
    run("refresh", works, "--claim", claim, "--matcher", "newer")  # and the rest later
    assert set(taken(place).works["matcher"].to_pylist()) == {NEWER}


def test_an_accepted_style_has_to_be_accepted_again(place):
    works = fill(place / "works", 10)
    submitted(place, works)  # somebody else lists them too, and nobody has proved anything
    claim, _ = submitted(place, works, "--kind", "style")
    moderator = signing_key(99)
    where = str(place / "home" / "registry.db")
    with Registry.open(where, FixedClock(), moderators={moderator.public}) as registry:
        at = registry.standing(claim).entry_hash
        said = {"by": Signer.MODERATOR, "reason": Acceptance.SAME_CLAIMANT}
        registry.append(draft_move(Event.ACCEPT_STYLE, claim, at, moderator, **said))
    assert "active" in taken(place).claims["style_state"].to_pylist()
    moved(place)
    said = run("refresh", works, "--claim", claim, "--matcher", "newer")
    assert "by its new vectors nobody has yet" in said
    assert "accepted" not in run("show", claim)


def test_a_claim_made_where_no_model_was_installed(place):
    works = fill(place / "works")
    claim, _ = submitted(place, works, "--matcher", "none")
    assert taken(place).works["matcher"].null_count == 6
    run("refresh", works, "--claim", claim)
    assert set(taken(place).works["matcher"].to_pylist()) == {"f" * 64}


def test_what_cannot_be_refreshed_says_why_and_records_nothing(place):
    works = fill(place / "works")
    claim, _ = submitted(place, works)
    with pytest.raises(ClaimError, match="works that have no vectors of fake, found none"):
        run("refresh", works, "--claim", claim)
    with pytest.raises(ModelMismatchError, match="pinned to"):
        run("refresh", works, "--claim", claim, "--matcher", "newer")
    moved(place)
    strange = fill(place / "strange", 2, hand=5)
    with pytest.raises(ClaimError, match="2 files show no such work"):
        run("refresh", strange, "--claim", claim, "--matcher", "newer")
    other, _ = submitted(place, strange, "--matcher", "newer")
    key = place / "home" / "claimant" / f"{other}.key"
    with pytest.raises(ClaimError, match="expected the key of a claim in force"):
        run("refresh", works, "--claim", claim, "--matcher", "newer", "--key", key)
    assert taken(place).header.size == 4
