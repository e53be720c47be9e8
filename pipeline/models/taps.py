"""Where a network is read for the matcher's vectors while it runs, by the family it is of.

An EfficientNet is read after each of its stages and at its last map of features. Of other
families, stages of a residual or a ConvNeXt network; of a vision transformer some blocks of its
first half, where texture and colour are, and its last block: the tokens of patches are a map of
features without places. How these are chosen is part of a matcher's fingerprint (VERSION).

Gram matrices of many channels would be too large, so that channels beyond GRAM_CHANNELS are mixed
down to as many by a fixed rotation, which keeps what fires together on average.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.models import imports
from pipeline.models.style import gem, signed_gem, stage_statistics, unit
from schemas.errors import UsageError

VERSION = "taps/1"  # part of the fingerprint of matchers other than builtin:lite
GRAM_STAGES = 4  # later stages have too many channels, and say what rather than how
GRAM_CHANNELS = 80  # as many as the widest stage of EfficientNet-Lite0 that has a Gram matrix
BLOCKS = 6  # of a transformer, evenly over its first half
ROTATION_SEED = 20261126

Map = Callable[[Any], Any]
"""What a module gave to a feature map float[n, c, h, w]."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Modules of a network: the stages in order, and the one whose output is pooled for `cpy`."""

    stages: Sequence[Any]
    last: Any
    as_map: Map
    pool: Map


class Taps:
    """Statistics of the stages of a network, gathered while it runs."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._stages: dict[int, list[Any]] = {}
        self._last: Any = None
        self.sizes: list[int] = []  # widths of the blocks of `sty`, known after a pass
        for number, stage in enumerate(places.stages):
            stage.register_forward_hook(self._stage_hook(number))
        places.last.register_forward_hook(self._last_hook)

    def read(self) -> dict[str, Any]:
        """Return raw `cpy` and `sty` tensors, float32[n, d], of the latest forward pass.

        `sty` is the blocks of all stages, side by side; `sizes` says where each ends.
        """
        torch = imports.torch()
        blocks = [block for number in sorted(self._stages) for block in self._stages[number]]
        self.sizes = [block.shape[1] for block in blocks]
        raw = {"cpy": unit(self._places.pool(self._last)), "sty": torch.cat(blocks, dim=1)}
        self._stages.clear()
        self._last = None
        return raw

    def _stage_hook(self, number: int) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            features = self._places.as_map(output)
            if number < GRAM_STAGES and features.shape[1] > GRAM_CHANNELS:
                (moments,) = stage_statistics(features, gram=False)
                _, gram = stage_statistics(mixed(features), gram=True)
                self._stages[number] = [moments, gram]
            else:
                self._stages[number] = stage_statistics(features, gram=number < GRAM_STAGES)

        return hook

    def _last_hook(self, _module: Any, _inputs: Any, output: Any) -> None:
        self._last = self._places.as_map(output)


def places(visual: Any) -> Places:
    """Return where open_clip's image tower, or a timm trunk, is read.

    Raises UsageError for a network of a family that nobody has chosen places for.
    """
    trunk = getattr(visual, "trunk", visual)
    if hasattr(trunk, "bn2") and hasattr(trunk, "conv_stem"):
        return Places(list(trunk.blocks), trunk.bn2, _as_it_is, gem)
    if hasattr(trunk, "transformer") and hasattr(trunk, "grid_size"):
        return _of_transformer(trunk.transformer.resblocks, int(np.prod(trunk.grid_size)))
    if hasattr(trunk, "patch_embed") and hasattr(trunk.patch_embed, "num_patches"):
        return _of_transformer(trunk.blocks, int(trunk.patch_embed.num_patches))
    if hasattr(trunk, "stages"):
        return Places(list(trunk.stages), trunk.stages[-1], _as_it_is, signed_gem)
    if hasattr(trunk, "layer1") and hasattr(trunk, "layer4"):
        stages = [trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4]
        return Places(stages, trunk.layer4, _as_it_is, gem)
    raise UsageError(
        "expected an EfficientNet, ResNet, ConvNeXt or vision transformer, found"
        f" {type(trunk).__name__}: a matcher reads its stages, and nobody has chosen them"
    )


def mixed(features: Any) -> Any:
    """Return float[n, GRAM_CHANNELS, h, w] of a map of more channels, by a fixed rotation."""
    torch = imports.torch()
    rotation = torch.from_numpy(_rotation(features.shape[1])).to(features.device)
    return torch.einsum("nchw,cd->ndhw", features.float(), rotation)


def _rotation(channels: int) -> npt.NDArray[np.float32]:
    """Return float32[c, GRAM_CHANNELS], orthonormal columns, the same on every machine."""
    normal = np.random.default_rng([ROTATION_SEED, channels]).normal(size=(channels, GRAM_CHANNELS))
    directions, triangle = np.linalg.qr(normal)
    signs = np.where(np.diag(triangle) < 0, -1.0, 1.0)  # LAPACKs differ in them
    return np.ascontiguousarray(directions * signs, np.float32)


def _of_transformer(blocks: Any, patches: int) -> Places:
    half = max(1, len(blocks) // 2)
    chosen = np.unique(np.linspace(0, half - 1, min(BLOCKS, half)).round().astype(int))

    def as_map(tokens: Any) -> Any:
        # class and other leading tokens stand before those of the patches
        return tokens[:, -patches:].transpose(1, 2).unsqueeze(3)

    return Places([blocks[int(i)] for i in chosen], blocks[len(blocks) - 1], as_map, signed_gem)


def _as_it_is(output: Any) -> Any:
    if output.dim() != 4:  # noqa: PLR2004 - n, c, h, w
        raise UsageError(f"expected maps of features from each stage, found {output.shape}")
    return output
