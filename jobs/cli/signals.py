"""`recuse signals`: what sites and files say about an image, and how recuse reads it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from jobs.cli.console import CONTROL, console, safe
from schemas.errors import UsageError
from schemas.verdict import Purpose, Say, Verdict

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

app = typer.Typer(no_args_is_help=True, help="What sites and files say, and how it is read.")

COLOURS = {
    Say.DENY: "bold red", Say.ALLOW: "green", Say.ERROR: "bold yellow", Say.SILENT: "dim",
}  # fmt: skip
SHOWN_CHANGES = 20
RAW_CHARS = 60
WIDE = 120

Contact = Annotated[str, typer.Option("--contact", help="URL or mail address of whoever asks.")]
AllowHosts = Annotated[
    str, typer.Option("--allow-hosts", help="HOST:PORT pairs on loopback or private addresses.")
]
ProfileName = Annotated[str, typer.Option("--profile", help="default, strict or rfc-literal.")]


@app.callback()
def root() -> None:
    """What sites and files say about images, and how recuse reads it."""


@app.command("profiles")
def profiles(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the one table in which the profiles differ."""
    from optout.signals.profiles import PROFILES, TABLE

    if as_json:
        typer.echo(json.dumps({n: p.as_json() for n, p in PROFILES.items()}, indent=2))
        return
    out = console()
    wide = out.width >= WIDE
    table = Table(title="how signals are read", box=None, title_justify="left", pad_edge=False)
    for name in ("setting", *PROFILES):
        table.add_column(name, no_wrap=True)
    if wide:
        table.add_column("meaning", overflow="fold")
    for row in TABLE:
        values = (row.default, row.strict, row.literal)
        differs = len(set(map(str, values))) > 1
        cells = [Text(_value(v), style="bold" if differs else "") for v in values]
        table.add_row(row.key, *cells, *([safe(row.meaning)] if wide else []))
    out.print(table)
    if not wide:
        out.print()
        for row in TABLE:
            out.print(f"[bold]{row.key}[/]: {safe(row.meaning)}", soft_wrap=False)
    out.print(
        "\nA channel's setting says what an unreadable channel does to a row: hold it, or nothing "
        "(ignore); off is not read. A build names its profile with signals.profile; the manifest "
        "records every value.",
        soft_wrap=False,
    )


def _value(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


@app.command("explain")
def explain(  # noqa: PLR0917  # typer passes every argument by name
    url: Annotated[str, typer.Argument(help="URL of an image.")] = "",
    page: Annotated[str, typer.Option("--page", help="URL of the page around it.")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="The image itself; then its body is not asked.")
    ] = None,
    profile: ProfileName = "default",
    purpose: Annotated[str, typer.Option("--purpose", help="What the image is for.")] = "train-gen",
    agent: Annotated[str, typer.Option("--agent", help="Product token.")] = "RecuseBot",
    contact: Contact = "",
    allow_hosts: AllowHosts = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every channel for one image: what it said, the verdict for each purpose, and why."""
    if not url and file is None:
        raise UsageError("expected the URL of an image, or --file IMAGE, found neither")
    from jobs import explaining
    from jobs.cli.options import read_config
    from optout.signals.policy import SignalPolicy

    config = read_config(
        None,
        {
            "fetch": _fetch(contact, allow_hosts) | {"agent": agent},
            "signals": {"profile": profile, "purpose": purpose},
        },
        "the command line",
    )
    policy = SignalPolicy.from_config(config)
    body = _read(file) if file is not None else None
    with console(stderr=True).status("asking") if url else _Nothing():
        found = explaining.explain_image(url, page, body, policy, config.fetch)
    if as_json:
        typer.echo(json.dumps(_json_of(found), indent=2))
        return
    _show(found, policy.profile.name, Purpose(purpose))


class _Nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def _fetch(contact: str, allow_hosts: str) -> dict[str, Any]:
    return {"contact": contact, "allow_hosts": [h for h in allow_hosts.split(",") if h]}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise UsageError(f"could not read --file {path}: {e.strerror}") from e


def _json_of(found: Any) -> dict[str, Any]:
    told = found.explanation
    return {
        "asked": found.asked,
        "channels": [
            {
                "channel": str(line.channel),
                "unread": line.unread,
                "says": {str(p): s and str(s) for p, s in line.says.items()},
                **(
                    {}
                    if line.speaker is None
                    else {
                        "raw": line.speaker.raw,
                        "line": line.speaker.line,
                        "place": line.speaker.place,
                        "note": line.speaker.note,
                    }
                ),
            }
            for line in told.lines
        ],
        "together": {str(p): str(s) for p, s in told.together.items()},
        "verdict": str(told.verdict),
        "because": None if told.because is None else str(told.because.channel),
        "embedded": found.embedded,
    }


def _show(found: Any, profile: str, purpose: Purpose) -> None:
    out, told = console(), found.explanation
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("channel", no_wrap=True)
    for each in Purpose:
        table.add_column(
            str(each), no_wrap=True, style="" if each is purpose else None, justify="left"
        )
    table.add_column("what it said", overflow="fold")
    for line in told.lines:
        if line.unread:
            table.add_row(Text(str(line.channel), "dim"), *[""] * len(Purpose),
                          Text(line.unread, "dim"))  # fmt: skip
            continue
        table.add_row(str(line.channel), *(_say(line.says[p]) for p in Purpose), _words(line))
    table.add_section()
    table.add_row(Text("together", "bold"), *(_say(told.together[p]) for p in Purpose), "")
    for what, how in found.asked.items():
        out.print(f"{what}: {safe(how)}")
    out.print(table)
    words = {
        Verdict.KEEP: "[green]kept[/]: nothing read here speaks against it",
        Verdict.DROP: "[bold red]dropped[/]",
        Verdict.HOLD: "[bold yellow]held[/]: nobody could read",
    }
    because = told.because
    why = f", by {because.channel}" if because is not None and told.verdict is Verdict.DROP else ""
    why = f" {because.channel}" if because is not None and told.verdict is Verdict.HOLD else why
    out.print(f"\nfor {purpose} under profile {profile}: {words[told.verdict]}{why}")


def _say(say: Say | None) -> Text:
    if say is None:
        return Text("")
    return Text("·" if say is Say.SILENT else str(say), COLOURS[say])


def _words(line: Any) -> Text:
    speaker = line.speaker
    if speaker is None:
        return Text("")
    where = speaker.place
    if speaker.line is not None and speaker.place.startswith("http"):
        where += f" line {speaker.line}"
    raw = speaker.raw if len(speaker.raw) <= RAW_CHARS else speaker.raw[:RAW_CHARS] + "…"
    said = raw or speaker.note or "nothing"
    text = Text(CONTROL.sub("?", said), "" if raw else "dim")
    for more in (speaker.note if raw else "", where):
        if more:
            text.append("  " + CONTROL.sub("?", more), "dim")
    return text


@app.command("recheck")
def recheck(  # noqa: PLR0917  # typer passes every argument by name
    release: Annotated[str, typer.Argument(help="Folder or URL of the release.")],
    headers: Annotated[
        bool, typer.Option("--headers", help="Ask each image's response headers too.")
    ] = False,
    max_urls: Annotated[
        int, typer.Option("--max-urls", min=1, help="Read again for so many URLs at most.")
    ] = 10_000,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for changes.parquet, documents.parquet.")
    ] = None,
    contact: Contact = "",
    allow_hosts: AllowHosts = "",
) -> None:
    """Read the signals of a release's origins again and list what changed since it was made.

    Exit code 0 where every row would be kept today, 1 where one would not. The release stays as
    it is.
    """
    from jobs import recheck as again
    from jobs.cli.options import read_config
    from jobs.progress import told as told_on_terminal
    from pipeline.fetch import Errand

    config = read_config(None, {"fetch": _fetch(contact, allow_hosts)}, "the command line")
    errand = Errand.HEAD if headers else Errand.ORIGIN
    with told_on_terminal("recheck") as told:
        found = again.recheck(release.rstrip("/"), config.fetch, errand, max_urls, told)
    _show_changes(found)
    if out is not None:
        found.write(str(out))
        console().print(f"written: {safe(out)}/changes.parquet, documents.parquet")
    if found.compared.verdicts.keys() - {Verdict.KEEP}:
        raise typer.Exit(1)


def _show_changes(found: Any) -> None:
    out, compared = console(), found.compared
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("rows read again", f"{compared.rows:,}")
    for verdict, words in ((Verdict.KEEP, "still kept"), (Verdict.DROP, "dropped today"),
                           (Verdict.HOLD, "held today")):  # fmt: skip
        table.add_row(words, f"{compared.verdicts[verdict]:,}")
    table.add_row("host did not answer", f"{compared.gone:,}")
    table.add_row("not read again (--max-urls)", f"{found.left:,}")
    out.print(table)
    if not compared.changes.num_rows:
        out.print("[green]no signal changed[/]")
        return
    title = f"\n{compared.changes.num_rows:,} changes"
    changes = Table(title=title, box=None, title_justify="left", pad_edge=False)
    for name in ("uid", "channel", "purpose", "before", "now", "today"):
        changes.add_column(name, no_wrap=True)
    changes.add_column("url", overflow="fold")
    for row in compared.changes.slice(0, SHOWN_CHANGES).to_pylist():
        changes.add_row(row["uid"][:12], row["channel"], row["purpose"], _say(Say(row["before"])),
                        _say(Say(row["now"])), row["verdict"], safe(row["url"]))  # fmt: skip
    out.print(changes)
    if compared.changes.num_rows > SHOWN_CHANGES:
        out.print(f"… {compared.changes.num_rows - SHOWN_CHANGES:,} more; --out FOLDER has all")
