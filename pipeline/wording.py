"""What becomes of captions whose names are to be taken out of them, row by row that holds any.

A row cannot stay where nothing of its caption does, nor where what is left reads as the name of
somebody who asked that such rows be dropped.
"""

from dataclasses import dataclass

import pyarrow as pa

from optout.names import find_names
from optout.redaction import is_spent, redact
from pipeline.listed import Listed, listed_names
from schemas.tables import TEXT
from schemas.verdict import Captions


@dataclass(frozen=True, slots=True)
class Met:
    """A name that stands in a caption. form: optout.attribution.Form."""

    listed: Listed
    form: str


@dataclass(frozen=True, slots=True)
class Wording:
    """A caption without names. met: every name that was taken out, the smallest claim first.

    stop: why the row cannot be released all the same; null where it can.
    """

    text: str
    met: tuple[Met, ...]
    stop: Met | None


def wordings(captions: pa.ChunkedArray, claims: pa.Table) -> dict[int, Wording]:
    """Return the wording of each caption, by its place, that an acting claim asks to redact.

    captions: string[n]. claims: CLAIMS.
    """
    names = listed_names(claims, Captions.REDACT)
    met = names_met(captions, names)
    texts = {at: str(captions[at].as_py()) for at in met}
    open_rows = list(met)
    while open_rows:  # where a name was, two others may meet that make a third
        for at in open_rows:
            left = redact(texts[at], [one.listed.key for one in met[at]])
            # A name that was found and cannot be cut out leaves nothing that may be released.
            texts[at] = "" if left == texts[at] else left
        again = names_met(pa.array([texts[at] for at in open_rows], TEXT), names)
        open_rows = [open_rows[place] for place in again]
        for at, more in zip(open_rows, again.values(), strict=True):
            met[at] = tuple(dict.fromkeys((*met[at], *more)))
    denied = listed_names(claims, Captions.DROP)
    made = names_met(pa.array(list(texts.values()), TEXT), denied)
    stops = {at: made[place][0] for place, at in enumerate(texts) if place in made}
    return {
        at: Wording(text, met[at], stops.get(at) or (met[at][0] if is_spent(text) else None))
        for at, text in texts.items()
    }


def names_met(
    captions: pa.ChunkedArray | pa.Array, names: list[Listed]
) -> dict[int, tuple[Met, ...]]:
    """Return the names that stand in each caption that holds any, in the order of `names`."""
    found = find_names(captions, [one.key for one in names])
    by_row: dict[int, list[Met]] = {}
    for row, name, form in zip(*(column.to_pylist() for column in found.columns), strict=True):
        by_row.setdefault(row, []).append(Met(names[name], form))
    return {row: tuple(met) for row, met in by_row.items()}
