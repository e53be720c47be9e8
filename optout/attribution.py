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
GAP = r"[\W_]+"
ROLE = rf"(?:the{GAP})?(?:artist|painter|illustrator|photographer|author|designer|sculptor)"
"""What may stand between a form and the name."""
AROUND = r"(?:[^\w.,;!?|\n]|_)*"
"""What may stand between a form and the name in signs: no end of a clause."""
POSSESSIVE = r"(?:['\u2019\u02bc`]s(?![^\W_]))"

_LEADS = (
    (Form.IN_THE_STYLE_OF, rf"(?:in{GAP}(?:the{GAP})?)?(?:style|manner|spirit|vein){GAP}of"),
    (Form.INSPIRED_BY, rf"inspired{GAP}by"),
    (Form.BY, r"by"),
    (Form.AFTER, r"after"),
)
_LEAD = re.compile(
    f"{NOT_INSIDE}(?:{'|'.join(f'({lead})' for _, lead in _LEADS)})"
    rf"(?:{GAP}{ROLE})?{AROUND}$",
    re.IGNORECASE,
)
STYLED = re.compile(rf"{POSSESSIVE}?[^\S\n]*[-_]?[^\S\n]*styled?(?![^\W_])", re.IGNORECASE)
"""What follows a name in "X style"."""
_REACH = 80  # characters before a name in which a form and a role find room


def form_of(text: str, start: int, end: int) -> Form:
    """Return how the name at [start, end) of a text stands there."""
    begin = start
    while begin and text[begin - 1] in SIGNS:
        begin -= 1
    if lead := _LEAD.search(text[max(0, begin - _REACH) : begin]):
        return next(form for (form, _), said in zip(_LEADS, lead.groups(), strict=True) if said)
    if STYLED.match(text, end):
        return Form.STYLE
    sign = text[start : start + 1] if text[start : start + 1] in SIGNS else text[begin:start][:1]
    if sign:
        return Form.AT if sign in "@\ufe6b\uff20" else Form.TAG
    return Form.NAMED
