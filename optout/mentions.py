"""Where in a text a name stands, and in which form: exact places, for the few texts that matter."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from optout.attribution import NAMING, SIGNS, Form, form_of
from optout.folding import Line, Span
from optout.lines import CROSS, Pattern, aligned_lines, lines, patterns
from optout.romanise import is_foreign


@dataclass(frozen=True, slots=True, order=True)
class Mention:
    """A name at [start, end) of a text, signs of a handle included."""

    start: int
    end: int
    form: Form


def mentions(text: str, name: str, *, shy: bool = True) -> list[Mention] | None:
    """Return the places of a name, first to last, those that overlap included.

    shy: leave out what means the name only in an attribution, and stands in none.
    None where the name stands in the text at places that cannot be told.
    """
    whole = "\n".join(lines(text))
    sought = [pattern for pattern in _sought(name) if pattern.text in whole]
    if not sought:
        return []
    where = aligned_lines(text)
    if where is None:
        return None
    found = set()
    for span, pattern in _spans(where, sought):
        start, end = _with_signs(text, span)
        if CROSS in pattern.text and not is_foreign(text[start:end]):
            continue  # other words of the caption are foreign; these are Latin, and no exact match
        form = form_of(text, start, end)
        if not (shy and pattern.shy) or form in NAMING:
            found.add(Mention(start, end, form))
    return sorted(found)


def holds(text: str, name: str) -> bool:
    """Say whether a name stands in a text, be it shy."""
    return mentions(text, name, shy=False) != []


def form_in(text: str, name: str) -> Form | None:
    """Return how a text names somebody, the first form that says whose work it is before others.

    None where nothing in the text means the name.
    """
    found = mentions(text, name)
    if found is None:
        return Form.NAMED  # it stands there: doubt falls on the side of the claim
    forms = [mention.form for mention in found]
    return next((f for f in forms if f != Form.NAMED), forms[0] if forms else None)


@lru_cache(maxsize=65_536)
def _sought(name: str) -> tuple[Pattern, ...]:
    return tuple(patterns(name))


def _spans(where: Iterable[Line], sought: Sequence[Pattern]) -> Iterator[tuple[Span, Pattern]]:
    for line in where:
        for pattern in sought:
            at = line.text.find(pattern.text)
            while at >= 0:
                spans = line.at[at : at + len(pattern.text)]
                inner = [span for span in spans if span[1]]
                yield (min(s for s, _ in inner), max(e for _, e in inner)), pattern
                at = line.text.find(pattern.text, at + 1)


def _with_signs(text: str, span: Span) -> Span:
    start, end = span
    while start and text[start - 1] in SIGNS:
        start -= 1
    return start, end
