"""How evidence is named: one canonical document, one digest, recomputable by any auditor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.canonical import digest, plain_json
from schemas.errors import SchemaError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def document_id(
    kind: str, origin: str, http_status: int | None, sha256: str | None, asked_at_us: int
) -> str:
    """Return the digest that names an origin document as it was found at one time.

    An absent document has an id too (its status and time), so that absence is evidence.
    """
    return digest([kind, origin, http_status, sha256, asked_at_us])


@dataclass(frozen=True, slots=True)
class Hop:
    """An address on the way, its status (None where it was not asked), and who spoke for it."""

    url: str
    status: int | None
    documents: tuple[str, ...]


def answer_document(  # noqa: PLR0917 - the fields of one document
    kind: str,
    outcome: str,
    hops: Sequence[Hop],
    final_url: str | None,
    http_status: int | None,
    headers: Iterable[tuple[str, str]] | None,
    *,
    asked_at_us: int | None,
    fetched_at_us: int | None,
    sha256: str | None = None,
    unchecked: Sequence[str] = (),
    detail: str | None = None,
    page_tags: str | None = None,
) -> bytes:
    """Return the canonical JSON that is evidence of how the asking for one address ended.

    kind: answer, or page. headers: the signal-bearing lines only, in order and as sent; none is
    evidence of absence, None says that no headers were read. sha256: of the body.
    Raises SchemaError where a line holds what JSON cannot (lone surrogates).
    """
    return plain_json(
        {
            "kind": kind,
            "outcome": outcome,
            "hops": [[hop.url, hop.status, list(hop.documents)] for hop in hops],
            "url": final_url,
            "status": http_status,
            "headers": None if headers is None else [[name, value] for name, value in headers],
            "asked_at": rfc3339(asked_at_us),
            "fetched_at": rfc3339(fetched_at_us),
            "sha256": sha256,
            "unchecked": list(unchecked),
            "detail": detail,
            "page": page_tags,
        }
    )


def rfc3339(at_us: int | None) -> str | None:
    """Return microseconds since the epoch as RFC 3339 text in UTC, None for None."""
    if at_us is None:
        return None
    at = _EPOCH + timedelta(microseconds=at_us)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")  # %Y pads no early year


def microseconds(text: str | None) -> int | None:
    """Return RFC 3339 text as microseconds since the epoch, None for None. Raises SchemaError."""
    if text is None:
        return None
    try:
        since = datetime.fromisoformat(text) - _EPOCH
        _ = _EPOCH + since  # what an offset leads out of the calendar could not be written again
        return since // _MICROSECOND
    except (ValueError, TypeError, OverflowError) as e:
        raise SchemaError(f"expected a time as RFC 3339, found {text!r:.100}") from e
