"""What all tests share: hypothesis without deadlines, since other work shares the machine."""

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

settings.register_profile(
    "shared",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),  # a landing is no place for a new example
)
settings.load_profile("shared")

# No test makes a key in the home of whoever runs it.
os.environ.setdefault("RECUSE_BUILDER_KEY", str(Path(tempfile.mkdtemp()) / "builder.key"))
