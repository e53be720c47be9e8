import io

import numpy as np
from PIL import Image

from pipeline.report import waiting
from pipeline.report.waiting import PER_CLAIM, render_waiting
from pipeline.review import Held, Near
from tests.pipeline.report.test_pages import EVIL

UNTIL = "2026-02-01T00:00:00+00:00"


def picture() -> bytes:
    sink = io.BytesIO()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(sink, "PNG")
    return sink.getvalue()


def held(n: int, *near: Near, **values: str) -> Held:
    texts = {"caption": EVIL, "host": EVIL, "url": EVIL, "sha256": "", "pixel_sha256": ""}
    return Held(f"{n:032x}", near or (Near("c" * 32, "style_band", 3.5, 3.0),), "", True,
                **texts | values)  # fmt: skip


def test_pictures_stand_by_claim_and_nothing_is_unescaped():
    rows = [held(1), held(2, Near("d" * 32, "style", 5.0, 4.0), Near("c" * 32, "style", 4.5, 4.0))]
    page = render_waiting(rows, {rows[0].uid: picture()}, EVIL, UNTIL, {"c" * 32: "Artists"})
    assert page.count("data:image/jpeg;base64,") == 1
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert page.index("1 under its threshold, held from 3.00") < page.index("1 reached it")
    assert "also held by cccccccccccc" in page
    assert "no image to look at" in page
    assert "1 Feb 2026" in page
    assert page.count("claim of list Artists") == 1


def test_a_claim_that_holds_many_shows_the_nearest():
    page = render_waiting([held(n) for n in range(PER_CLAIM + 3)], {}, "out", UNTIL, {})
    assert page.count('title="000000000000000000') == waiting.PER_CLAIM
    assert f"The first {PER_CLAIM} are shown" in page


def test_nothing_waiting_is_said():
    assert "Nothing waits for a decision." in render_waiting([], {}, "out", UNTIL, {})
