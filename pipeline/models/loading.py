"""Models by name: open_clip loads all of them, behind the Embedder protocol.

A vector depends on its image and the model alone: every forward pass has the same number of rows
(short batches are filled with blank ones), no gradient is kept, and the number of threads is set
here and nowhere else. So float32 on one machine is the same to the last bit in every process.
"""

import threading
from typing import Any

from pipeline.models import architecture, builtin, builtin_files, imports, preprocess, style
from pipeline.models.embedder import OpenClipEmbedder, set_threads
from schemas.errors import ModelMismatchError, UsageError
from schemas.ports import Embedder, ModelCard, VectorSpec

__all__ = ["load_embedder", "load_matcher", "set_threads"]

DUPLICATE_THRESHOLD = 0.95  # of models whose pairs nobody has measured

_lock = threading.Lock()
_loaded: dict[tuple[str, str, str, int], OpenClipEmbedder] = {}


def load_embedder(
    name: str, *, precision: str = "fp32", device: str = "cpu", batch_size: int = 32
) -> Embedder:
    """Return the model of that name, loaded once in this process.

    name: builtin:lite, NAME/TAG, hf-hub:OWNER/REPO or local-dir:FOLDER. The built-in one gives
    `sem`, `cpy` and `sty`, all others `sem`. precision and device: as `choose_precision` gave them.
    Raises UsageError for a name that nobody can load, ModelMismatchError where its weights cannot
    be had or are not what they should be.
    """
    key = (name, precision, device, batch_size)
    with _lock:
        if key not in _loaded:
            if precision not in architecture.PRECISIONS or device == "auto":
                raise UsageError(
                    f"expected a precision of {architecture.PRECISIONS} and a device, found "
                    f"{precision} and {device}: choose_precision resolves auto"
                )
            load = _load_builtin if name == builtin_files.NAME else _load_open_clip
            _loaded[key] = load(name, precision, device, batch_size)
        return _loaded[key]


def load_matcher(
    name: str = builtin_files.NAME,
    *,
    precision: str = "fp32",
    device: str = "cpu",
    batch_size: int = 32,
) -> Embedder:
    """Return a model that gives `cpy` and `sty` beside `sem`. Raises UsageError for one without."""
    if name != builtin_files.NAME:
        raise UsageError(
            f"expected a matcher, which is a model with whitening and cohort "
            f"({builtin_files.NAME}), found {name}"
        )
    return load_embedder(name, precision=precision, device=device, batch_size=batch_size)


def _load_builtin(name: str, precision: str, device: str, batch_size: int) -> OpenClipEmbedder:
    folder = builtin.assemble()
    model, tokenizer = _create(f"{architecture.LOCAL}{folder}", None)
    taps = style.Taps(model.visual.trunk)
    arrays = builtin_files.whitening()
    document = builtin_files.model()
    card = ModelCard(
        name=name,
        fingerprint=builtin_files.matcher_fingerprint(),
        weights_sha256=document["weights_sha256"],
        vectors=(
            VectorSpec("sem", document["open_clip_config"]["model_cfg"]["embed_dim"]),
            *(VectorSpec(n, arrays[f"{n}_projection"].shape[1]) for n in ("cpy", "sty")),
        ),
        duplicate_threshold=document["duplicate_threshold"],
        notice=document["notice"],
        extra={"license": document["license"]},
    )
    return OpenClipEmbedder(
        _placed(model, precision, device),
        tokenizer,
        card,
        batch_size=batch_size,
        device=device,
        matcher=(taps, style.Whitening(arrays, device)),
    )


def _load_open_clip(name: str, precision: str, device: str, batch_size: int) -> OpenClipEmbedder:
    model_name, tag = architecture.split_name(name)
    if not model_name.startswith(architecture.HUB):
        config = architecture.model_config(model_name)
    if tag is not None:
        _require_tag(model_name, tag)
    model, tokenizer = _create(model_name, tag)
    if model_name.startswith(architecture.HUB):
        config = imports.open_clip().get_model_config(model_name)
    preparation = preprocess.from_config(model.visual.preprocess_cfg)
    weights = builtin_files.tensors_sha256(
        {n: value.numpy() for n, value in model.state_dict().items()}
    )
    card = ModelCard(
        name=name,
        fingerprint=builtin_files.fingerprint(config, weights, preparation),
        weights_sha256=weights,
        vectors=(VectorSpec("sem", int(config["embed_dim"])),),
        duplicate_threshold=DUPLICATE_THRESHOLD,
        extra={"duplicate_threshold": "not measured for this model"},
    )
    return OpenClipEmbedder(
        _placed(model, precision, device), tokenizer, card, batch_size=batch_size, device=device
    )


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
