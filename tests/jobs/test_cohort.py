"""From a folder of background images to a matcher, for a model that is not the built-in one."""

import json
import shutil

import cv2
import numpy as np
import pytest

from jobs.cohort import Order, build, survey
from jobs.enrol import Matcher, Tools, enrol, folder
from optout.intake import Wish
from pipeline.image.canonical import CanonicalHasher
from pipeline.models import fitting, loading, matcher_files
from pipeline.storage import open_store
from schemas.errors import ModelMismatchError, UsageError
from schemas.verdict import Scope
from tests.fakes import MemoryStore
from tests.pipeline.models.tiny import tiny

HANDS = 42
SIZES = [9 + hand % 4 for hand in range(HANDS)]


def quiet(names, _doing):
    return names


def painted(hand: int, number: int) -> bytes:
    """Return a picture: stripes in the colours and at the width of the hand."""
    own, rng = np.random.default_rng(hand), np.random.default_rng([hand, number])
    colours = own.integers(0, 256, (3, 3))
    y, x = np.mgrid[:64, :64] + rng.integers(0, 64, 2)[:, None, None]
    angle = own.uniform(0, np.pi) + rng.normal(0, 0.2)
    wave = (np.cos(angle) * x + np.sin(angle) * y) / own.uniform(2, 12)
    pixels = colours[(wave.astype(int)) % 3] + rng.integers(-20, 20, (64, 64, 1))
    return cv2.imencode(".png", pixels.clip(0, 255).astype(np.uint8))[1].tobytes()


@pytest.fixture(scope="module")
def paintings() -> dict[str, bytes]:
    return {
        f"hand{hand:02}/deeper/{number}.png": painted(hand, number)
        for hand, size in enumerate(SIZES)
        for number in range(size)
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return tiny(tmp_path_factory.mktemp("models") / "vit", "vit")


def surveyed(files):
    return survey(folder(MemoryStore(files=dict(files))), CanonicalHasher(), quiet)


@pytest.fixture(scope="module")
def built(paintings, model, tmp_path_factory):
    place = tmp_path_factory.mktemp("matchers") / "own"
    order = Order(model, "local-dir:vit", "CC0-1.0")
    raw = loading.load_raw(model, batch_size=8)
    return place, build(order, raw, surveyed(paintings), open_store(str(place)), quiet)


def test_hands_are_split_and_never_shared(built, paintings):
    place, done = built
    cohort = matcher_files.load_cohort(str(place))
    assert not set(cohort.fit_hand.tolist()) & set(cohort.calibration_hand.tolist())
    assert (done.document["fit"], done.document["calibration"]) == (
        {"hands": 14, "images": len(cohort.fit_hand)},
        {"hands": 28, "images": len(cohort.calibration_hand)},
    )
    assert len(cohort.fit_hand) + len(cohort.calibration_hand) == len(paintings)
    assert cohort.card["license"] == "CC0-1.0"


def test_the_folder_loads_as_a_matcher_and_gives_the_cohorts_own_vectors(built, paintings):
    place, done = built
    name = str(place)
    model, cohort = loading.load_matcher(name, batch_size=8), matcher_files.load_cohort(name)
    assert model.card.fingerprint == cohort.matcher == done.document["fingerprint"]
    assert model.card.name == "local-dir:vit"  # nothing of this machine
    first = next(name for name in paintings if name.startswith("hand03/"))  # the largest fits
    pixels = cv2.cvtColor(cv2.imdecode(np.frombuffer(paintings[first], np.uint8), 1), 4)
    found = model.images([pixels])
    assert found.keys() == {"sem", "cpy", "sty"}
    assert (found["sty"] @ cohort.fit_sty.T).max() > 0.999
    assert (found["cpy"] @ cohort.fit_cpy.T).max() > 0.999


def test_its_card_says_what_it_can_do(built):
    place, done = built
    assert done.document["least_alpha"] == pytest.approx(1e-3 * 198 / 28, rel=1e-3)
    (warning,) = done.warnings
    assert "0.71%" in warning
    assert "198 hands" in warning
    text = (place / "MODEL_CARD.md").read_text()
    for said in ("14 hands", "28 other hands", "CC0-1.0", done.document["fingerprint"], "0.0070"):
        assert said in text, said
    assert done.document["recall"]["0.01"] > 0.5  # stripes of one hand are alike


def test_the_same_folder_gives_the_same_matcher(built, paintings, model, tmp_path):
    place, _ = built
    order = Order(model, "local-dir:vit", "CC0-1.0")
    raw = loading.load_raw(model, batch_size=8)
    build(order, raw, surveyed(paintings), open_store(str(tmp_path / "again")), quiet)
    for file in place.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


def test_another_model_whitening_or_cohort_is_no_longer_that_matcher(built, model, tmp_path):
    place, _ = built
    for file in (matcher_files.MATCHER, matcher_files.COHORT):
        other = tmp_path / file.split(".")[0]
        shutil.copytree(place, other)
        (other / file).write_bytes((other / file).read_bytes() + b" ")
        with pytest.raises(ModelMismatchError, match=f"expected sha256 .*{file}"):
            loading.load_matcher(str(other))
    renamed = tmp_path / "renamed"
    shutil.copytree(place, renamed)
    body = json.loads((renamed / "model.json").read_text())
    body["model"] = tiny(tmp_path / "other", "vit", seed=1)
    (renamed / "model.json").write_text(json.dumps(body))
    with pytest.raises(ModelMismatchError, match="found another weights_sha256"):
        loading.load_matcher(str(renamed))
    body["identity"]["weights_sha256"] = "0" * 64
    (renamed / "model.json").write_text(json.dumps(body))
    with pytest.raises(ModelMismatchError, match="expected fingerprint"):
        matcher_files.load_cohort(str(renamed))


def test_what_is_no_matcher_says_how_one_is_made(tmp_path):
    with pytest.raises(UsageError, match="recuse cohort build"):
        loading.load_matcher(str(tmp_path / "absent"))
    (tmp_path / "model.json").write_text("[]")
    with pytest.raises(UsageError, match="recuse cohort build"):
        matcher_files.load_cohort(str(tmp_path))


def test_one_picture_is_one_image_of_one_hand():
    same, other, third = painted(0, 0), painted(1, 0), painted(2, 0)
    found = surveyed(
        {
            "a/1.png": same,
            "a/2.png": same,
            "a/3.png": other,
            "b/4.png": other,
            "c/5.png": third,
            "c/notes.txt": b"not an image",
            "LICENCE": b"CC0",
        }
    )
    assert (found.names, found.hands) == (("a/1.png", "c/5.png"), ("a", "c"))
    assert (found.unreadable, found.twice, found.disputed, found.single) == (1, 1, 2, 2)


def test_an_image_by_nobody_known_is_refused():
    with pytest.raises(UsageError, match=r"FOLDER/HAND/IMAGE, found 1 outside .*stray\.png"):
        surveyed({"stray.png": painted(0, 0), "a/1.png": painted(0, 1)})


def test_too_few_hands_are_refused_with_what_is_needed(paintings, model, tmp_path):
    few = {name: body for name, body in paintings.items() if name < "hand28"}
    raw = loading.load_raw(model, batch_size=8)
    order = Order(model, "vit", "CC0-1.0")
    with pytest.raises(UsageError, match=r"at least 20 hands .* 0\.1 % needs 198") as caught:
        build(order, raw, surveyed(few), open_store(str(tmp_path / "few")), quiet)
    assert "found 18 hands" in str(caught.value)
    assert not (tmp_path / "few").exists()


def test_a_folder_that_holds_something_is_left_alone(built, paintings, model):
    place, _ = built
    with pytest.raises(UsageError, match="empty or absent"):
        build(
            Order(model, "vit", "CC0-1.0"),
            loading.load_raw(model, batch_size=8),
            surveyed(paintings),
            open_store(str(place)),
            quiet,
        )


def test_small_fit_sets_give_narrow_vectors():
    assert fitting.dims(929) == fitting.Dims(256, 512, 128)  # the shipped one
    assert fitting.dims(140) == fitting.Dims(80, 80, 80)


def test_a_claim_is_enrolled_by_it(built):
    place, _ = built
    matcher = Matcher(
        loading.load_matcher(str(place), batch_size=8), matcher_files.load_cohort(str(place))
    )
    works = {f"{n}.png": painted(99, n) for n in range(8)}
    enrolled = enrol(
        Wish(artist="Ada Stripe", scope=Scope.STYLE),
        folder(MemoryStore(files=works)),
        [],
        Tools(CanonicalHasher(), matcher, quiet),
        trust_local=True,
    )
    assert {work.matcher for work in enrolled.part.works} == {matcher.embedder.card.fingerprint}
    assert enrolled.part.style.state != "none"
    assert enrolled.part.style.alpha == pytest.approx(1e-3 * 198 / 28, rel=1e-3)
