"""Write model.json of builtin:lite: what the tower was trained with, its figures, its digest.

    python bench/model/seal.py FOLDER HANDS_FOLDER

FOLDER: where `train_lite.py --hold-out random --out` wrote the tower that ships. HANDS_FOLDER:
where the run with whole hands held out wrote its own, of which only the figures are taken.
"""

import argparse
import json
from pathlib import Path

from pipeline.models import builtin, builtin_files

NOTICE = (
    "builtin:lite is the small built-in model for demos and CI; a stronger one: "
    "--model ViT-B-32/laion2b_s34b_b79k (config key model.name)"
)
DUPLICATE_THRESHOLD = 0.98  # docs/adr/0006: of pairs from .95 on, most were series, not copies


def open_clip_config(settings: dict) -> dict:
    """Return open_clip_config.json of the assembled model."""
    return {
        "model_cfg": {
            "embed_dim": settings["embed_dim"],
            "custom_text": True,
            "vision_cfg": {
                "timm_model_name": builtin.ARCHITECTURE,
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": "linear",
                "image_size": 224,
            },
            "text_cfg": {
                "context_length": settings["context"],
                "vocab_size": builtin.VOCABULARY,
                "width": settings["width"],
                "heads": settings["heads"],
                "layers": settings["layers"],
            },
        },
        "preprocess_cfg": {
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("hands", type=Path)
    args = parser.parse_args()
    trained = json.loads((args.folder / "training.json").read_text())
    hands = json.loads((args.hands / "training.json").read_text())
    weights = builtin.joined(builtin_files.tower(args.folder))
    document = {
        "open_clip_config": open_clip_config(trained["settings"]),
        "weights_sha256": builtin_files.tensors_sha256(weights),
        "duplicate_threshold": DUPLICATE_THRESHOLD,
        "notice": NOTICE,
        "license": "Apache-2.0; trained on public-domain images and captions; image tower ImageNet",
        "training": trained["settings"],
        "figures": {**trained["figures"], **hands["figures"]},
    }
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    (args.folder / "model.json").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
