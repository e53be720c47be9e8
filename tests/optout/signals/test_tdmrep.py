"""optout.signals.tdmrep and tdm_rules against the facts' vectors, and any bytes and text."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals import tdm_rules
from optout.signals.profiles import PROFILES
from optout.signals.signal import RAW_BYTES, Signal
from optout.signals.tdmrep import (
    PURPOSES,
    in_force,
    of_file,
    of_header,
    of_meta,
    of_xmp,
    rules_of,
)
from schemas.errors import SignalError
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.tdmrep_cases import (
    EXAMPLE,
    FILES,
    HEADERS,
    XMP,
    FileCase,
    HeaderCase,
    rule,
)

DEFAULT = PROFILES["default"]
NAME = "tdm-reservation"
RESERVED, FREE = ((0, NAME, "1"),), ((0, NAME, "0"),)


def file_of(*rules: dict[str, Any]) -> bytes:
    return json.dumps(rules).encode()


def spoken(signals: tuple[Signal, ...]) -> tuple[Say, str]:
    """Return the one say and note of all purposes; SILENT where there is no signal."""
    if not signals:
        return Say.SILENT, ""
    assert tuple(s.purpose for s in signals) == PURPOSES
    ((say, note),) = {(s.say, s.note) for s in signals}
    return say, note


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
def test_a_file_says_what_the_table_says(case: FileCase) -> None:
    signals = of_file(case.body, case.path.encode(), PROFILES[case.profile])
    assert spoken(signals) == (case.say, case.note)
    assert all((s.channel, s.line, s.place) == (Channel.TDMREP, None, "") for s in signals)


@pytest.mark.parametrize("case", HEADERS, ids=lambda case: case.name)
def test_a_header_says_what_the_table_says(case: HeaderCase) -> None:
    lines = [(index, NAME, value) for index, value in enumerate(case.values, 3)]
    signals = of_header(lines, PROFILES[case.profile])
    assert spoken(signals) == (case.say, case.note)
    assert all((s.channel, s.place) == (Channel.TDM_HEADER, NAME) for s in signals)


@pytest.mark.parametrize("case", HEADERS, ids=lambda case: case.name)
def test_a_meta_element_says_what_a_header_says(case: HeaderCase) -> None:
    signals = of_meta([("TDM-Reservation", value) for value in case.values], DEFAULT)
    if case.profile == "default":
        assert spoken(signals) == (case.say, case.note)
    assert all((s.channel, s.line, s.place) == (Channel.PAGE_TDM, None, "") for s in signals)


@pytest.mark.parametrize("value", XMP)
def test_xmp_reserves_and_never_permits(value: str) -> None:
    assert spoken(of_xmp(value)) == XMP[value]


def test_reserved_are_mining_and_training_but_not_the_fetch() -> None:
    assert PURPOSES == (Purpose.MINE, Purpose.TRAIN_DISC, Purpose.TRAIN_GEN)


def test_the_rule_and_its_policy_are_shown() -> None:
    (signal, *_) = of_file(file_of(*EXAMPLE), b"/directory-b/html/x", DEFAULT)
    assert json.loads(signal.raw) == EXAMPLE[1]
    assert '": ' not in signal.raw


def test_a_rule_that_reserves_nowhere_is_shown() -> None:
    (signal, *_) = of_file(file_of(rule("/", 0), rule(None, 1)), b"/x", DEFAULT)
    assert signal.raw == '{"location":null,"tdm-reservation":1}'


def test_the_header_that_reserves_is_named_with_its_policy() -> None:
    lines = [(2, NAME, "0"), (4, "tdm-policy", "https://e.org/p"), (7, NAME, "1"), (9, "x", "1")]
    (signal, *_) = of_header(lines, DEFAULT)
    assert (signal.raw, signal.line) == ("1; tdm-policy: https://e.org/p", 7)


def test_a_policy_alone_says_nothing() -> None:
    assert of_header([(0, "tdm-policy", "https://e.org/p")], DEFAULT) == ()


def test_a_page_binds_its_images_unless_read_to_the_letter() -> None:
    content = [(NAME, "1")]
    assert spoken(of_meta(content, PROFILES["strict"]))[0] is Say.DENY
    assert of_meta(content, PROFILES["rfc-literal"]) == ()


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("values", [RESERVED, FREE])
def test_t04_a_header_supersedes_the_file_where_it_may(name: str, values: Any) -> None:
    profile = PROFILES[name]
    file = of_file(file_of(rule("/", 1)), b"/x", profile)
    left = in_force(file, of_header(values, profile), profile)
    assert left == (() if profile.tdm_header_lifts else file)


@pytest.mark.parametrize("values", [(), ((0, NAME, "true"),), ((0, NAME, "0, 0"),)])
def test_t04_a_header_that_says_nothing_resets_nothing(values: Any) -> None:
    file = of_file(file_of(rule("/", 1)), b"/x", DEFAULT)
    assert in_force(file, of_header(values, DEFAULT), DEFAULT) == file


def test_t04_only_what_the_file_said_is_superseded() -> None:
    others = (
        Signal(Channel.AI_TXT, Purpose.TRAIN_GEN, Say.DENY),
        Signal(Channel.TDMREP, Purpose.TRAIN_GEN, Say.SILENT),
    )
    file = (*others, *of_file(b"no JSON", b"/x", DEFAULT))
    assert in_force(file, of_header(FREE, DEFAULT), DEFAULT) == others


def test_silence_of_the_header_lifts_nothing() -> None:
    file = of_file(file_of(rule("/", 1)), b"/x", DEFAULT)
    silence = (Signal(Channel.TDM_HEADER, Purpose.MINE, Say.SILENT),)
    assert in_force(file, silence, DEFAULT) == file


@pytest.mark.parametrize("extra", [0, 1])
def test_files_are_read_up_to_their_limits(extra: int) -> None:
    rules = [{}] * (tdm_rules.LIMIT_RULES + extra)
    long = file_of(rule("/", 1)).ljust(tdm_rules.LIMIT_BYTES + extra)
    deep = b'[{"location":"/","tdm-reservation":1,"x":' + b"[" * 30 + b"]" * 30 + b"}]"
    deep = deep if not extra else deep.replace(b"[[]]", b"[[[]]]")
    expected = Say.ERROR if extra else Say.DENY
    assert spoken(of_file(long, b"/x", DEFAULT))[0] is expected
    assert spoken(of_file(deep, b"/x", DEFAULT))[0] is expected
    many = json.dumps([rule("/", 1), *rules[1:]]).encode()
    assert spoken(of_file(many, b"/x", DEFAULT))[0] is expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "expected an array of rules, found dict"),
        (b"[1]", "expected rule 0 to be an object, found 1"),
        (b"[", "expected tdmrep.json to be JSON, found "),
        (b" " * (1024 * 1024 + 1), "expected a tdmrep.json of 1048576 bytes, found 1048577"),
        (b"[" * 33, "expected JSON of depth 32, found a deeper one"),
        (b"[" + b"{}," * 10_000 + b"{}]", "expected at most 10000 rules, found 10001"),
        (b'[{"a":1,"a":1}]', "expected each name once in an object, found 2 members"),
        (b"[Infinity]", "expected JSON numbers, found Infinity"),
    ],
)
def test_a_refused_file_is_told_what_was_expected_and_found(body: bytes, message: str) -> None:
    for _ in range(2):  # a file that was refused once is refused again
        with pytest.raises(SignalError, match=message.replace("[", r"\[")):
            rules_of(body)


def test_a_file_is_taken_apart_once() -> None:
    body = file_of(rule("/once/", 1))
    assert rules_of(body) is rules_of(bytes(bytearray(body)))


@pytest.mark.parametrize(
    "patterns",
    [
        [f"/{n}/" for n in range(10_000)],
        [f"/*/{n}*x*{n}$" for n in range(10_000)],
        [f"/{'%61' * 20}*{n}" for n in range(10_000)],
        ["/" + "a" * n for n in range(1_400)],
        ["*" + "a*" * 250 + str(n) for n in range(2_000)],
    ],
    ids=["plain", "wild", "escaped", "nested", "many stars"],
)
def test_many_rules_and_many_paths_take_no_more_than_seconds(patterns: list[str]) -> None:
    body = file_of(*(rule(pattern, n % 2) for n, pattern in enumerate(patterns)))
    paths = [b"/" + b"a" * 500 + b"/%d/" % n for n in range(50)]
    before = time.process_time()
    for path in paths:
        of_file(body, path, DEFAULT)
    assert time.process_time() - before < 10


@pytest.mark.parametrize(
    "body", [b'"' * 2**20, b'\\"' * 2**19, b'"' + b'\\"' * 500_000, b"[]" * 2**19]
)
def test_a_hostile_file_is_refused_soon(body: bytes) -> None:
    before = time.process_time()
    assert spoken(of_file(body, b"/x", DEFAULT))[0] is Say.ERROR
    assert time.process_time() - before < 5


VALUES = st.sampled_from([0, 1, "1", True, "0", None, 7])
LOCATIONS = st.sampled_from(
    ["/", "/a", "/a/", "/a/*.jpg", "*", "/%61/", "a/", "", None, "/a/b.jpg$"]
)
RULES = st.lists(st.builds(rule, LOCATIONS, VALUES), max_size=6)
PATHS = st.sampled_from(["/", "/a", "/a/b.jpg", "/%61/b.jpg", "/A/b.jpg"])
NAMES = st.sampled_from(list(PROFILES))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | LOCATIONS.map(str), inner),
    max_leaves=12,
)


@given(st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()), st.binary(), NAMES)
def test_any_bytes_are_answered(body: bytes, path: bytes, name: str) -> None:
    signals = of_file(body, path, PROFILES[name])
    assert all(len(s.raw.encode()) <= RAW_BYTES for s in signals)


@given(st.lists(st.builds(rule, st.text() | ANY_JSON, st.text() | VALUES)), st.text(), NAMES)
def test_any_rules_are_answered(rules: list[Any], path: str, name: str) -> None:
    octets = path.encode("utf-8", "surrogatepass")
    signals = of_file(json.dumps(rules).encode(), octets, PROFILES[name])
    assert all(len(s.raw.encode()) <= RAW_BYTES for s in signals)


@given(st.lists(st.tuples(st.integers(), st.sampled_from([NAME, "tdm-policy", "x"]), st.text())))
def test_any_values_are_answered(lines: list[tuple[int, str, str]]) -> None:
    for profile in PROFILES.values():
        assert all(len(s.raw.encode()) <= RAW_BYTES for s in of_header(lines, profile))
        of_meta([(name, value) for _, name, value in lines], profile)
    for _, _, value in lines:
        of_xmp(value)


@given(RULES, st.integers(0, 6), LOCATIONS, PATHS, NAMES)
def test_one_more_reservation_never_removes_a_denial(
    rules: list[Any], at: int, location: str | None, path: str, name: str
) -> None:
    before = spoken(of_file(file_of(*rules), path.encode(), PROFILES[name]))[0]
    more = [*rules[:at], rule(location, 1), *rules[at:]]
    after = spoken(of_file(file_of(*more), path.encode(), PROFILES[name]))[0]
    assert before is not Say.DENY or after is Say.DENY


@given(RULES, PATHS)
def test_strict_reads_no_less_than_default_and_default_no_less_than_the_letter(
    rules: list[Any], path: str
) -> None:
    says = [
        spoken(of_file(file_of(*rules), path.encode(), PROFILES[name]))[0]
        for name in ("rfc-literal", "default", "strict")
    ]
    denied = [say is Say.DENY for say in says]
    assert denied == sorted(denied)


@given(st.lists(st.sampled_from(["0", "1", "true", "", "0, 0"]), max_size=4))
def test_one_more_header_never_removes_a_denial(values: list[str]) -> None:
    lines = [(index, NAME, value) for index, value in enumerate((*values, "1"))]
    assert spoken(of_header(lines, DEFAULT))[0] is Say.DENY


@given(st.text("abz/é", min_size=1), VALUES)
def test_what_is_rendered_is_parsed(path: str, value: Any) -> None:
    (matches, *_) = rules_of(file_of(rule(f"/{path}", value))).matches(f"/{path}".encode())
    (match,) = matches
    assert json.loads(match.rule.raw) == rule(f"/{path}", value)
