"""The one way in which a document is hashed: RFC 8785 canonical JSON, then SHA-256."""

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import rfc8785

from schemas.errors import SchemaError

T = TypeVar("T")


def canonical_json(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON value.

    Raises SchemaError where the value is not JSON (NaN, integers beyond 2**53, lone surrogates).
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError) as e:
        raise SchemaError(f"expected a JSON value that RFC 8785 can write, found {e}") from e


def plain_json(value: Any) -> bytes:
    """Return what `canonical_json` returns, five times as fast, for values of few kinds.

    value: text, null, booleans, integers up to 2**53, lists of such, and objects whose keys are
    ASCII; a test holds both equal. Raises SchemaError for lone surrogates.
    """
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except UnicodeError as e:
        raise SchemaError(f"expected text that UTF-8 can write, found {e}") from e


def read_lines(
    body: bytes, read: Callable[[Any], T], fault: Callable[[int, Exception], Exception]
) -> list[T]:
    """Return the values of JSON lines, each read by `read`; empty lines are passed over.

    Raises what `fault` makes of the number of the first line that is no JSON, or that `read`
    refuses with SchemaError, and of the reason.
    """
    found = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(read(json.loads(line)))
        except (SchemaError, ValueError, RecursionError) as e:
            raise fault(number, e) from e
    return found


def canonical_lines(values: Iterable[Any]) -> bytes:
    """Return a line of canonical JSON for each value; `read_lines` reads them back."""
    return b"".join(canonical_json(value) + b"\n" for value in values)


def readable_json(value: Any) -> bytes:
    """Return a JSON document for a file that people may open too, keys sorted, a line a value.

    Raises SchemaError where `canonical_json` does.
    """
    document = json.loads(canonical_json(value))
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def digest(value: Any) -> str:
    """Return the lower-case hex SHA-256 of a JSON value's canonical bytes."""
    return sha256_hex(canonical_json(value))


def sha256_hex(body: bytes | memoryview) -> str:
    """Return the lower-case hex SHA-256 of bytes."""
    return hashlib.sha256(body).hexdigest()
