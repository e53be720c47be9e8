"""Models by name: open_clip loads all of them, behind the Embedder protocol.

A vector depends on its image and the model alone: every forward pass has the same number of rows
(short batches are filled with blank ones), no gradient is kept, and the number of threads is set
here and nowhere else. So float32 on one machine is the same to the last bit in every process.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.models import architecture, builtin, builtin_files, imports, matcher_files, preprocess
from pipeline.models.embedder import OpenClipEmbedder, set_threads
from pipeline.models.style import Whitening
from pipeline.models.taps import Taps, places
from schemas.errors import ModelMismatchError, UsageError
from schemas.ports import Embedder, ModelCard, VectorSpec

__all__ = ["load_embedder", "load_matcher", "load_raw", "set_threads"]

DUPLICATE_THRESHOLD = 0.95  # of models whose pairs nobody has measured
MATCHER_PRECISION = "fp32"


@dataclass(frozen=True, slots=True)
class _How:
    """How a model runs."""

    precision: str
    device: str
    batch_size: int


_lock = threading.Lock()
_loaded: dict[tuple[str, _How], OpenClipEmbedder] = {}


@dataclass(frozen=True, slots=True)
class _Base:
    """A model as open_clip gives it, float32 on the CPU, and what describes it."""

    model: Any
    tokenizer: Any
    config: dict[str, Any]
    weights_sha256: str
    duplicate_threshold: float
    notice: str
    extra: dict[str, str]

    @property
    def sem(self) -> VectorSpec:
        return VectorSpec("sem", int(self.config["embed_dim"]))

    @property
    def preparation(self) -> preprocess.Preprocess:
        return preprocess.from_config(self.model.visual.preprocess_cfg)


@dataclass(frozen=True, slots=True)
class RawModel:
    """A model that gives `cpy` and `sty` as they are before whitening.

    sizes: widths of the blocks of `sty`. identified: what names all that moves a vector of the
    matcher with such a whitening and cohort (bodies of files).
    """

    embedder: Embedder
    sizes: Sequence[int]
    identified: Callable[[bytes, bytes], dict[str, Any]]


def load_embedder(
    name: str, *, precision: str = "fp32", device: str = "cpu", batch_size: int = 32
) -> Embedder:
    """Return the model of that name, loaded once in this process.

    name: builtin:lite, NAME/TAG, hf-hub:OWNER/REPO or local-dir:FOLDER. The built-in one gives
    `sem`, `cpy` and `sty`, all others `sem`. precision and device: as `choose_precision` gave them.
    Raises UsageError for a name that nobody can load, ModelMismatchError where its weights cannot
    be had or are not what they should be.
    """
    load = _load_builtin if name == builtin_files.NAME else _load_open_clip
    return _once(name, name, _How(precision, device, batch_size), load)


def load_matcher(
    name: str = builtin_files.NAME,
    *,
    precision: str = MATCHER_PRECISION,
    device: str = "cpu",
    batch_size: int = 32,
) -> Embedder:
    """Return a model that gives `cpy` and `sty` beside `sem`, loaded once in this process.

    name: builtin:lite, or the folder of a matcher (`pipeline.models.matcher_files`).
    Raises UsageError for anything else, and for a precision other than fp32: what claimants and
    builders measure has to be the same, and half precision moves it by far more than epsilon
    (docs/benchmarks.md). Raises ModelMismatchError where model and folder do not belong together.
    """
    if precision != MATCHER_PRECISION:
        raise UsageError(
            f"expected {MATCHER_PRECISION} for a matcher, found {precision}: vectors of claims and"
            " of rows would differ by more than match.epsilon"
        )
    if name == builtin_files.NAME:
        return load_embedder(name, precision=precision, device=device, batch_size=batch_size)
    known = f"{name} {matcher_files.fingerprint(name)}"  # the folder may hold another one later
    return _once(known, name, _How(precision, device, batch_size), _load_matcher)


def load_raw(name: str, *, device: str = "cpu", batch_size: int = 32) -> RawModel:
    """Return a model with `cpy` and `sty` as they are before whitening, `sem` left out.

    name: as for `load_embedder`. Raises likewise, and UsageError for a network of a family whose
    stages nobody has chosen.
    """
    base = _builtin_base() if name == builtin_files.NAME else _open_clip_base(name)
    taps = Taps(places(base.model.visual))
    preparation, config, weights = base.preparation, base.config, base.weights_sha256
    placed = _placed(base.model, MATCHER_PRECISION, device)
    torch = imports.torch()
    with torch.inference_mode():
        blank = torch.zeros((1, 3, preparation.height, preparation.width), device=device)
        placed.encode_image(blank)
        widths = {kind: rows.shape[1] for kind, rows in taps.read().items()}
    card = ModelCard(
        name=name,
        fingerprint="",  # vectors that were not whitened are compared with nothing
        weights_sha256=weights,
        vectors=tuple(VectorSpec(kind, dim) for kind, dim in widths.items()),
        duplicate_threshold=base.duplicate_threshold,
        notice=base.notice,
    )
    embedder = OpenClipEmbedder(
        placed, base.tokenizer, card, batch_size=batch_size, device=device, matcher=(taps, None)
    )

    def identified(whitening: bytes, cohort: bytes) -> dict[str, Any]:
        return matcher_files.identity(
            config, weights, preparation, whitening=whitening, cohort=cohort
        )

    return RawModel(embedder, taps.sizes, identified)


def _once(
    known: str, name: str, how: _How, load: Callable[[str, _How], OpenClipEmbedder]
) -> Embedder:
    """Return what `load` gives for a name, kept under `known`."""
    with _lock:
        if (known, how) not in _loaded:
            if how.precision not in architecture.PRECISIONS or how.device == "auto":
                raise UsageError(
                    f"expected a precision of {architecture.PRECISIONS} and a device, found "
                    f"{how.precision} and {how.device}: choose_precision resolves auto"
                )
            _loaded[known, how] = load(name, how)
        return _loaded[known, how]


def _load_builtin(name: str, how: _How) -> OpenClipEmbedder:
    base = _builtin_base()
    arrays = builtin_files.whitening()
    card = _card(base, name, builtin_files.matcher_fingerprint(), arrays)
    return _embedder(base, card, how, arrays)


def _load_matcher(name: str, how: _How) -> OpenClipEmbedder:
    files = matcher_files.read(name)
    base = _builtin_base() if files.model == builtin_files.NAME else _open_clip_base(files.model)
    found = matcher_files.identity(
        base.config,
        base.weights_sha256,
        base.preparation,
        whitening=files.whitening,
        cohort=files.cohort,
    )
    expected = files.document["identity"]
    if found != expected:
        differ = sorted(k for k in found.keys() | expected if found.get(k) != expected.get(k))
        raise ModelMismatchError(
            f"expected {files.model} as the matcher in {name} was built with it, found another"
            f" {', '.join(differ)}"
        )
    arrays = files.arrays()
    card = _card(base, str(files.document["name"]), files.fingerprint, arrays)
    return _embedder(base, card, how, arrays)


def _load_open_clip(name: str, how: _How) -> OpenClipEmbedder:
    base = _open_clip_base(name)
    named = builtin_files.fingerprint(base.config, base.weights_sha256, base.preparation)
    return _embedder(base, _card(base, name, named, {}), how, {})


def _card(base: _Base, name: str, fingerprint: str, arrays: builtin_files.Halves) -> ModelCard:
    matched = [n for n in ("cpy", "sty") if f"{n}_projection" in arrays]
    return ModelCard(
        name=name,
        fingerprint=fingerprint,
        weights_sha256=base.weights_sha256,
        vectors=(
            base.sem,
            *(VectorSpec(n, arrays[f"{n}_projection"].shape[1]) for n in matched),
        ),
        duplicate_threshold=base.duplicate_threshold,
        notice=base.notice,
        extra=base.extra,
    )


def _embedder(
    base: _Base, card: ModelCard, how: _How, arrays: builtin_files.Halves
) -> OpenClipEmbedder:
    """Return the model where it is to run; with taps where there is a whitening."""
    matcher = (Taps(places(base.model.visual)), Whitening(arrays, how.device)) if arrays else None
    return OpenClipEmbedder(
        _placed(base.model, how.precision, how.device),
        base.tokenizer,
        card,
        batch_size=how.batch_size,
        device=how.device,
        matcher=matcher,
    )


def _builtin_base() -> _Base:
    model, tokenizer = _create(f"{architecture.LOCAL}{builtin.assemble()}", None)
    document = builtin_files.model()
    return _Base(
        model,
        tokenizer,
        document["open_clip_config"]["model_cfg"],
        document["weights_sha256"],
        document["duplicate_threshold"],
        document["notice"],
        {"license": document["license"]},
    )


def _open_clip_base(name: str) -> _Base:
    model_name, tag = architecture.split_name(name)
    if not model_name.startswith(architecture.HUB):
        config = architecture.model_config(model_name)
    if tag is not None:
        _require_tag(model_name, tag)
    model, tokenizer = _create(model_name, tag)
    if model_name.startswith(architecture.HUB):
        config = imports.open_clip().get_model_config(model_name)
    weights = builtin_files.tensors_sha256(
        {n: value.numpy() for n, value in model.state_dict().items()}
    )
    extra = {"duplicate_threshold": "not measured for this model"}
    return _Base(model, tokenizer, config, weights, DUPLICATE_THRESHOLD, "", extra)


def _create(model_name: str, tag: str | None) -> tuple[Any, Any]:
    """Return open_clip's model in float32 on the CPU, and its tokenizer."""
    open_clip = imports.open_clip()
    try:
        model = open_clip.create_model(model_name, pretrained=tag, require_pretrained=True)
        return model.eval(), open_clip.get_tokenizer(model_name)
    except (RuntimeError, OSError, ValueError, KeyError, TypeError, AssertionError) as e:
        where = f"{model_name}/{tag}" if tag else model_name
        raise ModelMismatchError(
            f"expected weights and tokenizer of {where}, could not get them: {_first_line(e)}. "
            f"Without a network, name a folder ({architecture.LOCAL}FOLDER) or "
            f"{builtin_files.NAME}"
        ) from e


def _require_tag(model_name: str, tag: str) -> None:
    """Raise UsageError unless open_clip has the tag, trained with the activation of the name."""
    open_clip = imports.open_clip()
    tags = open_clip.list_pretrained_tags_by_model(model_name)
    if tag not in tags:
        raise UsageError(
            f"expected pretrained weights of {model_name} ({', '.join(sorted(tags))}), found {tag}"
        )
    given = bool(open_clip.get_pretrained_cfg(model_name, tag).get("quick_gelu", False))
    if given != bool(architecture.model_config(model_name).get("quick_gelu", False)):
        # open_clip only warns, and gives vectors that are a little wrong
        other = f"{model_name}-quickgelu" if given else model_name.removesuffix("-quickgelu")
        raise UsageError(
            f"expected weights of the same activation, found {tag}: name {other}/{tag}"
        )


def _placed(model: Any, precision: str, device: str) -> Any:
    torch = imports.torch()
    if precision == "fp32" and device.startswith("cuda"):
        # TF32 keeps ten bits of each factor: convolutions use it unless they are told not to
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if precision == "bf16":
        # the whole model, never autocast: that casts the weights again at every call
        model = model.to(torch.bfloat16)
    # convolutions on the CPU are almost twice as fast with the channels of a pixel side by side
    model = model.to(memory_format=torch.channels_last)
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as e:
        raise UsageError(f"expected a device that torch can use, found {device}: {e}") from e


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
