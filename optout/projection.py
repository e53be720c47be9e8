"""The `claims` and `works` tables: what the log and the parts say, laid out for looking up."""

import json

import sqlalchemy as sa

from optout.lifecycle import Acceptance, Authorship, State
from optout.replay import Standing
from optout.storage_tables import CLAIMS, WORKS
from schemas.claim import MatchPart

FORGOTTEN = {
    **dict.fromkeys(("scope", "stance"), ""),
    **dict.fromkeys(("names", "hosts", "urls"), "[]"),
    "style_state": "none",
}
"""What the table says of a claim whose parts nobody can read."""


def standing(connection: sa.Connection, claim_id: str) -> Standing | None:
    """Return where a claim stands, null where there is none."""
    if "\0" in claim_id:  # which PostgreSQL takes for no text at all
        return None
    row = connection.execute(sa.select(CLAIMS).where(CLAIMS.c.claim_id == claim_id)).one_or_none()
    if row is None:
        return None
    return Standing(
        claim_id=row.claim_id,
        state=State(row.state),
        level=row.level,
        claimant_key=row.claimant_key,
        submitted_at=row.submitted_at,
        seq=row.seq,
        entry_hash=row.entry_hash,
        part_seq=row.part_seq,
        authorship=Authorship(row.authorship) if row.authorship else None,
        accepted=Acceptance(row.accepted) if row.accepted else None,
    )


def put(connection: sa.Connection, now: Standing, match: MatchPart | None) -> None:
    """Bring the projection of one claim to a standing.

    match: its part in force; null where what follows from it stays as it was, or where nobody can
    read it any more.
    """
    moving = {
        "state": now.state.value,
        "level": now.level,
        "seq": now.seq,
        "entry_hash": now.entry_hash,
        "authorship": now.authorship.value if now.authorship else "",
        "accepted": now.accepted.value if now.accepted else "",
    }
    if now.state == State.ERASED:
        connection.execute(sa.delete(WORKS).where(WORKS.c.claim_id == now.claim_id))
        moving |= FORGOTTEN
    if match is None and not standing(connection, now.claim_id):
        given = {
            "claim_id": now.claim_id,
            "claimant_key": now.claimant_key,
            "part_seq": now.part_seq,
            "submitted_at": now.submitted_at,
        }
        connection.execute(sa.insert(CLAIMS).values({**FORGOTTEN, **moving, **given}))
        return
    if match is None:
        which = CLAIMS.c.claim_id == now.claim_id
        connection.execute(sa.update(CLAIMS).where(which).values(moving))
        return
    lasting = {
        "claim_id": now.claim_id,
        "claimant_key": now.claimant_key,
        "submitted_at": now.submitted_at,
        "part_seq": now.part_seq,
        "scope": match.scope.value,
        "stance": match.stance.value,
        "names": json.dumps(match.names),
        "hosts": json.dumps([*match.hosts, *match.accounts]),  # where; the part tells them apart
        "urls": json.dumps(match.urls),
        "style_state": now.style(match.style).state,
    }
    for table in (WORKS, CLAIMS):  # the part may be another one than before
        connection.execute(sa.delete(table).where(table.c.claim_id == now.claim_id))
    connection.execute(sa.insert(CLAIMS).values({**moving, **lasting}))
    works = [
        {
            "claim_id": now.claim_id,
            "work_id": work.work_id,
            "sha256": work.sha256,
            "pixel_sha256": work.pixel_sha256,
            "pdq": bytes.fromhex(work.pdq[0]),
            "pdq_quality": work.pdq_quality,
            "matcher": work.matcher,
        }
        for work in match.works
    ]
    if works:
        connection.execute(sa.insert(WORKS), works)


def clear(connection: sa.Connection) -> None:
    """Empty the projection."""
    connection.execute(sa.delete(WORKS))
    connection.execute(sa.delete(CLAIMS))
