"""Rows of a release that its claims, judged again, would put elsewhere. Pure.

What an auditor has not, or nobody has any more, says nothing against a release: a verdict that
hangs on it is set aside, and what is lacking is told beside.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from optout.lifecycle import STYLE_RULES
from pipeline.recall import Found
from pipeline.reread import BY_CLAIMS
from pipeline.standing import STANDING
from schemas.tables import SLIM
from schemas.verdict import Reason, Verdict

SAME = ("sha256", "pixel_sha256")
BY_STYLE = sorted(str(rule) for rule in STYLE_RULES)
COMES_AGAIN = [*sorted(str(reason) for reason in BY_CLAIMS), str(Reason.DUPLICATE)]
"""Reasons that a replay of claims must find again."""


@dataclass(frozen=True, slots=True)
class Absent:
    """What the build had and the replay has not.

    safe: safe lists. styles: the cohort, without which no style is judged. claims: erased since.
    """

    safe: bool = False
    styles: bool = False
    claims: frozenset[str] = frozenset()

    @property
    def aside(self) -> pl.Expr:
        """Whether the verdict of a row of DECIDED may be another one by what is absent."""
        hangs = []
        if self.safe or self.styles:
            hangs.append(pl.col("rule").is_in(BY_STYLE))
        if self.safe or self.styles or self.claims:
            # who is kept in one and not in the other stands for its copies
            hangs.append(pl.col("reason") == str(Reason.DUPLICATE))
        if self.claims:  # what one of them granted
            hangs.append(pl.col("reason") == str(Reason.NOT_GRANTED))
        return pl.any_horizontal(pl.lit(value=False), *hangs).fill_null(value=False)


def misplaced(
    title: str,
    released: Sequence[Found],
    left_out: Iterable[pa.Table],
    again: pa.Table,
    absent: Absent,
) -> list[str]:
    """Return in words which rows are not where the replay puts them.

    title: of the release. released: what claims find in released rows. left_out: VAULTED of all
    others, as far as they are at hand. again: DECIDED of all of these, by the replay.
    """
    now = pl.DataFrame(again).with_columns(aside=absent.aside)
    slim = [SLIM.empty_table(), *(one.slim for one in released)]
    own = now.join(pl.DataFrame(pa.concat_tables(slim)).select("uid"), on="uid", how="semi")
    return [*_denied(title, own), *_reworded(released), *_otherwise(left_out, now, absent)]


def unjoined(slim: pa.Table, edges: pa.Table) -> list[str]:
    """Return in words which rows of the same bytes or pixels no edges of the build join.

    slim: SLIM of all rows at hand. edges: EDGES. A denial spreads along edges, so one that is left
    out lets a copy stay. Rows without pixels are compared with none.
    """
    above: dict[str, str] = {}

    def top(uid: str) -> str:
        while (upper := above.get(uid, uid)) != uid:
            above[uid] = above.get(upper, upper)
            uid = above[uid]
        return uid

    for a, b in zip(edges["uid_a"].to_pylist(), edges["uid_b"].to_pylist(), strict=True):
        above[top(a)] = top(b)
    rows = pl.DataFrame(slim.select(["uid", *SAME])).filter(pl.col("pixel_sha256").is_not_null())
    wrong = []
    for key in SAME:
        groups = rows.drop_nulls(key).group_by(key).agg(pl.col("uid").sort())
        for uids in groups.filter(pl.col("uid").list.len() > 1)["uid"].sort().to_list():
            apart = next((uid for uid in uids if top(uid) != top(uids[0])), None)
            if apart is not None:
                wrong.append(f"rows {uids[0]} and {apart} have one {key}, and no edge joins them")
    return wrong


def _denied(title: str, own: pl.DataFrame) -> Iterator[str]:
    wrong = own.filter((pl.col("verdict") != str(Verdict.KEEP)) & ~pl.col("aside"))
    by = pl.coalesce("rule", "stage")
    for uid, claim, reason, rule in wrong.select("uid", "claim_id", "reason", by).iter_rows():
        yield f"row {uid} of {title!r} is released; claim {claim or 'none'} says {reason} by {rule}"


def _reworded(found: Sequence[Found]) -> Iterator[str]:
    for one in found:
        for uid in one.worded["uid"].to_pylist():
            yield f"row {uid} is released with a name in its wording that a claim takes out"


def _otherwise(left_out: Iterable[pa.Table], now: pl.DataFrame, absent: Absent) -> Iterator[str]:
    """Give the rows that claims left out, and that they now keep, or leave out for another reason.

    A row of which nothing was kept cannot come out by likeness again.
    """
    said = now.select("uid", now="reason", aside_now="aside")
    weight = {str(reason): place for reason, place in STANDING.items()}
    same = pl.col("now").is_in([str(Reason.NOT_OBSERVED)]) | (pl.col("now") == pl.col("reason"))
    gone = pl.col("claim_id").is_in(sorted(absent.claims))
    for table in left_out:
        was = pl.DataFrame(table.select(["uid", "reason", "rule", "claim_id"]))
        was = was.filter(~absent.aside & ~gone.fill_null(value=False))
        both = was.join(said, on="uid", how="left")
        again = pl.col("reason").is_in(COMES_AGAIN)
        now_, before_ = (
            pl.col(name).replace_strict(weight, default=None, return_dtype=pl.Int64)
            for name in ("now", "reason")
        )
        # what else a row was left out for cannot be looked at, unless a claim weighs more
        outweighed = ~again & pl.col("now").is_in(COMES_AGAIN) & (now_ < before_)
        differs = (again & ~same) | outweighed
        wrong = both.filter(differs.fill_null(value=False) & ~pl.col("aside_now").fill_null(False))
        for uid, before, after in wrong.select("uid", "reason", "now").iter_rows():
            yield f"row {uid} was left out as {before}; the replay says {after or 'keep'}"
