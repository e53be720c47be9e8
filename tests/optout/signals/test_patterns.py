"""optout.signals.patterns against a slow and obvious twin."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.patterns import Rule, RuleSet, Wild, decoded, literal, target

OCTETS = st.text(alphabet="ab*$/", max_size=8).map(str.encode)


def by_regex(pattern: bytes, path: bytes) -> bool:
    anchored = pattern.endswith(b"$")
    parts = (pattern[:-1] if anchored else pattern).split(b"*")
    source = b".*".join(re.escape(part) for part in parts) + (rb"\Z" if anchored else b"")
    return re.match(source, path, re.DOTALL) is not None


@given(OCTETS, OCTETS)
def test_wildcards_match_as_a_regular_expression_would(pattern: bytes, path: bytes) -> None:
    assert Wild.of(pattern).matches(path) == by_regex(pattern, path)


@given(st.lists(st.tuples(OCTETS, st.booleans()), max_size=8), OCTETS)
def test_the_index_finds_what_a_scan_finds(rules: list[tuple[bytes, bool]], path: bytes) -> None:
    every = [Rule(pattern, allow, None) for pattern, allow in rules]
    matching = [rule for rule in every if by_regex(rule.pattern, path)]
    found = RuleSet(every).match(path)
    best = max((rule.rank for rule in matching), default=None)
    assert (found.rank if found else None) == best


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h", b"/"),
        ("https://h/", b"/"),
        ("https://h?q=/x", b"/?q=/x"),
        ("https://h/a?b#c", b"/a?b"),
        ("https://h/a//b;p", b"/a//b;p"),
        ("https://h/\u00e4", b"/\xc3\xa4"),
        ("https://h/x?u=http://g/y", b"/x?u=http://g/y"),
        ("private/", b"/private/"),
    ],
)
def test_target_is_path_and_query(url: str, expected: bytes) -> None:
    assert target(url) == expected


def test_the_two_readings_differ_in_unreserved_escapes_only() -> None:
    assert decoded(b"/%62%2f%c3\xa4", is_pattern=False) == b"/b%2F%C3%A4"
    assert literal(b"/%62%2f%c3\xa4") == b"/%62%2F%C3%A4"


@given(st.binary(max_size=30))
def test_reading_twice_changes_nothing(octets: bytes) -> None:
    once = decoded(octets, is_pattern=False)
    assert literal(literal(octets)) == literal(octets)
    assert literal(once) == once


@given(st.lists(st.sampled_from([b"%", b"%de", b"%7a", b"\xde", b"\0", b" ", b"a", b"/"])))
def test_a_run_is_read_octet_by_octet(parts: list[bytes]) -> None:
    octets = b"".join(parts)
    plain = re.compile(rb"%[0-9A-Fa-f]{2}|.", re.DOTALL)

    def each(one: bytes) -> bytes:
        if len(one) == 3:
            return one.upper()
        return one if 0x20 < one[0] < 0x7F else b"%%%02X" % one[0]

    found = plain.findall(octets)
    assert literal(octets) == b"".join(map(each, found))
    z = [b"z" if one.lower() == b"%7a" else each(one) for one in found]
    assert decoded(octets, is_pattern=False) == b"".join(z)


@pytest.mark.parametrize("piece", [b"\xde", b"%de", b"%7A", b"\xde/"])
def test_a_file_of_escapes_takes_no_long_time(piece: bytes) -> None:
    octets = piece * (500_000 // len(piece))
    began = time.process_time()
    assert literal(octets)
    assert decoded(octets, is_pattern=True)
    assert time.process_time() - began < 2
