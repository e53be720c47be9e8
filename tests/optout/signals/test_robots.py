"""optout.signals.robots against RFC 9309, the facts' vectors, and anything at all."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.patterns import target
from optout.signals.robots import (
    LIMIT_BYTES,
    STATUS_POLICIES,
    Answer,
    Body,
    Robots,
    Rules,
    Standing,
    parse,
    rules_of,
    standing,
)
from schemas.canonical import sha256_hex
from schemas.verdict import Say
from tests.optout.signals.robots_cases import CASES, Case


def ask(body: bytes, path: str, agent: str = "ArtBot") -> Answer:
    return Rules(parse(body), agent).answer(target(f"https://h.example{path}"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_answers_as_the_table_says(case: Case) -> None:
    assert ask(case.body, case.path, case.agent).say is case.say


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Standing.READ),
        (206, Standing.READ),
        (302, Standing.ERROR),
        (400, Standing.REFUSED),
        (401, Standing.REFUSED),
        (402, Standing.REFUSED),
        (403, Standing.REFUSED),
        (451, Standing.REFUSED),
        (404, Standing.NO_FILE),
        (410, Standing.NO_FILE),
        (429, Standing.ERROR),
        (500, Standing.ERROR),
        (503, Standing.ERROR),
        (700, Standing.ERROR),
        (None, Standing.ERROR),
    ],
)
def test_a_status_stands_for(status: int | None, expected: Standing) -> None:
    assert standing(status) is expected


@pytest.mark.parametrize(
    ("status", "refuses", "allows"),
    [
        (200, Standing.READ, Standing.READ),
        (302, Standing.ERROR, Standing.ERROR),
        (401, Standing.REFUSED, Standing.NO_FILE),
        (403, Standing.REFUSED, Standing.NO_FILE),
        (404, Standing.NO_FILE, Standing.NO_FILE),
        (429, Standing.ERROR, Standing.NO_FILE),
        (451, Standing.REFUSED, Standing.NO_FILE),
        (503, Standing.ERROR, Standing.ERROR),
        (None, Standing.ERROR, Standing.ERROR),
    ],
    ids=lambda value: f"R10 {value}" if isinstance(value, int) else None,
)
def test_a_status_policy_has_a_name(
    status: int | None, refuses: Standing, allows: Standing
) -> None:
    assert standing(status, STATUS_POLICIES["refuses"]) is refuses
    assert standing(status, STATUS_POLICIES["allows"]) is allows


@pytest.mark.parametrize(
    ("lines", "path", "agent", "letter"),
    [
        (b"User-agent: img2dataset\nDisallow: /", "/a", "img2dataset", Say.SILENT),  # R09
        (b"User-agent: *\nDisallow: private/", "/private/", "ArtBot", Say.SILENT),
        (b"User-agent: *\nDisallow: *.jpg", "/a.jpg", "ArtBot", Say.DENY),  # R07, erratum 7995
        (b"User-agent: *\nDisalow: /", "/a", "ArtBot", Say.SILENT),
        (b"User-agent: *\nDisallow /", "/a", "ArtBot", Say.SILENT),
        (b"User-agent: *\nDisallow: /b\nAllow: /%62%61z", "/baz", "ArtBot", Say.ALLOW),
        (b"User-agent: *\nDisallow: /%62az", "/baz", "ArtBot", Say.DENY),
        (b"User-agent: ArtBot/1.0\nDisallow: /", "/a", "ArtBot", Say.DENY),
    ],
)
def test_the_letter_mends_nothing(lines: bytes, path: str, agent: str, letter: Say) -> None:
    assert Rules(parse(lines), agent).answer(path.encode()).say is Say.DENY
    body = Body(sha256_hex(lines), lines)
    assert rules_of(body, agent, lenient=False).answer(path.encode()).say is letter


def test_a_name_that_is_no_token_may_carry_a_version() -> None:
    body = b"User-agent: img2dataset/2.0 (+https://h)\nDisallow: /"
    assert ask(body, "/a", "img2dataset").say is Say.DENY
    assert ask(body, "/a", "img").say is Say.DENY  # what RFC 9309 makes of it


def test_the_deciding_line_is_reported() -> None:
    record = ask(b"User-agent: *\r\n\r\nDisallow: /a # ours\r\n", "/a/b").record
    assert record is not None
    assert (record.line, record.text) == (3, b"Disallow: /a # ours")


def test_every_record_stays_in_its_group_with_its_line() -> None:
    robots = parse(
        b"License: https://h/l\nUser-agent: A\nContent-Usage: train-ai=n\n"
        b"User-agent: B\nDisallow: /\n"
    )
    assert [(r.line, r.name) for r in robots.loose] == [(1, "license")]
    records = robots.records("a")
    assert records is not None
    assert [(r.line, r.name, r.value) for r in records] == [
        (3, "content-usage", b"train-ai=n"),
        (5, "disallow", b"/"),
    ]
    assert [agent.line for agent in robots.groups[0].agents] == [2, 4]


def test_a_cut_last_line_is_dropped() -> None:
    head = b"User-agent: *\nDisallow: /\n"
    filler = b"#" * (LIMIT_BYTES - len(head) - len("\nAllow: /")) + b"\n"
    assert ask(head + filler + b"Allow: /pub\n", "/a").say is Say.DENY


def test_a_last_line_that_ends_at_the_limit_is_kept() -> None:
    rule = b"User-agent: *\nDisallow: /"
    body = b"#" * (LIMIT_BYTES - len(rule) - 1) + b"\n" + rule
    assert ask(body + b"\nAllow: /", "/a").say is Say.DENY


def test_r11_rules_beyond_the_limit_are_not_read() -> None:
    body = b"#\n" * (300 * 1024) + b"User-agent: *\nDisallow: /\n"
    assert ask(body, "/a").say is Say.SILENT


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"User-agent: *\nCrawl-delay: 2.5\n", 2.5),
        (b"User-agent: *\nCrawl-delay: 2\nCrawl-delay: 4\n", 4.0),
        (b"User-agent: *\nCrawl-delay: 2\nUser-agent: ArtBot\nDisallow:\n", 2.0),
        (b"User-agent: *\nCrawl-delay: 2\nDisallow:\nUser-agent: ArtBot\nDisallow:\n", None),
        (b"User-agent: *\nCrawl-delay: nan\nCrawl-delay: -1\nCrawl-delay: inf\n", None),
        (b"User-agent: *\nCrawl-delay: soon\n", None),
    ],
)
def test_crawl_delay(lines: bytes, expected: float | None) -> None:
    assert Rules(parse(lines), "ArtBot").crawl_delay_s == expected


def test_a_file_is_parsed_once() -> None:
    body = b"User-agent: *\nDisallow: /once\n"
    assert rules_of(Body("once", body), "A") is rules_of(Body("once", bytes(body)), "A")


@pytest.mark.parametrize(
    "body",
    [
        b"User-agent: *\nDisallow: /" + b"*a" * 240_000 + b"b\n",
        b"User-agent: *\nDisallow: /" + b"*" * 480_000 + b"b\n",
        b"User-agent: *\n" + b"".join(b"Disallow: /*%x*a*b\n" % i for i in range(22_000)),
        b"User-agent: a\n" * 34_000 + b"Disallow: /\n",
        b"\n" * 500_000,
    ],
    ids=["one pattern", "stars", "patterns", "agents", "lines"],
)
def test_hostile_files_stay_fast(body: bytes) -> None:
    start = time.process_time()
    rules = Rules(parse(body), "ArtBot")
    parsed = time.process_time()
    for _ in range(3):
        rules.answer(b"/" + b"a" * 2_000)
    assert parsed - start < 4.0
    assert time.process_time() - parsed < 2.0


@given(st.binary(max_size=300), st.text(max_size=40))
def test_any_bytes_are_answered(body: bytes, path: str) -> None:
    rules = Rules(parse(body), "ArtBot")
    assert rules.answer(target(path)).say in set(Say)
    assert target(path).startswith(b"/")


PIECES = (
    b"User-agent|*|ArtBot|Disallow|Allow|/|a|$|:| |\n|\r|#|%2A|%|\xff|Crawl-delay|1e999|http://"
).split(b"|")
LINE = st.sampled_from([*PIECES, b"\xef\xbb\xbf", b"\xff\xfe", b"\0"])


@given(st.lists(LINE, max_size=60).map(b"".join))
def test_anything_like_a_file_is_answered(body: bytes) -> None:
    assert ask(body, "/aa").say in {Say.DENY, Say.ALLOW, Say.SILENT}


PATH = st.lists(st.sampled_from(["a", "b", "/", "*", "$", "%62", "ä", "?"]), max_size=6).map(
    lambda parts: "/" + "".join(parts)
)
RULE = st.tuples(st.sampled_from(["Allow", "Disallow"]), PATH)
GROUP = st.tuples(
    st.lists(st.sampled_from(["ArtBot", "*", "Other"]), min_size=1, max_size=2),
    st.lists(RULE, min_size=1, max_size=4),
)


Parsed = tuple[list[str], list[tuple[str, str]]]


def render(groups: list[Parsed], end: str = "\n") -> bytes:
    lines = []
    for agents, rules in groups:
        lines += [f"User-agent: {agent}" for agent in agents]
        lines += [f"{name}: {path}" for name, path in rules]
    return end.join([*lines, ""]).encode()


def flat(robots: Robots) -> list[Parsed]:
    return [
        (
            [record.value.decode() for record in group.agents],
            [(record.name.capitalize(), record.value.decode()) for record in group.records],
        )
        for group in robots.groups
    ]


@given(st.lists(GROUP, max_size=4), st.sampled_from(["\n", "\r", "\r\n"]))
def test_what_is_rendered_is_parsed(groups: list[Parsed], end: str) -> None:
    assert flat(parse(render(groups, end))) == groups


@given(st.lists(GROUP, max_size=3), RULE, PATH)
def test_a_disallow_for_us_never_permits_more(
    groups: list[Parsed], rule: tuple[str, str], path: str
) -> None:
    groups = [*groups, (["ArtBot"], [rule])]  # so that `*` does not speak for us
    before = ask(render(groups), path).say
    after = ask(render([*groups, (["ArtBot"], [("Disallow", "/")])]), path).say
    assert before is not Say.DENY or after is Say.DENY
