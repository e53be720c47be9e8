"""What a registry's matcher reads besides the embedding, in the same forward pass.

`cpy`, for copies: the last feature map, GeM-pooled. `sty`, for style: what every stage of the
network says about texture and colour regardless of place, which is the mean and the spread of each
channel, and for the early stages which channels fire together (their Gram matrix). Semantic
vectors add nothing to these for style. Both are brought to unit length, centred and whitened by
projections that were fitted on the cohort: `cpy` by one, `sty` first block by block, so that no
stage drowns another, then all blocks together.

Source: GeM, Radenovic et al. 2018; Gram matrices, Gatys et al. 2015; moments, IntroStyle 2024;
what whitening by blocks gains: docs/benchmarks.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.models import imports

Arrays = dict[str, npt.NDArray[np.float32]]

VERSION = "style/2"  # part of the fingerprint: raise it when anything below moves a number
GEM_P = 3.0
GEM_FLOOR = 1e-6


def gem(features: Any) -> Any:
    """Return float32[n, c], the generalised mean of a feature map float[n, c, h, w]."""
    return features.float().clamp(min=GEM_FLOOR).pow(GEM_P).mean(dim=(2, 3)).pow(1.0 / GEM_P)


def signed_gem(features: Any) -> Any:
    """Return float32[n, c], as `gem`, of features that lie on both sides of zero: signs stay."""
    cubes = features.float().pow(GEM_P).mean(dim=(2, 3))
    return cubes.sign() * cubes.abs().clamp(min=GEM_FLOOR**GEM_P).pow(1.0 / GEM_P)


def stage_statistics(features: Any, *, gram: bool) -> list[Any]:
    """Return blocks of statistics, each at unit length: moments, then Gram.

    features: float[n, c, h, w]. Returns float32[n, 2c], and float32[n, c(c+1)/2] of the Gram
    matrix, of which the signed root is taken so that a few strong channels do not drown the rest.
    """
    torch = imports.torch()
    flat = features.float().flatten(2)
    blocks = [unit(torch.cat([flat.mean(dim=2), flat.std(dim=2, correction=0)], dim=1))]
    if gram:
        products = torch.bmm(flat, flat.transpose(1, 2)) / flat.shape[2]
        row, column = torch.triu_indices(flat.shape[1], flat.shape[1])
        upper = products[:, row, column]
        blocks.append(unit(upper.sign() * upper.abs().sqrt()))
    return blocks


class Whitening:
    """Centres, projects and brings to unit length, by arrays fitted on the cohort.

    arrays: `cpy_mean` [d], `cpy_projection` [d, k]; the same for `sty`, which reads the blocks
    `sty_0`, `sty_1`, ... side by side, each brought to unit length before and after its own.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[np.float16]], device: str) -> None:
        torch = imports.torch()

        def part(name: str) -> tuple[Any, Any]:
            mean, projection = (
                torch.from_numpy(arrays[f"{name}_{kind}"].astype(np.float32)).to(device)
                for kind in ("mean", "projection")
            )
            return mean, projection

        self._cpy, self._sty = part("cpy"), part("sty")
        self._blocks = [part(f"sty_{n}") for n in range(_count_blocks(arrays))]
        self._sizes = [len(mean) for mean, _ in self._blocks]

    def apply(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return whitened unit vectors of raw ones; both float32[n, d]."""
        torch = imports.torch()
        blocks = torch.split(raw["sty"], self._sizes, dim=1)
        whitened = [
            unit((unit(block) - mean) @ projection)
            for block, (mean, projection) in zip(blocks, self._blocks, strict=True)
        ]
        found = {"cpy": (raw["cpy"], self._cpy), "sty": (unit(torch.cat(whitened, 1)), self._sty)}
        return {
            name: unit((rows - mean) @ projection)
            for name, (rows, (mean, projection)) in found.items()
        }


def _count_blocks(arrays: Mapping[str, Any]) -> int:
    return sum(name.startswith("sty_") and name.endswith("_mean") for name in arrays) - 1


def fit_style(
    rows: npt.NDArray[np.float32], sizes: Sequence[int], dims: tuple[int, int], ridge: float
) -> Arrays:
    """Return the arrays by which `Whitening` makes `sty`.

    rows: float32[n, d], raw. sizes: widths of the blocks, d in all. dims: of each block after its
    whitening, and of all blocks after theirs; both at most n - 1.
    """
    arrays: Arrays = {}
    parts = []
    for number, block in enumerate(_blocks(rows, sizes)):
        own = _unit_rows(block)
        mean, projection = fit_whitening(own, min(dims[0], block.shape[1]), ridge)
        arrays |= {f"sty_{number}_mean": mean, f"sty_{number}_projection": projection}
        parts.append(_unit_rows((own - mean) @ projection))
    together = _unit_rows(np.concatenate(parts, axis=1))
    arrays["sty_mean"], arrays["sty_projection"] = fit_whitening(together, dims[1], ridge)
    return arrays


def _blocks(
    rows: npt.NDArray[np.float32], sizes: Sequence[int]
) -> Iterator[npt.NDArray[np.float32]]:
    yield from np.split(rows, np.cumsum(sizes)[:-1], axis=1)


def _unit_rows(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


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


def unit(rows: Any) -> Any:
    """Return rows of a tensor brought to unit length."""
    return imports.torch().nn.functional.normalize(rows, dim=1)
