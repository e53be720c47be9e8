"""optout.signals.xmp against the facts' vectors, in every container, and against any bytes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optout.signals.profiles import PROFILES
from optout.signals.xmp import (
    FORBIDS,
    LABELS,
    SPEAKS_OF,
    Provenance,
    code_of,
    of_packets,
    provenance,
)
from optout.signals.xmp_packets import Packets, packets
from optout.signals.xmp_statements import DEPTH, ELEMENTS, PACKET_BYTES, read, text_of
from schemas.verdict import Channel, Purpose, Say
from tests.optout.signals import xmp_files as files
from tests.optout.signals.xmp_cases import ALL, CASES, FORMS, GENAI, Case, deny
from tests.optout.signals.xmp_files import FILES, mining, packet

DEFAULT = PROFILES["default"]
GEN = Purpose.TRAIN_GEN


def says(*bodies: bytes, faults: tuple[str, ...] = ()) -> dict[Purpose, Say]:
    signals = of_packets(Packets(bodies, faults), DEFAULT)
    assert len({s.purpose for s in signals}) == len(signals)
    assert {s.channel for s in signals} <= {Channel.XMP}
    return {s.purpose: s.say for s in signals}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_packet_says_what_the_table_says(case: Case) -> None:
    signals = of_packets(Packets((case.packet,)), DEFAULT)
    assert {s.purpose: s.say for s in signals} == dict(case.says)
    if case.note:
        assert case.note in {s.note for s in signals}


@pytest.mark.parametrize("name", FILES)
def test_a_reservation_is_read_in_every_container(name: str) -> None:
    found = packets(FILES[name].build(mining(GENAI)))
    assert {s.purpose: s.say for s in of_packets(found, DEFAULT)} == deny(GEN)


FORMED = [case for case in FORMS if case.packet.startswith(b"<?xpacket") and case.name != "padding"]


@pytest.mark.parametrize("name", ["jpeg", "png deflated", "webp", "tiff", "avif", "gif"])
@pytest.mark.parametrize("case", FORMED, ids=lambda case: case.name)
def test_forms_are_read_in_containers(name: str, case: Case) -> None:
    if b"\0" in case.packet and name == "gif":
        pytest.skip("a GIF block holds no NUL")
    found = packets(FILES[name].build(case.packet))
    assert {s.purpose: s.say for s in of_packets(found, DEFAULT)} == dict(case.says)


def test_a_denial_shows_the_value_and_its_line() -> None:
    (signal,) = of_packets(Packets((mining(GENAI),)), DEFAULT)
    assert (signal.raw, signal.line, signal.place, signal.note) == (GENAI, 4, "", "")


def test_codes_of_the_standard_are_all_known() -> None:
    assert set(LABELS.values()) - set(FORBIDS) == {"DMI-ALLOWED", "DMI-UNSPECIFIED"}
    assert all(set(purposes) <= set(SPEAKS_OF) for purposes in FORBIDS.values())


@pytest.mark.parametrize("value", ["/", "", "a/", "x" * 10**6, "Prohibited,"])
def test_any_value_has_a_code(value: str) -> None:
    assert len(code_of(value)) <= 300


def test_packets_of_one_file_are_heard_together() -> None:
    assert says(mining("DMI-ALLOWED"), mining(GENAI)) == {
        **dict.fromkeys(ALL, Say.ALLOW),
        GEN: Say.DENY,
    }


def test_a_fault_without_a_packet_is_an_error_that_names_it() -> None:
    (signal,) = of_packets(Packets((), ("png: no end chunk",), "png"), DEFAULT)
    assert (signal.purpose, signal.say, signal.note) == (GEN, Say.ERROR, "png: no end chunk")


def test_a_file_that_ends_before_its_pixels_says_nothing_for_there_is_no_image() -> None:
    assert of_packets(packets(files.jpeg_with()[:200]), DEFAULT) == ()


def test_a_fault_beside_a_packet_that_was_read_says_nothing() -> None:
    assert says(packet(), faults=("png: no end chunk",)) == {}


def test_a_prohibition_outside_a_packet_denies() -> None:
    found = packets(files.jpeg_with(files.segment(GENAI.encode(), 0xFE)))
    (signal,) = of_packets(found, DEFAULT)
    assert (signal.purpose, signal.say, signal.raw) == (GEN, Say.DENY, GENAI)
    assert signal.note == "outside a packet"


@pytest.mark.parametrize("name", ["heic", "avif"])
def test_a_packet_that_no_table_names_denies(name: str) -> None:
    body = FILES[name].build(mining(GENAI)).replace(b"application/rdf+xml", b"application/rdf-xml")
    assert {s.purpose: s.say for s in of_packets(packets(body), DEFAULT)} == deny(GEN)


def test_rsl_in_a_packet_is_read() -> None:
    fragment = (
        '<r:rsl xmlns:r="https://rslstandard.org/rsl"><r:content url="/a.jpg"><r:license>'
        '<r:prohibits type="usage">ai-all</r:prohibits></r:license></r:content></r:rsl>'
    )
    (text,) = read(packet(fragment)).rsl
    assert 'type="usage">ai-all<' in text
    assert says(packet(fragment))[GEN] is Say.DENY


# --- provenance

RIGHTS = (
    '<xmpRights:WebStatement xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" '
    'rdf:resource="https://h/licence"/>'
    '<xmpRights:UsageTerms xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/"><rdf:Alt>'
    '<rdf:li xml:lang="x-default">Ask first</rdf:li></rdf:Alt></xmpRights:UsageTerms>'
    '<cc:license xmlns:cc="http://creativecommons.org/ns#" rdf:resource="https://cc/by/4.0/"/>'
    '<dc:rights xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Alt><rdf:li>2026 A</rdf:li>'
    "</rdf:Alt></dc:rights>"
    '<plus:Licensor><rdf:Seq><rdf:li rdf:parseType="Resource"><plus:LicensorURL>https://h/'
    "</plus:LicensorURL></rdf:li></rdf:Seq></plus:Licensor>"
    "<plus:OtherConstraints>None of it</plus:OtherConstraints>"
    '<e:DigitalSourceType xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia</e:DigitalSourceType>"
)
MARKED = 'xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmpRights:Marked="True"'


def test_provenance_names_source_type_and_rights() -> None:
    assert provenance(Packets((packet(RIGHTS, MARKED), packet(RIGHTS)))) == Provenance(
        "trainedAlgorithmicMedia",
        (
            ("xmpRights:Marked", "True"),
            ("xmpRights:WebStatement", "https://h/licence"),
            ("xmpRights:UsageTerms", "Ask first"),
            ("cc:license", "https://cc/by/4.0/"),
            ("dc:rights", "2026 A"),
            ("plus:LicensorURL", "https://h/"),
            ("plus:OtherConstraints", "None of it"),
        ),
    )


def test_provenance_of_nothing_is_empty() -> None:
    assert provenance(Packets()) == provenance(Packets((b"<",))) == Provenance()


def test_rights_are_cut_at_512_bytes() -> None:
    long = packet(f"<plus:OtherConstraints>{'ä' * 400}</plus:OtherConstraints>")
    ((_, value),) = provenance(Packets((long,))).rights
    assert len(value.encode()) <= 512


def test_a_packet_is_parsed_once_for_signals_and_provenance() -> None:
    read.cache_clear()
    found = Packets((packet(RIGHTS),))
    of_packets(found, DEFAULT)
    provenance(found)
    assert read.cache_info().misses == 1


# --- hostile packets


def laughs() -> bytes:
    rows = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE a [<!ENTITY l0 "ha">{rows}]><a>&l11;</a>'.encode()


HOSTILE = {
    "entities": laughs(),
    "too long": b"<a>" + b" " * PACKET_BYTES + b"</a>",
    "nested": b"<a>" * 100_000 + b"</a>" * 100_000,
    "deeper than is read": b"<a>" * (DEPTH + 1) + b"</a>" * (DEPTH + 1),
    "elements": b"<a>" + b"<b/>" * (ELEMENTS + 1) + b"</a>",
    "attributes": b"<a " + b"".join(b'b%d="" ' % n for n in range(200_000)) + b">",
    "ends of packets": b"<a>" + b"<?xpacket end" * 300_000,
    "open brackets": b"<" * PACKET_BYTES,
    "zeros": bytes(PACKET_BYTES),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_packet_is_an_error_and_costs_little(name: str) -> None:
    begun = time.process_time()
    statements = read(HOSTILE[name])
    assert time.process_time() - begun < 5
    assert statements.broken
    assert says(HOSTILE[name]) == {GEN: Say.ERROR}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_packet_that_shows_a_prohibition_denies(name: str) -> None:
    assert says(HOSTILE[name][: PACKET_BYTES - 99] + b" DMI-PROHIBITED ") == deny(*ALL)


def test_a_packet_as_deep_as_is_read_is_whole() -> None:
    assert not read(b"<a>" * DEPTH + b"</a>" * DEPTH).broken


# --- any bytes

XML = st.text("<>/=\"'?!&;ax: \n", max_size=80)


@given(st.one_of(st.binary(max_size=200), XML.map(str.encode)))
def test_any_bytes_are_answered(body: bytes) -> None:
    found = Packets((body,))
    assert all(len(s.raw.encode()) <= 512 for s in of_packets(found, DEFAULT))
    assert isinstance(provenance(found), Provenance)
    assert isinstance(text_of(body), str)


@given(st.data())
def test_any_damage_leaves_an_answer_that_allows_nothing_new(data: st.DataObject) -> None:
    body = bytearray(mining(GENAI))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    assert Say.ALLOW not in says(bytes(body)).values()


VALUES = st.sampled_from(
    [*FORBIDS, *LABELS, "DMI-ALLOWED", "DMI-UNSPECIFIED", "?", "DMI-PROHIBITED-X"]
)


@given(st.lists(VALUES, max_size=4), st.sampled_from(sorted(FORBIDS)), st.booleans())
def test_one_more_reservation_never_removes_a_denial(
    values: list[str], code: str, same: bool
) -> None:
    others = tuple(mining(value) for value in values)
    inner = "".join(f"<plus:DataMining>{value}</plus:DataMining>" for value in [*values, code])
    more = says(packet(inner)) if same else says(*others, mining(code))
    denied = {p for p, say in says(*others).items() if say is Say.DENY}
    assert denied | set(FORBIDS[code]) <= {p for p, say in more.items() if say is Say.DENY}


@given(
    st.sampled_from(["", files.VOCABULARY, files.VOCABULARY.replace("http", "https")]),
    st.sampled_from(sorted(FORBIDS)),
    st.sampled_from(["element", "attribute", "resource"]),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-8-sig"]),
)
def test_what_is_rendered_is_read(base: str, code: str, form: str, encoding: str) -> None:
    value = base + code
    body = {
        "element": packet(f"<plus:DataMining>{value}</plus:DataMining>"),
        "attribute": packet(attributes=f'plus:DataMining="{value}"'),
        "resource": packet(f'<plus:DataMining rdf:resource="{value}"/>'),
    }[form]
    statements = read(body.decode().encode(encoding))
    assert [(s.raw, s.where) for s in statements.data_mining] == [(value, form)]
    assert not statements.broken
    assert says(body) == deny(*FORBIDS[code])
