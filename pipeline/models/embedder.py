"""One loaded model as an Embedder: pixels and captions in, named unit vectors out."""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pipeline.models import imports, preprocess, style
from pipeline.models.taps import Taps
from schemas.errors import UsageError
from schemas.ports import ModelCard, Pixels, Vectors

CAPTION_CHARACTERS = 1_000  # no context is longer; byte-pair merging of one long word is quadratic

_threads = 1


def set_threads(count: int) -> None:
    """Let torch use so many threads in this process from the next forward pass on; default 1."""
    global _threads  # noqa: PLW0603 - torch's own setting is one for the process
    if count < 1:
        raise UsageError(f"expected at least one thread, found {count}")
    _threads = count


class OpenClipEmbedder:
    """An open_clip model in evaluation mode, with the matcher's taps where it has them.

    Taps without a whitening give `cpy` and `sty` raw, from which one is fitted, and no `sem`.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        card: ModelCard,
        *,
        batch_size: int,
        device: str,
        matcher: tuple[Taps, style.Whitening | None] | None = None,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._card = card
        self._batch_size = batch_size
        self._device = device
        self._matcher = matcher
        self._preprocess = preprocess.from_config(model.visual.preprocess_cfg)
        self._dtype = next(model.parameters()).dtype
        self._lock = threading.Lock()  # the taps hold one pass at a time

    @property
    def card(self) -> ModelCard:
        """What is known about the model."""
        return self._card

    @property
    def edge_px(self) -> int:
        """The longer edge of what the model sees."""
        return max(self._preprocess.height, self._preprocess.width)

    def images(self, pixels: Sequence[Pixels]) -> dict[str, Vectors]:
        """Return each named vector for each image, same order, unit rows; n may be 0."""
        parts: dict[str, list[Vectors]] = {spec.name: [] for spec in self._card.vectors}
        for start in range(0, len(pixels), self._batch_size):
            chunk = pixels[start : start + self._batch_size]
            batch = self._filled(preprocess.tensor(chunk, self._preprocess))
            for name, value in self._image_pass(batch).items():
                parts[name].append(value[: len(chunk)])
        return {spec.name: _joined(parts[spec.name], spec.dim) for spec in self._card.vectors}

    def texts(self, captions: Iterable[str]) -> Vectors:
        """Return `sem` vectors of captions, same order, unit rows.

        What goes beyond the model's context is cut off by the tokenizer.
        """
        short = [caption[:CAPTION_CHARACTERS] for caption in captions]
        parts: list[Vectors] = []
        for start in range(0, len(short), self._batch_size):
            chunk = short[start : start + self._batch_size]
            parts.append(self._text_pass(self._filled(self._tokenizer(chunk)))[: len(chunk)])
        sem = next(spec for spec in self._card.vectors if spec.name == "sem")
        return _joined(parts, sem.dim)

    def _image_pass(self, batch: Any) -> dict[str, Vectors]:
        torch = imports.torch()
        with self._lock, torch.inference_mode():
            torch.set_num_threads(_threads)
            batch = batch.to(self._device, self._dtype, memory_format=torch.channels_last)
            sem = self._model.encode_image(batch)
            found = {"sem": torch.nn.functional.normalize(sem.float(), dim=1)}
            if self._matcher:
                taps, whitening = self._matcher
                raw = taps.read()
                found = found | whitening.apply(raw) if whitening else raw
            return {name: value.cpu().numpy() for name, value in found.items()}

    def _text_pass(self, tokens: Any) -> Vectors:
        torch = imports.torch()
        with self._lock, torch.inference_mode():
            torch.set_num_threads(_threads)
            sem = self._model.encode_text(tokens.to(self._device)).float()
            vectors: Vectors = torch.nn.functional.normalize(sem, dim=1).cpu().numpy()
            return vectors

    def _filled(self, rows: Any) -> Any:
        """Return the rows with blank ones up to the batch size.

        Kernels are chosen by shape: with a constant one, no row depends on how many others came.
        """
        missing = self._batch_size - len(rows)
        if missing == 0:
            return rows
        return imports.torch().cat([rows, rows.new_zeros((missing, *rows.shape[1:]))])


def _joined(parts: list[Vectors], dim: int) -> Vectors:
    return np.concatenate(parts) if parts else np.zeros((0, dim), np.float32)
