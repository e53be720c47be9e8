"""What changed from one release to another: every row of both, where it was and where it is. Pure.

Rows are told by uid, which stays what it is across releases. A row is *kept*, *left out* for a
reason, or *absent*: not in the source of that release.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from schemas.errors import SchemaError
from schemas.verdict import Verdict

PLACES = {"uid": pl.String, "verdict": pl.String, "reason": pl.String} | {
    "claim_id": pl.String,
    "rule": pl.String,
}
"""Where each row of a release is. claim_id, rule: of rows that a claim denies, where known."""
ABSENT = "absent"
KEPT = str(Verdict.KEEP)


@dataclass(frozen=True, slots=True)
class Moved:
    """Rows that went from one place to another for the same reason.

    was, now: kept, absent, or the reason for which they are left out.
    """

    was: str
    now: str
    claim_id: str | None
    rule: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed between two releases. before, after: released rows of each."""

    before: int
    after: int
    kept: int
    moves: tuple[Moved, ...]

    @property
    def added(self) -> int:
        """Rows released now that were not before."""
        return sum(move.rows for move in self.moves if move.now == KEPT)

    @property
    def removed(self) -> int:
        """Rows released before that are not now."""
        return sum(move.rows for move in self.moves if move.was == KEPT)

    def check(self) -> None:
        """Raise SchemaError unless the totals are the row counts of both releases."""
        if self.before != self.kept + self.removed or self.after != self.kept + self.added:
            raise SchemaError(
                f"expected {self.before:,} = {self.kept:,} kept + {self.removed:,} removed and"
                f" {self.after:,} = {self.kept:,} kept + {self.added:,} added"
            )


def places(
    released: Iterable[pa.Table], ledger: pa.Table, vaulted: pa.Table | None = None
) -> pl.DataFrame:
    """Return PLACES of all rows of a release.

    released: tables with `uid`. ledger: LEDGER. vaulted: VAULTED, which names claims and rules.
    """
    kept = [pl.DataFrame(table.select(["uid"])) for table in released]
    out = pl.DataFrame(ledger.select(["uid", "verdict", "reason"]))
    if vaulted is not None:
        why = pl.DataFrame(vaulted.select(["uid", "claim_id", "rule"]))
        out = out.join(why, on="uid", how="left")
    frames = [frame.with_columns(verdict=pl.lit(KEPT)) for frame in kept]
    return pl.concat([_whole(frame) for frame in [*frames, out]])


def _whole(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in PLACES.items()
    )


def diff(before: pl.DataFrame, after: pl.DataFrame) -> Diff:
    """Return what changed. before, after: PLACES.

    Raises SchemaError where a row is in two places of one release, or the totals are not its.
    """
    for frame in (before, after):
        twice = frame.filter(pl.col("uid").is_duplicated())
        if twice.height:
            raise SchemaError(f"expected each row in one place, found {twice['uid'][0]} in two")
    both = before.join(after, on="uid", how="full", coalesce=True, suffix="_now")
    was, now = _place("verdict", "reason"), _place("verdict_now", "reason_now")
    said = both.with_columns(was=was, now=now)
    changed = said.filter(pl.col("was") != pl.col("now"))
    # of a row that is out now, what put it out; of one that came back, what had kept it out
    out_now = pl.col("now").is_in([KEPT, ABSENT]).not_()
    counted = (
        changed.with_columns(
            claim=pl.when(out_now).then("claim_id_now").otherwise("claim_id"),
            by=pl.when(out_now).then("rule_now").otherwise("rule"),
        )
        .group_by("was", "now", "claim", "by")
        .len()
        .sort("was", "now", "claim", "by", nulls_last=True)
    )
    moves = tuple(Moved(*row) for row in counted.iter_rows())
    stayed = said.filter((pl.col("was") == KEPT) & (pl.col("now") == KEPT)).height
    found = Diff(_kept(before), _kept(after), stayed, moves)
    found.check()
    return found


def _place(verdict: str, reason: str) -> pl.Expr:
    return (
        pl.when(pl.col(verdict).is_null())
        .then(pl.lit(ABSENT))
        .when(pl.col(verdict) == KEPT)
        .then(pl.lit(KEPT))
        .otherwise(pl.col(reason))
    )


def _kept(frame: pl.DataFrame) -> int:
    return frame.filter(pl.col("verdict") == KEPT).height
