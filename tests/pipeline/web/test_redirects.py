import contextlib

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from pipeline.web.redirects import redirected_to
from pipeline.web.resolve import target
from schemas.errors import FetchError
from schemas.ports import Response

AT = "http://a.example/x/y?z"


def response(location: str, status: int = 302, at: str = AT) -> Response:
    return Response(at, status, [("location", location), ("Location", "/second")])


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/b", "http://a.example/b"),
        ("b", "http://a.example/x/b"),
        ("?q", "http://a.example/x/y?q"),
        ("//B.example", "http://b.example/"),
        ("https://b.example:443/ü#f", "https://b.example/%C3%BC"),
        (" /b ", "http://a.example/b"),
        ("/a b.jpg", "http://a.example/a%20b.jpg"),
    ],
)
def test_location_is_relative_to_what_was_asked(location: str, expected: str) -> None:
    assert redirected_to(response(location)) == expected


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 404])
def test_other_statuses_redirect_nowhere(status: int) -> None:
    assert redirected_to(response("/b", status)) is None


def test_no_location_redirects_nowhere() -> None:
    assert redirected_to(Response(AT, 301, [("X", "y")])) is None
    assert redirected_to(response("")) is None


@settings(deadline=None)
@given(st.text())
def test_any_location_leads_somewhere_or_is_refused(location: str) -> None:
    to = redirected_to(response(location))
    if to is not None:
        with contextlib.suppress(FetchError):
            assert target(to).url == to
