"""`recuse audit prove-absence` and `verify-absence` on a release that was really built."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from jobs.cli import audit
from jobs.releases import open_release
from pipeline.absence import covers
from pipeline.storage import open_store
from schemas.errors import ProofError, UsageError
from tests.e2e.builds import build, manifest, picture, url_list
from tests.servers import Answer, Asked, serve

RUNNER = CliRunner()
COUNT = 9
GONE = 3
"""This one is not released: its site asks for it."""
FORMS = ("parquet", "webdataset")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Releases in two layouts, of pictures of which one is left out; and some pictures."""
    place = tmp_path_factory.mktemp("absence")

    def answer(asked: Asked) -> Answer:
        number = asked.path.removeprefix("/").removesuffix(".jpg")
        if not number.isdigit():
            return Answer(404)
        headers = [("X-Robots-Tag", "noai")] if int(number) == GONE else []
        return Answer(200, picture(int(number), 400), headers)

    with serve(answer) as server:
        source = url_list(place / "urls.jsonl", [server.url(f"/{n}.jpg") for n in range(COUNT)])
        host = server.at("127.0.0.1")[0]
        done = build(source, place / "parquet", "--allow-hosts", host, "--workers", "0",
                     "--keep-store", "--no-dedup")  # fmt: skip
        assert done.returncode == 0, done.stderr
    for form in FORMS[1:]:
        done = build(source, place / form, "--output-format", form, "--workers", "0", "--no-dedup",
                     "--from-store", str(place / "parquet.run"))  # fmt: skip
        assert done.returncode == 0, done.stderr
    for name, body in {
        "gone.jpg": picture(GONE, 400),
        "inside.jpg": picture(4, 400),
        "other.jpg": picture(77, 400),
        "plain.jpg": encoded(np.full((300, 300, 3), 90, np.uint8), 90),
        "copy.jpg": encoded(cv2.imdecode(as_array(picture(4, 400)), 1)[::-1], 60),
    }.items():
        (place / name).write_bytes(body)
    return place


def as_array(body: bytes) -> np.ndarray:
    return np.frombuffer(body, np.uint8)


def encoded(pixels: np.ndarray, quality: int) -> bytes:
    done, body = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return body.tobytes()


def run(*args: object) -> tuple[int, str]:
    result = RUNNER.invoke(audit.app, [str(a) for a in args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def roots(release: Path) -> dict[str, str]:
    return {name: manifest(release)["roots"][name] for name in ("rows", "bands")}


def test_all_layouts_of_a_release_have_the_same_roots(place):
    told = [manifest(place / form)["roots"] for form in FORMS]
    assert told[0] == told[1]
    assert told[0]["row_keys"] >= 6 * manifest(place / "parquet")["released"]
    assert told[0]["ledger_rows"] == 1


@pytest.mark.parametrize("form", FORMS)
def test_an_image_that_was_left_out_is_proved_absent(place, tmp_path, form):
    proof = tmp_path / "p.json"
    code, said = run("prove-absence", place / form, "--image", place / "gone.jpg", "--out", proof)
    assert code == 0
    assert "not inside" in said
    for line in covers(31):
        assert line in said
    code, said = run("verify-absence", proof, "--root-from", place / "webdataset" / "manifest.json",
                     "--image", place / "gone.jpg")  # fmt: skip
    assert code == 0
    assert "verified" in said
    assert "the codes are those of the image" in said
    for line in covers(31):
        assert line in said


def test_a_proof_needs_nothing_but_the_roots(place, tmp_path):
    proof = tmp_path / "p.json"
    run("prove-absence", place / "parquet", "--image", place / "other.jpg", "--radius", 15,
        "--out", proof)  # fmt: skip
    own = roots(place / "parquet")
    given = [f"--root={name}={value}" for name, value in own.items()]
    code, said = run("verify-absence", proof, *given, "--json")
    assert code == 0
    told = json.loads(said)
    assert (told["verified"], told["radius"], told["codes_of_image"]) == (True, 15, False)
    assert told["roots"] == own
    assert told["covers"] == covers(15)
    _, said = run("verify-absence", proof, *given)
    assert "was not checked" in said
    with pytest.raises(ProofError, match="map root"):
        run("verify-absence", proof, given[0], f"--root=bands={'0' * 64}")
    with pytest.raises(ProofError, match="about the image"):
        run("verify-absence", proof, *given, "--image", place / "gone.jpg")


def test_a_proof_is_written_over_an_older_one_and_over_nothing_else(place, tmp_path):
    image = tmp_path / "mine.jpg"
    image.write_bytes((place / "gone.jpg").read_bytes())
    words = ("prove-absence", place / "parquet", "--image", image, "--out")
    for taken in (image, tmp_path):
        with pytest.raises(UsageError, match="an older proof of absence"):
            run(*words, taken)
    assert image.read_bytes() == (place / "gone.jpg").read_bytes()
    proof = tmp_path / "new" / "p.json"
    assert run(*words, proof)[0] == 0
    older = proof.read_bytes()
    assert run(*words, proof, "--radius", 15)[0] == 0
    assert proof.read_bytes() != older
    assert [p.name for p in proof.parent.iterdir()] == ["p.json"]


@pytest.mark.parametrize(("image", "distance"), [("inside.jpg", "0 bits"), ("copy.jpg", "bits")])
@pytest.mark.parametrize("form", FORMS)
def test_a_copy_inside_is_named_and_no_proof_written(place, tmp_path, image, distance, form):
    proof = tmp_path / "p.json"
    code, said = run("prove-absence", place / form, "--image", place / image, "--out", proof)
    assert code == 1
    assert "a copy is inside" in said
    assert distance in said
    release = open_release(open_store(str(place / form)))
    rows = [row for name in release.names for row in release.mapped(name).to_pylist()]
    (uid,) = [row["uid"] for row in rows if row["url"].endswith("/4.jpg")]
    assert uid in said
    assert not proof.exists()


def test_an_image_that_is_too_plain_is_refused(place):
    with pytest.raises(UsageError, match="PDQ quality"):
        run("prove-absence", place / "parquet", "--image", place / "plain.jpg")


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["--root", "rows=" + "0" * 64],
        ["--root", "rows=" + "0" * 64, "--root", "rows=" + "0" * 64],
        ["--root", "rows=" + "0" * 64, "--root", "bands=0"],
        ["--root-from", "m.json", "--root", "rows=" + "0" * 64],
    ],
)
def test_roots_must_be_given_in_one_way(tmp_path, given):
    (tmp_path / "p.json").write_bytes(b"{}")
    with pytest.raises(UsageError, match="expected"):
        run("verify-absence", tmp_path / "p.json", *given)


def test_other_radii_are_refused(place):
    with pytest.raises(UsageError, match="15 or 31"):
        run("prove-absence", place / "parquet", "--image", place / "other.jpg", "--radius", 20)


def test_a_release_whose_samples_are_not_those_of_its_manifest_proves_nothing(place, tmp_path):
    """Another samples file is refused by its digest, and other roots by the maps."""
    swapped, rooted = tmp_path / "swapped", tmp_path / "rooted"
    for copy in (swapped, rooted):
        shutil.copytree(place / "parquet", copy)
    samples = swapped / "samples" / "00000.parquet"
    samples.write_bytes((place / "webdataset" / "samples" / "00000.parquet").read_bytes())
    with pytest.raises(ProofError, match="expected sha256"):
        run("prove-absence", swapped, "--image", place / "other.jpg")
    own, path = roots(rooted)["bands"], rooted / "manifest.json"
    path.write_bytes(path.read_bytes().replace(own.encode(), b"1" * 64))
    with pytest.raises(ProofError, match="root of bands in the manifest"):
        run("prove-absence", rooted, "--image", place / "other.jpg")
    with pytest.raises(UsageError, match=r"manifest\.json"):
        run("prove-absence", tmp_path / "none", "--image", place / "other.jpg")
