"""How evidence is named: one canonical document, one digest, recomputable by any auditor."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from schemas.canonical import canonical_json, digest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def document_id(
    kind: str, origin: str, http_status: int | None, sha256: str | None, asked_at_us: int
) -> str:
    """Return the digest that names an origin document as it was found at one time.

    An absent document has an id too (its status and time), so that absence is evidence.
    """
    return digest([kind, origin, http_status, sha256, asked_at_us])


def header_document(
    url: str | None,
    http_status: int | None,
    headers: Iterable[tuple[str, str]],
    asked_at_us: int | None,
    fetched_at_us: int | None,
) -> bytes:
    """Return the canonical JSON that is evidence of what an answer's headers said.

    headers: the signal-bearing lines only, in order and as sent; none is evidence of absence.
    Raises SchemaError where a line holds what JSON cannot (lone surrogates).
    """
    return canonical_json(
        {
            "kind": "headers",
            "url": url,
            "status": http_status,
            "headers": [[name, value] for name, value in headers],
            "asked_at": rfc3339(asked_at_us),
            "fetched_at": rfc3339(fetched_at_us),
        }
    )


def rfc3339(at_us: int | None) -> str | None:
    """Return microseconds since the epoch as RFC 3339 text in UTC, None for None."""
    if at_us is None:
        return None
    return (_EPOCH + timedelta(microseconds=at_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
