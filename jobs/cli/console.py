"""What reaches a terminal: one console, plain where nobody looks, and nothing unescaped."""

import re
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape

CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def console(*, stderr: bool = False) -> Console:
    """Return a console; colours and live lines only on a terminal."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def safe(text: object) -> str:
    """Return text from a row, a file or a claim so that a terminal shows it and does nothing else.

    Control and direction characters, and what is no character at all, as in the name of a file that
    is not UTF-8, become visible escapes; rich markup is escaped.
    """
    return escape(CONTROL.sub(lambda m: f"\\x{ord(m.group()):02x}", str(text)))


def say(lines: Iterable[str]) -> None:
    """Print lines, each made safe."""
    out = console()
    for line in lines:
        out.print(safe(line))


def say_error(message: str, notes: Sequence[str] = ()) -> None:
    """Print an error on stderr."""
    out = console(stderr=True)
    out.print(f"[bold red]error:[/] {safe(message)}")
    for note in notes:
        out.print(f"  {safe(note)}")


def track(names: Sequence[str], doing: str) -> Iterable[str]:
    """Give names one by one; a progress bar on a terminal, else one line."""
    from rich.progress import track as bar  # noqa: PLC0415  # slow to import, and few commands need it

    out = console(stderr=True)
    if not out.is_terminal:
        out.print(f"{doing} {len(names)} images")
        return names
    return bar(names, description=doing, console=out)
