"""What all tests share: hypothesis without deadlines, since other work shares the machine."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "shared",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),  # a landing is no place for a new example
)
settings.load_profile("shared")
