"""How a caption says whose work it shows: "by X", "X style", "@x". A form is evidence, no rule.

Where a name is also a word of everyday language, only a form makes it a name.
"""

import re
from enum import StrEnum


class Form(StrEnum):
    """How a name stands in a caption."""

    IN_THE_STYLE_OF = "in the style of"
    INSPIRED_BY = "inspired by"
    BY = "by"
    AFTER = "after"
    STYLE = "style"  # "X style", "X-style", "in X's style"
    AT = "@"
    TAG = "#"
    NAMED = "named"  # nothing introduces it


NAMING = frozenset(Form) - {Form.NAMED, Form.TAG}
"""The forms that make a name of a word of everyday language: #flora is a topic, @flora somebody."""

SIGNS = "@#\ufe6b\ufe5f\uff20\uff03"
"""What stands before a handle or tag, in all widths."""

NOT_INSIDE = r"(?<![^\W_])"
"""Where a word may begin. Underscores part words, as in folding."""
_NO_END = r"(?:[^\w.,;!?|\n]|_)"  # a sign that ends no clause
GAP = f"{_NO_END}+"
AROUND = f"{_NO_END}*"
"""What may stand between words that belong together, and between them and the name."""
SPACE = r"[^\S\n]{0,8}"
"""Bounded, like REACH: captions are strangers' text, and patterns must not wander in it."""
REACH = 120
"""Characters beside a name in which all that belongs to it is looked for."""
ROLE = rf"(?:the{GAP})?(?:artist|painter|illustrator|photographer|author|designer|sculptor)"
_SOME_ROLE = rf"(?:{GAP}(?:the{GAP})?(?:[^\W_]+{GAP}){{0,2}}{ROLE})?"  # by the French painter
IN_THE_STYLE_OF = rf"(?:in{GAP}(?:the{GAP})?)?(?:style|manner|spirit|vein){GAP}of{_SOME_ROLE}"
INSPIRED_BY = rf"inspired{GAP}by{_SOME_ROLE}"
BY = rf"by{_SOME_ROLE}"
AFTER = rf"after{_SOME_ROLE}"
POSSESSIVE = r"(?:['\u2019\u02bc`]s(?![^\W_]))"

_LEADS = (
    (Form.IN_THE_STYLE_OF, IN_THE_STYLE_OF),
    (Form.INSPIRED_BY, INSPIRED_BY),
    (Form.BY, BY),
    (Form.AFTER, AFTER),
)
_LEAD = re.compile(
    f"{NOT_INSIDE}(?:{'|'.join(f'({lead})' for _, lead in _LEADS)}){AROUND}$", re.IGNORECASE
)
STYLED = re.compile(rf"{POSSESSIVE}?{SPACE}[-_]?{SPACE}styled?(?![^\W_])", re.IGNORECASE)
"""What follows a name in "X style"."""


def form_of(text: str, start: int, end: int) -> Form:
    """Return how the name at [start, end) of a text stands there."""
    begin = start
    while begin and text[begin - 1] in SIGNS:
        begin -= 1
    if lead := _LEAD.search(text, max(0, begin - REACH), begin):
        return next(form for (form, _), said in zip(_LEADS, lead.groups(), strict=True) if said)
    if STYLED.match(text, end):
        return Form.STYLE
    sign = text[start : start + 1] if text[start : start + 1] in SIGNS else text[begin:start][:1]
    if sign:
        return Form.AT if sign in "@\ufe6b\uff20" else Form.TAG
    return Form.NAMED
