"""The folder that open_clip loads: made whole, checked at each use, made again when damaged."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.models import builtin, builtin_files
from schemas.errors import ModelMismatchError, StorageError

MOST_BYTES = 15_000_000


def test_what_ships_is_small():
    files = [path for path in builtin_files.FOLDER.iterdir() if path.is_file()]
    sizes = {path.name: path.stat().st_size for path in files}
    assert {"model.json", "MODEL_CARD.md", "tower.safetensors"} <= sizes.keys()
    assert sum(sizes.values()) <= MOST_BYTES


def test_the_card_gives_both_kinds_of_figures_and_a_notice_of_one_line():
    document = builtin_files.model()
    assert document["figures"]["random"]["text_to_image_r1"] >= 0.22
    assert document["figures"]["random"]["text_to_image_r10"] >= 0.42
    assert document["figures"]["hands"]["n"] >= 900
    assert "\n" not in document["notice"]
    assert "--model ViT-B-32/laion2b_s34b_b79k" in document["notice"]
    text = (builtin_files.FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    for kind in ("random", "hands"):
        for k in (1, 10):
            assert f"{document['figures'][kind][f'text_to_image_r{k}']:.3f}" in text


def test_an_assembled_folder_is_used_again(lite, cache, monkeypatch):
    monkeypatch.setenv("RECUSE_CACHE", str(cache))
    monkeypatch.setattr(builtin, "joined", lambda _parts: pytest.fail("made again"))
    folder = builtin.assemble()
    assert sorted(p.name for p in folder.iterdir()) == [builtin.CONFIG, builtin.WEIGHTS]


@pytest.mark.parametrize("place", [4, 300, -5])
def test_a_flipped_byte_is_noticed_and_mended(lite, cache, monkeypatch, tmp_path, place):
    monkeypatch.setenv("RECUSE_CACHE", str(tmp_path))
    source = next((cache / "models").iterdir())
    folder = tmp_path / "models" / source.name
    folder.mkdir(parents=True)
    body = bytearray((source / builtin.WEIGHTS).read_bytes())
    body[place] ^= 1
    (folder / builtin.WEIGHTS).write_bytes(body)
    (folder / builtin.CONFIG).write_bytes((source / builtin.CONFIG).read_bytes())
    expected = builtin_files.model()["weights_sha256"]
    assert not builtin.is_whole(folder, expected)
    assert builtin.assemble() == folder
    assert (folder / builtin.WEIGHTS).read_bytes() == (source / builtin.WEIGHTS).read_bytes()


def test_several_at_once_make_one_whole_folder(lite, cache, monkeypatch, tmp_path):
    monkeypatch.setenv("RECUSE_CACHE", str(tmp_path))
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: builtin.assemble(), range(4)))
    assert len(folders) == 1
    (folder,) = folders
    assert builtin.is_whole(folder, builtin_files.model()["weights_sha256"])
    assert sorted(p.name for p in folder.iterdir()) == [builtin.CONFIG, builtin.WEIGHTS]


def test_other_parts_than_those_trained_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("RECUSE_CACHE", str(tmp_path))
    parts = builtin_files.tower()
    changed = parts | {"logit_scale": parts["logit_scale"] + 1}
    monkeypatch.setattr(builtin_files, "tower", lambda: changed)
    with pytest.raises(ModelMismatchError, match="expected weights"):
        builtin.assemble()
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_cache_that_cannot_be_written_names_the_variable(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RECUSE_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="RECUSE_CACHE"):
        builtin.assemble()


def test_the_cache_lies_where_the_platform_keeps_such_things(monkeypatch, tmp_path):
    monkeypatch.delenv("RECUSE_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert builtin.cache_folder() == tmp_path / "recuse"
    monkeypatch.setenv("RECUSE_CACHE", str(tmp_path / "mine"))
    assert builtin.cache_folder() == tmp_path / "mine"


def test_tokens_never_seen_share_one_row():
    parts = builtin_files.tower()
    table = builtin.token_table(parts)
    ids = parts["token_ids"]
    unseen = np.setdiff1d(np.arange(1, builtin.VOCABULARY), ids)
    assert len(np.unique(table[unseen], axis=0)) == 1
    np.testing.assert_array_equal(table[ids], parts["token_rows"].astype(np.float32))


def test_the_digest_of_weights_sees_names_types_shapes_and_values():
    one = {"a": np.zeros((2, 3), np.float32), "b": np.array(1.0, np.float32)}
    digest = builtin_files.tensors_sha256(one)
    assert builtin_files.tensors_sha256(dict(reversed(one.items()))) == digest
    assert builtin_files.tensors_sha256({"a": np.asfortranarray(one["a"]), "b": one["b"]}) == digest
    for other in (
        {"a": one["a"].reshape(3, 2), "b": one["b"]},
        {"a": one["a"].astype(np.int32), "b": one["b"]},
        {"a": one["a"] + 1, "b": one["b"]},
        {"c": one["a"], "b": one["b"]},
    ):
        assert builtin_files.tensors_sha256(other) != digest


def test_the_shipped_cohort_is_under_the_matchers_fingerprint_and_shares_no_hand(lite):
    found = builtin_files.load_cohort()
    assert found.matcher == lite.card.fingerprint
    assert not set(found.fit_hand.tolist()) & set(found.calibration_hand.tolist())
    assert len(set(found.calibration_hand.tolist())) == 200
    assert found.card["license"].startswith("public domain")
    assert (found.fit_sty.shape[1], found.fit_cpy.shape[1]) == (512, 256)


def test_naming_models_imports_no_torch():
    code = (
        "import sys\n"
        "import pipeline.embed, pipeline.models.builtin_files, pipeline.models.architecture\n"
        "print([m for m in ('torch', 'open_clip', 'timm') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["cpy", "sty"])
def test_whitening_directions_stand_at_right_angles(name) -> None:
    """As principal axes do; a projection that was written in another memory order has none."""
    arrays = load_file(builtin_files.FOLDER / "matcher.safetensors")
    axes = arrays[f"{name}_projection"].astype(np.float64)
    axes /= np.linalg.norm(axes, axis=0)
    cosines = axes.T @ axes - np.eye(axes.shape[1])
    assert np.abs(cosines).max() < 0.02
