"""What a registry's matcher reads besides the embedding, in the same forward pass.

`cpy`, for copies: the last feature map, GeM-pooled. `sty`, for style: what every stage of the
network says about texture and colour regardless of place, which is the mean and the spread of each
channel, and for the early stages which channels fire together (their Gram matrix). Semantic
vectors add nothing to these for style. Both are brought to unit length, centred and whitened by a
projection that was fitted on the cohort.

Source: GeM, Radenovic et al. 2018; Gram matrices, Gatys et al. 2015; moments, IntroStyle 2024.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.models import imports

VERSION = "style/1"  # part of the fingerprint: raise it when anything below moves a number
GEM_P = 3.0
GEM_FLOOR = 1e-6
GRAM_STAGES = 4  # later stages have too many channels, and say what rather than how


class Taps:
    """Statistics of the stages of a timm EfficientNet, gathered while it runs."""

    def __init__(self, trunk: Any) -> None:
        self._stages: dict[int, Any] = {}
        self._last: Any = None
        for number, stage in enumerate(trunk.blocks):
            stage.register_forward_hook(self._stage_hook(number))
        trunk.bn2.register_forward_hook(self._last_hook)

    def read(self) -> dict[str, Any]:
        """Return raw `cpy` and `sty` tensors, float32[n, d], of the latest forward pass."""
        torch = imports.torch()
        sty = torch.cat([self._stages[number] for number in sorted(self._stages)], dim=1)
        raw = {"cpy": _unit(gem(self._last)), "sty": _unit(sty)}
        self._stages.clear()
        self._last = None
        return raw

    def _stage_hook(self, number: int) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            self._stages[number] = stage_statistics(output, gram=number < GRAM_STAGES)

        return hook

    def _last_hook(self, _module: Any, _inputs: Any, output: Any) -> None:
        self._last = output


def gem(features: Any) -> Any:
    """Return float32[n, c], the generalised mean of a feature map float[n, c, h, w]."""
    return features.float().clamp(min=GEM_FLOOR).pow(GEM_P).mean(dim=(2, 3)).pow(1.0 / GEM_P)


def stage_statistics(features: Any, *, gram: bool) -> Any:
    """Return each block of statistics at unit length, side by side: moments, then Gram.

    features: float[n, c, h, w]. Returns float32[n, 2c], or [n, 2c + c(c+1)/2] with the Gram
    matrix, of which the signed root is taken so that a few strong channels do not drown the rest.
    """
    torch = imports.torch()
    flat = features.float().flatten(2)
    blocks = [_unit(torch.cat([flat.mean(dim=2), flat.std(dim=2, correction=0)], dim=1))]
    if gram:
        products = torch.bmm(flat, flat.transpose(1, 2)) / flat.shape[2]
        row, column = torch.triu_indices(flat.shape[1], flat.shape[1])
        upper = products[:, row, column]
        blocks.append(_unit(upper.sign() * upper.abs().sqrt()))
    return torch.cat(blocks, dim=1)


class Whitening:
    """Centres, projects and brings to unit length, by arrays fitted on the cohort."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[np.float16]], device: str) -> None:
        torch = imports.torch()
        self._parts = {
            name: tuple(
                torch.from_numpy(arrays[f"{name}_{part}"].astype(np.float32)).to(device)
                for part in ("mean", "projection")
            )
            for name in ("cpy", "sty")
        }

    def apply(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return whitened unit vectors of raw ones; both float32[n, d]."""
        return {
            name: _unit((raw[name] - mean) @ projection)
            for name, (mean, projection) in self._parts.items()
        }


def fit_whitening(
    rows: npt.NDArray[np.float32], dim: int, ridge: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return mean float32[d] and projection float32[d, dim] of a PCA whitening.

    rows: unit rows. ridge: share of the largest eigenvalue that is added to each, so that
    directions that are mostly noise do not count as much as the rest.
    """
    mean = rows.astype(np.float64).mean(axis=0)
    centred = rows.astype(np.float64) - mean
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    eigenvalues = singular**2 / len(rows)
    scale = 1.0 / np.sqrt(eigenvalues[:dim] + ridge * eigenvalues[0])
    projection = directions[:dim].T * (scale / scale[0])
    return mean.astype(np.float32), projection.astype(np.float32)


def _unit(rows: Any) -> Any:
    return imports.torch().nn.functional.normalize(rows, dim=1)
