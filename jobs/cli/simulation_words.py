"""What is said about a claim that was tried out on a release."""

from collections.abc import Sequence

from rich.table import Table

from jobs.simulation import Simulated
from pipeline.report.simulation import RULE_WORDS
from pipeline.report.words import share
from schemas.verdict import Verdict

HOSTS_SHOWN = 10


def simulated(found: Simulated) -> list[str]:
    """Return under which assumptions a claim was tried out."""
    lines = ["as if its control were proved:"]
    if found.accepted.state == "needs review":
        lines = ["as if its control were proved and its style, which waits for review, let in:"]
    if found.accepted.state == "not separable":
        lines.append("its style is not separable: look-alikes are not protected, nor counted here.")
    if not found.compared:
        lines.append(
            "its vectors come from another matcher than the release's: nothing was compared by"
            " likeness."
        )
    if found.accepted.styles > 1:
        lines.append(f"{found.accepted.styles} styles share the budget.")
    if found.beside is None:
        lines.append(
            "votes of sources and caps by released rows alone; --vault adds the rows that are not."
        )
    else:
        lines.append(
            f"votes of sources, caps and copies by the vault's {found.beside:,} rows as well."
        )
    if found.stored:
        lines.append("the vault has measured its style: likeness was read there.")
    return lines


def by_rule(found: Simulated) -> Table:
    """Return the table of rows by rule."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("rule")
    for name in ("dropped", "held", "of all"):
        table.add_column(name, justify="right")
    for rule, counts in found.counts().items():
        dropped, held = counts[str(Verdict.DROP)], counts[str(Verdict.HOLD)]
        words = RULE_WORDS[rule].lower()
        table.add_row(words, f"{dropped:,}", f"{held:,}", share(dropped + held, found.rows))
    both = share(found.decided.num_rows, found.rows)
    table.add_row("together", f"{found.dropped:,}", f"{found.held:,}", both, style="bold")
    return table


def hosts(counted: Sequence[tuple[str, int]]) -> str:
    """Return the hosts that would lose rows, the most first."""
    said = [f"{host or 'without host'} {rows:,}" for host, rows in counted[:HOSTS_SHOWN]]
    more = len(counted) - HOSTS_SHOWN
    return ", ".join(said) + (f" and {more:,} more" if more > 0 else "")


def guarded(found: Simulated) -> list[str]:
    """Return what the flood guard would do, and what else would happen."""
    lines = []
    if found.redacted:
        lines.append(f"{found.redacted:,} captions would lose a name.")
    if not found.decided.num_rows:
        return [*lines, "no row of this release would be dropped."]
    if found.held:
        lines.append(
            f"the flood guard would hold {found.held:,} rows: the claim reaches more than its cap."
            f" Look at them (--html FILE); then --accept-floods {found.claim_id} lets it drop them."
        )
    else:
        lines.append("it stays within its caps; the flood guard lets it drop them.")
    return lines
