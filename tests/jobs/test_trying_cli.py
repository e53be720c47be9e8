"""`recuse optout test`: what submit would find out, and nothing recorded."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from jobs.cli import given, optout
from optout.registry import Registry
from schemas.errors import ClaimError, RegistryError, UsageError
from tests.fakes import FixedClock
from tests.jobs.test_optout_cli import fake_matcher, fill, picture

RUNNER = CliRunner()
OWN = "--trust-local"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("RECUSE_REGISTRY", str(tmp_path / "home" / "registry.db"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(given, "matcher_of", lambda _name: fake_matcher())
    return tmp_path


def run(*args: object) -> tuple[int, str]:
    result = RUNNER.invoke(optout.app, [str(a) for a in args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def sibling(folder: Path) -> Path:
    for n, path in enumerate(sorted(fill(folder).iterdir())):
        path.write_bytes(picture(900 + n))
    return folder


def numbers(said: str) -> str:
    """What is said about a style, whatever stands around it."""
    return said[said.index("look-alikes:") : said.index("tail ")]


def test_a_trial_says_what_submit_would_and_leaves_nothing(place):
    works = fill(place / "works")
    code, said = run("test", works, OWN)
    assert code == 0
    assert "nothing is recorded" in said
    assert not (place / "home").exists()
    code, recorded = run("submit", works, "--artist", "Ada Example", "--kind",
                         "style", "--host", "ada.example.org", OWN)  # fmt: skip
    assert numbers(recorded) == numbers(said)


def test_a_style_that_is_not_separable_has_an_exit_code_of_its_own(place):
    works, other = fill(place / "works"), sibling(place / "sibling")
    code, said = run("test", works, OWN, "--contrast", other)
    assert code == 3
    assert "not separable" in said
    assert "the contrast images" in said


def test_a_trial_is_held_against_the_claims_of_a_registry_and_adds_none(place):
    works, other = fill(place / "works"), sibling(place / "sibling")
    run("submit", other, "--artist", "Bo Example", "--kind", "artist", "--key", place / "bo.pem")
    code, said = run("test", works, OWN)
    assert (code, "held against the claims of" in said) == (3, True)
    code, said = run("test", works, OWN, "--key", place / "bo.pem")
    assert code == 0  # one's own claims do not count
    with Registry.open(str(place / "home" / "registry.db"), FixedClock()) as registry:
        assert len(registry.claims()) == 1


def test_a_page_shows_works_nearest_pictures_and_the_line(place):
    works, other = fill(place / "works"), fill(place / "others", hand=3)
    pixels = cv2.imdecode(np.frombuffer(picture(0), np.uint8), cv2.IMREAD_COLOR)
    (other / "near.png").write_bytes(cv2.imencode(".png", cv2.blur(pixels, (5, 5)))[1].tobytes())
    (other / "notes.txt").write_text("no image")
    page = place / "page.html"
    code, said = run("test", works, OWN, "--background", other, "--html", page)
    assert code == 0
    assert "of 7 images in others 1 would be left out" in said
    assert "1 files there are no images" in said
    assert re.search(r"left out +near.png, a copy of yours", said)
    text = page.read_text(encoding="utf-8")
    for words in (
        "What it would take",
        "near.png",
        "the line,",
        "Below the line",
        "00.png",
        "a copy of yours",
    ):
        assert words in text
    assert text.index(">near.png<") < text.index('id="line"') < text.index(">00.png</p>")
    assert text.count("data:image/jpeg;base64,") == 6 + 7
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text
    assert page.stat().st_mode & 0o077 == 0


def test_without_a_background_the_hands_of_the_cohort_are_named(place, monkeypatch):
    matcher = fake_matcher()
    works = fill(place / "works", 8)
    page = place / "page.html"
    code, _ = run("test", works, OWN, "--html", page)
    text = page.read_text(encoding="utf-8")
    assert "None of the images by 400 other hands reaches the line" in text
    assert code == 0
    assert len(matcher.cohort.calibration_hand) == 400


def test_names_of_files_become_no_markup(place):
    works, other = fill(place / "works"), fill(place / "others", hand=3)
    (other / "<img src=x onerror=alert(1)>.png").write_bytes(picture(950))
    page = place / "page.html"
    run("test", works, OWN, "--background", other, "--html", page)
    assert "<img src=x" not in page.read_text(encoding="utf-8")


def test_what_cannot_be_tested_is_refused(place, monkeypatch):
    with pytest.raises(ClaimError, match="add 6 more"):
        run("test", fill(place / "few", 4))
    with pytest.raises(RegistryError):
        run("test", fill(place / "works"), OWN, "--registry", place / "nowhere.db")
    (place / "empty").mkdir()
    with pytest.raises(UsageError, match="found none"):
        run("test", place / "works", OWN, "--background", place / "empty")
    monkeypatch.setattr(given, "matcher_of", lambda _name: None)
    with pytest.raises(UsageError, match="no model"):
        run("test", place / "works", OWN)


def test_a_background_belongs_to_a_style(place):
    with pytest.raises(UsageError, match="--kind style"):
        run("submit", fill(place / "works"), "--artist", "Ada Example", "--background", place)


def test_submitting_a_style_writes_the_same_page(place):
    works, other = fill(place / "works"), fill(place / "others", hand=3)
    tried, recorded = place / "tried.html", place / "recorded.html"
    run("test", works, OWN, "--background", other, "--html", tried)
    run("submit", works, "--artist", "Ada Example", "--kind", "style", OWN,
        "--background", other, "--html", recorded)  # fmt: skip
    assert tried.read_text(encoding="utf-8") == recorded.read_text(encoding="utf-8")


def test_blank_works_make_no_style(place):
    blank = place / "blank"
    blank.mkdir()
    for n in range(12):
        pixels = np.full((200 + n, 200, 3), 20 * n, np.uint8)
        (blank / f"{n}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    with pytest.raises(ClaimError, match="too flat or blank"):
        run("test", blank, OWN)


def test_a_simulation_needs_a_release_and_a_claim_in_force(place):
    run("submit", "--artist", "Ada Example", "--host", "a.example.org", "--key", place / "a.pem")
    (row,) = _claims(place)
    with pytest.raises(UsageError, match="a release"):
        run("simulate", row[:8], fill(place / "works"))


def _claims(place: Path) -> list[str]:
    with Registry.open(str(place / "home" / "registry.db"), FixedClock()) as registry:
        return [str(row.claim_id) for row in registry.claims()]
