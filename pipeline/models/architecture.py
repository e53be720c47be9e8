"""Which models can be named, and in which precision each is fast. Decided once, in the plan."""

import json
from pathlib import Path
from typing import Any

from pipeline.models import builtin_files, imports
from schemas.errors import UsageError

HUB, LOCAL = "hf-hub:", "local-dir:"
PRECISIONS = ("fp32", "bf16")
BF16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})


def split_name(name: str) -> tuple[str, str | None]:
    """Return what open_clip calls model_name and pretrained; the latter None for hub and folder.

    Raises UsageError for a name in none of the four forms.
    """
    if name.startswith((HUB, LOCAL)) and name.partition(":")[2]:
        return name, None
    architecture, _, tag = name.partition("/")
    if ":" in architecture or not architecture or not tag:
        raise UsageError(
            f"expected model.name as {builtin_files.NAME}, NAME/TAG (ViT-B-32/laion2b_s34b_b79k), "
            f"{HUB}OWNER/REPO or {LOCAL}FOLDER, found {name!r}"
        )
    return architecture, tag


def choose_precision(name: str, precision: str, device: str) -> tuple[str, str]:
    """Return the precision and device of a plan: `auto` resolved, anything else as given.

    `auto` is bf16 for vision transformers where the processor multiplies bf16 natively or the
    device is CUDA, and fp32 for convolutional networks, which gain nothing from it.
    """
    if device == "auto":
        device = "cuda" if imports.torch().cuda.is_available() else "cpu"
    if precision == "auto":
        fast = device.startswith("cuda") or has_bf16()
        precision = "bf16" if fast and is_vision_transformer(name) else "fp32"
    if precision not in PRECISIONS:
        raise UsageError(f"expected model.precision auto, fp32 or bf16, found {precision!r}")
    return precision, device


def has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Say whether the processor multiplies bf16 natively; False where the system does not tell."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not BF16_FLAGS.isdisjoint(flags.split())


def is_vision_transformer(name: str) -> bool:
    """Say whether a model's image tower is a ViT; False where only a download could tell."""
    if name == builtin_files.NAME:
        return False
    architecture, _ = split_name(name)
    if architecture.startswith(HUB):
        return "vit" in architecture.lower()
    config = model_config(architecture)
    vision: dict[str, Any] = config["vision_cfg"]
    if "timm_model_name" in vision:
        return "vit" in vision["timm_model_name"]
    return isinstance(vision.get("layers"), int)  # a ResNet has a list of four


def model_config(architecture: str) -> dict[str, Any]:
    """Return open_clip's model_cfg of a name or a local folder. Raises UsageError."""
    if architecture.startswith(LOCAL):
        return _local_config(Path(architecture.removeprefix(LOCAL)))
    config: dict[str, Any] | None = imports.open_clip().get_model_config(architecture)
    if config is None:
        known = ", ".join(n for n in imports.open_clip().list_models() if n.startswith("ViT-"))
        raise UsageError(
            f"expected a model that open_clip knows ({known}, ...), found {architecture}"
        )
    return config


def _local_config(folder: Path) -> dict[str, Any]:
    path = folder / "open_clip_config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_bytes())["model_cfg"]
        _ = config["vision_cfg"], config["text_cfg"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise UsageError(f"expected {path} with a model_cfg of open_clip, found {e!r}") from e
    return config
