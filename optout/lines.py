"""A caption as it is searched, and a name as it is sought: lines of text, and patterns in them.

A caption is one or more lines: its folded words; the same with the signs of handles; both with
special Latin letters spelt out; and, where it has letters of another alphabet, the skeletons of its
words between other marks, so that what is sought in one line is never met in another. A name is
sought in each form in which it may stand there. A pattern that is *shy* means the name only where
an attribution says so: a word of everyday language, or a single word from another alphabet, which
may be one there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from optout.common_words import COMMON_WORDS
from optout.folding import (
    SIGN,
    UNSPACED,
    Line,
    Span,
    aligned,
    fold,
    folded,
    padded,
    unsigned,
    unsigned_line,
)
from optout.romanise import is_foreign, skeleton, spellings, spelt

MIN_LETTERS = 4
"""Of a name, in whatever letters it is sought."""
CROSS = "~"
"""Between the skeletons of words; no folded text holds it."""

_UNSPACED_END = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True, slots=True)
class Pattern:
    """What to look for in `lines`, literally."""

    text: str
    shy: bool


def is_common(name: str) -> bool:
    """Say whether a name is a single word that many captions hold."""
    return fold(name) in COMMON_WORDS


def lines(text: str) -> list[str]:
    """Return the lines of a caption."""
    first = _versions(text)
    if text.isascii():
        return first
    special = spelt(text)
    more = [] if special == text else _versions(special)
    crossed = [_crossed(line) for line in first] if is_foreign(first[0]) else []
    return [*first, *more, *crossed]


def aligned_lines(text: str) -> list[Line] | None:
    """Return `lines` with the origins of their characters; None where they cannot be told.

    For the few texts that a name was found in; it takes some ten times as long as `lines`.
    """
    whole = aligned(text)
    if whole is None:
        return None
    plain = unsigned_line(whole)
    first = [plain, whole] if SIGN in whole.text else [plain]
    found = list(first)
    if text.isascii():
        return found
    for line in lines(text)[len(first) :]:
        mark = CROSS if line.startswith(CROSS) else " "
        like = whole if SIGN in line else plain
        by_words = _by_words(line, mark, like)
        if by_words is None:
            return None
        found.append(by_words)
    return found


def patterns(name: str) -> list[Pattern]:
    """Return the forms in which a name is sought; none for a name that folds to nothing."""
    own = fold(name)
    if not own:
        return []
    common = own in COMMON_WORDS
    found = {text: common for way in (own, fold(spelt(name))) for text in _forms(way)}
    single = " " not in own
    for way in spellings(name):
        words = fold(way)
        if _letters(words) >= MIN_LETTERS:
            for text in _forms(words):
                found.setdefault(text, single)
    for text in _skeletons(own):
        found.setdefault(text, single)
    return [Pattern(text, shy) for text, shy in found.items()]


def _versions(text: str) -> list[str]:
    signed = padded(folded(text))
    return [unsigned(signed), signed] if SIGN in signed else [signed]


def _crossed(line: str) -> str:
    return f"{CROSS}{CROSS.join(skeleton(word) for word in line.split())}{CROSS}"


def _by_words(text: str, mark: str, like: Line) -> Line | None:
    """Return a line whose words are those of `like` in other letters."""
    spans = _word_spans(like)
    words = text[1:-1].split(mark) if len(text) > 1 else []
    if len(words) != len(spans):
        return None
    at: list[Span] = [(0, 0)]
    for word, span in zip(words, spans, strict=True):
        at += [*[span] * len(word), (0, 0)]
    return Line(text, tuple(at)) if len(at) == len(text) else None


def _word_spans(line: Line) -> list[Span]:
    spans: list[Span] = []
    inside = False
    for char, (start, end) in zip(line.text, line.at, strict=True):
        if char == " ":
            inside = False
        elif inside:
            spans[-1] = (min(spans[-1][0], start), max(spans[-1][1], end))
        else:
            spans.append((start, end))
            inside = True
    return spans


def _forms(words: str) -> list[str]:
    """Return how folded words stand in a line: as words, and as one handle."""
    before = "" if _is_unspaced(words[0]) else " "
    after = "" if _is_unspaced(words[-1]) else " "
    found = [f"{before}{words}{after}"]
    if " " in words:
        found.append(f" {SIGN} {words.replace(' ', '')} ")
    return found


def _is_unspaced(char: str) -> bool:
    return _UNSPACED_END.match(char) is not None


def _skeletons(own: str) -> list[str]:
    """Return how folded words are sought in captions of other alphabets; none elsewhere."""
    words = [skeleton(word) for word in own.split()]
    ways = [(CROSS.join(words), words)]
    if len(words) > 1:
        handle = skeleton(own.replace(" ", ""))
        ways.append((f"{SIGN}{CROSS}{handle}", [handle]))
    return [f"{CROSS}{text}{CROSS}" for text, parts in ways if _is_latin(parts)]


def _is_latin(words: Sequence[str]) -> bool:
    plain = all(word and word.isascii() for word in words)
    return plain and _letters("".join(words)) >= MIN_LETTERS


def _letters(text: str) -> int:
    return sum(char.isalpha() for char in text)
