"""What ships with builtin:lite, read without torch: its card, its whitening and its cohort.

builtin_lite/model.json           open_clip's configuration, digests, figures, threshold
builtin_lite/tower.safetensors    projection and text tower, half floats
builtin_lite/matcher.safetensors  whitening of `cpy` and `sty`, half floats
builtin_lite/cohort.safetensors   optout.cohort.Cohort, half floats
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load

from optout import cohort
from pipeline.models import preprocess, style
from schemas.canonical import digest, sha256_hex
from schemas.errors import ModelMismatchError, UsageError

Halves = Mapping[str, npt.NDArray[np.float16]]
"""Arrays of a whitening, as they are stored."""

NAME = "builtin:lite"
FOLDER = Path(__file__).parent / "builtin_lite"
MODEL, TOWER, MATCHER, COHORT = (
    "model.json",
    "tower.safetensors",
    "matcher.safetensors",
    "cohort.safetensors",
)
FINGERPRINT = "model/1"  # raise it when the rule below changes


def load_cohort() -> cohort.Cohort:
    """Return the cohort of the matcher that we ship, under the matcher's fingerprint."""
    return cohort.parse(_read(COHORT), matcher_fingerprint())


@functools.cache
def model() -> dict[str, Any]:
    """Return model.json: configuration, digests, figures."""
    document: dict[str, Any] = json.loads(_read(MODEL))
    return document


def open_clip_config() -> dict[str, Any]:
    """Return the open_clip_config.json of the assembled folder."""
    config: dict[str, Any] = model()["open_clip_config"]
    return config


@functools.cache
def matcher_fingerprint() -> str:
    """Return the fingerprint of builtin:lite with its whitening and cohort."""
    config = open_clip_config()
    size = config["model_cfg"]["vision_cfg"]["image_size"]
    return fingerprint(
        config["model_cfg"],
        model()["weights_sha256"],
        preprocess.from_config(config["preprocess_cfg"] | {"size": size}),
        {
            "style": style.VERSION,
            "whitening": sha256_hex(_read(MATCHER)),
            "cohort": sha256_hex(_read(COHORT)),
        },
    )


def fingerprint(
    architecture: Mapping[str, Any],
    weights_sha256: str,
    preparation: preprocess.Preprocess,
    matcher: Mapping[str, str] | None = None,
) -> str:
    """Return the digest of all that moves a vector, save precision and device."""
    return digest(identity(architecture, weights_sha256, preparation, matcher))


def identity(
    architecture: Mapping[str, Any],
    weights_sha256: str,
    preparation: preprocess.Preprocess,
    matcher: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what `fingerprint` is the digest of."""
    return {
        "version": FINGERPRINT,
        "architecture": dict(architecture),
        "weights_sha256": weights_sha256,
        "preprocess": preparation.describe(),
        "matcher": dict(matcher or {}),
    }


def whitening() -> dict[str, npt.NDArray[np.float16]]:
    """Return `cpy_mean`, `cpy_projection`, `sty_mean` and `sty_projection`."""
    return _load(MATCHER)


def tower(folder: Path = FOLDER) -> dict[str, npt.NDArray[Any]]:
    """Return what we trained: projection, text tower, used token rows and their ids."""
    return _load(TOWER, folder)


def tensors_sha256(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the digest of named tensors: names, types, shapes and values, in order of name.

    It does not depend on the file format, so that the same weights have the same digest from a
    safetensors file, a pickle or memory.
    """
    found = hashlib.sha256()
    for name in sorted(tensors):
        value = np.asarray(tensors[name])
        found.update(f"{name}\0{value.dtype.str}\0{value.shape}\0".encode())
        found.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _load(name: str, folder: Path = FOLDER) -> dict[str, npt.NDArray[Any]]:
    try:
        return load(_read(name, folder))
    except SafetensorError as e:
        raise ModelMismatchError(f"expected {name} as safetensors, found {e}") from e


def _read(name: str, folder: Path = FOLDER) -> bytes:
    path = folder / name
    try:
        return path.read_bytes()
    except OSError as e:
        raise UsageError(f"expected {name} of {NAME} in the installed package, found {e}") from e
