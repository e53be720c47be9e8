"""What all tests share: hypothesis without deadlines, since other work shares the machine."""

import os
import tempfile
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "shared",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),  # a landing is no place for a new example
)
settings.load_profile("shared")

# No test writes into the home of whoever runs it, nor reads what is there.
HOME = Path(tempfile.mkdtemp())
os.environ["RECUSE_BUILDER_KEY"] = str(HOME / "builder.key")
os.environ["XDG_DATA_HOME"] = str(HOME / "modules")
NUMBERS = count()


@pytest.fixture(autouse=True)
def own_data_folder(monkeypatch):
    """A data folder for each test: what one has seen of a log is nothing to another."""
    monkeypatch.setenv("XDG_DATA_HOME", str(HOME / str(next(NUMBERS))))
