"""What a person sees while a build runs, and what stays of it in the run's log.

On a terminal: one live line a stage with rate and time left. Elsewhere: one plain line when a
stage begins and ends. The log is JSON lines, one event each, under run/ (never in the release).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import structlog
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pipeline.plan import Receipt, Task

LABELS = {
    "source": "read source",
    "identify": "identify",
    "screen": "screen",
    "lists": "ask lists",
    "sift": "sift",
    "requests": "plan requests",
    "fetch": "fetch",
    "lookup": "look up in store",
    "redirects": "follow redirects",
    "prepare": "decode and embed",
    "relate": "find duplicates",
    "redact": "redact captions",
    "match": "match claims",
    "decide": "decide",
    "release": "write release",
    "map": "make maps",
    "evidence": "keep evidence",
}


@dataclass
class RunProgress:
    """The live lines of a build."""

    console: Console
    log: structlog.stdlib.BoundLogger
    live: Progress | None
    stages: dict[str, "StageLine"] = field(default_factory=dict)

    def stage(self, name: str, tasks: int, what: str = "") -> "StageLine":
        """Begin a stage of so many tasks. what: stands behind its label."""
        line = StageLine(self, name, tasks, what)
        line.begin()
        return line

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(text)


@dataclass
class StageLine:
    """One stage: its line, its rate and its events."""

    progress: RunProgress
    name: str
    tasks: int
    what: str = ""
    rows: int = 0
    fresh_rows: int = 0
    known: int = 0
    started: float = field(default_factory=time.monotonic)
    line: TaskID | None = None

    def begin(self) -> None:
        self.progress.log.info("stage begins", stage=self.name, tasks=self.tasks)
        if self.progress.live is not None:
            self.line = self.progress.live.add_task(self._label(), total=self.tasks, rate="")

    def done(self, task: Task, receipt: Receipt, was_known: bool) -> None:
        """Count a finished task."""
        rows = receipt.counts.get("rows", 0)
        self.rows += rows
        self.known += was_known
        self.fresh_rows += 0 if was_known else rows
        self.progress.log.info(
            "task done",
            stage=task.stage,
            task=task.name,
            known=was_known,
            seconds=receipt.seconds,
            **receipt.counts,
        )
        if self.progress.live is not None and self.line is not None:
            self.progress.live.update(self.line, advance=1, rate=self._rate())

    def end(self) -> None:
        """Close the line."""
        seconds = time.monotonic() - self.started
        self.progress.log.info(
            "stage ends",
            stage=self.name,
            rows=self.rows,
            known_tasks=self.known,
            seconds=round(seconds, 3),
        )
        if self.progress.live is None:
            again = f", {self.known} of {self.tasks} done before" if self.known else ""
            label = self._label()
            self.progress.say(
                f"{label:18} {self.rows:>10,} rows  {seconds:7.1f} s  {self._rate():>14}{again}"
            )

    def _label(self) -> str:
        return " ".join((LABELS.get(self.name, self.name), self.what)).strip()

    def _rate(self) -> str:
        seconds = time.monotonic() - self.started
        return f"{self.fresh_rows / seconds:,.0f} rows/s" if self.fresh_rows and seconds else ""


@contextmanager
def progress(console: Console, log_path: Path | None) -> Iterator[RunProgress]:
    """Yield the progress of one run; its log goes to `log_path`, or nowhere where that is None."""
    log_file: TextIO | None = None
    if log_path is not None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        log_file = log_path.open("a", encoding="utf-8")
    log = _logger(log_file)
    live = _live(console) if console.is_terminal else None
    try:
        if live is None:
            yield RunProgress(console, log, None)
        else:
            with live:
                yield RunProgress(console, log, live)
    finally:
        if log_file is not None:
            log_file.close()


@contextmanager
def told(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that is told (done, all); a live line on a terminal, silence elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done, _all: None
        return
    with _live(console) as live:
        line = live.add_task(label, total=None, rate="")
        yield lambda done, of: live.update(line, completed=done, total=of)


def _logger(target: TextIO | None) -> structlog.stdlib.BoundLogger:
    processors: list[structlog.typing.Processor] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.add_log_level,
        structlog.processors.JSONRenderer(sort_keys=True),
    ]
    factory: structlog.typing.WrappedLogger = (
        structlog.WriteLogger(target) if target is not None else _Nothing()
    )
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        factory, processors=processors, wrapper_class=structlog.BoundLogger
    )
    return logger


class _Nothing:
    def msg(self, _message: str) -> None:
        pass

    info = warning = error = debug = msg


def _live(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description:<18}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>14}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=False,
    )
