"""What is nobody's to claim."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.hot_patterns import cards, stripes
from optout import hot
from optout.flags import FLAGS
from optout.match import PDQ_MIN_QUALITY
from pipeline.image.canonical import CanonicalHasher
from tests.pipeline.pictures import picture, saved

HASHER = CanonicalHasher()


def variants(body: bytes) -> hot.Words:
    return hot.words(HASHER.dihedral(body))


def encoded(pixels: np.ndarray, scale: float = 1.0, quality: int = 80) -> bytes:
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.mark.parametrize(("name", "pixels"), [*cards()])
def test_a_test_pattern_is_refused_and_told_by_name(name, pixels):
    for body in (encoded(pixels), encoded(pixels[:, ::-1], quality=60)):
        assert name in hot.refusal(variants(body), hot.Listed.of(()))


def test_the_list_is_the_one_that_the_script_paints():
    painted = {variants(encoded(p, quality=100))[0].tobytes().hex(): name for name, p in cards()}
    assert set(painted.values()) == set(hot.TEST_CARDS.values())


@given(st.sampled_from(sorted(FLAGS)), st.integers(0, 7), st.sets(st.integers(0, 255), max_size=16))
def test_flags_are_nobodys_work_turned_or_slightly_changed(flag, turn, flips):
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(flag), np.uint8))
    bits[list(flips)] ^= 1
    eight = [bytes(32)] * 8
    eight[turn] = np.packbits(bits).tobytes()
    assert "a flag (" in hot.refusal(hot.words(eight), hot.Listed.of(()))


def test_a_picture_that_is_not_that_near_a_flag_is_none():
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(min(FLAGS)), np.uint8))
    bits[::6] ^= 1  # 43 bits
    far = hot.words([np.packbits(bits).tobytes()] * 8)
    assert not hot.refusal(far, hot.Listed.of(()))


@pytest.mark.parametrize(("name", "pixels"), [*stripes()])
@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_stripes_are_told_by_their_pixels(name, pixels, scale):
    assert HASHER.striped(encoded(pixels, scale, quality=50)), name
    assert HASHER.striped(encoded(np.ascontiguousarray(pixels.swapaxes(0, 1)), scale)), name


def sheet() -> np.ndarray:
    return np.full((1100, 800, 3), 250, np.uint8)


def squared(step: int) -> np.ndarray:
    page = sheet()
    page[::step] = page[:, ::step] = 180
    return page


def dotted() -> np.ndarray:
    page = sheet()
    for y in range(20, 1100, 25):
        for x in range(20, 800, 25):
            cv2.circle(page, (x, y), 2, (120, 120, 120), -1)
    return page


def ruled() -> np.ndarray:
    page = sheet()
    page[:, 90:93] = (200, 60, 60)  # the margin of a notebook
    page[120::32] = (120, 160, 200)
    return page


def grained(deviation: float, blur: float) -> np.ndarray:
    grain = cv2.GaussianBlur(np.random.default_rng(0).standard_normal((1100, 800)), (0, 0), blur)
    plane = 235 + deviation * grain / grain.std()
    return np.repeat(plane[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "page",
    [sheet(), sheet() // 2, squared(25), squared(40), squared(80), dotted(), ruled(),
     grained(2, 1), grained(5, 4), grained(5, 12)],
)  # fmt: skip
def test_a_page_on_which_nothing_stands_is_nobodys(page):
    for body in (encoded(page), encoded(page, 0.6, quality=60)):
        assert HASHER.striped(body) or HASHER.keys(body).pdq_quality < PDQ_MIN_QUALITY


def test_a_page_on_which_somebody_drew_is_a_picture():
    for page in (sheet(), squared(40), ruled()):
        cv2.circle(page, (400, 500), 150, (30, 30, 30), 12)
        cv2.line(page, (300, 800), (520, 640), (30, 30, 30), 12)
        assert not HASHER.striped(encoded(page))


def test_a_picture_is_neither_pattern_nor_stripes():
    for seed in range(5):
        body = saved(picture(seed=seed))
        assert not HASHER.striped(body)
        assert hot.refusal(variants(body), hot.Listed.of(())) == ""


def test_what_many_others_have_listed_is_nobodys():
    body = saved(picture(seed=1))
    mirrored = HASHER.dihedral(body)[5]
    others = [(f"key {n}", mirrored) for n in range(hot.MAX_CLAIMANTS)]
    few = hot.Listed.of(others[:-1] + others[:1] * 3 + [("more", HASHER.pdq(saved(picture()))[0])])
    assert hot.refusal(variants(body), few) == ""  # a claimant counts once, another picture not
    said = hot.refusal(variants(body), hot.Listed.of(others))
    assert f"claims of {hot.MAX_CLAIMANTS} others" in said
    assert "stays protected" in said
