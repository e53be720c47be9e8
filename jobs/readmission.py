"""Rows let in by a review, as the source of a build: which, under which terms, and once only.

A release is never changed, so what is let in later becomes a release of its own. Its rows are
judged again by the newest claims; what the first build observed of them stands.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobs.review import VAULT, add_decisions, now, open_review, read_decisions, read_safe
from pipeline.clock import clock_from_environment
from pipeline.formats.parts import Columns, Part, SourcePlan
from pipeline.held import FETCH_AGAIN, read_whole
from pipeline.manifest import MANIFEST_PATH, read_manifest
from pipeline.plan import VAULT_FORMAT, Plan
from pipeline.review import TAKEN, Choice, Decision, standing
from pipeline.shard import read_parquet
from pipeline.storage import open_store
from pipeline.vault import HELD_UNTIL
from schemas.canonical import digest, sha256_hex
from schemas.errors import UsageError
from schemas.manifest import Manifest
from schemas.tables import ROWS

SAME = ("signals", "lists", "decode", "model", "fetch.agent")
"""Config that shaped what a vault keeps of a row; `max_signal_age_h` is judged again."""


def is_vault(source: str) -> bool:
    """Say whether a source is the vault of a release."""
    place = source.rstrip("/")
    return place.endswith(VAULT) and open_store(place).exists(HELD_UNTIL)


def release_of(vault: str) -> str:
    """Return the release that a vault stands beside."""
    return vault.rstrip("/").removesuffix(VAULT)


def parent_of(vault: str) -> str:
    """Return the sha256 of the manifest of the release that a vault belongs to."""
    return sha256_hex(open_store(release_of(vault)).read(MANIFEST_PATH))


def let_in(
    vault: str, config: Mapping[str, Any], safe_paths: tuple[str, ...], old: Plan | None
) -> SourcePlan:
    """Return the rows that were let in and that no other release has taken, as a source.

    config: as a manifest would show it. old: the plan of a build that was begun with them.
    Raises UsageError where none are let in, where their time is over, where the safe list lacks
    them, or where the config would have kept them in another form.
    """
    place = vault.rstrip("/")
    own = old.identity_digest() if old is not None else ""
    decided = standing(read_decisions(open_store(place, private=True)))
    chosen = {
        uid: one
        for uid, one in sorted(decided.items())
        if one.choice == Choice.LET_IN or (one.choice in TAKEN and one.into == own)
    }
    if old is not None and old.is_of_vault:  # bytes may be gone, once they are released
        # what was let in since then is for a later release
        mine = members(old) if chosen.keys() >= {*members(old)} else list(chosen)
        before = SourcePlan.from_json(old.source)
        return replace(before, fingerprint=_fingerprint(place, mine))
    _require_some(place, chosen, decided)
    _require_time(place)
    manifest = read_manifest(open_store(release_of(place)))
    _require_same(manifest.config, config)
    _require_cleared(chosen, safe_paths)
    whole = read_whole(open_store(place, private=True), list(chosen))
    return SourcePlan(
        name=str(manifest.source["name"]),
        format=VAULT_FORMAT,
        parts=(Part(place, "", 0, members=tuple((uid, "") for uid in chosen)),),
        columns=Columns(),
        extra_schema=whole.rows.select(whole.rows.column_names[len(ROWS) :]).schema,
        rows=len(chosen),
        fingerprint=_fingerprint(place, list(chosen)),
        max_caption_bytes=0,
        size_bytes=whole.stored.nbytes,
        rows_estimate=len(chosen),
    )


def members(plan: Plan) -> list[str]:
    """Return the uids of the rows that a plan takes out of a vault."""
    (part,) = plan.source["parts"]
    return [uid for uid, _ in part["members"]]


def _fingerprint(vault: str, uids: list[str]) -> str:
    return digest([VAULT_FORMAT, parent_of(vault), uids])


def _require_some(
    place: str, chosen: Mapping[str, Decision], decided: Mapping[str, Decision]
) -> None:
    if chosen:
        return
    taken = sum(one.choice in TAKEN for one in decided.values())
    raise UsageError(
        f"expected rows that were let in (recuse optout review {release_of(place)} --let-in UID),"
        f" found none in {place}" + (f"; later releases have taken {taken:,}" if taken else "")
    )


def _require_time(place: str) -> None:
    review = open_review(place)
    if clock_from_environment().now_us() >= review.until_us:
        raise UsageError(
            f"the time of the held rows in {place} is over (output.hold_days): {FETCH_AGAIN}"
        )


def _require_same(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for path in SAME:
        was, found = (_at(config, path) for config in (before, after))
        if was != found:
            raise UsageError(
                f"expected {path} of the config as in the release that holds the rows,"
                f" {was!r:.200},"
                f" found {found!r:.200}: what was observed of them was judged by it"
            )


def _at(config: Mapping[str, Any], path: str) -> Any:
    value: Any = config
    for key in path.split("."):
        value = value[key]
    if path == "signals":
        return {k: v for k, v in value.items() if k != "max_signal_age_h"}
    return value


def _require_cleared(chosen: Mapping[str, Decision], safe_paths: tuple[str, ...]) -> None:
    lines = [line for path in safe_paths for line in read_safe(path)]
    known = {(line.claim_id, line.sha256, line.pixel_sha256) for line in lines}
    lacking = [
        uid
        for uid, one in chosen.items()
        if any((claim, one.sha256, one.pixel_sha256) not in known for claim in one.claims)
    ]
    if lacking:
        raise UsageError(
            f"expected the safe list that the review wrote (--match.safe FILE), found"
            f" {len(lacking):,} of {len(chosen):,} rows missing from it, {lacking[0]} the first:"
            " they would be held again"
        )


def note_taken(plan: Plan, out: str, manifest: Manifest) -> None:
    """Write into the vault that rows came from which of them a release has taken; once only."""
    if not plan.is_of_vault:
        return
    vault = open_store(plan.source["parts"][0]["path"], private=True)
    release, mine = open_store(out), {*members(plan)}
    decisions = read_decisions(vault)
    if any(one.into == manifest.plan for one in decisions):
        return
    left: dict[str, str] = {}
    for path in sorted(f.path for f in manifest.files if f.path.startswith("ledger/")):
        table = read_parquet(release.read(path), ["uid", "reason"])
        left |= dict(zip(table["uid"].to_pylist(), table["reason"].to_pylist(), strict=True))
    at = now()
    taken = [
        replace(
            one,
            at=at,
            by="recuse build",
            why=left.get(one.uid, ""),
            choice=Choice.NOT_RELEASED if one.uid in left else Choice.RELEASED,
            into=manifest.plan,
        )
        for one in standing(decisions).values()
        if one.uid in mine
    ]
    add_decisions(vault, taken)
