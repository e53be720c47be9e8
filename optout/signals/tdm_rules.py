"""tdmrep.json taken apart: its rules, and those of them that match a path.

The file is an array of rules, each with a location (a pattern as in robots.txt, in octets, case
counts) and a reservation. What the matches add up to is decided in `tdmrep`.
Source: TDM Reservation Protocol, section on the file of an origin; facts section 6.
"""

import json
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, NamedTuple, NoReturn

from optout.signals.patterns import Wild, decoded, literal, target
from optout.signals.profiles import Profile
from optout.signals.remembered import remembered
from optout.signals.signal import excerpt
from schemas.errors import SignalError

LOCATION, RESERVATION = "location", "tdm-reservation"

LIMIT_BYTES = 1024 * 1024
LIMIT_RULES = 10_000
LIMIT_DEPTH = 32
"""Arrays and objects inside each other; a rule needs two."""

# Strings are stepped over, also one that never ends: each octet is looked at once.
_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SPACE = " \t\r\n"


class Reservation(Enum):
    """What a rule says."""

    RESERVED = "1"
    MEANT = "meant"  # "1" or true: what was meant is plain, but the specification says unset
    FREE = "0"
    UNSET = "unset"


class TdmRule(NamedTuple):
    """One rule of a file: its place in the sequence, what it says, and its compact JSON."""

    order: int
    reservation: Reservation
    raw: str

    def reserves(self, profile: Profile) -> bool:
        """Say whether the rule reserves rights, as the profile reads it."""
        meant = self.reservation is Reservation.MEANT and profile.tdm_nonconforming
        return meant or self.reservation is Reservation.RESERVED


class Match(NamedTuple):
    """A rule that matches, and the length of its pattern in the reading at hand."""

    length: int
    rule: TdmRule


class _Reading:
    """Patterns in one reading of percent-encoding, indexed by the octets they begin with."""

    __slots__ = ("_heads", "_lengths")

    def __init__(self, patterns: Iterable[tuple[bytes, TdmRule]]) -> None:
        """Index patterns in their order; only the first of equal ones that say the same stays."""
        self._heads: dict[bytes, list[tuple[Wild, Match]]] = {}
        seen: set[tuple[bytes, Reservation]] = set()
        for pattern, rule in patterns:
            if (pattern, rule.reservation) in seen:
                continue
            seen.add((pattern, rule.reservation))
            wild = Wild.of(pattern)
            self._heads.setdefault(wild.head, []).append((wild, Match(len(pattern), rule)))
        self._lengths = sorted({len(head) for head in self._heads})

    def matches(self, path: bytes) -> list[Match]:
        """Return every rule that matches a path, in no order."""
        found: list[Match] = []
        for length in self._lengths:
            if length > len(path):
                break
            candidates = self._heads.get(path[:length], ())
            found += [match for wild, match in candidates if wild.matches(path)]
        return found


class TdmRules:
    """The rules of one file. `unplaced` are those whose location nobody can read."""

    __slots__ = ("_decoded", "_literal", "unplaced")

    def __init__(self, rules: Sequence[dict[str, Any]]) -> None:
        """Index rules, members of the file's array in their order."""
        self.unplaced: list[TdmRule] = []
        rfc: list[tuple[bytes, TdmRule]] = []
        as_is: list[tuple[bytes, TdmRule]] = []
        for order, members in enumerate(rules):
            rule = TdmRule(order, _reservation(members.get(RESERVATION)), _compact(members))
            pattern = _pattern(members.get(LOCATION), rule.reservation)
            if pattern:
                rfc.append((decoded(pattern, is_pattern=True), rule))
                as_is.append((literal(pattern), rule))
            else:
                self.unplaced.append(rule)
        self._decoded = _Reading(rfc)
        self._literal = _Reading(as_is) if as_is != rfc else self._decoded

    def matches(self, path: bytes) -> tuple[list[Match], ...]:
        """Return the rules that match a path with its query, for each reading of `%`."""
        as_decoded, as_is = decoded(path, is_pattern=False), literal(path)
        found = self._decoded.matches(as_decoded)
        if self._literal is self._decoded and as_decoded == as_is:
            return (found,)
        return found, self._literal.matches(as_is)


def rules_of(body: bytes) -> TdmRules:
    """Return the rules of a tdmrep.json; the last files are remembered.

    Raises SignalError for what is no JSON, no array of objects, ambiguous (a name twice in one
    object), or beyond LIMIT_BYTES, LIMIT_RULES or LIMIT_DEPTH.
    """
    outcome = _read_once(body)
    if isinstance(outcome, str):
        raise SignalError(outcome)
    return outcome


@remembered
def _read_once(body: bytes) -> TdmRules | str:
    """Return a file's rules, or why there are none: a file that fails is not read twice either."""
    try:
        return TdmRules(_members(body))
    except SignalError as e:
        return str(e)


def _members(body: bytes) -> list[dict[str, Any]]:
    if len(body) > LIMIT_BYTES:
        raise SignalError(f"expected a tdmrep.json of {LIMIT_BYTES} bytes, found {len(body)}")
    try:
        text = body.decode(json.detect_encoding(body))
        _require_shallow(text)
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except ValueError as e:  # no text, no JSON, a number of thousands of digits
        raise SignalError(f"expected tdmrep.json to be JSON, found {e}") from e
    if not isinstance(value, list):
        raise SignalError(f"expected an array of rules, found {type(value).__name__}")
    if len(value) > LIMIT_RULES:
        raise SignalError(f"expected at most {LIMIT_RULES} rules, found {len(value)}")
    for order, rule in enumerate(value):
        if not isinstance(rule, dict):
            raise SignalError(f"expected rule {order} to be an object, found {rule!r:.50}")
    return value


def _require_shallow(text: str) -> None:
    # Before parsing: json's own guard depends on how deep the caller's stack already is.
    depth = 0
    for match in _BRACKET.finditer(text):
        bracket = match[0]
        if bracket in "[{":
            depth += 1
            if depth > LIMIT_DEPTH:
                raise SignalError(f"expected JSON of depth {LIMIT_DEPTH}, found a deeper one")
        elif bracket in "]}":
            depth -= 1


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # parsers differ in which one they keep: RFC 8259 section 4
        raise SignalError(f"expected each name once in an object, found {len(pairs)} members")
    return members


def _no_number(name: str) -> NoReturn:
    raise SignalError(f"expected JSON numbers, found {name}")


def _reservation(value: object) -> Reservation:
    if value is True or (isinstance(value, str) and value.strip(_SPACE) == "1"):
        return Reservation.MEANT
    # JSON knows one kind of number: 1.0 is 1. Python takes False for a number too.
    if isinstance(value, int | float) and value is not False and value in (0, 1):
        return Reservation.RESERVED if value == 1 else Reservation.FREE
    return Reservation.UNSET


def _pattern(location: object, reservation: Reservation) -> bytes:
    """Return a location's pattern in octets; empty where there is none that counts."""
    if not isinstance(location, str):
        return b""
    octets = location.strip(_SPACE).encode("utf-8", "surrogatepass")
    if not octets or octets[:1] in (b"/", b"*"):
        return octets
    # `images/` or a whole URL, as in robots.txt: honoured unless it permits.
    return b"" if reservation is Reservation.FREE else target(octets)


def _compact(members: dict[str, Any]) -> str:
    return excerpt(json.dumps(members, ensure_ascii=False, separators=(",", ":")))
