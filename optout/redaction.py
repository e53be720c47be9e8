"""A text without somebody's name, and without the words that only introduced it. Pure.

"a castle by Mira Venn, oil" becomes "a castle, oil". What does not name them stays as it is, to
the last character; what is left names them in no form in which a caption is searched.
"""

import json
import re
from collections.abc import Sequence
from itertools import chain

from optout.attribution import (
    AFTER,
    AROUND,
    BY,
    GAP,
    IN_THE_STYLE_OF,
    INSPIRED_BY,
    NOT_INSIDE,
    POSSESSIVE,
    REACH,
    ROLE,
    SIGNS,
    SPACE,
    STYLED,
)
from optout.folding import UNSPACED, Span, fold
from optout.mentions import holds, mentions

_LEAD = re.compile(
    rf"(?:{NOT_INSIDE}(?:{IN_THE_STYLE_OF}|{INSPIRED_BY}|{BY}|{AFTER}|{ROLE}|of|from|via|with"
    rf"|feat|ft|featuring|credits?(?:{GAP}to)?|courtesy{GAP}of|copyright|\u00e0{GAP}la|par|por|von|av"
    rf"|\u043e\u0442)|\(c\)|\u00a9){AROUND}$",
    re.IGNORECASE,
)
"""Words before a name that say nothing without it."""
_AND = r"(?:(?<!\w)(?:and|und|et)(?!\w)|[&+])"
_AND_BEFORE = re.compile(rf"{SPACE},?{SPACE}{_AND}{SPACE}$", re.IGNORECASE)
_AND_AFTER = re.compile(rf"{SPACE},?{SPACE}{_AND}{SPACE}(?=\S)", re.IGNORECASE)
_BETWEEN = re.compile(rf"[\s,;/]{{0,8}}{_AND}?[\s,;/]{{0,8}}", re.IGNORECASE)
_IN = re.compile(rf"{NOT_INSIDE}in{SPACE}$", re.IGNORECASE)
_POSSESSIVE = re.compile(POSSESSIVE, re.IGNORECASE)
_UNSPACED = re.compile(f"[{UNSPACED}]")
_ADDRESS = re.compile(r"\s*https?://\S+\s*", re.IGNORECASE)
_PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">", "\u201c": "\u201d", "\u2018": "\u2019",
          "\u00ab": "\u00bb", '"': '"', "'": "'", "\u300c": "\u300d", "*": "*"}  # fmt: skip
_ENDS = ".!?\u2026)]}"
_SEPARATORS = ",;:|/\u2013\u2014-\u2022\u00b7_"
Sides = tuple[str, str]
"""What stands before a cut and behind it."""
_LITTLE_WORDS = "a an the by of and in on with from after for to at is style styled inspired s"
_LITTLE = frozenset(_LITTLE_WORDS.split())
"""Words that are no caption by themselves."""


def redact(text: str, names: Sequence[str], *, shy: bool = True) -> str:
    """Return text without the names, as `optout.mentions` finds them; unchanged without any.

    names: as claimed. shy: leave a name that is a word of everyday language where nothing says
    that it is meant. Empty where the names cannot be cut out. Idempotent.
    """
    while (spans := _places(text, names, shy=shy)) != []:
        if spans is None:
            return ""
        whole = len(text)
        for group in reversed(_groups(text, spans)):
            if group[1] > whole:  # what introduced a later name reached into this one
                break
            text, whole = _without(text, group)
    return text


def redact_value(value: object, names: Sequence[str]) -> object:
    """Return a value of another column without the names, shy ones too; null where none is left.

    Text inside lists and mappings counts, under their keys it does not, and text that is JSON is
    read as such. An address that holds a name goes as a whole: cut, it would lead elsewhere.
    """
    if isinstance(value, str):
        return _redacted_text(value, names)
    if isinstance(value, list | tuple):
        return type(value)(redact_value(inner, names) for inner in value)
    if isinstance(value, dict):
        return {key: redact_value(inner, names) for key, inner in value.items()}
    return value


def _redacted_text(text: str, names: Sequence[str]) -> str | None:
    if not any(holds(text, name) for name in names):
        return text
    if _ADDRESS.fullmatch(text):
        return None
    if text.lstrip()[:1] in {"{", "["}:
        try:
            cut = json.dumps(redact_value(json.loads(text), names), ensure_ascii=False)
            cut.encode()
        except (ValueError, RecursionError):  # no JSON after all, or none that a table can hold
            return redact(text, names, shy=False) or None
        return None if any(holds(cut, name) for name in names) else cut
    return redact(text, names, shy=False) or None


def is_spent(text: str) -> bool:
    """Say whether nothing is left that a caption could be."""
    return all(word in _LITTLE for word in fold(text).split())


def _places(text: str, names: Sequence[str], *, shy: bool) -> list[Span] | None:
    found = [mentions(text, name, shy=shy) for name in names]
    if any(each is None for each in found):
        return None
    every = chain.from_iterable(each for each in found if each is not None)
    return sorted((mention.start, mention.end) for mention in every)


def _groups(text: str, spans: Sequence[Span]) -> list[Span]:
    """Return names that stand together as one: overlapping, or parted by a comma or "and"."""
    groups = [spans[0]]
    for start, end in spans[1:]:
        first, last = groups[-1]
        if start <= last or _BETWEEN.fullmatch(text, last, start):
            groups[-1] = (first, max(last, end))
        else:
            groups.append((start, end))
    return groups


def _without(text: str, span: Span) -> tuple[str, int]:
    """Return text without a name at a place, and up to where it is as it was."""
    return _joined(*_sides(text, span))


def _sides(text: str, span: Span) -> Sides:
    """Return what stays before and behind a name."""
    start, end = span
    styled = STYLED.match(text, end) or _POSSESSIVE.match(text, end)
    if styled:
        end = styled.end()
    left, right = text[:start].rstrip(SIGNS), text[end:]
    if styled and "style" in styled[0].lower():
        left = _cut(left, _IN)
    left, right = _unwrapped(left, right)
    if after := _AND_AFTER.match(right):
        return left, right[after.end() :]  # "by A and B": what introduced A introduces B
    if (bare := _cut(left, _AND_BEFORE)) != left:
        return bare, right
    return _introduced(left, right)


def _cut(left: str, ending: re.Pattern[str]) -> str:
    """Return text without its end where that matches."""
    found = ending.search(left, max(0, len(left) - REACH))
    return left[: found.start()] if found else left


def _introduced(left: str, right: str) -> Sides:
    """Return both sides without what only introduced the name, and without empty brackets."""
    while True:
        left, right = _unwrapped(left, right)
        bare = _cut(left, _LEAD)
        if bare == left:
            return left, right
        left = bare


def _unwrapped(left: str, right: str) -> Sides:
    bare_left, bare_right = left.rstrip(), right.lstrip()
    while bare_left and bare_right and _PAIRS.get(bare_left[-1]) == bare_right[0]:
        left, right = bare_left[:-1], bare_right[1:]
        bare_left, bare_right = left.rstrip(), right.lstrip()
    return left, right


def _joined(left: str, right: str) -> tuple[str, int]:
    """Return two sides as one text, and how much of the left one stands in it.

    No separator stands twice, at the beginning or at the end.
    """
    bare_left, bare_right = left.rstrip(), right.lstrip()
    space = left[len(bare_left) :] + right[: len(right) - len(bare_right)]
    if not bare_left or bare_left[-1] in _SEPARATORS:
        trimmed = bare_right.lstrip(_SEPARATORS)
        bare_right = trimmed.lstrip()
        space += trimmed[: len(trimmed) - len(bare_right)]
    if not bare_right or bare_right[0] in _ENDS:
        bare_left = bare_left.rstrip(_SEPARATORS).rstrip()
    glue = _glue(bare_left, bare_right, space) if bare_left and bare_right else ""
    return f"{bare_left}{glue}{bare_right}", len(bare_left)


def _glue(left: str, right: str, space: str) -> str:
    if "\n" in space:
        return "\n"
    if right[0] in _ENDS or right[0] in ",;:":
        return ""
    if not space and (_UNSPACED.match(left[-1]) or _UNSPACED.match(right[0])):
        return ""
    if not space and (left[-1] in "_/|" or not right[0].isalnum()):
        return ""
    return " "
