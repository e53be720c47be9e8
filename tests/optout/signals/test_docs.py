"""docs/signals.md names every channel, and holds the table of profiles as it is."""

from pathlib import Path

from optout.signals.profiles import PROFILES, TABLE
from schemas.verdict import Channel

DOCS = Path(__file__).parents[3] / "docs" / "signals.md"


def profiles_table() -> str:
    """Return the table of profiles as it stands in docs/signals.md."""
    lines = ["| setting | " + " | ".join(PROFILES) + " | meaning |", "| --- " * 5 + "|"]
    for row in TABLE:
        values = [
            {True: "yes", False: "no"}[v] if isinstance(v, bool) else str(v)
            for v in (row.default, row.strict, row.literal)
        ]
        lines.append(f"| `{row.key}` | {' | '.join(values)} | {row.meaning} |")
    return "\n".join(lines) + "\n"


def test_the_docs_hold_the_table_of_profiles() -> None:
    assert profiles_table() in DOCS.read_text(encoding="utf-8")


def test_the_docs_name_every_channel() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [c for c in Channel if f"| `{c}` |" not in text] == []
