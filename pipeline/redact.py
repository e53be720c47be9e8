"""Captions without the names that claims ask to take out, and what they said before.

What is released is what was judged: from here on filters, clip_similarity and the release see the
caption as it will stand there. The uid stays, which was made of the caption as given. In a row
whose caption named somebody, other columns of the source lose the names of the same claims too.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from optout.lifecycle import Rule
from optout.redaction import redact_value
from pipeline.columns import combined
from pipeline.screen import screen_and_word
from pipeline.wording import Wording
from schemas.tables import EXTRA, MATCHES, ORIGINALS, ROWS, TEXT, from_rows, require
from schemas.verdict import Stance


@dataclass(frozen=True)
class Redacted:
    """Rows as they may be released.

    rows: ROWS with stops, and captions and `extra.` columns without names. originals: ORIGINALS and
    the `extra.` columns of the rows that were changed, as given, in the same order. named: MATCHES
    by name of the same rows: no denial, but a second key.
    """

    rows: pa.Table
    originals: pa.Table
    named: pa.Table


def redact(rows: pa.Table, claims: pa.Table, judged: pa.Table | None = None) -> Redacted:
    """Return rows, screened by claims, without the names that are to be redacted.

    rows: ROWS as identified. claims: CLAIMS of a snapshot. judged: where redirects led, as of
    `screen`.
    """
    screened, worded = screen_and_word(rows, claims, judged)
    places = sorted(worded)
    uids = rows["uid"].take(pa.array(places, pa.int64())).to_pylist()
    originals = _originals(rows, places, worded)
    named = from_rows(
        [
            {
                "uid": uid,
                "claim_id": claim_id,
                "stance": str(Stance.OPT_OUT),
                "rule": str(Rule.NAME),
            }
            for uid, at in zip(uids, places, strict=True)
            for claim_id in sorted({met.listed.claim_id for met in worded[at].met})
        ],
        MATCHES,
    )
    if places:
        texts = [worded[at].text for at in places]
        over = originals.set_column(
            originals.column_names.index("caption"), "caption", pa.array(texts, TEXT)
        )
        names = _names_of(claims)
        sought = [
            sorted({n for met in worded[at].met for n in names[met.listed.claim_id]})
            for at in places
        ]
        for field in [f for f in over.schema if f.name.startswith(EXTRA)]:
            column = _without_names(over[field.name], sought)
            over = over.set_column(over.column_names.index(field.name), field, column)
        screened = overlaid(screened, over)
    return Redacted(screened, originals, named)


def overlaid(rows: pa.Table, over: pa.Table) -> pa.Table:
    """Return rows with the caption and the `extra.` columns of `over`, where it has the same uid.

    rows: ROWS and `extra.` columns. over: uid, caption, and `extra.` columns of the same types.
    """
    require(rows, ROWS)
    if not over.num_rows:
        return rows
    known = pc.index_in(rows["uid"], over["uid"].combine_chunks()).combine_chunks()
    own = pa.array(range(rows.num_rows), pa.int64())
    places = pc.coalesce(pc.add(known.cast(pa.int64()), rows.num_rows), own)
    for name in over.column_names:
        if name != "caption" and not name.startswith(EXTRA):
            continue
        place = rows.schema.get_field_index(name)
        both = pa.chunked_array([*rows[name].chunks, *over[name].chunks], rows[name].type)
        rows = rows.set_column(place, rows.schema.field(place), both.take(places))
    return rows


def _originals(rows: pa.Table, places: Sequence[int], worded: Mapping[int, Wording]) -> pa.Table:
    taken = rows.take(pa.array(places, pa.int64()))
    told = [worded[at].met for at in places]
    details = [
        json.dumps(
            [{"claim": m.listed.claim_id, "name": m.listed.key, "form": m.form} for m in met],
            ensure_ascii=False,
        )
        for met in told
    ]
    columns = {
        "uid": taken["uid"],
        "claim_id": pa.array([met[0].listed.claim_id for met in told], TEXT),
        "detail": pa.array(details, TEXT),
        "caption": taken["caption"],
    }
    table = pa.table(columns, schema=ORIGINALS)
    for field in [f for f in rows.schema if f.name.startswith(EXTRA)]:
        table = table.append_column(field, taken[field.name])
    return table


def _names_of(claims: pa.Table) -> dict[str, list[str]]:
    columns = (claims["claim_id"].to_pylist(), claims["names"].to_pylist())
    return {claim_id: names or [] for claim_id, names in zip(*columns, strict=True)}


def _without_names(column: pa.ChunkedArray, sought: Sequence[Sequence[str]]) -> pa.Array:
    """Return a column without the names sought in each of its rows."""
    values = column.to_pylist()
    cut = [redact_value(v, names) for v, names in zip(values, sought, strict=True)]
    if cut == values:
        return combined(column)
    try:
        return pa.array(cut, column.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # a type that has no room for a null there
        changed = [None if a != b else a for a, b in zip(values, cut, strict=True)]
        return pa.array(changed, column.type)
