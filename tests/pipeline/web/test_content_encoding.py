import contextlib
import gzip
import zlib

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from pipeline.web.content_encoding import decoder
from schemas.errors import FetchError

GZIP = [("content-ENCODING", "GZip")]


def decoded(
    headers: list[tuple[str, str]], pieces: list[bytes], limit_bytes: int = 1 << 20
) -> bytes:
    decode = decoder(headers)
    body = b"".join(decode.feed(piece, limit_bytes) for piece in pieces if piece)
    decode.check_whole()
    return body


@settings(deadline=None)
@given(st.binary(max_size=5000), st.integers(1, 200), st.sampled_from(["gzip", "deflate", ""]))
def test_what_was_coded_comes_back_however_it_is_cut(body: bytes, step: int, coding: str) -> None:
    coded = {"gzip": gzip.compress, "deflate": zlib.compress}.get(coding, bytes)(body)
    pieces = [coded[i : i + step] for i in range(0, len(coded), step)]
    assert decoded([("Content-Encoding", coding)], pieces) == body


@settings(deadline=None)
@given(st.binary(), st.sampled_from(["gzip", "deflate", "br", "identity", "gzip, gzip"]))
def test_any_bytes_give_a_body_or_our_error(body: bytes, coding: str) -> None:
    with contextlib.suppress(FetchError):
        assert isinstance(decoded([("Content-Encoding", coding)], [body]), bytes)


@given(st.integers(1, 1000))
def test_no_more_comes_out_than_asked_for(limit_bytes: int) -> None:
    bomb = gzip.compress(bytes(1_000_000))
    assert len(decoder(GZIP).feed(bomb, limit_bytes)) <= limit_bytes


def test_two_headers_are_two_codings() -> None:
    with pytest.raises(FetchError, match="gzip, gzip"):
        decoder(GZIP + GZIP)
