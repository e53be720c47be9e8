"""The safe list: contents of which somebody has seen that they are not by a claim's hand.

One canonical JSON object a line. It stops matches by style of that one claim for that one content,
nothing else: never a work, a copy, a name, a host, a signal, nor another claim.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from schemas.canonical import canonical_json, canonical_lines, read_lines
from schemas.errors import SchemaError, UsageError
from schemas.tables import SAFE, from_rows

MAX_WORDS = 1_000  # characters of `by` and `why`
CLAIM_ID = re.compile(r"[0-9a-f]{32}")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Cleared:
    """One line: this content is no look-alike of this claim.

    claim_id: 32 hex digits. sha256: of the bytes as fetched. pixel_sha256: of the canonical decode.
    at: RFC 3339. by, why: who has looked, and what they saw, in their own words.
    """

    claim_id: str
    sha256: str
    pixel_sha256: str
    at: str
    by: str
    why: str

    @classmethod
    def from_json(cls, value: Any) -> "Cleared":
        """Read one back. Raises SchemaError for anything but an object of these texts."""
        if not isinstance(value, Mapping) or value.keys() != set(cls.__slots__):
            raise SchemaError(f"expected {', '.join(cls.__slots__)}, found {value!r:.120}")
        if not all(isinstance(text, str) for text in value.values()):
            raise SchemaError(f"expected texts, found {value!r:.120}")
        canonical_json(value)  # refuses what could not be written again
        one = cls(**value)
        if not CLAIM_ID.fullmatch(one.claim_id):
            raise SchemaError(f"expected a claim's 32 hex digits, found {one.claim_id!r:.80}")
        for digest in (one.sha256, one.pixel_sha256):
            if not SHA256.fullmatch(digest):
                raise SchemaError(f"expected a SHA-256 in 64 hex digits, found {digest!r:.80}")
        _moment(one.at)
        if max(len(one.by), len(one.why)) > MAX_WORDS:
            raise SchemaError(f"expected at most {MAX_WORDS} characters of `by` and `why`")
        return one


def parse_safe(body: bytes, where: str) -> list[Cleared]:
    """Return the lines of a safe list; empty ones are passed over.

    Raises UsageError with the number of the first line that is none.
    """

    def fault(number: int, e: Exception) -> UsageError:
        return UsageError(f"{where}, line {number}: not a line of a safe list: {e}")

    return read_lines(body.removeprefix(b"\xef\xbb\xbf"), Cleared.from_json, fault)


def render_safe(lines: Iterable[Cleared]) -> bytes:
    """Return a safe list as bytes; `parse_safe` reads it back."""
    return canonical_lines(asdict(one) for one in lines)


def safe_table(lines: Iterable[Cleared]) -> pa.Table:
    """Return SAFE of the lines, each pair of claim and content once."""
    pairs = dict.fromkeys((one.claim_id, one.sha256, one.pixel_sha256) for one in lines)
    return from_rows([dict(zip(SAFE.names, pair, strict=True)) for pair in pairs], SAFE)


def _moment(text: str) -> None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as e:
        raise SchemaError(f"expected a time as RFC 3339, found {text!r:.80}") from e
    if moment.tzinfo is None:
        raise SchemaError(f"expected a time with its zone, found {text!r:.80}")
