"""Names across alphabets: how a name is spelt in Latin letters, and when two spellings agree.

There is no one way to write Юрий in Latin letters: Yuri, Yuriy, Iurii, Jurij. So a name in
Cyrillic, Greek, Armenian or Georgian letters is sought in Latin captions under its usual
`spellings`; and captions in those alphabets are reduced, like the names sought in them, to a
`skeleton` in which all usual spellings of a word are one. Latin letters that are more than a letter
with an accent are also `spelt` out: Müller is Mueller as well.

Alphabets only. Where one sign stands for a syllable or a word (Han, kana, Hangul), or vowels are
left out (Arabic, Hebrew), a transliteration is a guess that many other words share; names in those
scripts match in their own script alone.
"""

# ruff: noqa: RUF001 - letters that look alike are what this is about

import itertools
import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii

MAX_SPELLINGS = 64
"""Of one name; the usual ones come first."""

_ALPHABETS = "\u0370-\u03ff\u1f00-\u1fff\u0400-\u052f\u1c80-\u1c8f\u0531-\u0587\u10a0-\u10ff"
_FOREIGN = re.compile(f"[{_ALPHABETS}]")
_SPECIAL = re.compile("[\u00c4-\u02af\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff\uab30-\uab6f]")
_GREEK = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")
_NO_LETTER = re.compile("[^a-z0-9]+")

_DIGRAPHS = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"}

SCHOLARLY = {"й": "j", "ю": "ju", "я": "ja", "х": "h", "ц": "c", "ч": "c", "ш": "s", "щ": "sc",
             "ж": "z", "ё": "e", "є": "je", "ї": "ji"}  # fmt: skip
PASSPORT = {"й": "i", "ю": "iu", "я": "ia", "ё": "e", "ї": "i", "є": "ie", "щ": "shch", "ц": "ts"}
POPULAR = {"ё": "yo", "х": "h"}
SYSTEMS: tuple[dict[str, str], ...] = ({}, PASSPORT, SCHOLARLY, POPULAR)
"""Letters that a way of writing Cyrillic renders otherwise than anyascii does, accents dropped."""

_REDUCTIONS = tuple(
    (re.compile(sought), put)
    for sought, put in (
        ("q", "k"),
        ("x", "ks"),
        ("ph", "f"),
        ("tsch|tch|ch|ts|tz|cz", "c"),
        ("s[hz]?c?", "s"),
        ("zh", "z"),
        ("kh", "h"),
        ("w|ff?$", "v"),
        ("ou|oo", "u"),
        ("[iyj]+", "i"),
        ("i[eo]", "e"),
        ("(?<=[dt])er$", "r"),
        (r"(.)\1+", r"\1"),
    )
)
"""What makes all usual spellings of a word one, in this order."""


def is_foreign(text: str) -> bool:
    """Say whether a text has letters of an alphabet that is compared by skeletons."""
    return _FOREIGN.search(text) is not None


@lru_cache(maxsize=65_536)  # captions share their words
def skeleton(word: str) -> str:
    """Return the form in which spellings of a folded word agree; "" where nothing is left of it.

    Words of scripts that are no alphabets stay as they are.
    """
    plain = _latin(word)
    if not plain.isascii():
        return word
    for sought, put in _REDUCTIONS:
        plain = sought.sub(put, plain)
    return plain


def spelt(text: str) -> str:
    """Return text with its special Latin letters spelt out: ü as ue, þ as th; accents stay.

    The very same text where it has none.
    """
    whole = unicodedata.normalize("NFC", text)
    if not _SPECIAL.search(whole):
        return text
    found = whole.translate(_SPELLING)
    return text if found == whole else found


def spellings(name: str) -> tuple[str, ...]:
    """Return the usual ways to write a name in lower-case Latin letters, the most usual first.

    Empty for a name that has no letter of another alphabet, or letters of a script that is none.
    """
    words = unicodedata.normalize("NFC", name).casefold().split()
    if not is_foreign(name):
        return ()
    each = max(2, round(MAX_SPELLINGS ** (1 / len(words))))
    ways = [_word_spellings(word)[:each] for word in words]
    if not all(ways):
        return ()
    found = (" ".join(pieces) for pieces in itertools.product(*ways))
    return tuple(itertools.islice(dict.fromkeys(found), MAX_SPELLINGS))


def _word_spellings(word: str) -> list[str]:
    """Return the spellings of one word; none where a part of it stays outside ASCII."""
    systems = ({},) if _GREEK.search(word) else SYSTEMS
    base = [_latin("".join(system.get(c, c) for c in word)) for system in systems]
    if not all(text.isascii() and text for text in base):
        return []
    found = list(base)
    changes = _GREEK_CHANGES if _GREEK.search(word) else _CYRILLIC_CHANGES
    for sought, put in changes:
        found += [sought.sub(put, text) for text in found]
    return list(dict.fromkeys(found))


_CYRILLIC_CHANGES = tuple(
    (re.compile(sought), put)
    for sought, put in (
        ("(?:iy|yy|ii|ij|yj|yi)$", "y"),  # -ий, -ый
        ("(?<=[^aeouy])y$|(?:iy|ii|ij)$", "i"),
        ("ks", "x"),
        ("(?<=[dt])r$", "er"),  # Александр, Пётр
        ("^e", "ye"),
    )
)
_GREEK_CHANGES = tuple(
    (re.compile(sought), put)
    for sought, put in (
        ("^mp|mp$", "b"),
        ("^nt", "d"),
        ("(?<![ao])y", "i"),
        ("[eo]i", "i"),
        ("ch", "h"),
        ("^gi(?=[ao])", "y"),
    )
)


def _latin(word: str) -> str:
    """Return a word with the letters of alphabets in Latin ones; others stay."""
    if word.isascii():
        return word
    plain = word.replace("ου", "ou").replace("ού", "ou")
    pieces = [anyascii(c) if _FOREIGN.match(c) or _is_latin(c) else c for c in plain]
    lower = "".join(pieces).lower()
    return _NO_LETTER.sub("", lower) if lower.isascii() else lower


def _is_latin(char: str) -> bool:
    return unicodedata.name(char, "").startswith("LATIN ")


class _Spelling(dict[int, str]):
    """Spells out what folding would take for a plain letter, or leave as it is."""

    def __missing__(self, code: int) -> str:
        self[code] = put = _spelling(chr(code))
        return put


def _spelling(char: str) -> str:
    if (digraph := _DIGRAPHS.get(char.lower())) is not None:
        return digraph if char.islower() else digraph.capitalize()
    base = unicodedata.normalize("NFD", char)[0]
    if base.isascii() or not char.isalpha() or not _is_latin(char):
        return char
    return anyascii(char)


_SPELLING = _Spelling()
