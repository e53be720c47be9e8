"""What the XMP in an image says: PLUS data mining, TDMRep and RSL, and where rights are stated.

A packet that nobody can read is an error, unless it shows that mining is prohibited. A statement
about a part of the image can reserve the whole, and cannot permit it; so can a property of the
right name in a wrong namespace.
Source: facts section 8 (IPTC Photo Metadata Standard 2023.1; PLUS LDF), 10 and 11.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from optout.signals import rsl, tdmrep
from optout.signals.combine import STRICTNESS
from optout.signals.profiles import Profile
from optout.signals.signal import Signal, excerpt
from optout.signals.xmp_packets import Packets, codes
from optout.signals.xmp_statements import FOREIGN, NESTED, Statement, XmpStatements, read
from schemas.verdict import Channel, Purpose, Say

_MINE, _DISC, _GEN = Purpose.MINE, Purpose.TRAIN_DISC, Purpose.TRAIN_GEN

SPEAKS_OF = (_MINE, _DISC, _GEN)
"""What data mining is: the purposes that a value can forbid or grant."""

UNREADABLE = (_GEN,)
"""The purposes for which what cannot be read is an error."""

PROHIBITED = "DMI-PROHIBITED"

FORBIDS: Mapping[str, tuple[Purpose, ...]] = MappingProxyType(
    {
        "DMI-PROHIBITED-GENAIMLTRAINING": (_GEN,),
        "DMI-PROHIBITED-AIMLTRAINING": (_DISC, _GEN),
        "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": SPEAKS_OF,  # we are no public search engine
        "DMI-PROHIBITED-SEECONSTRAINT": SPEAKS_OF,
        "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR": SPEAKS_OF,
        "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR": SPEAKS_OF,
        PROHIBITED: SPEAKS_OF,
    }
)
"""What each prohibiting code forbids; a code that is not here forbids all."""

ALLOWED, UNSPECIFIED = "DMI-ALLOWED", "DMI-UNSPECIFIED"

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "unspecified - no prohibition defined": UNSPECIFIED,
        "unspecified": UNSPECIFIED,
        "allowed": ALLOWED,
        "prohibited for ai/ml training": "DMI-PROHIBITED-AIMLTRAINING",
        "prohibited for generative ai/ml training": "DMI-PROHIBITED-GENAIMLTRAINING",
        "prohibited except for search engine indexing": "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING",
        "prohibited": PROHIBITED,
    }
)
"""Values as ExifTool prints them, lower case. Others that begin like a prohibition are one."""

BROKEN, STRAY = "broken packet", "outside a packet"
UNKNOWN_CODE, UNKNOWN_VALUE = "unknown code", "unknown value"
_PART, _NONCONFORMING = "part of the image", "nonconforming"
PIXELLESS = frozenset({"jpeg: header cut", "jpeg: segment cut"})
"""Faults of a file that ends before its pixels begin: no decoder makes an image of it, and so there
is nothing about which something could have been said."""
_TAIL_CHARS = 256


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an image comes from and where its rights are stated, as its first packets say.

    digital_source_type: e.g. `trainedAlgorithmicMedia`; None where nothing is said.
    rights: (field, value), without repetitions.
    """

    digital_source_type: str | None = None
    rights: tuple[tuple[str, str], ...] = ()


def of_packets(found: Packets, profile: Profile, url: str = "") -> tuple[Signal, ...]:
    """Return the strictest of what a file's XMP says about each purpose; nothing where silent.

    url: of the image, to which an RSL fragment in it applies.
    """
    best: dict[Purpose, Signal] = {}
    for signal in _all(found, profile, url):
        known = best.get(signal.purpose)
        if known is None or STRICTNESS[signal.say] > STRICTNESS[known.say]:
            best[signal.purpose] = signal
    return tuple(best[purpose] for purpose in Purpose if purpose in best)


def provenance(found: Packets) -> Provenance:
    """Return source type and rights fields of a file's XMP. Packets are parsed once for both."""
    source_type: str | None = None
    rights: dict[tuple[str, str], None] = {}
    for statements in map(read, found.packets):
        source_type = source_type or statements.digital_source_type
        rights |= dict.fromkeys(statements.rights)
    return Provenance(source_type, tuple(rights))


def code_of(value: str) -> str:
    """Return the code of a value of plus:DataMining, upper case; of any other its last segment.

    A value is a URI under either scheme, a bare code, or a printed label.
    """
    words = " ".join(value[-_TAIL_CHARS:].split())
    if words.lower() in LABELS:
        return LABELS[words.lower()]
    if words.lower().startswith("prohibited"):  # `Prohibited, see ...`
        return f"{PROHIBITED}-{words[len('prohibited') :].strip(' ,-')}".upper()
    return words.rstrip("/#").replace("#", "/").rpartition("/")[2].strip().upper()


def _all(found: Packets, profile: Profile, url: str) -> Iterator[Signal]:
    for fault in found.faults:
        for code in codes(fault.encode()):
            yield from _signals(FORBIDS.get(code, SPEAKS_OF), Say.DENY, code, None, STRAY)
    for packet in found.packets:
        statements = read(packet)
        for signal in _of_statements(statements, profile, url):
            if not statements.broken or signal.say is not Say.ALLOW:
                yield signal  # what follows the break could have taken a permission back
        if statements.broken:
            yield from _of_broken(packet)
    telling = [fault for fault in found.faults if fault not in PIXELLESS]
    if telling and not found.packets:
        yield from _signals(UNREADABLE, Say.ERROR, "", None, telling[0])


def _of_statements(statements: XmpStatements, profile: Profile, url: str) -> Iterator[Signal]:
    for statement in statements.data_mining:
        yield from _of_mining(statement)
    for statement in statements.tdm:
        yield from tdmrep.of_xmp(statement.raw)
    for fragment in statements.rsl:
        yield from rsl.of_fragment(fragment, url, profile, Channel.XMP)


def _of_mining(statement: Statement) -> Iterator[Signal]:
    code = code_of(statement.raw)
    aside = {NESTED: _PART, FOREIGN: _NONCONFORMING}.get(statement.where, "")
    if code.startswith(PROHIBITED):
        note = aside if code in FORBIDS else UNKNOWN_CODE
        purposes = FORBIDS.get(code, SPEAKS_OF)
        yield from _signals(purposes, Say.DENY, statement.raw, statement.line, note)
    elif aside or code == UNSPECIFIED:
        return
    elif code == ALLOWED:
        yield from _signals(SPEAKS_OF, Say.ALLOW, statement.raw, statement.line, "")
    else:
        yield from _signals(UNREADABLE, Say.ERROR, statement.raw, statement.line, UNKNOWN_VALUE)


def _of_broken(packet: bytes) -> Iterator[Signal]:
    shown = codes(packet)
    for code in shown:
        yield from _signals(FORBIDS.get(code, SPEAKS_OF), Say.DENY, code, None, BROKEN)
    if not shown:
        yield from _signals(UNREADABLE, Say.ERROR, "", None, BROKEN)


def _signals(
    purposes: Iterable[Purpose], say: Say, raw: str, line: int | None, note: str
) -> Iterator[Signal]:
    for purpose in purposes:
        yield Signal(Channel.XMP, purpose, say, excerpt(raw), line, "", None, note)
