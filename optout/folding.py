"""One text of all the ways in which words are written: what captions and names are compared as.

"Mira Venn", "MIRA VENN's" and "@mira_venn" fold to the same words. `aligned` says of each folded
character where in the text it came from, so that what was found can be cut out.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

SIGN = "#"
"""Stands in a folded text where it had @ or #."""

UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff"  # Hangul
    "\u2e80-\u2fdf\u3005-\u3007\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff"  # kana, radicals
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
"""Scripts written without spaces, as the inside of a character class."""

_UNSPACED_RUN = re.compile(f"[{UNSPACED}]+")
_JAMO = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff]")
_HANDLE = f" {SIGN} "
_LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe"}

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """Folded text, and of each of its characters the span [start, end) it came from."""

    text: str
    at: tuple[Span, ...]


def fold(text: str) -> str:
    """Return text as compared: NFKC, case-folded, no accents, words parted by single spaces.

    Letters and digits of all scripts stay, invisible characters vanish, all else parts words.
    Vowel signs stay: without them names of Indic, Arabic and Hebrew script would run together.
    Idempotent.
    """
    return " ".join(folded(text).replace(SIGN, " ").split())


def folded(text: str) -> str:
    """Return text folded, with ' # ' where a handle's sign stood; spaces are not yet tidied."""
    return _UNSPACED_RUN.sub(r" \g<0> ", _plain(text))


def padded(text: str) -> str:
    """Return folded text with one space between words and at both ends; " " where it has none."""
    return " ".join(["", *text.split(), ""]) or " "


def unsigned(line: str) -> str:
    """Return a padded line without the signs of handles."""
    return padded(line.replace(SIGN, " "))


def aligned(text: str) -> Line | None:
    """Return `padded(folded(text))` with its origins.

    None where the text cannot be folded piece by piece (characters that compose over the borders
    of what a reader takes for one).
    """
    if text.isascii():
        pieces = ((char, (n, n + 1)) for n, own in enumerate(text) for char in _piece(own))
        return _tidied(pieces)
    chars: list[tuple[str, Span]] = []
    for start, end in _clusters(text):
        chars += [(char, (start, end)) for char in _piece(text[start:end])]
    whole = "".join(char for char, _ in chars)
    spaced: list[tuple[str, Span]] = []
    last = 0
    for run in _UNSPACED_RUN.finditer(whole):
        a, b = run.span()
        spaced += [*chars[last:a], (" ", (0, 0)), *chars[a:b], (" ", (0, 0))]
        last = b
    line = _tidied([*spaced, *chars[last:]])
    return line if line.text == padded(folded(text)) else None


def unsigned_line(line: Line) -> Line:
    """Return `unsigned` of an aligned line, with its origins."""
    if SIGN not in line.text:
        return line
    return _tidied(
        [(" " if c == SIGN else c, at) for c, at in zip(line.text, line.at, strict=True)]
    )


def _tidied(chars: Iterable[tuple[str, Span]]) -> Line:
    text, at = [" "], [(0, 0)]
    for char, span in chars:
        if char.isspace():
            if text[-1] != " ":
                text.append(" ")
                at.append((0, 0))
        else:
            text.append(char)
            at.append(span)
    if text[-1] != " ":
        text.append(" ")
        at.append((0, 0))
    return Line("".join(text), tuple(at))


def _clusters(text: str) -> list[Span]:
    """Return the spans of characters with what belongs to each: marks, and jamo that compose."""
    starts: list[int] = []
    for place, char in enumerate(text):
        joins = not char.isascii() and (
            unicodedata.category(char) in {"Mn", "Mc", "Me", "Cf"}
            or (place > 0 and _JAMO.match(char) and _JAMO.match(text[place - 1]))
        )
        if not joins or not starts:
            starts.append(place)
    return list(itertools.pairwise([*starts, len(text)]))


@lru_cache(maxsize=65_536)
def _piece(cluster: str) -> str:
    return _plain(cluster)


def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    bare = unicodedata.normalize("NFC", unicodedata.normalize("NFD", plain).translate(_MARKS))
    return bare.translate(_KINDS)


class _Marks(dict[int, str | None]):
    """Drops the accents of Latin, Greek and Cyrillic letters (combining diacritical marks)."""

    def __missing__(self, code: int) -> str | None:
        kept = None if 0x300 <= code <= 0x36F else chr(code)  # noqa: PLR2004 - the Unicode block
        self[code] = kept
        return kept


class _Kinds(dict[int, str | None]):
    """Keeps letters, marks and digits, drops what is invisible, and parts words at the rest."""

    def __missing__(self, code: int) -> str | None:
        self[code] = kept = _kind(chr(code))
        return kept


def _kind(char: str) -> str | None:
    if char in "@#":
        return _HANDLE
    category = unicodedata.category(char)
    if category[0] in "LMN":
        return _LETTERS.get(char, char)
    if category == "Cf" or (category == "Cc" and not char.isspace()):
        return None  # soft hyphens and zero-width characters hide a name, and show nothing
    return " "


_MARKS = _Marks()
_KINDS = _Kinds()
