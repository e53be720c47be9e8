"""Where wall time comes from."""

import os
import time
from dataclasses import dataclass

from schemas.errors import UsageError
from schemas.ports import Clock


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still, for builds that must come out the same byte for byte."""

    at_us: int

    def now_us(self) -> int:
        return self.at_us


def clock_from_environment() -> Clock:
    """Return a clock that stands at SOURCE_DATE_EPOCH where it is set, else the machine's.

    Source: reproducible-builds.org, SOURCE_DATE_EPOCH specification (seconds since the epoch).
    """
    value = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not value:
        return SystemClock()
    if not value.isdecimal():
        raise UsageError(f"expected SOURCE_DATE_EPOCH in whole seconds, found {value!r}")
    return FixedClock(int(value) * 1_000_000)
