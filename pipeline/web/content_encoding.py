"""Content codings of HTTP, undone within a limit (RFC 9110 section 8.4.1)."""

import zlib
from collections.abc import Iterable
from typing import Protocol

from schemas.errors import FetchError
from schemas.verdict import Outcome

_ZLIB_HEADER = 0x08  # low four bits of the first byte of an RFC 1950 stream


class Decoder(Protocol):
    """Bytes as sent in, bytes as meant out, never more than asked for."""

    def feed(self, chunk: bytes, limit_bytes: int) -> bytes:
        """Return up to limit_bytes; what did not fit is lost, the caller gives up then."""

    def check_whole(self) -> None:
        """Raise FetchError(UNREACHABLE) where the coded stream broke off."""


def decoder(headers: Iterable[tuple[str, str]]) -> Decoder:
    """Return the decoder for a response. Raises FetchError for a coding that nobody asked for."""
    values = [v for name, v in headers if name.lower() == "content-encoding"]
    codings = [c.strip().lower() for v in values for c in v.split(",")]
    codings = [c for c in codings if c not in {"", "identity"}]
    if not codings:
        return _Identity()
    if codings in (["gzip"], ["x-gzip"], ["deflate"]):
        return _Inflate(raw_allowed=codings == ["deflate"])
    # `gzip, gzip` is legal and never honest.
    raise _broken(f"expected Content-Encoding gzip, found {', '.join(codings)[:80]!r}")


class _Identity:
    def feed(self, chunk: bytes, limit_bytes: int) -> bytes:
        return chunk[:limit_bytes]

    def check_whole(self) -> None:
        """Pass: the client has already compared the length with Content-Length."""


class _Inflate:
    def __init__(self, *, raw_allowed: bool) -> None:
        self._raw_allowed = raw_allowed
        self._stream: zlib._Decompress | None = None

    def feed(self, chunk: bytes, limit_bytes: int) -> bytes:
        if self._stream is None:
            # Some servers send raw DEFLATE (RFC 1951) under the name of zlib's format.
            raw = self._raw_allowed and chunk[0] & 0x0F != _ZLIB_HEADER
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS | 32)
        try:
            part = self._stream.decompress(chunk, limit_bytes)
        except zlib.error as e:
            raise _broken(f"expected a gzip or deflate stream: {e}") from e
        if self._stream.unused_data:
            # A second gzip member is legal and unheard of; taking a part for the whole is worse.
            raise _broken("expected one gzip member, found bytes behind it")
        return part

    def check_whole(self) -> None:
        if self._stream is not None and not self._stream.eof:
            raise FetchError(Outcome.UNREACHABLE, "the coded body broke off")


def _broken(message: str) -> FetchError:
    return FetchError(Outcome.UNREACHABLE, message, lasting=True)
