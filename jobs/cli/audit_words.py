"""What an audit says: one line a check, what is wrong, what is missing, and what it comes to."""

from typing import TYPE_CHECKING

from pipeline.audit import SHOWN, Check, Status

if TYPE_CHECKING:
    from jobs.verifying import Report


def lines(check: Check) -> list[str]:
    """Return what is said about a check."""
    found = [check.said]
    if len(check.wrong) > 1:
        found += check.wrong[1:SHOWN]
        if len(check.wrong) > SHOWN:
            found.append(f"… and {len(check.wrong) - SHOWN:,} more; --json lists all")
    return [*found, *(f"needs {what}" for what in check.needs)]


def outcome(report: "Report") -> list[str]:
    """Return what an audit comes to."""
    status = [check.status for check in report.checks]
    wrong, open_ = status.count(Status.FAILED), status.count(Status.NEEDS)
    if wrong:
        said = f"[bold red]{wrong} of {len(status)} checks failed[/]"
    elif open_:
        said = (
            f"nothing failed; {open_} of {len(status)} checks need what was not given: the release"
            " is not proved whole"
        )
    else:
        said = f"[bold green]all {len(status)} checks verified[/]"
    return [said, f"manifest {report.manifest_sha256}"]
