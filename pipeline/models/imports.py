"""The one module through which torch, timm and open_clip are imported.

torchvision on PyPI is built for CUDA. Beside a CPU torch its operators do not load, `import
torchvision` fails, and timm and open_clip with it, though the transforms that they use need none
of those operators. Where, and only where, the plain import fails with that message, the two
operators are declared without an implementation and the import is tried again; on a machine with
CUDA the real ones load. Works in any process: each worker calls it for itself.
"""

import importlib
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from schemas.errors import UsageError

MISSING_OPERATOR = "operator torchvision::nms does not exist"
SCHEMAS = (  # torchvision 0.28 registers shape functions for both, whether or not they exist
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_lock = threading.Lock()
_declared: list[Any] = []  # a torch Library undoes its definitions when it is collected


def torch() -> Any:
    """Return the torch module. Raises UsageError where it is not installed."""
    return _module("torch")


def timm() -> Any:
    """Return the timm module. Raises UsageError where it is not installed."""
    torchvision()
    with _without_wandb():
        return _module("timm")


def open_clip() -> Any:
    """Return the open_clip module. Raises UsageError where it is not installed."""
    torchvision()
    with _without_wandb():
        return _module("open_clip")


def torchvision() -> Any:
    """Return the torchvision module, with the cure for a CUDA build beside a CPU torch."""
    with _lock:
        try:
            return _module("torchvision")
        except RuntimeError as e:
            if MISSING_OPERATOR not in str(e):
                raise
        _declare_operators()
        return _module("torchvision")


def _declare_operators() -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    library = torch().library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    _declared.append(library)


@contextmanager
def _without_wandb() -> Iterator[None]:
    """Let an import go on as if wandb were not installed.

    timm imports it if it can, only to log training runs: that takes a second and puts wandb's own
    hooks into the process's output.
    """
    with _lock:
        absent = "wandb" not in sys.modules
        if absent:
            sys.modules["wandb"] = None  # type: ignore[assignment]  # what Python documents for this
        try:
            yield
        finally:
            if absent:
                del sys.modules["wandb"]


def _module(name: str) -> ModuleType:
    try:
        with warnings.catch_warnings():
            # deprecations inside these libraries are not ours to mend, nor a reason to stop
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name != name:
            raise
        raise UsageError(
            f"expected {name} to be installed, found none: models need the build extra, "
            "pip install -c constraints.txt '.[build]'"
        ) from e
