"""The page of rows under review: their pictures by claim, nearest first. Private, one file."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from optout.lifecycle import Rule
from pipeline.report.gallery import thumbnail
from pipeline.report.pages import render
from pipeline.review import Held

PER_CLAIM = 200
"""Rows shown of each claim; the command lists all of them."""


def render_waiting(
    waiting: Sequence[Held],
    images: Mapping[str, bytes],
    place: str,
    until: str,
    lists: Mapping[str, str],
) -> str:
    """Return the page.

    waiting: sorted as `under_review` does. images: stored images by uid; of a row without one,
    what is known stands there all the same. place: of the vault. until: RFC 3339, when they go.
    lists: name of the signed list behind a claim.
    """
    sections = [
        _section(claim_id, list(rows), images) | {"list": lists.get(claim_id, "")}
        for claim_id, rows in groupby(waiting, key=lambda row: row.near[0].claim_id)
    ]
    moment = datetime.fromisoformat(until)
    values = {
        "sections": sections,
        "waiting": len(waiting),
        "claims": len(sections),
        "copies": sum(bool(row.by_uid) for row in waiting),
        "release": place.removesuffix(".vault"),
        "until": f"{moment.day} {moment:%b %Y}",
        "per_claim": PER_CLAIM,
    }
    return render("waiting.html.j2", values)


def _section(claim_id: str, rows: list[Held], images: Mapping[str, bytes]) -> dict[str, Any]:
    shown = [_card(row, images.get(row.uid)) for row in rows[:PER_CLAIM]]
    widest = max((card["margin"] for card in shown), default=0.0)
    for card in shown:
        card["strip"] = round(100 * card["margin"] / widest, 1) if widest > 0 else 0.0
    firsts = [row.near[0] for row in rows if not row.by_uid]
    in_band = sum(one.rule == Rule.STYLE_BAND for one in firsts)
    return {
        "claim_id": claim_id,
        "rows": len(rows),
        "in_band": in_band,
        "others": len(firsts) - in_band,
        "copies": len(rows) - len(firsts),
        "threshold": next((n.threshold for n in firsts if n.rule == Rule.STYLE_BAND), None),
        "cards": shown,
    }


def _card(row: Held, image: bytes | None) -> dict[str, Any]:
    first = row.near[0]
    made = thumbnail(image) if image is not None else None
    card: dict[str, Any] = {
        "row": row,
        "similarity": first.similarity,
        "threshold": first.threshold,
        "margin": max(0.0, (first.similarity or 0.0) - (first.threshold or 0.0)),
        "also": [one.claim_id for one in row.near[1:]],
        "source": None,
    }
    if made is not None:
        thumb, width, height = made
        source = f"data:image/jpeg;base64,{base64.b64encode(thumb).decode()}"
        card |= {"source": source, "width": width, "height": height}
    return card
