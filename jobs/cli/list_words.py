"""What is said about a signed list: what it holds, of when it is, how builds subscribe to it."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table

from jobs.cli.claim_words import grid
from jobs.cli.console import safe

if TYPE_CHECKING:  # what these import takes longer than saying it
    from jobs.signed_lists import Kept
    from optout.signed_list import SignedList

TERMS = (
    "a list shows builders what they must see: hashes and vectors of works, names, hosts,"
    " addresses; not who asks, nor how to reach them. Give it under terms, not to everybody."
)


def summary(found: "SignedList", now_us: int | None = None) -> Table:
    """Return a table of what a list holds; its age where a time is given."""
    note, header = found.note, found.snapshot.header
    exported = note.exported_at
    if now_us is not None:
        age = note.age_days(datetime.fromtimestamp(now_us / 1_000_000, UTC))
        exported += f", {age:.1f} days ago" if age >= 0 else ", by a clock ahead of this one"
    table = grid()
    table.add_row("list of", safe(note.origin))
    table.add_row("signed by", safe(found.key.short))
    table.add_row("exported", safe(exported))
    table.add_row("log", safe(f"{note.size} entries, root {note.root}"))
    table.add_row("newest entry", safe(note.recorded_at or "none"))
    claims, works = found.snapshot.claims.num_rows, found.snapshot.works.num_rows
    table.add_row("claims in force", f"{claims:,}, with {works:,} works")
    table.add_row("matcher", safe(f"{header.matcher_name or 'none'} {header.matcher[:16]}".strip()))
    return table


def kept(done: "Kept", place: str) -> list[str]:
    """Return where a list is kept, what it replaces, and what to write into build.yaml."""
    before = done.before
    said = [
        ("name", done.found.note.origin),
        ("location", place),
        ("key", str(done.found.key)),
    ]
    held = f"the copy held until now had {before.size} log entries" if before else "held anew"
    return [
        f"verified, and kept in {place}; {held}",
        "to build by it, in build.yaml:",
        "  registry:",
        "    lists:",
        *(f"      {'- ' if n == 0 else '  '}{k}: {json.dumps(v)}" for n, (k, v) in enumerate(said)),
    ]
