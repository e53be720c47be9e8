"""What is said about one row's life, about one claim in a release, and about what changed."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from jobs.cli.console import safe
from pipeline.delta import by_rule
from pipeline.release_diff import ABSENT, KEPT
from pipeline.report.simulation import RULE_WORDS
from pipeline.report.words import REASONS
from schemas.verdict import Reason

if TYPE_CHECKING:
    from jobs.row_audit import ClaimDelta, Sample
    from pipeline.delta import Delta
    from pipeline.release_diff import Diff

COPY_RADIUS = 31
SHOWN = 8


def life(one: "Sample") -> Table:
    """Return a row's life as a table: what happened, in order."""
    table = Table(title=f"row {one.uid}", title_justify="left", box=None, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for title, lines in _steps(one):
        if lines:
            table.add_row(title, "\n".join(safe(line) for line in lines))
    return table


def _steps(one: "Sample") -> list[tuple[str, list[str]]]:
    row = one.row
    return [
        ("source", _some(row, "url", "caption", "page_key")),
        ("asked", _asked(one)),
        ("said", _signals(row.get("signals"))),
        ("bytes", _some(row, "sha256", "stored_sha256", "original_width", "original_height")),
        ("picture", _some(row, "pixel_sha256", "pdq", "pdq_quality", "clip_similarity")),
        ("copies", _copies(one)),
        ("claims", _matches(one)),
        ("verdict", _verdict(one)),
    ]


def _some(row: Mapping[str, Any], *names: str) -> list[str]:
    return [f"{name} {_plain(row[name])}" for name in names if row.get(name) is not None]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.3f}"
    return value.hex() if isinstance(value, bytes) else value


def _asked(one: "Sample") -> list[str]:
    lines = _some(one.row, "final_url", "http_status", "fetched_at", "host")
    answer = (one.evidence or {}).get("answer")
    if answer:
        lines += [f"hop {hop[0]} {hop[1] or 'not asked'}" for hop in answer.get("hops", ())]
    return lines


def _signals(signals: Any) -> list[str]:
    return [
        f"{s['channel']} {s['verdict']} for {s['purpose']}"
        + (f": evidence {s['evidence'][:16]}" if s.get("evidence") else "")
        for s in signals or ()
        if s["verdict"] != "SILENT"
    ]


def _copies(one: "Sample") -> list[str]:
    lines = []
    for edge in one.edges[:SHOWN]:
        other = edge["uid_b"] if edge["uid_a"] == one.uid else edge["uid_a"]
        keys = [k for k in ("sha256", "pixel_sha256") if edge[k]]
        if edge["pdq_distance"] is not None:
            keys.append(f"PDQ {edge['pdq_distance']} bits apart")
        if edge["similarity"] is not None:
            keys.append(f"similarity {edge['similarity']:.3f}")
        lines.append(f"{other}: {', '.join(keys)}")
    if len(one.edges) > SHOWN:
        lines.append(f"and {len(one.edges) - SHOWN} more")
    return lines


def _matches(one: "Sample") -> list[str]:
    if not one.with_vault:
        return ["needs the vault: which claims came near"]
    lines = []
    for match in one.matches[:SHOWN]:
        said = f"{match['claim_id']} by {match['rule']}"
        if match["similarity"] is not None:
            said += f", similarity {match['similarity']:.3f} of {match['threshold']:.3f}"
        lines.append(said + (f", {match['detail']}" if match["detail"] else ""))
    return lines or ["none came near"]


def _verdict(one: "Sample") -> list[str]:
    if one.part:
        lines = [f"released, in samples/{one.part}"]
        return lines + _some(one.row, "license", "attribution", "caption_redacted")
    told = one.row or dict(one.ledger or {})
    lines = [f"{told['verdict']}: {told['reason']}, found by {told['stage']}"]
    lines += _some(
        told, "claim_id", "rule", "similarity", "threshold", "by_uid", "dup_of", "detail"
    )
    if one.ledger:
        lines.append(f"the ledger commits to it: {one.ledger['commitment']}")
    if not one.row:
        lines.append("needs the vault: all else that is known of it")
    return lines


def as_json(one: "Sample") -> dict[str, Any]:
    """Return what is known of a row as a JSON value."""
    told: dict[str, Any] = json.loads(
        json.dumps(
            {
                "uid": one.uid,
                "part": one.part or None,
                "row": dict(one.row),
                "ledger": dict(one.ledger) if one.ledger else None,
                "matches": [dict(m) for m in one.matches],
                "edges": [dict(e) for e in one.edges],
                "evidence": dict(one.evidence) if one.evidence else None,
            },
            default=lambda value: value.hex() if isinstance(value, bytes) else str(value),
        )
    )
    return told


# --- one claim


def delta(found: "ClaimDelta") -> list[str]:
    """Return what a release did for a claim."""
    at = found.applied
    if at.size is None:
        lines = [f"{found.title!r} says it was made without {at.origin}: the claim was not applied"]
    elif at.has_claim:
        lines = [
            (
                f"applied: {found.title!r} says it was made by {at.origin} at {at.size} entries,"
                " which has the claim; recuse audit verify checks that word"
            ),
        ]
    else:
        lines = [
            (
                f"{found.title!r} was made by {at.origin} at {at.size} entries, before the claim"
                " was there: a later release, or a recall of this one, honours it"
            ),
        ]
    if found.exact:
        lines.append(f"INSIDE: {len(found.exact)} listed works, by their bytes or pixels")
    else:
        lines.append("verified: no released row has the bytes or the pixels of a listed work")
    if found.nearest:
        near = sum(distance <= COPY_RADIUS for distance in found.nearest)
        lines.append(
            f"{near} of {len(found.nearest)} works have a released image within {COPY_RADIUS} bits"
            f" of PDQ; the nearest is {min(found.nearest)} bits away"
        )
    if found.opened is None:
        lines.append("needs the vault, which its builder holds: what was left out for the claim")
    return lines


def left_out(opened: "Delta") -> Table | str:
    """Return what was left out for a claim, by reason and rule."""
    if not opened.rows:
        return "no row is told to be left out for this claim"
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("left out", justify="right")
    table.add_column("because")
    table.add_column("by")
    for (reason, rule), count in by_rule(opened.rows).items():
        table.add_row(f"{count:,}", _words(reason)[1], safe(RULE_WORDS.get(rule, rule)))
    return table


def also(found: "ClaimDelta") -> list[str]:
    """Return what was left out for another reason and would have been for this claim."""
    if not found.also:
        return []
    more = f"{found.also:,} more rows that match it are left out for another claim or reason"
    return [f"{more}: the ledger has one of each row"]


# --- two releases


def totals(found: "Diff") -> list[str]:
    """Return the numbers of a comparison; they add up, or there would be none."""
    return [
        f"{found.before:,} released before = {found.kept:,} kept + {found.removed:,} removed",
        f"{found.after:,} released now = {found.kept:,} kept + {found.added:,} added",
    ]


def moves(found: "Diff") -> Table | str:
    """Return where rows went, the most first."""
    if not found.moves:
        return "no row changed its place"
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("rows", justify="right")
    for name in ("before", "now", "claim", "by"):
        table.add_column(name)
    for move in sorted(found.moves, key=lambda m: (-m.rows, m.was, m.now)):
        claim, rule = (safe(text or "") for text in (move.claim_id, move.rule))
        table.add_row(f"{move.rows:,}", _place(move.was), _place(move.now), claim[:12], rule)
    return table


def _place(place: str) -> str:
    if place in (KEPT, ABSENT):
        return {KEPT: "released", ABSENT: "not in the source"}[place]
    return f"left out: {_words(place)[0].lower()}"


def _words(reason: str) -> tuple[str, str]:
    """Return title and sentence of a reason; for one that no build gives, its own text."""
    if reason not in set(Reason):
        return safe(reason), safe(reason)
    said = REASONS[Reason(reason)]
    return said.title, said.sentence


def diff_json(found: "Diff") -> dict[str, Any]:
    """Return a comparison as a JSON value."""
    return {
        "before": found.before,
        "after": found.after,
        "kept": found.kept,
        "added": found.added,
        "removed": found.removed,
        "moves": [
            {
                "was": m.was,
                "now": m.now,
                "claim_id": m.claim_id,
                "rule": m.rule,
                "rows": m.rows,
            }
            for m in found.moves
        ],
    }
