"""optout.signals.rsl against the facts' vectors, hostile documents, and any bytes."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.combine import combine
from optout.signals.profiles import PROFILES
from optout.signals.rsl import UNREADABLE as UNREADABLE_NOTE
from optout.signals.rsl import of_document, of_fragment, unobtainable
from optout.signals.rsl_document import MAX_BYTES, read
from optout.signals.signal import RAW_BYTES
from schemas.errors import SignalError
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals.rsl_cases import (
    CASES,
    DENIED,
    GRANTED,
    SILENT,
    TRAINING_GRANTED,
    UNREADABLE,
    Case,
    content,
    licence,
    payment,
    permits,
    prohibits,
)

DEFAULT, STRICT = PROFILES["default"], PROFILES["strict"]
CHANNEL = Channel.ROBOTS_LICENSE
URL = "https://art.example/a.jpg"


def says(case_or_contents, profile=DEFAULT, url=URL):
    case = case_or_contents
    if isinstance(case, str):
        case = Case("", case, SILENT, url=url)
    signals = of_document(case.document, case.url, profile, CHANNEL)
    assert len({s.purpose for s in signals}) == len(signals)
    return {s.purpose: s.say for s in signals}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_licence_says_what_the_table_says(case):
    assert says(case) == case.says
    if case.note:
        signals = of_document(case.document, case.url, DEFAULT, CHANNEL)
        assert {s.note for s in signals if s.say is Say.DENY} == {case.note}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_licenses_nothing(name):
    signals = of_document(UNREADABLE[name], URL, DEFAULT, CHANNEL)
    assert {s.purpose: s.say for s in signals} == DENIED
    assert {s.note for s in signals} == {UNREADABLE_NOTE}
    with pytest.raises(SignalError):
        read(UNREADABLE[name])


def test_a_denial_shows_the_term_and_its_line():
    body = b'<rsl>\n<content url="/">\n<license>\n<prohibits type="usage">\n ai-all </prohibits>'
    body += b"</license></content></rsl>"
    signal = of_document(body, URL, DEFAULT, CHANNEL)[0]
    assert (signal.raw, signal.line) == ('<prohibits type="usage">ai-all</prohibits>', 4)
    assert (signal.channel, signal.place, signal.evidence) == (CHANNEL, "", None)


def test_attribution_is_a_permission_where_the_operator_says_so():
    document = content(licence(permits("ai-all"), payment("attribution")))
    assert says(document, replace(DEFAULT, rsl_attribution=True)) == GRANTED
    both = content(licence(permits("ai-all"), payment("attribution crawl")))
    assert says(both, replace(DEFAULT, rsl_attribution=True)) == DENIED


def test_input_is_inference_in_the_strict_profile_only():
    assert says(content(licence(prohibits("ai-input"))), STRICT) == {Purpose.INFER: Say.DENY}
    assert says(content(licence(prohibits("ai-all"))), STRICT)[Purpose.INFER] is Say.DENY
    assert says(content(licence(permits("search"))), STRICT)[Purpose.INFER] is Say.DENY
    assert says(content(licence(permits("ai-train"))), STRICT) == TRAINING_GRANTED


def test_namespace_prefixes_make_no_difference():
    body = (
        '<r:rsl xmlns:r="https://rslstandard.org/rsl" xmlns:x="https://x.example/">'
        '<r:content url="/"><x:license/><r:license><r:prohibits type="usage">all</r:prohibits>'
        "</r:license></r:content></r:rsl>"
    ).encode("utf-16")
    assert {s.say for s in of_document(body, URL, DEFAULT, CHANNEL)} == {Say.DENY}


def test_notes_hold_no_words_of_the_document():
    long = "x" * 10_000
    document = content(licence(permits("all", long), payment(long)), url=f"/*{'*' * 10_000}")
    for s in of_document(Case("", document, SILENT).document, URL, DEFAULT, CHANNEL):
        assert len(s.note) < 40
        assert len(s.raw.encode()) <= RAW_BYTES


def fragment(contents: str, url: str = URL):
    text = f'<rsl:rsl xmlns:rsl="https://rslstandard.org/rsl">{contents}</rsl:rsl>'
    return {s.purpose: s.say for s in of_fragment(text, url, DEFAULT, Channel.XMP)}


def test_a_fragment_reserves_its_carrier_wherever_it_is_found():
    reserved = content(licence(prohibits("all")), url="https://elsewhere.example/original")
    assert fragment(reserved) == fragment(reserved, url="") == DENIED


def test_a_fragment_permits_at_the_address_that_it_names_only():
    permitted = content(licence(permits("all")), url="https://art.example/a.jpg")
    assert fragment(permitted) == GRANTED
    assert fragment(permitted, url="https://copies.example/a.jpg") == SILENT
    assert fragment(permitted, url="") == SILENT


def test_a_fragment_has_one_content():
    one = content(licence(permits("all")))
    assert fragment(one) == GRANTED
    assert fragment(one + one) == DENIED
    assert {s.say for s in of_fragment("<rsl", URL, DEFAULT, Channel.XMP)} == {Say.DENY}


def test_a_fragment_that_declares_an_encoding_is_text_all_the_same():
    text = '\ufeff <?xml version="1.0" encoding="utf-16"?>' + CASES[0].document.decode()
    assert {s.note for s in of_fragment(text, URL, DEFAULT, Channel.XMP)} == {""}


def test_an_unobtainable_licence_denies():
    signals = unobtainable(Channel.LINK_LICENSE, "status 404")
    assert {s.purpose: s.say for s in signals} == DENIED
    assert {(s.channel, s.note) for s in signals} == {(Channel.LINK_LICENSE, "status 404")}


@pytest.mark.parametrize(
    "inside",
    [
        b'<content url="/*a*a*a*a*b"/>' * 9000,
        b'<content url="https://x.example/"/>' * 7000,
        b'<content url="/"><license>' + b"<prohibits>x</prohibits>" * 10_000,
        b"<!-- " + b"a" * 250_000 + b" -->",
        b'<content url="/' + b"*a" * 120_000 + b'$"/>',
        b'<content url="/"><license><prohibits>' + b"ai- " * 60_000,
    ],
)
def test_hostile_documents_take_no_long_time(inside):
    url = "https://art.example/" + "a" * 8000
    began = time.perf_counter()
    of_document(b"<rsl>" + inside + b"</rsl>", url, STRICT, CHANNEL)
    closed = inside + (b"</prohibits>" if inside.endswith(b"ai- ") else b"")
    closed += b"</license></content>" if b"<license>" in inside else b""
    of_document(b"<rsl>" + closed + b"</rsl>", url, STRICT, CHANNEL)
    assert time.perf_counter() - began < 10


WORDS = st.lists(
    st.sampled_from(["all", "ai-all", "ai-train", "ai-input", "ai-index", "search", "x", "genai"])
).map(" ".join)
TERM = st.one_of(
    WORDS.map(permits),
    WORDS.map(prohibits),
    st.sampled_from([payment("free"), payment("crawl"), permits("education", "user")]),
)
PATH = st.sampled_from(["/", "/a", "/*.jpg$", "/b/", "https://art.example/", ""])
LICENCE = st.lists(TERM, max_size=3).map(lambda terms: licence(*terms))
CONTENT = st.builds(
    lambda licences, url: content(*licences, url=url), st.lists(LICENCE, max_size=3), PATH
)
PROFILE = st.sampled_from(list(PROFILES.values()))


@given(st.lists(CONTENT, min_size=1, max_size=4), PROFILE, st.randoms())
def test_the_order_of_contents_does_not_matter(contents, profile, random):
    shuffled = random.sample(contents, len(contents))
    assert says("".join(contents), profile) == says("".join(shuffled), profile)


@given(st.lists(LICENCE, max_size=3), PROFILE, st.sampled_from(["ai-train", "all", "ai-index"]))
def test_a_prohibition_in_the_same_content_never_lifts_a_denial(licences, profile, word):
    fewer = says(content(*licences), profile)
    more = says(content(*licences, licence(prohibits(word))), profile)
    if licences:
        assert all(more.get(p) is Say.DENY for p, say in fewer.items() if say is Say.DENY)
    denied = {p for p, say in more.items() if say is Say.DENY}
    assert denied & {Purpose.TRAIN_GEN, Purpose.MINE}


@given(st.lists(CONTENT, min_size=1, max_size=3), PROFILE)
def test_a_rendered_document_is_read_back(contents, profile):
    document = Case("", "".join(contents), SILENT).document
    assert len(read(document)) == len(contents)
    again = read(document.decode())
    assert [c[:3] for c in again] == [c[:3] for c in read(document)]


@given(st.binary(), st.text(), PROFILE)
def test_any_bytes_and_text_are_answered(body, text, profile):
    assert of_document(body, URL, profile, CHANNEL) == unobtainable(CHANNEL, UNREADABLE_NOTE)
    assert combine(of_fragment(text, text, profile, CHANNEL))[Purpose.TRAIN_GEN] is Say.DENY


@given(st.text(alphabet='<>/"= abcrslcontentlicense:&;!-?', max_size=200), st.text())
def test_any_markup_is_answered(inside, url):
    body = b'<rsl xmlns="https://rslstandard.org/rsl">' + inside.encode() + b"</rsl>"
    for signal in of_document(body, url, STRICT, CHANNEL):
        assert len(signal.raw.encode()) <= RAW_BYTES
    assert len(body) < MAX_BYTES
