"""optout.signals.robots_rights against the facts' vectors, the promised speed, and any bytes."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.combine import STRICTNESS
from optout.signals.profiles import PROFILES, Profile, Tokens
from optout.signals.robots import Body, Rules, parse
from optout.signals.robots_rights import licenses, of_file, read
from optout.signals.signal import Signal
from schemas.canonical import sha256_hex
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.robots_rights_cases import CASES, STAR, Case, Says

DEFAULT, STRICT, LITERAL = (PROFILES[name] for name in ("default", "strict", "rfc-literal"))


def ask(text: str | bytes, path: str, profile: Profile = DEFAULT) -> tuple[Signal, ...]:
    octets = text.encode() if isinstance(text, str) else text
    return read(Body(sha256_hex(octets), octets), "ArtBot", path.encode(), profile)


def says(text: str | bytes, path: str, profile: Profile = DEFAULT) -> Says:
    signals = ask(text, path, profile)
    assert len({(s.channel, s.purpose) for s in signals}) == len(signals)
    return {(s.channel, s.purpose): s.say for s in signals}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_says_what_the_table_says(case: Case) -> None:
    assert says(case.lines, case.path) == case.default
    assert says(case.lines, case.path, STRICT) == (
        case.default if case.strict is None else case.strict
    )


@pytest.mark.parametrize("case", [c for c in CASES if c.note], ids=lambda case: case.name)
def test_the_strictest_signal_carries_its_note(case: Case) -> None:
    signals = ask(case.lines, case.path, STRICT)
    assert case.note in max(signals, key=lambda s: STRICTNESS[s.say]).note


def test_a_signal_names_its_line() -> None:
    text = f"{STAR}\nDisallow: /x\nContent-Usage: / train-ai=n # c\nContent-Signal: ai-train=no\n"
    assert {(s.channel, s.raw, s.line) for s in ask(text, "/a")} == {
        (Channel.ROBOTS_CONTENT_USAGE, "Content-Usage: / train-ai=n # c", 3),
        (Channel.ROBOTS_CONTENT_SIGNAL, "Content-Signal: ai-train=no", 4),
    }


def test_a_proxy_is_not_told_what_we_may_fetch() -> None:
    text = "User-agent: CCBot\nDisallow: /\nUser-agent: GPTBot\nDisallow: /\n"
    assert ask(text, "/a") == ()
    signals = ask(text, "/a", replace(DEFAULT, robots_tokens=Tokens.UPSTREAM))
    assert {(s.purpose, s.say, s.note) for s in signals} == {
        (Purpose.TRAIN_GEN, Say.DENY, "proxy CCBot"),
        (Purpose.TRAIN_DISC, Say.DENY, "proxy CCBot"),
    }


def test_upstream_does_not_hear_other_crawlers() -> None:
    text = "User-agent: GPTBot\nDisallow: /\n"
    assert ask(text, "/a", replace(DEFAULT, robots_tokens=Tokens.UPSTREAM)) == ()


def test_one_reading_of_usage_between_agents_can_be_had() -> None:
    text = "User-agent: ArtBot\nContent-Usage: train-ai=n\nUser-agent: B\nDisallow: /\n"
    (signal,) = ask(text, "/x", replace(DEFAULT, aipref_both_groupings=False))
    assert (signal.purpose, signal.say) == (Purpose.FETCH, Say.DENY)
    assert "aipref-grouping" in {s.note for s in ask(text, "/x")}


def test_usage_between_agents_can_deny_the_fetch_in_the_other_reading_alone() -> None:
    ours, others = "User-agent: ArtBot\n", "User-agent: B\nAllow: /\n"
    text = f"{ours}Content-Usage: train-ai=y\n{others}{ours}Disallow: /\n"
    fetch = next(s for s in ask(text, "/a") if s.purpose is Purpose.FETCH)
    assert (fetch.say, fetch.line, fetch.note) == (Say.DENY, 6, "aipref-grouping")
    one = says(text, "/a", replace(DEFAULT, aipref_both_groupings=False))
    assert one[Channel.ROBOTS, Purpose.FETCH] is Say.ALLOW


def test_the_letter_reads_no_typos() -> None:
    text = f"{STAR}\nDisalow: /\nDisallow: private/\nDisallow /p\n"
    assert says(text, "/private/") != {}
    assert ask(text, "/private/", LITERAL) == ()


def test_a_file_is_worked_out_once_for_equal_profiles() -> None:
    octets = b"User-agent: *\nDisallow: /a\n"
    body = Body(sha256_hex(octets), octets)
    again = Profile.from_json(DEFAULT.as_json())
    assert read(body, "A", b"/a", DEFAULT) == read(body, "A", b"/a", again) != ()


def test_of_file_leaves_fetching_out() -> None:
    text = b"User-agent: *\nAllow: /\nContent-Usage: train-ai=n\nDisallowAITraining: /\n"
    signals = of_file(parse(text), "ArtBot", b"/a", DEFAULT)
    assert [s.channel for s in signals] == [Channel.ROBOTS_CONTENT_USAGE]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("License: https://h/l.xml", [1]),
        ("License: https://h/l.xml\nUser-agent: *\nDisallow:", [1]),
        ("License: https://h/l.xml\nUser-agent: *\nLicense: https://h/m.xml", [3]),
        ("License: https://h/l.xml\nUser-agent: X\nLicense: https://h/m.xml", [1]),
        ("User-agent: ArtBot\nLicense: HTTP://h/m\nUser-agent: *\nLicense: https://h/n", [2, 4]),
        ("User-agent: *\nLicense: /l.xml\nLicense: ftp://h/l\nLicense: https://\nLicense:", [3, 4]),
        ("License: https://h/a b", []),
        ("User-agent: *\nDisallow: /\nLicense: https://h/a\nLicense: https://h/b", [3, 4]),
        ("", []),
    ],
)
def test_licenses(lines: str, expected: list[int]) -> None:
    assert [record.line for record in licenses(parse(lines.encode()), "ArtBot")] == expected


PIECES = [
    *("User-agent: ", "*", "ArtBot", "GPTBot", "Disallow: ", "Allow: ", "/", "a", "$", "\n", "\n"),
    *("Content-Usage: ", "Content-Signal: ", "train-ai=n", "ai-train=no", "=y", ", ", " ", "%61"),
    *("DisallowAITraining: ", "License: https://h/", "\xff", "\n"),
]
TEXT = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
PROFILE = st.sampled_from(list(PROFILES.values()))


@given(st.one_of(st.binary(max_size=200), TEXT.map(str.encode)), PROFILE)
def test_any_bytes_are_answered(octets: bytes, profile: Profile) -> None:
    said = says(octets, "/aa", profile)
    assert Say.SILENT not in said.values()
    assert isinstance(licenses(parse(octets), "ArtBot"), tuple)


@given(TEXT, PROFILE)
def test_fetching_is_never_freer_than_the_rules_alone(text: str, profile: Profile) -> None:
    lenient = profile.robots_lenient
    rules = Rules(parse(text.encode(), lenient=lenient), "ArtBot", lenient=lenient)
    if rules.answer(b"/aa").say is Say.DENY:
        assert says(text, "/aa", profile)[Channel.ROBOTS, Purpose.FETCH] is Say.DENY


RESERVATION = st.sampled_from(
    [
        "Content-Usage: train-ai=n",
        "Content-Usage: /aa train-ai=n",
        "Content-Signal: ai-train=no",
        "DisallowAITraining: /aa",
    ]
)
GROUPS = st.lists(
    st.sampled_from([STAR, "User-agent: ArtBot", "Allow: /", "Content-Usage: /a train-ai=n"])
)


@given(GROUPS, RESERVATION, PROFILE)
def test_one_more_reservation_never_removes_a_denial(
    lines: list[str], reservation: str, profile: Profile
) -> None:
    # Both end in a rule of our own group, so that neither the grouping nor who is addressed change.
    before = "\n".join([*lines, "User-agent: ArtBot", "Disallow: /never"])
    denied = {key for key, say in says(before, "/aa", profile).items() if say is Say.DENY}
    after = says(f"{before}\n{reservation}\n", "/aa", profile)
    assert all(after[key] is Say.DENY for key in denied)


def spent(octets: bytes, profile: Profile) -> float:
    body = Body(sha256_hex(octets), octets)
    read(body, "ArtBot", b"/warm", profile)
    times = []
    for _ in range(3):
        start = time.process_time()
        for n in range(1_000):
            read(body, "ArtBot", b"/images/%d.jpg" % n, profile)
        times.append(time.process_time() - start)
    return min(times) / 1_000


@pytest.mark.parametrize("profile", [DEFAULT, STRICT], ids=lambda profile: profile.name)
def test_a_url_costs_less_than_a_tenth_of_a_millisecond(profile: Profile) -> None:
    rules = b"".join(b"Disallow: /dir%d/*.php$\n" % n for n in range(50))
    assert spent(b"User-agent: *\n" + rules, profile) < 1e-4
    rights = b"Content-Signal: ai-train=no\nContent-Usage: /images/ train-ai=n\n"
    assert spent(b"User-agent: *\n" + rules + rights, profile) < 1.5e-4


@pytest.mark.parametrize(
    "body",
    [
        b"User-agent: *\n" + b"".join(b"Content-Usage: /*%x*a* all=n\n" % i for i in range(16_000)),
        b"User-agent: *\n" + b"Content-Signal: ai-train=no\n" * 18_000,
        b"User-agent: *\nContent-Usage: " + b"a=b, " * 90_000 + b"\n",
        b"User-agent: a\nDisallow: /\n" * 19_000,
        b"".join(b"User-agent: a%d\n" % i for i in range(28_000)),
    ],
    ids=["usage", "signal", "dictionary", "groups", "agents"],
)
def test_hostile_files_stay_fast(body: bytes) -> None:
    start = time.process_time()
    ask(body, "/" + "a" * 500, STRICT)
    worked_out = time.process_time()
    ask(body, "/" + "a" * 2_000, STRICT)
    assert worked_out - start < 6.0
    assert time.process_time() - worked_out < 1.0
