"""Rows that wait for somebody to look, and what was decided about them.

A style holds a row that is near it, or that it reached among more rows than chance allows. Whoever
looks lets it in, for the claims that hold it and for that content alone, or keeps it out. Every
decision is a line of a file that only grows; the last line about a row counts, and a row that a
later release has taken is decided for good.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import polars as pl
import pyarrow as pa

from optout.lifecycle import STYLE_RULES, Rule
from schemas.canonical import canonical_lines, read_lines
from schemas.errors import SchemaError, UsageError
from schemas.safe import Cleared
from schemas.tables import MATCHES, VAULTED, require
from schemas.verdict import Reason

HOLDING = sorted(str(rule) for rule in STYLE_RULES - {Rule.STYLE_WEAK})
SHORTEST_PREFIX = 6
ABOUT = ["uid", "claim_id", "rule", "by_uid", "caption", "host", "url", "sha256", "pixel_sha256"]


class Choice(StrEnum):
    """What a line says became of a row."""

    LET_IN = "let_in"
    KEEP_OUT = "keep_out"
    RELEASED = "released"  # by a later build, whose plan `into` names
    NOT_RELEASED = "not_released"  # judged again by such a build, and left out


TAKEN = frozenset({Choice.RELEASED, Choice.NOT_RELEASED})


@dataclass(frozen=True, slots=True)
class Decision:
    """One line. claims: that hold the row. into: plan of the build that took it, else empty."""

    at: str
    by: str
    why: str
    uid: str
    choice: Choice
    claims: tuple[str, ...]
    sha256: str
    pixel_sha256: str
    into: str = ""

    @classmethod
    def from_json(cls, value: Any) -> "Decision":
        """Read a line back. Raises SchemaError."""
        try:
            claims = tuple(str(claim) for claim in value["claims"])
            one = cls(**{**value, "choice": Choice(value["choice"]), "claims": claims})
        except (KeyError, TypeError, ValueError) as e:
            raise SchemaError(f"expected a decision about a held row, found {value!r:.200}") from e
        texts = (one.at, one.by, one.why, one.uid, one.sha256, one.pixel_sha256, one.into)
        if not all(isinstance(text, str) for text in texts):
            raise SchemaError(f"expected texts in a decision, found {value!r:.200}")
        return one


def parse_decisions(body: bytes, where: str) -> list[Decision]:
    """Return the lines of a vault's decisions. Raises SchemaError with the number of a bad one."""
    return read_lines(
        body, Decision.from_json, lambda number, e: SchemaError(f"{where}, line {number}: {e}")
    )


def render_decisions(decisions: Iterable[Decision]) -> bytes:
    """Return lines as bytes; `parse_decisions` reads them back."""
    return canonical_lines(asdict(one) for one in decisions)


def standing(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Return what counts for each row: the last line, or the first that says it was taken."""
    last: dict[str, Decision] = {}
    for one in decisions:
        before = last.get(one.uid)
        if before is None or before.choice not in TAKEN:
            last[one.uid] = one
    return last


# --- what waits


@dataclass(frozen=True, slots=True)
class Near:
    """A claim that holds a row. similarity, threshold: null where the row is held as a copy."""

    claim_id: str
    rule: str
    similarity: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Held:
    """A row under review.

    near: the claims that hold it, the nearest first. by_uid: the row of which it is a copy, or "".
    pictured: whether its image is in the vault: what nobody can look at, nobody lets in.
    """

    uid: str
    near: tuple[Near, ...]
    by_uid: str
    pictured: bool
    caption: str
    host: str
    url: str
    sha256: str
    pixel_sha256: str

    @property
    def claims(self) -> tuple[str, ...]:
        """The ids of the claims that hold it."""
        return tuple(one.claim_id for one in self.near)


def under_review(vaulted: pa.Table, matches: pa.Table, pictured: Iterable[str]) -> list[Held]:
    """Return the rows under review: by their first claim, the nearest first, copies last.

    vaulted: VAULTED. matches: MATCHES of the same release. pictured: uids whose images are there.
    """
    require(vaulted, VAULTED)
    require(matches, MATCHES)
    asked = pl.DataFrame(vaulted.select([*ABOUT, "reason"]))
    # What a flood of copies or of a name holds no safe list lets in: match.accept_floods decides.
    asked = asked.filter(
        (pl.col("reason") == str(Reason.REVIEW))
        & pl.col("rule").is_in(sorted(map(str, STYLE_RULES)))
    )
    styles = (
        pl.DataFrame(matches)
        .filter(pl.col("rule").is_in(HOLDING))
        .join(asked.select("uid"), on="uid", how="semi")
        .sort("uid", "margin", "claim_id", descending=[False, True, False], nulls_last=True)
    )
    near: dict[str, dict[str, Near]] = {}
    for uid, *one in styles.select(
        "uid", "claim_id", "rule", "similarity", "threshold"
    ).iter_rows():
        near.setdefault(uid, {}).setdefault(one[0], Near(*one))
    there = set(pictured)
    held = [_held(row, near.get(row["uid"], {}), there) for row in asked.iter_rows(named=True)]
    return sorted(held, key=_place)


def _held(row: Mapping[str, Any], near: Mapping[str, Near], pictured: set[str]) -> Held:
    said = dict(near)
    if row["claim_id"] not in said:
        said[row["claim_id"]] = Near(row["claim_id"], row["rule"], None, None)
    texts = (row[name] or "" for name in ("caption", "host", "url", "sha256", "pixel_sha256"))
    by_uid = row["by_uid"] or ""
    return Held(row["uid"], tuple(said.values()), by_uid, row["uid"] in pictured, *texts)


def _place(held: Held) -> tuple[str, bool, float, str]:
    first = held.near[0]
    margin = (first.similarity or 0.0) - (first.threshold or 0.0)
    return first.claim_id, bool(held.by_uid), -margin, held.uid


# --- decisions


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for: uids or how they begin, claims, and for each row a word why."""

    let_in: tuple[str, ...] = ()
    keep_out: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    why: Mapping[str, str] | None = None  # by uid as given


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows let in and kept out, each with its word; rows of `all_of` that another claim holds."""

    let_in: tuple[tuple[Held, str], ...]
    keep_out: tuple[tuple[Held, str], ...]
    left: tuple[Held, ...]


def choose(held: Sequence[Held], before: Mapping[str, Decision], wanted: Wanted) -> Chosen:
    """Return which rows are meant. before: what counts of earlier decisions (`standing`).

    `all_of` means every row with an image that these claims alone hold, and that nobody has kept
    out. Raises UsageError for a row that is not under review, that a later release has taken, that
    has no image, that is let in and kept out at once, or that is held as the copy of a row that
    still waits.
    """
    words = wanted.why or {}
    ins = {row.uid: (row, words.get(t, "")) for t in wanted.let_in for row in [_named(held, t)]}
    outs = {row.uid: (row, words.get(t, "")) for t in wanted.keep_out for row in [_named(held, t)]}
    left = []
    claims = {_claim(held, text) for text in wanted.all_of}
    for row in held:
        told = before.get(row.uid)
        settled = told is not None and told.choice != Choice.LET_IN
        if claims.isdisjoint(row.claims) or not row.pictured or settled or row.uid in outs:
            continue
        if claims.issuperset(row.claims):
            ins.setdefault(row.uid, (row, ""))
        else:
            left.append(row)
    for uid in (*ins, *outs):
        if (told := before.get(uid)) is not None and told.choice in TAKEN:
            raise UsageError(f"row {uid} is decided: the release of plan {told.into:.16} took it")
    if both := ins.keys() & outs.keys():
        raise UsageError(f"expected one decision a row, found {min(both)} let in and kept out")
    inside = {uid for uid, told in before.items() if told.choice in {Choice.LET_IN, *TAKEN}}
    for row, _ in ins.values():
        if not row.pictured:
            raise UsageError(f"row {row.uid} has no image in the vault: nobody can look at it")
        if row.by_uid and row.by_uid not in (inside | ins.keys()) - outs.keys():
            raise UsageError(
                f"row {row.uid} is held as the copy of {row.by_uid}: let that one in first"
            )
    return Chosen(tuple(ins.values()), tuple(outs.values()), tuple(left))


def _named(held: Sequence[Held], text: str) -> Held:
    hits = [row for row in held if row.uid.startswith(text)]
    if len(text) < SHORTEST_PREFIX or len(hits) != 1:
        raise UsageError(
            f"expected the uid of one row under review, or at least {SHORTEST_PREFIX} characters of"
            f" its beginning, found {text!r}, with which {len(hits)} begin"
        )
    return hits[0]


def _claim(held: Sequence[Held], text: str) -> str:
    hits = sorted({c for row in held for c in row.claims if c.startswith(text)})
    if len(text) < SHORTEST_PREFIX or len(hits) != 1:
        raise UsageError(
            f"expected a claim that holds rows, or at least {SHORTEST_PREFIX} characters of its"
            f" beginning, found {text!r}, with which {len(hits)} begin"
        )
    return hits[0]


def decisions_of(chosen: Chosen, at: str, by: str, why: str) -> list[Decision]:
    """Return the lines to write. why: where a row has no word of its own."""
    return [
        Decision(at, by, own or why, row.uid, choice, row.claims, row.sha256, row.pixel_sha256)
        for choice, rows in (
            (Choice.LET_IN, chosen.let_in),
            (Choice.KEEP_OUT, chosen.keep_out),
        )
        for row, own in rows
    ]


def cleared_by(decisions: Iterable[Decision]) -> list[Cleared]:
    """Return what decisions put into a safe list: each claim and content once."""
    found: dict[tuple[str, str, str], Cleared] = {}
    for one in decisions:
        if one.choice != Choice.LET_IN:
            continue
        for claim_id in one.claims:
            key = (claim_id, one.sha256, one.pixel_sha256)
            found.setdefault(key, Cleared(*key, one.at, one.by, one.why))
    return list(found.values())
