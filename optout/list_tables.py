"""Whether the tables of a list could have been recorded in a registry of one's own.

A registry refuses at its door what could not be compared, or would match anything. A list comes
by another door, so its tables are read back into match parts and held to the same.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optout.lifecycle import LEVELS
from optout.tail import unpack
from optout.works import check_works, encode_points, encode_vector
from schemas.claim import MatchPart, StyleCalibration, WorkKeys, WorkView
from schemas.errors import ClaimError, RegistryError, SchemaError
from schemas.snapshot import Snapshot

ACTIVE = "active"
VECTORS = ["cpy", "sty"]


def require_sound(snapshot: Snapshot) -> None:
    """Raise RegistryError unless every claim is one that a registry would have recorded.

    Each claim and each work stands once, with scope, stance and level of the closed lists; works
    have keys that compare, and vectors of unit length from the list's own matcher; an active style
    has a tail and works to compare with.
    """
    origin = snapshot.header.origin
    works = _by_claim(snapshot.works)
    rows = snapshot.claims.to_pylist()
    ids = [row["claim_id"] for row in rows]
    if None in ids or len(set(ids)) != len(ids) or not works.keys() <= set(ids):
        raise RegistryError(f"expected each claim of {origin} once, with its works, found others")
    for row in rows:
        try:
            _require_claim(row, works.get(row["claim_id"], []), snapshot.header.matcher)
        except (ValueError, TypeError, ClaimError, RegistryError, SchemaError) as e:
            raise RegistryError(f"claim {row['claim_id']} of {origin} cannot be used: {e}") from e


def _require_claim(row: Mapping[str, Any], works: list[dict[str, Any]], matcher: str) -> None:
    if row["level"] not in LEVELS:
        raise RegistryError(f"expected a level of {sorted(LEVELS)}, found {row['level']}")
    part = _part(row, works)
    check_works(part)
    others = {work.matcher for work in part.works} - {"", matcher}
    if others:
        raise RegistryError(f"expected vectors of matcher {matcher}, found {sorted(others)}")
    if part.style.state == ACTIVE:
        unpack(part.style.tail)
        if not any(work.sty for work in part.works):
            raise RegistryError("expected works with style vectors of an active style, found none")


def _part(row: Mapping[str, Any], works: list[dict[str, Any]]) -> MatchPart:
    """Return the match part of a row of claims, as far as a snapshot holds it."""
    return MatchPart(
        **{name: row[name] for name in MatchPart.model_fields if name in row},
        works=tuple(_keys(work) for work in works),
        style=StyleCalibration(state=row["style_state"], tail=tuple(row["style_tail"] or ())),
    )


def _keys(work: Mapping[str, Any]) -> WorkKeys:
    return WorkKeys(
        **{name: work[name] for name in ("work_id", "sha256", "pixel_sha256", "pdq_quality")},
        **{name: work[name] for name in VECTORS},
        pdq=tuple(bytes(value).hex() for value in work["pdq"]),
        matcher=work["matcher"] or "",
        cohort_mean=work["cohort_mean"],
        views=_views(work),
        keypoints=encode_points(work["keypoints"] or b""),
    )


def _views(work: Mapping[str, Any]) -> tuple[WorkView, ...]:
    """Return the views of a work; lists of other lengths, or holes in them, raise ValueError."""
    columns = [work[name] or [] for name in ("views", "view_cpy", "view_means")]
    return tuple(
        WorkView(kind=kind, cpy=encode_vector(np.array(cpy, np.float16)), cohort_mean=mean)
        for kind, cpy, mean in zip(*columns, strict=True)
    )


def _by_claim(works: pa.Table) -> dict[str, list[dict[str, Any]]]:
    """Return the works of each claim, their vectors as a match part carries them."""
    vectors = {name: _encoded(works[name]) for name in VECTORS}
    for name, encoded in vectors.items():
        if len({len(one) for one in encoded if one}) > 1:
            raise RegistryError(f"expected vectors {name} of one length in a list, found several")
    found: dict[str, list[dict[str, Any]]] = {}
    for place, work in enumerate(works.drop_columns(VECTORS).to_pylist()):
        own = {name: encoded[place] for name, encoded in vectors.items()}
        found.setdefault(work["claim_id"], []).append(work | own)
    return found


def _encoded(column: pa.ChunkedArray) -> list[str]:
    array = column.combine_chunks()
    ends = np.cumsum(pc.list_value_length(array).fill_null(0).to_numpy())
    flat = array.flatten().to_numpy(zero_copy_only=False)
    return [encode_vector(one) for one in np.split(flat, ends[:-1])] if len(array) else []
