"""Packets of XMP with what they say: the vectors P01 to P04, and the forms in which it is said."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.verdict import Purpose, Say
from tests.optout.signals.xmp_files import PLUS, VOCABULARY, mining, packet

MINE, DISC, GEN = Purpose.MINE, Purpose.TRAIN_DISC, Purpose.TRAIN_GEN
INFER = Purpose.INFER
ALL = (MINE, DISC, GEN)


@dataclass(frozen=True)
class Case:
    """A packet, what it says about each purpose (nothing: silent), and the notes of it."""

    name: str
    packet: bytes
    says: Mapping[Purpose, Say] = field(default_factory=dict)
    note: str = ""


def deny(*purposes: Purpose) -> dict[Purpose, Say]:
    return dict.fromkeys(purposes, Say.DENY)


ALLOWED = dict.fromkeys(ALL, Say.ALLOW)
ERROR = {GEN: Say.ERROR}
GENAI = "DMI-PROHIBITED-GENAIMLTRAINING"
_HTTPS = VOCABULARY.replace("http:", "https:")
_BAG = "<plus:DataMining><rdf:Bag>{}</rdf:Bag></plus:DataMining>"


def bag(*values: str) -> bytes:
    return packet(_BAG.format("".join(f"<rdf:li>{value}</rdf:li>" for value in values)))


def within(inner: str) -> bytes:
    """Return a packet in which a part of the image says something."""
    return packet(
        f'<m:Pantry xmlns:m="http://ns.adobe.com/xap/1.0/mm/"><rdf:Bag><rdf:li '
        f'rdf:parseType="Resource">{inner}</rdf:li></rdf:Bag></m:Pantry>'
    )


CODES = [
    Case("P01", mining(VOCABULARY + GENAI), deny(GEN)),
    Case("P02 https", mining(_HTTPS + "DMI-PROHIBITED"), deny(*ALL)),
    Case("P03", mining(VOCABULARY + "DMI-UNSPECIFIED")),
    Case("P04 nothing said", packet()),
    Case("DMI-ALLOWED", mining(VOCABULARY + "DMI-ALLOWED"), ALLOWED),
    Case("AIMLTRAINING", mining(VOCABULARY + "DMI-PROHIBITED-AIMLTRAINING"), deny(DISC, GEN)),
    *(
        Case(suffix, mining(f"{VOCABULARY}DMI-PROHIBITED-{suffix}"), deny(*ALL))
        for suffix in (
            "EXCEPTSEARCHENGINEINDEXING",
            "SEECONSTRAINT",
            "SEEEMBEDDEDRIGHTSEXPR",
            "SEELINKEDRIGHTSEXPR",
        )
    ),
    Case("bare code", mining(GENAI), deny(GEN)),
    Case("lower case and space", mining(f"\n  {GENAI.lower()}/ "), deny(GEN)),
    Case("fragment", mining(f"http://ns.useplus.org/ldf/vocab#{GENAI}"), deny(GEN)),
    Case("unknown prohibition", mining("DMI-PROHIBITED-ONMONDAYS"), deny(*ALL), "unknown code"),
    Case("unknown value", mining("please do not"), ERROR, "unknown value"),
    Case("unknown code", mining("DMI-MAYBE"), ERROR, "unknown value"),
    Case("allowed with more", mining("DMI-ALLOWED-SOMETIMES"), ERROR, "unknown value"),
    Case("empty", mining("")),
]

LABELS = [
    Case("label unspecified", mining("Unspecified - no prohibition defined")),
    Case("label allowed", mining("Allowed"), ALLOWED),
    Case("label prohibited", mining("Prohibited"), deny(*ALL)),
    Case("label ai", mining("Prohibited for AI/ML training"), deny(DISC, GEN)),
    Case("label genai", mining("Prohibited for Generative AI/ML training"), deny(GEN)),
    Case("label search", mining("Prohibited except for search engine indexing"), deny(*ALL)),
    Case("label see", mining("Prohibited, see plus:OtherConstraints"), deny(*ALL), "unknown code"),
]

FORMS = [
    Case("attribute", packet(attributes=f'plus:DataMining="{VOCABULARY}{GENAI}"'), deny(GEN)),
    Case("resource", packet(f'<plus:DataMining rdf:resource="{VOCABULARY}{GENAI}"/>'), deny(GEN)),
    Case(
        "other prefix",
        packet(f'<q:DataMining xmlns:q="{PLUS}">{GENAI}</q:DataMining>'),
        deny(GEN),
    ),
    Case(
        "https namespace",
        packet(f'<q:DataMining xmlns:q="{PLUS.replace("http", "https")}">{GENAI}</q:DataMining>'),
        deny(GEN),
    ),
    Case("bag", bag(GENAI), deny(GEN)),
    Case("value", packet(f'<plus:DataMining rdf:value="{GENAI}"/>'), deny(GEN)),
    Case("several values", bag("DMI-ALLOWED", GENAI), {**ALLOWED, GEN: Say.DENY}),
    Case("silent beside allowed", bag("DMI-UNSPECIFIED", "DMI-ALLOWED"), ALLOWED),
    Case("error beside allowed", bag("?", "DMI-ALLOWED"), {**ALLOWED, GEN: Say.ERROR}),
    Case("no wrapper", packet(f"<plus:DataMining>{GENAI}</plus:DataMining>", wrapper=False),
         deny(GEN)),
    Case("padding", mining(GENAI) + b"\n" + b" " * 4096 + b"\0" * 9, deny(GEN)),
    Case("mark in front", b"\xef\xbb\xbf" + mining(GENAI), deny(GEN)),
    *(
        Case(name, mining(GENAI).decode().encode(name), deny(GEN))
        for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
    ),
    Case("octets that are no text", mining(GENAI).replace(b"W5M0", b"W\xff\xfeM"), deny(GEN)),
    Case("in a comment", packet(f"<!-- {GENAI} -->")),
    Case("in a caption", packet(f'<d:title xmlns:d="http://purl.org/dc/elements/1.1/">{GENAI}'
                                "</d:title>")),
    Case("wrong namespace", packet(f'<q:DataMining xmlns:q="q:">{GENAI}</q:DataMining>'),
         deny(GEN), "nonconforming"),
    Case("wrong namespace allows", packet('<q:DataMining xmlns:q="q:">DMI-ALLOWED</q:DataMining>')),
    Case("part prohibits", within(f"<plus:DataMining>{GENAI}</plus:DataMining>"),
         deny(GEN), "part of the image"),
    Case("part allows", within("<plus:DataMining>DMI-ALLOWED</plus:DataMining>")),
]  # fmt: skip

_WHOLE = mining(GENAI)
BROKEN = [
    Case("broken", packet("<plus:Other>", wrapper=False), ERROR, "broken packet"),
    Case("broken and empty", b"<", ERROR, "broken packet"),
    Case("no XML", b"something else", ERROR, "broken packet"),
    Case("cut behind the value", _WHOLE[:-60], deny(GEN)),
    Case("cut in the value", _WHOLE[: _WHOLE.index(b"GENAIML")], deny(*ALL), "broken packet"),
    Case("cut in UTF-16",
         _WHOLE[: _WHOLE.index(b"</plus") + 4].decode().encode("utf-16-le"), deny(GEN)),
    Case("no namespace", b"<a><plus:DataMining>" + GENAI.encode() + b"</plus:DataMining></a>",
         deny(GEN), "broken packet"),
    Case("NUL inside", _WHOLE.replace(b"rdf:about", b"\0rdf:about"), deny(GEN), "broken packet"),
    Case("allowed, then broken", mining("DMI-ALLOWED")[:-60], ERROR, "broken packet"),
    Case("entity", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', ERROR, "broken packet"),
    Case("external entity",
         b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', ERROR,
         "broken packet"),
]  # fmt: skip

TDM = [
    Case(
        f"tdm {name} {value}",
        packet(f'<t:{name} xmlns:t="{uri}">{value}</t:{name}>'),
        says,
        note,
    )
    for name, uri, value, says, note in (
        ("reservation", "http://www.w3.org/ns/tdmrep/", "1", deny(*ALL), "tdmrep in XMP"),
        ("reserve_tdm", "http://www.w3.org/ns/tdmrep#", "1", deny(*ALL), "tdmrep in XMP"),
        ("reservation", "http://www.w3.org/ns/tdmrep/", "0", {}, ""),
    )
]

CASES = [*CODES, *LABELS, *FORMS, *BROKEN, *TDM]
