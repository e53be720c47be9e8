"""The torchvision cure: applied where the plain import fails with that message, and only then."""

import builtins
import importlib
import sys
from types import ModuleType

import pytest

from pipeline.models import imports
from schemas.errors import UsageError


@pytest.fixture
def scripted(monkeypatch):
    """importlib.import_module with answers of the test's; declared operators are counted."""
    calls: list[str] = []
    declared: list[int] = []
    monkeypatch.setattr(imports, "_declare_operators", lambda: declared.append(1))

    def script(*answers):
        left = list(answers)

        def answer(name):
            calls.append(name)
            value = left.pop(0)
            if isinstance(value, BaseException):
                raise value
            return value

        monkeypatch.setattr(importlib, "import_module", answer)
        return calls, declared

    return script


def test_a_torchvision_that_loads_is_left_alone(scripted):
    module = ModuleType("torchvision")
    calls, declared = scripted(module)
    assert imports.torchvision() is module
    assert (calls, declared) == (["torchvision"], [])


def test_a_cuda_build_beside_a_cpu_torch_is_cured(scripted):
    module = ModuleType("torchvision")
    calls, declared = scripted(RuntimeError(imports.MISSING_OPERATOR), module)
    assert imports.torchvision() is module
    assert (calls, declared) == (["torchvision"] * 2, [1])


def test_any_other_failure_is_not_hidden(scripted):
    _, declared = scripted(RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        imports.torchvision()
    assert declared == []


def test_a_missing_package_says_what_to_install(scripted):
    scripted(ModuleNotFoundError("no", name="torch"))
    with pytest.raises(UsageError, match="build extra"):
        imports.torch()
    scripted(ModuleNotFoundError("no", name="something_inside"))
    with pytest.raises(ModuleNotFoundError):
        imports.torch()


def test_open_clip_really_imports_here():
    assert imports.open_clip().get_model_config("ViT-B-32")
    assert imports.timm().is_model("tf_efficientnet_lite0")
    assert sys.modules.get("wandb", builtins) is not None
