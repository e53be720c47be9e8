"""A loader skips rows that were taken back, in the pipelines that people use."""

import hashlib
import json

import pytest

from pipeline.retracted import Retracted
from pipeline.tars import write_tar
from schemas.errors import SchemaError
from schemas.tables import RETRACTIONS, from_rows
from tests.pipeline.samples import bodies, sample, samples

COUNT = 5
GONE = 2


def retracted() -> Retracted:
    stored = hashlib.sha256(bodies(COUNT)[GONE].as_py()).hexdigest()
    row = {"uid": sample(GONE)["uid"], "sha256": sample(GONE)["sha256"], "stored_sha256": stored}
    return Retracted.of(from_rows([row], RETRACTIONS))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its open file
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("decoded", [False, True])
def test_webdataset_skips_what_was_taken_back(tmp_path, decoded):
    webdataset = pytest.importorskip("webdataset")
    path = tmp_path / "00000.tar"
    path.write_bytes(write_tar(samples(COUNT), bodies(COUNT), "jpg", 0)[".tar"])
    source = webdataset.WebDataset(str(path), shardshuffle=False)
    if decoded:
        source = source.decode("pil")
    keys = [s["__key__"] for s in source.select(retracted().keeps)]
    assert keys == [f"00000{n:04d}" for n in range(COUNT) if n != GONE]


@pytest.mark.parametrize("told", ["uid", "sha256", "image"])
def test_datasets_filters_what_was_taken_back(told):
    datasets = pytest.importorskip("datasets")
    columns = {"n": list(range(COUNT))}
    if told != "image":
        columns[told] = [sample(n)[told] for n in range(COUNT)]
    images = [{"bytes": b, "path": None} for b in bodies(COUNT).to_pylist()]
    table = datasets.Dataset.from_dict(columns).add_column("image", images)
    table = table.cast_column("image", datasets.Image(decode=False))
    left = table.filter(retracted().keeps, load_from_cache_file=False)
    assert left["n"][:] == [n for n in range(COUNT) if n != GONE]


def test_a_row_of_ours_is_told_by_its_uid_alone():
    row = sample(GONE) | {"uid": "f" * 32, "stored_sha256": "0" * 64}
    assert retracted().keeps(row)  # another row with the same image stayed
    del row["stored_sha256"]
    assert not retracted().keeps(row)  # whose uid it is, nobody knows


def test_digests_of_a_sample_are_read_out_of_its_json():
    told = {"sha256": sample(GONE)["sha256"]}
    for inner in (told, json.dumps(told), json.dumps(told).encode()):
        assert not retracted().keeps({"json": inner, "txt": b"x"})
    for broken in (b"{", "[" * 100_000, b"\xff"):
        with pytest.raises(SchemaError, match="found json"):
            retracted().keeps({"json": broken})
        assert retracted().keeps({"json": broken, "jpg": b"another"})  # then the image tells


def test_a_sample_is_told_by_a_key_that_is_the_uid_or_a_digest_of_its_row():
    image = {"jpg": b"\xff\xd8\xff encoded anew"}
    gone, stays = sample(GONE), sample(GONE + 1)
    assert not retracted().keeps({"__key__": f"a/{gone['uid']}", **image})
    assert not retracted().keeps({"__key__": gone["sha256"].upper(), **image})
    assert retracted().keeps({"__key__": stays["uid"], **image})
    ours = {"uid": stays["uid"], "stored_sha256": "0" * 64}
    assert retracted().keeps({"__key__": gone["uid"], **image, "json": json.dumps(ours).encode()})


def test_a_sample_by_which_nobody_can_tell_is_refused():
    for beside in ({"caption": "a tree"}, {"cls": b"3"}, {"image.path": "1.jpg"}):
        with pytest.raises(SchemaError, match="after this filter"):
            retracted().keeps({**beside, "image": object()})


@pytest.mark.parametrize("name", ["jpg", "input.jpg", "AVIF", "bin", "image"])
def test_bytes_are_told_under_any_name(name):
    for body in (bodies(COUNT)[GONE].as_py(), bytearray(bodies(COUNT)[GONE].as_py())):
        held = {"bytes": body, "path": None}
        for value in (body, held, [held, held]):
            assert not retracted().keeps({name: value, "sha256": "0" * 64})


def test_digests_are_told_in_any_form():
    told = sample(GONE)["sha256"]
    for value in (told.upper(), bytes.fromhex(told), told.encode(), bytearray.fromhex(told)):
        assert not retracted().keeps({"sha256": value})
