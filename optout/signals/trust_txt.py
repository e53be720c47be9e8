"""trust.txt, of which one line is read: `datatrainingallowed=yes` or `no`.

Lines are `name=value`, `#` begins a comment, names and these values have no case. The line may
stand once. Repeated with one value it says that value, with two it says nothing that anybody
could follow: an error, as is any other value.
Source: JournalList's reference document, version of April 2024; facts section 15.
"""

from collections.abc import Iterator
from typing import NamedTuple

from optout.signals.ai_txt import is_page
from optout.signals.signal import Signal, excerpt
from schemas.verdict import Channel, Purpose, Say

NAME = b"datatrainingallowed"

PURPOSES = (Purpose.TRAIN_GEN, Purpose.TRAIN_DISC)
"""What the line speaks about: training, of whatever model."""

_SAYS = {b"yes": Say.ALLOW, b"no": Say.DENY}


class _Line(NamedTuple):
    number: int  # from 1
    say: Say
    text: bytes


def of_file(body: bytes, content_type: str | None) -> tuple[Signal, ...]:
    """Return what a trust.txt says about training; nothing where it has no such line.

    content_type: of the trust.txt. A page of HTML sent in its place says nothing.
    """
    if is_page(body, content_type):
        return ()
    lines = list(_lines(body))
    if not lines:
        return ()
    says = {line.say for line in lines}
    if len(says) == 1:
        say, note = says.pop(), ""
    else:
        say, note = Say.ERROR, "contradictory"
    if say is Say.ERROR:
        note = note or "malformed"
    first = lines[0]
    return tuple(
        Signal(Channel.TRUST_TXT, p, say, excerpt(first.text), first.number, "", None, note)
        for p in PURPOSES
    )


def _lines(body: bytes) -> Iterator[_Line]:
    """Yield the lines that speak about training."""
    for number, text in enumerate(body.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        line = text.partition(b"#")[0].strip().lower()
        if not line.startswith(NAME):
            continue
        name, _, value = line.partition(b"=")
        # `datatrainingallowed: no` suggests what it does not say.
        known = _SAYS.get(value.strip(), Say.ERROR) if name.strip() == NAME else Say.ERROR
        yield _Line(number, known, text.strip())
