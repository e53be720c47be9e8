"""Erasing a claim, and copying a registry's database so that what is erased later stays erased."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from jobs.claimant_files import OWNER_ONLY
from optout import storage
from optout.append import Recorded
from optout.entry import Draft, Random, draft_erase_identity, draft_move
from optout.erasure import without_identity
from optout.keys import SigningKey
from optout.lifecycle import Event, Signer
from optout.parts import open_match_part
from optout.registry import Registry
from optout.replay import Standing
from optout.storage_tables import CLAIMS, WORKS
from schemas.claim import MatchPart
from schemas.errors import RegistryError, UsageError


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: the entry that says so, and what is left at work; null where nothing is."""

    recorded: Recorded
    left: MatchPart | None


def draft_erasure(
    registry: Registry,
    standing: Standing,
    key: SigningKey,
    random: Random,
    *,
    everything: bool,
    by: Signer = Signer.CLAIMANT,
) -> Draft:
    """Return the statement that erases a claim, or who asks. Raises ClaimError as `erasure`."""
    place = standing.claim_id, standing.entry_hash, key
    if everything:
        return draft_move(Event.ERASE, *place, by=by)
    match, _ = registry.parts(standing.claim_id)
    return draft_erase_identity(without_identity(open_match_part(match)), *place, random, by)


def erase(registry: Registry, draft: Draft) -> Erased:
    """Record an erasure, and destroy parts, salts and key of what it forgets."""
    recorded = registry.append(draft)
    return Erased(recorded, open_match_part(draft.match) if draft.match else None)


def back_up(where: str, to: Path) -> int:
    """Copy a registry's database to a new file; returns its size in bytes.

    The file of claim keys stays where it is, so that the copy tells nothing of a claim once that is
    erased; nor are the tables in it that follow from the rest. Raises UsageError where the file
    exists, RegistryError for a database that has tools of its own for this.
    """
    path = storage.sqlite_path(storage.registry_url(where))
    if path is None:
        raise RegistryError(
            f"expected a registry in an SQLite file, found {where}: copy it by its database's own"
            f" tools, without the rows of {WORKS.name} and {CLAIMS.name}, and never with the file"
            " of claim keys"
        )
    if to.exists():
        raise UsageError(f"expected a new file for the copy, found {to}")
    part = to.with_name(f".{to.name}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA secure_delete = ON")
            for table in (WORKS, CLAIMS):  # they hold in the clear what the parts hold under keys
                copy.execute(f"DELETE FROM {table.name}")  # noqa: S608 - names of our own
            copy.commit()
            copy.execute("VACUUM")
            copy.execute("PRAGMA journal_mode = DELETE")
        part.rename(to)
    except (OSError, sqlite3.Error) as e:
        raise RegistryError(f"expected to copy {path} to {to}: {e}") from e
    return to.stat().st_size
