"""Models by name; the built-in one through open_clip's own code, the same in every process."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from optout.style import Style, claim_moments, normalised
from optout.tail import Tail
from pipeline.models import architecture, builtin_files, imports, loading, matcher_files
from schemas.config import MatchConfig
from schemas.errors import ModelMismatchError, UsageError

DIMS = {"sem": 256, "cpy": 256, "sty": 512}


def test_the_builtin_gives_unit_vectors_by_the_names_of_its_card(lite, pictures):
    found = lite.images(pictures)
    assert {spec.name: spec.dim for spec in lite.card.vectors} == DIMS
    for name, dim in DIMS.items():
        assert found[name].shape == (len(pictures), dim)
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found[name], axis=1), 1, atol=1e-5)
    texts = lite.texts(["a red circle", "x" * 100_000, ""])
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    assert lite.edge_px == 224


def test_no_images_give_no_rows(lite):
    assert {k: v.shape for k, v in lite.images([]).items()} == {k: (0, d) for k, d in DIMS.items()}
    assert lite.texts([]).shape == (0, 256)


def test_a_vector_does_not_depend_on_its_batch_mates(lite, pictures):
    together = lite.images(pictures)
    for i, picture in enumerate(pictures):
        alone = lite.images([picture])
        for name in DIMS:
            np.testing.assert_array_equal(alone[name][0], together[name][i])
    backwards = lite.images(pictures[::-1])
    for name in DIMS:
        np.testing.assert_array_equal(backwards[name][::-1], together[name])
    captions = ["a house", "a red flower in a pot", "tux"]
    np.testing.assert_array_equal(lite.texts(captions)[2], lite.texts(["tux"])[0])


def test_two_processes_give_the_same_bits(lite, pictures, cache, tmp_path):
    np.save(tmp_path / "picture.npy", pictures[1])
    code = (
        "import sys, numpy as np\n"
        "from pipeline.models.loading import load_matcher\n"
        "model = load_matcher(batch_size=4)\n"
        "found = model.images([np.load(sys.argv[1] + '/picture.npy')])\n"
        "np.savez(sys.argv[1] + '/found.npz', text=model.texts(['a house']), **found)\n"
        "print(model.card.fingerprint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={"RECUSE_CACHE": str(cache), "PATH": "", "HOME": str(tmp_path), "PYTHONPATH": "."},
    )
    assert done.stdout.strip() == lite.card.fingerprint
    there = np.load(tmp_path / "found.npz")
    here = lite.images(pictures[1:2])
    for name in DIMS:
        np.testing.assert_array_equal(there[name], here[name])
    np.testing.assert_array_equal(there["text"], lite.texts(["a house"]))


def test_open_clip_loads_the_folder_by_itself_and_agrees(lite, cache, pictures):
    folder = next((cache / "models").iterdir())
    open_clip, torch = imports.open_clip(), imports.torch()
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.inference_mode():
        batch = torch.stack([transform(Image.fromarray(p)) for p in pictures])
        theirs = model.eval().encode_image(batch, normalize=True).numpy()
        text = model.encode_text(tokenizer(["a red flower"]), normalize=True).numpy()
    ours = lite.images(pictures)["sem"]
    assert (theirs * ours).sum(axis=1).min() > 0.99
    np.testing.assert_allclose(text, lite.texts(["a red flower"]), atol=1e-5)


def test_a_folder_of_ones_own_is_loaded_and_gives_sem_alone(cache, lite, pictures):
    folder = next((cache / "models").iterdir())
    model = loading.load_embedder(f"local-dir:{folder}", batch_size=4)
    assert [spec.name for spec in model.card.vectors] == ["sem"]
    assert model.card.weights_sha256 == lite.card.weights_sha256
    assert model.card.fingerprint != lite.card.fingerprint  # no whitening, no cohort
    np.testing.assert_array_equal(model.images(pictures)["sem"], lite.images(pictures)["sem"])


def test_bf16_stays_near_fp32(cache, lite, pictures, monkeypatch):
    monkeypatch.setenv("RECUSE_CACHE", str(cache))
    half = loading.load_embedder("builtin:lite", precision="bf16", batch_size=4)
    assert half.card.fingerprint == lite.card.fingerprint
    for name, rows in half.images(pictures[:2]).items():
        assert (rows * lite.images(pictures[:2])[name]).sum(axis=1).min() > 0.95


def test_a_model_is_loaded_once_in_a_process(cache, lite, monkeypatch):
    monkeypatch.setenv("RECUSE_CACHE", str(cache))
    assert loading.load_embedder("builtin:lite", batch_size=4) is lite


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("nonsense", "NAME/TAG"),
        ("ViT-B-32", "NAME/TAG"),
        ("builtin:large", "builtin:lite"),
        ("No-Such-Model/laion2b", "No-Such-Model"),
        ("ViT-B-32/no_such_tag", "laion2b_s34b_b79k"),
        ("ViT-B-32/openai", "ViT-B-32-quickgelu/openai"),
        ("local-dir:", "local-dir"),
        ("local-dir:/no/such/folder", "open_clip_config.json"),
    ],
)
def test_a_name_that_nobody_can_load_says_what_was_expected(name, found):
    with pytest.raises(UsageError, match=found):
        loading.load_embedder(name)


def test_a_folder_without_weights_is_refused_and_not_run_with_random_ones(tmp_path):
    config = builtin_files.open_clip_config()
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelMismatchError, match="expected weights"):
        loading.load_embedder(f"local-dir:{tmp_path}")


def test_weights_that_cannot_be_downloaded_say_so(monkeypatch):
    def offline(*_args, **_kwargs):
        raise RuntimeError("Failed to download weights for tag: no route to host")

    monkeypatch.setattr(imports.open_clip(), "create_model", offline)
    with pytest.raises(ModelMismatchError, match="no route to host"):
        loading.load_embedder("ViT-B-32/laion2b_s34b_b79k")


def test_only_a_model_with_a_cohort_is_a_matcher():
    with pytest.raises(UsageError, match="matcher"):
        loading.load_matcher("ViT-B-32/laion2b_s34b_b79k")
    with pytest.raises(UsageError, match="cohort"):
        matcher_files.load_cohort("ViT-B-32/laion2b_s34b_b79k")


def test_epsilon_covers_what_batches_of_another_size_move(cache, lite, pictures, monkeypatch):
    """All precisions, threads and kernels: bench/precision.py, docs/benchmarks.md."""
    monkeypatch.setenv("RECUSE_CACHE", str(cache))
    one = loading.load_matcher(batch_size=1).images(pictures)
    four = lite.images(pictures)
    cohort, epsilon = builtin_files.load_cohort(), MatchConfig().epsilon
    assert max(np.abs(one[n] @ four[n].T - four[n] @ four[n].T).max() for n in DIMS) < epsilon / 20
    works = cohort.calibration_sty[:10]
    style = Style(works, Tail(0, 0.02, 0, 1, 1e-3, *claim_moments(works, cohort.fit_sty)))
    moved = [normalised(found["sty"], style, cohort.fit_sty) for found in (one, four)]
    assert np.abs(moved[0] - moved[1]).max() < epsilon


def test_a_matcher_runs_in_one_precision():
    with pytest.raises(UsageError, match="fp32 for a matcher, found bf16"):
        loading.load_matcher(precision="bf16")


@pytest.mark.parametrize(
    ("name", "bf16", "expected"),
    [
        ("builtin:lite", True, "fp32"),
        ("ViT-B-32/laion2b_s34b_b79k", True, "bf16"),
        ("ViT-B-32/laion2b_s34b_b79k", False, "fp32"),
        ("RN50/openai", True, "fp32"),
        ("convnext_base_w/laion2b_s13b_b82k", True, "fp32"),
        ("ViT-B-16-SigLIP/webli", True, "bf16"),
    ],
)
def test_bf16_is_chosen_for_transformers_where_it_is_fast(name, bf16, expected, monkeypatch):
    monkeypatch.setattr(architecture, "has_bf16", lambda: bf16)
    assert architecture.choose_precision(name, "auto", "cpu") == (expected, "cpu")
    assert architecture.choose_precision(name, "bf16", "cpu") == ("bf16", "cpu")


def test_the_processor_is_asked_for_bf16(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor: 0\nflags\t\t: fpu avx512_bf16 sse\n")
    assert architecture.has_bf16(cpuinfo)
    cpuinfo.write_text("flags\t\t: fpu sse\n")
    assert not architecture.has_bf16(cpuinfo)
    assert not architecture.has_bf16(tmp_path / "absent")


def test_auto_must_be_resolved_before_loading():
    with pytest.raises(UsageError, match="choose_precision"):
        loading.load_embedder("builtin:lite", precision="auto")
