"""What a build says at its beginning and its end."""

import math

from rich.console import Console
from rich.table import Table

from jobs.cli.console import safe
from jobs.planning import Job
from optout.log.note import parse_verifier_key
from optout.storage import shown
from pipeline.estimate import estimate
from pipeline.formats.parts import UNCHECKED
from pipeline.plan import Plan
from schemas.config import RegistryConfig
from schemas.manifest import Manifest
from schemas.verdict import Reason

UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")
STEP = 1000
MINUTE, HOUR, DAY = 60, 3600, 86_400


def say_plan(out: Console, job: Job, plan: Plan) -> None:
    """Print what a build would do (`--dry-run`)."""
    costs = estimate(plan.rows_estimate, job.config)
    cores = max(1, job.config.workers.count)
    table = Table(title="plan", box=None, show_header=False, title_justify="left", pad_edge=False)
    table.add_row("source", safe(f"{job.source} ({plan.source['format']})"))
    table.add_row("rows", f"{plan.rows_estimate:,}")
    table.add_row("release", safe(job.out))
    table.add_row("vault, work folder", safe(f"{job.vault}, {job.work}"))
    table.add_row(
        "model", safe(f"{plan.model.name}, {plan.model.precision} on {plan.model.device}")
    )
    table.add_row("matcher", safe(f"{plan.matcher.name} {plan.matcher.fingerprint[:16]}"))
    for label, said in registries(job.config.registry):
        table.add_row(label, safe(said))
    table.add_row("purpose", str(job.config.signals.purpose))
    parts = len(plan.source["parts"])
    table.add_row(
        "tasks",
        f"{parts} source parts, {plan.host_buckets} host buckets, {plan.shards} shards",
    )
    out.print(table)
    times = Table(title="\nestimate", box=None, title_justify="left", pad_edge=False)
    times.add_column("stage")
    times.add_column("one core", justify="right")
    for stage, seconds in costs.stage_seconds.items():
        times.add_row(safe(stage), humane_seconds(seconds))
    out.print(times)
    out.print(
        f"\nabout {humane_seconds(costs.seconds(cores))} on {cores} worker(s) if the web keeps up; "
        f"work folder {humane_bytes(costs.work_bytes)}, "
        f"release {humane_bytes(costs.release_bytes)}"
    )
    for notice in plan.notices():
        out.print(safe(notice))


def say_summary(out: Console, job: Job, manifest: Manifest, *, again: bool) -> None:
    """Print what became of every row, and where to look."""
    if again:
        out.print("this release is finished; nothing to do")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_row("rows in", f"{manifest.rows_in:,}")
    table.add_row("[bold green]released[/]", f"[bold]{manifest.released:,}[/]")
    for verdict, counts in (("dropped", manifest.dropped), ("held", manifest.held)):
        table.add_row(f"[bold]{verdict}[/]", f"{sum(counts.values()):,}")
        for reason, count in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0])):
            table.add_row(f"  {safe(reason)}", f"{count:,}")
    if manifest.captions_redacted:
        table.add_row("released without a name", f"{manifest.captions_redacted:,}")
    if manifest.unchecked:
        named = ", ".join(f"{n:,} {safe(c)}" for c, n in sorted(manifest.unchecked.items()))
        table.add_row("released unchecked", named)
    out.print(table)
    if manifest.held.get(Reason.UNCHECKED):
        out.print(
            "rows held as unchecked: nobody can read some signals for them any more; "
            f"--accept-unchecked {','.join(UNCHECKED)} releases them, and the manifest will say so"
        )
    if manifest.held.get(Reason.REVIEW):
        out.print(f"rows held for review: recuse optout review {safe(job.out)}")
    out.print(f"report: {safe(job.out)}/report.html")
    out.print(f"review of dropped and held rows (private): {safe(job.vault)}/review.html")


def registries(config: RegistryConfig) -> list[tuple[str, str]]:
    """Return whose opt-outs are honoured and whose are declined, as labels and words."""
    signers = {one.name: parse_verifier_key(one.key).short for one in config.subscribed}
    honoured = [("registry", shown(config.url))] if config.url else []
    honoured += [("list", f"{name}, signed by {signer}") for name, signer in signers.items()]
    declined = [("declined", f"{x.name}: {x.reason}") for x in config.lists if not x.subscribe]
    return [*(honoured or [("registry", "none: no opt-out list is honoured")]), *declined]


def humane_bytes(size: float) -> str:
    """Return a size as people say it: 1.4 GB."""
    if size < STEP:
        return f"{size:,.0f} bytes"
    power = min(len(UNITS) - 1, int(math.log(size, STEP)))
    return f"{size / STEP**power:,.1f} {UNITS[power]}"


def humane_seconds(seconds: float) -> str:
    """Return a time as people say it: 40 s, 12 min, 3.5 h, 2.1 days."""
    for limit, size, unit in (
        (2 * MINUTE, 1, "s"),
        (2 * HOUR, MINUTE, "min"),
        (2 * DAY, HOUR, "h"),
    ):
        if seconds < limit:
            return (
                f"{seconds / size:,.0f} {unit}" if size < HOUR else f"{seconds / size:,.1f} {unit}"
            )
    return f"{seconds / DAY:,.1f} days"
