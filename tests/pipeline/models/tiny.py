"""Models of real families with few, random weights, in folders that open_clip loads."""

import json
from pathlib import Path

from safetensors.torch import save_file

from pipeline.models import imports

TEXT = {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VISION = {
    "vit": {"image_size": 64, "layers": 4, "width": 32, "head_width": 16, "patch_size": 16},
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "head_width": 16},
    "convnext": {
        "image_size": 64,
        "timm_model_name": "test_convnext",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
    },
    "timm_vit": {
        "image_size": 160,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
    },
    "mlp": {
        "image_size": 224,
        "timm_model_name": "mixer_s32_224",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
    },
}


def tiny(folder: Path, family: str, seed: int = 0) -> str:
    """Write a model and return the name by which it is loaded."""
    torch, open_clip = imports.torch(), imports.open_clip()
    model_cfg = {"embed_dim": 16, "vision_cfg": VISION[family], "text_cfg": TEXT}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(
        json.dumps(
            {"model_cfg": model_cfg, "preprocess_cfg": preprocess | {"resize_mode": "squash"}}
        )
    )
    torch.manual_seed(seed)
    save_file(open_clip.CLIP(**model_cfg).state_dict(), folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"
