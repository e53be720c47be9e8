"""The slim columns of each row that the global pass reads, with the first finding against it.

The order of findings is the order of stages: what the source or identity says, then what the
claims say about address, host and caption, then the web's answer, then the image, then the
builder's filters; but a name yields to whatever else denies its row. Joined by uid, never by
position.
"""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from pipeline.standing import STANDING, Standing
from schemas.tables import DECODED, EXTRA, JUDGED, ROWS, SLIM, STOP, require
from schemas.verdict import Reason

STOPS = [f.name for f in STOP]


def slim(rows: pa.Table, judged: pa.Table, decoded: pa.Table, filtered: pa.Table) -> pa.Table:
    """Return SLIM, one row for each of `rows`, sorted by uid.

    rows: ROWS as screened by the newest claims. judged, decoded: of the same uids.
    filtered: uid and the stop columns of rows that a filter refuses; may be empty.
    """
    for table, schema in ((rows, ROWS), (judged, JUDGED), (decoded, DECODED)):
        require(table, schema)
    stops = pl.concat([_stops(t, i) for i, t in enumerate((rows, judged, decoded, filtered))])
    told = _names_last(stops).sort("uid", "layer")
    first = told.unique("uid", keep="first", maintain_order=True)
    base = _columns(rows, "uid", "row", "url_key", "host")
    joined = (
        base.join(_columns(judged, "uid", "sha256"), on="uid", how="left")
        .join(
            _columns(
                decoded,
                "uid",
                "pixel_sha256",
                "original_width",
                "original_height",
                "clip_similarity",
            ),
            on="uid",
            how="left",
        )
        .join(first.drop("layer"), on="uid", how="left")
        .sort("uid")
    )
    return joined.select(SLIM.names).to_arrow().cast(SLIM)


def _columns(table: pa.Table, *names: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table.select(list(names))))


def _stops(table: pa.Table, layer: int) -> pl.DataFrame:
    frame = _columns(table, "uid", *STOPS)
    return frame.filter(pl.col("stop_reason").is_not_null()).with_columns(layer=pl.lit(layer))


def _names_last(stops: pl.DataFrame) -> pl.DataFrame:
    """Return the stops without those by name in rows that something else denies as well.

    A name may be held by the flood guard (pipeline.floods); what is denied must stay denied.
    """
    named = pl.col("stop_reason") == str(Reason.OPTOUT_NAME)
    denying = [str(reason) for reason, place in STANDING.items() if place <= Standing.DENIED]
    denied = stops.filter(pl.col("stop_reason").is_in(denying) & ~named)
    return pl.concat([stops.filter(~named), stops.filter(named).join(denied, on="uid", how="anti")])


ANSWER = ["uid", "http_status", "fetched_at", "final_url", "sha256"]
PICTURE = [
    "uid",
    "width",
    "height",
    "original_width",
    "original_height",
    "pdq_quality",
    "stored_size_bytes",
    "clip_similarity",
]


def sample_names(extra: Sequence[str]) -> list[str]:
    """Return the columns that filters may name. extra: `extra.` columns of the source."""
    own = [n for n in ROWS.names if n not in STOPS]
    known = list(dict.fromkeys([*own, *ANSWER, *PICTURE]))
    plain = [n.removeprefix(EXTRA) for n in extra]
    return [*known, *(n if n not in known else EXTRA + n for n in plain)]


def sample_columns(rows: pa.Table, judged: pa.Table, decoded: pa.Table) -> pa.Table:
    """Return what filters may speak about: a row's own columns, its answer and its image, by uid.

    Stops are left out, and the binary columns. Columns of the source stand under their own names.
    """
    own = [n for n in rows.column_names if n not in STOPS]
    joined = (
        _columns(rows, *own)
        .join(_columns(judged, *ANSWER), on="uid", how="left")
        .join(_columns(decoded, *PICTURE), on="uid", how="left")
        .sort("uid")
    )
    taken = set(joined.columns)
    plain = {n: n.removeprefix(EXTRA) for n in joined.columns if n.startswith(EXTRA)}
    return joined.rename({k: v for k, v in plain.items() if v not in taken}).to_arrow()


def content_keys(judged: pa.Table, decoded: pa.Table) -> pa.Table:
    """Return the content keys of the rows that have pixels: uid, sha256, what their pixels give."""
    image = decoded.select(["uid", "pixel_sha256", "pdq", "pdq_quality", "stored_pdq"])
    have = image.filter(image["pixel_sha256"].is_valid())
    found = have.join(judged.select(["uid", "sha256"]), "uid", join_type="inner")
    return found.select(["uid", "sha256", *image.column_names[1:]]).sort_by("uid")
