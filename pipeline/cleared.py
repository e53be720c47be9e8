"""What the safe list sets aside: contents that no longer count as look-alikes of a claim."""

import polars as pl
import pyarrow as pa

from schemas.tables import SAFE, require

KEYS = ("sha256", "pixel_sha256")


def cleared(pairs: pl.DataFrame, slim: pl.DataFrame, safe: pa.Table | None) -> pl.DataFrame:
    """Return uid and claim_id of the pairs that the safe list names, by exact content.

    pairs: uid and claim_id, further columns are ignored. slim: uid, sha256, pixel_sha256. safe:
    SAFE; None where there is none.
    """
    asked = pairs.select("uid", "claim_id")
    if safe is None or not safe.num_rows:
        return asked.clear()
    require(safe, SAFE)
    listed = pl.DataFrame(safe)
    asked = asked.join(listed.select("claim_id"), on="claim_id", how="semi").unique()
    contents = asked.join(slim.select("uid", *KEYS), on="uid")
    found = [
        contents.join(listed.select("claim_id", key).drop_nulls(), on=["claim_id", key])
        for key in KEYS
    ]
    return pl.concat([f.select("uid", "claim_id") for f in found]).unique()
