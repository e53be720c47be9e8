"""Which rows are still worth asking for, once their pages and the lists of others have answered.

What a page or a list denies, or could not say, is not asked: its verdict stands already, and the
judge comes to it again from the same facts.
"""

import pyarrow as pa
import pyarrow.compute as pc

from optout.signals.policy import SignalPolicy
from pipeline.judge import Facts, judge
from schemas.tables import ROWS, STOP, require
from schemas.verdict import Reason


def sift(rows: pa.Table, facts: Facts, policy: SignalPolicy) -> pa.Table:
    """Return ROWS, sorted by uid, with a stop for each row that a page or a list keeps from asking.

    rows: ROWS. facts: of pages and lists; no image has been asked for yet.
    """
    require(rows, ROWS)
    rows = rows.sort_by("uid")
    if not facts.pages.num_rows and not facts.listed.num_rows and _bare(rows):
        return rows
    found = judge(rows, facts, policy).table
    unasked = pc.equal(found["stop_reason"], str(Reason.NOT_OBSERVED))
    for name in (f.name for f in STOP):
        place = rows.schema.get_field_index(name)
        column = pc.if_else(pc.fill_null(unasked, fill_value=False), rows[name], found[name])
        rows = rows.set_column(place, rows.schema.field(place), column)
    return rows


def _bare(rows: pa.Table) -> bool:
    return bool(rows["page_tags"].null_count == rows.num_rows)
