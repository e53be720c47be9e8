"""TDMRep: rights to text and data mining reserved (1) or not (0), for paths, responses or pages.

The file `/.well-known/tdmrep.json` is an array of rules, each with a location (a pattern as in
robots.txt, octets, case counts) and a reservation. The specification takes the first rule that
matches for the most specific one and points to longest-match rules in the same breath; where the
two disagree the profile decides. A value that is neither 0 nor 1 is unset: such a rule reserves
nothing, but no permission of a wider rule holds where it stands. Headers and meta elements carry
the same two values; a policy's address is shown beside a reservation and never fetched.
Source: TDM Reservation Protocol, final report of the W3C community group; facts section 6.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from optout.signals.profiles import Profile
from optout.signals.signal import Signal, excerpt
from optout.signals.tdm_rules import RESERVATION, Match, Reservation, TdmRule, TdmRules, rules_of
from schemas.errors import SignalError
from schemas.verdict import Channel, Purpose, Say

__all__ = [
    "POLICY",
    "PURPOSES",
    "RESERVATION",
    "TdmRules",
    "in_force",
    "of_file",
    "of_header",
    "of_meta",
    "of_xmp",
    "rules_of",
]

PURPOSES = (Purpose.MINE, Purpose.TRAIN_DISC, Purpose.TRAIN_GEN)
"""What a reservation covers: mining, and training as a use of what was mined."""

POLICY = "tdm-policy"
"""With RESERVATION the names of headers and of meta elements."""

_SPACE = " \t\r\n"
_WEIGHTS = (Say.ALLOW, Say.SILENT, Say.ERROR, Say.DENY)  # silence here is a permission withheld


class _Statement(NamedTuple):
    say: Say
    rule: TdmRule
    note: str


def of_file(body: bytes, path: bytes, profile: Profile) -> tuple[Signal, ...]:
    """Return what a tdmrep.json says about a path with its query, as from `patterns.target`.

    A file that cannot be read, or one that reserves without saying where, is an error for every
    path, unless a rule that can be read reserves the path.
    """
    try:
        rules = rules_of(body)
    except SignalError:
        return _signals(Channel.TDMREP, Say.ERROR, body, note="malformed")
    made = (_statement(matches, profile) for matches in rules.matches(path))
    found = [statement for statement in made if statement is not None]
    found += [_Statement(Say.ERROR, r, "malformed") for r in rules.unplaced if r.reserves(profile)]
    counts = max(found, key=lambda statement: _WEIGHTS.index(statement.say), default=None)
    if counts is None or counts.say is Say.SILENT:
        return ()
    return _signals(Channel.TDMREP, counts.say, counts.rule.raw, note=counts.note)


def of_header(lines: Iterable[tuple[int, str, str]], profile: Profile) -> tuple[Signal, ...]:
    """Return what tdm-reservation header lines say: (index, lower-case name, value) each.

    Other headers are passed over. Anything but one 0 or one 1 is an error, except that with
    `tdm_nonconforming` a 1 among several values reserves. Source: facts T05 to T07.
    """
    return _of_values(Channel.TDM_HEADER, lines, profile)


def of_meta(content: Sequence[tuple[str, str]], profile: Profile) -> tuple[Signal, ...]:
    """Return what a page's meta elements, (name, content) each, say about images it shows.

    Nothing where the profile keeps to the letter, by which they cover the HTML alone.
    """
    if not profile.tdm_page_binds:
        return ()
    lines = ((None, name.strip().lower(), value) for name, value in content)
    return _of_values(Channel.PAGE_TDM, lines, profile)


def of_xmp(value: str) -> tuple[Signal, ...]:
    """Return what tdm:reservation or tdm:reserve_tdm in an image's XMP says.

    The specification defines no carrier in images: a reservation is honoured all the same, a 0 is
    no permission, and anything else is an error.
    """
    stated = value.strip(_SPACE)
    if stated == "0":
        return ()
    say = Say.DENY if stated == "1" else Say.ERROR
    note = "tdmrep in XMP" if say is Say.DENY else "malformed"
    return _signals(Channel.XMP, say, stated, note=note)


def in_force(
    file: tuple[Signal, ...], header: tuple[Signal, ...], profile: Profile
) -> tuple[Signal, ...]:
    """Return the file's signals that still hold beside the response's.

    A header that says 0 or 1 supersedes the file's, in either direction, where the profile lets
    it; one that is absent or cannot be read resets nothing. Source: facts T04.
    """
    stated = any(s.channel is Channel.TDM_HEADER and s.say in (Say.DENY, Say.ALLOW) for s in header)
    if not (profile.tdm_header_lifts and stated):
        return file
    return tuple(s for s in file if s.channel is not Channel.TDMREP or s.say is Say.SILENT)


def _statement(matches: Sequence[Match], profile: Profile) -> _Statement | None:
    free = Reservation.FREE
    stated = [m for m in matches if m.rule.reservation is free or m.rule.reserves(profile)]
    if not stated:
        return None
    first = min(stated, key=lambda m: m.rule.order).rule
    # Of equally long patterns the one that reserves counts, then the earlier.
    longest = max(stated, key=lambda m: (m.length, m.rule.reserves(profile), -m.rule.order)).rule
    rule = first
    if profile.tdm_strict_order and longest.reserves(profile) and not first.reserves(profile):
        rule = longest
    notes = []
    if first.reserves(profile) is not longest.reserves(profile):
        notes.append("ambiguous-order")
    if rule.reservation is Reservation.MEANT:
        notes.append("nonconforming")
    if rule.reserves(profile):
        return _Statement(Say.DENY, rule, ", ".join(notes))
    # Where a rule beside it was to say something else, the permission is withheld.
    say = Say.ALLOW if len(stated) == len(matches) else Say.SILENT
    return _Statement(say, rule, ", ".join(notes))


def _of_values(
    channel: Channel, lines: Iterable[tuple[int | None, str, str]], profile: Profile
) -> tuple[Signal, ...]:
    """Read the values of one carrier; lines joined by a comma are the same as repeated ones."""
    values: list[tuple[str, int | None, str]] = []
    policy = ""
    for line, name, text in lines:
        if name == RESERVATION:
            values += [(value.strip(_SPACE), line, text) for value in text.split(",")]
        elif name == POLICY and not policy:
            policy = text.strip(_SPACE)
    if not values:
        return ()
    place = RESERVATION if channel is Channel.TDM_HEADER else ""
    several = len(values) > 1
    for value, line, text in values:
        if value == "1" and (profile.tdm_nonconforming or not several):
            raw = f"{text.strip(_SPACE)}; {POLICY}: {policy}" if policy else text.strip(_SPACE)
            note = "nonconforming" if several else ""
            return _signals(channel, Say.DENY, raw, line=line, place=place, note=note)
    value, line, text = values[0]
    # What departs from the specification may reserve, it never permits: `0, 0` is an error too.
    allows = value == "0" and not several
    say, note = (Say.ALLOW, "") if allows else (Say.ERROR, "malformed")
    return _signals(channel, say, text, line=line, place=place, note=note)


def _signals(
    channel: Channel,
    say: Say,
    raw: str | bytes,
    *,
    line: int | None = None,
    place: str = "",
    note: str = "",
) -> tuple[Signal, ...]:
    shown = excerpt(raw)
    return tuple(Signal(channel, p, say, shown, line, place, None, note) for p in PURPOSES)
