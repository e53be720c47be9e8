"""A registry moves to a matcher of its own: claims, builds, the refresh, by the real commands."""

import cv2
import numpy as np
import pytest

from pipeline.models.matcher_files import fingerprint
from tests.e2e.builds import build, manifest, picture, recuse, url_list
from tests.jobs.test_cohort import SIZES, painted
from tests.pipeline.models.tiny import tiny
from tests.servers import Answer, serve

pytestmark = pytest.mark.slow

WORKS, OTHERS = 3, 3


@pytest.fixture(scope="module")
def matcher(tmp_path_factory):
    place = tmp_path_factory.mktemp("own")
    for hand, size in enumerate(SIZES):
        (place / "background" / f"hand{hand:02}").mkdir(parents=True)
        for number in range(size):
            path = place / "background" / f"hand{hand:02}" / f"{number}.png"
            path.write_bytes(painted(hand, number))
    model = tiny(place / "vit", "vit")
    said = recuse(
        "cohort", "build", model, place / "background", "--out", place / "matcher",
        "--licence", "CC0-1.0", "--batch-size", "8", "--device", "cpu",
    )  # fmt: skip
    for words in ("matcher local-dir:vit", "fit: 14 hands", "calibration: 28 hands", "warning"):
        assert words in said
    return place / "matcher"


def again(body: bytes) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes()


def test_vectors_of_one_matcher_judge_and_refreshed_claims_are_judged_again(tmp_path, matcher):
    registry, works = str(tmp_path / "registry.db"), tmp_path / "works"
    works.mkdir()
    for seed in range(WORKS):
        (works / f"{seed}.jpg").write_bytes(picture(seed))
    own = ("--registry", registry)
    recuse("optout", "submit", works, "--artist", "Ada Example", "--kind", "work", *own,
           "--key", tmp_path / "key.pem", "--receipt", tmp_path / "one.json")  # fmt: skip
    moved = recuse("registry", "matcher", matcher, *own)
    assert "local-dir:vit" in moved
    assert "1 claims in force have works and no vectors of it" in moved
    bodies = {f"/{n}.jpg": again(picture(n)) for n in range(WORKS + OTHERS)}
    bodies["/same.jpg"] = picture(0)
    with serve(
        lambda asked: Answer(200, bodies[asked.path]) if asked.path in bodies else Answer(404)
    ) as server:
        source = url_list(tmp_path / "urls.jsonl", [server.url(path) for path in bodies])
        options = ("--registry", registry, "--allow-hosts", server.at("127.0.0.1")[0],
                   "--workers", "0", "--batch-size", "8", "--device", "cpu")  # fmt: skip
        other = build(source, tmp_path / "other", *options)
        assert other.returncode == 1
        assert "expected a registry whose matcher is" in other.stderr
        by_hash = build(source, tmp_path / "before", *options, "--matcher", str(matcher))
        assert by_hash.returncode == 0, by_hash.stderr
        claim = next(row for row in recuse("optout", "list", *own).split() if len(row) >= 12)
        recuse("optout", "refresh", works, "--claim", claim[:8], "--matcher", matcher, *own,
               "--key", tmp_path / "key.pem", "--receipt", tmp_path / "two.json")  # fmt: skip
        judged = build(source, tmp_path / "after", *options, "--matcher", str(matcher))
        assert judged.returncode == 0, judged.stderr
    before, after = manifest(tmp_path / "before"), manifest(tmp_path / "after")
    assert [m["fingerprint"] for m in after["models"] if m["role"] == "matcher"] == [
        fingerprint(str(matcher))
    ]
    assert [m["precision"] for m in after["models"]] == ["fp32", "fp32"]
    assert before["lists"][0]["claims_not_judged_by_similarity"] == 1
    assert after["lists"][0]["claims_not_judged_by_similarity"] == 0
    assert sum(before["dropped"].values()) == 2  # the very bytes, and what is a copy of that row
    assert str(matcher) not in (tmp_path / "after" / "manifest.json").read_text()
    assert sum(after["dropped"].values()) == WORKS + 1
