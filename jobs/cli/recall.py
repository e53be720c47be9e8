"""`recuse recall`: newer claims applied to a release that is out."""

from typing import TYPE_CHECKING, Annotated

import typer
import yaml
from pydantic import ValidationError

from jobs.cli.console import console, safe, say
from schemas.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.published import Published
    from jobs.recall import Judged
    from jobs.resealing import Rewritten
    from optout.cohort import Cohort
    from schemas.config import ListConfig

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

UNJUDGED_SHOWN = 20


def recall(
    release: Annotated[str, typer.Argument(help="Folder or URL of the release.")],
    *,
    out: Annotated[str, typer.Option("--out", help="Folder or URL of the new release.")],
    registry: Annotated[
        str, typer.Option("--registry", help="Path or SQLAlchemy URL of the registry.")
    ] = "",
    lists: Annotated[
        list[str] | None,
        typer.Option("--list", help="{name: …, location: …, key: …}. [as the release's config]"),
    ] = None,
    vault: Annotated[str, typer.Option("--vault", help="Its vault. (default RELEASE.vault)")] = "",
    link: Annotated[
        bool, typer.Option("--link", help="Hard links to files that stay as they are.")
    ] = False,
    allow_unjudged: Annotated[
        bool, typer.Option("--allow-unjudged", help="Go on where claims cannot be judged.")
    ] = False,
    trust_local: Annotated[
        bool, typer.Option("--trust-local", help="Take control as proved on this registry.")
    ] = False,
    safe_lists: Annotated[
        list[str] | None, typer.Option("--safe", help="Safe list that the release was built by.")
    ] = None,
    matcher: Annotated[
        str, typer.Option("--matcher", help="The release's: builtin:lite or a folder; '' for none.")
    ] = "builtin:lite",
    key: Annotated[
        str, typer.Option("--key", help="Key that signs. [RECUSE_BUILDER_KEY, or your own]")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would leave; write nothing.")
    ] = False,
) -> None:
    """Take out of a release what newer claims deny; nothing is downloaded, no row comes in.

    Judged are the stored vectors, hashes, captions and addresses. The old release stays as it is;
    RELEASE2 gets a signed list of what is gone, by which others clean their copies: recuse retract.
    """
    import secrets

    from jobs.builder_key import builder_key
    from jobs.cli.trying import track_files
    from jobs.planning import created_now
    from jobs.progress import told as told_on_terminal
    from jobs.recall import Claims, claims_now, judge, registry_of, require_judged
    from jobs.resealing import finished, require_place, rewrite
    from jobs.rewriting import Target
    from pipeline.models import matcher_files
    from pipeline.storage import open_store
    from pipeline.vault import SECRET_PATH, vault_of

    place, to = release.rstrip("/"), out.rstrip("/")
    if not place or not to or place == to:
        raise UsageError("expected RELEASE and another folder for --out, found an empty one or one")
    if matcher:  # a misspelt one is no reason to go on without
        matcher_files.shown_as(matcher)
    old = _old(place, vault.rstrip("/"))
    require_place(old, open_store(to), open_store(vault_of(to), private=True))
    named = [_list(text) for text in lists or ()]
    config = registry_of(old.release, registry, named, trust_local=trust_local)
    created = created_now()
    members = claims_now(old.release, config, created)
    safe_table = _safe(old, safe_lists or [])
    claims = Claims(members, _cohort(matcher, old), safe_table)
    judged = judge(old, claims, track_files)
    _say_judged(judged)
    if finished(judged, open_store(to)) is not None:
        say([f"{to} is this recall, finished before; nothing was written"])
        return
    if dry_run:
        say(["a dry run: nothing was written"])
        return
    if not allow_unjudged:
        require_judged(judged)
    store = open_store(to)
    secret = old.vault.store.read(SECRET_PATH) if old.vault else secrets.token_bytes(32)
    target = Target(
        out=store,
        vault=open_store(vault_of(to), private=True),
        created=created,
        key=builder_key(key),
        secret=secret,
        link=link,
    )
    with told_on_terminal("write") as told:
        done = rewrite(judged, target, told)
    _say_written(judged, done, to, f"{target.key.verifier}")


def _old(place: str, vault: str) -> "Published":
    from jobs.published import Published
    from jobs.releases import open_release, require_release
    from jobs.vaults import open_vault
    from pipeline.storage import open_store
    from pipeline.vault import EVIDENCE_ROWS, vault_of

    store = open_store(place)
    require_release(store)
    opened = open_release(store)
    if vault or open_store(vault_of(place)).paths(EVIDENCE_ROWS):
        return Published(opened, open_vault(vault or vault_of(place), opened.manifest))
    return Published(opened, None)


def _list(text: str) -> "ListConfig":
    from schemas.config import ListConfig

    try:
        return ListConfig.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as e:
        raise UsageError(f"expected --list {{name: …, location: …, key: …}}: {e}") from e


def _safe(old: "Published", paths: list[str]) -> "pa.Table":
    """Return SAFE of the safe lists of the release's build, of those that are given."""
    from pipeline.storage import read_anywhere
    from schemas.canonical import sha256_hex
    from schemas.safe import parse_safe, safe_table

    wanted = {text.removeprefix("sha256:") for text in old.release.config.match.safe}
    lines = []
    for path in paths:
        body = read_anywhere(path)
        if sha256_hex(body) not in wanted:
            raise UsageError(f"expected a safe list by which the release was built, found {path}")
        wanted.discard(sha256_hex(body))
        lines += parse_safe(body, path)
    if wanted:
        lost = f"{len(wanted)} safe lists of the release's build were not given (--safe)"
        say([f"{lost}: what they clear of look-alikes leaves the release"])
    return safe_table(lines)


def _cohort(name: str, old: "Published") -> "Cohort | None":
    from pipeline.models.matcher_files import cohort_of

    return cohort_of(name, old.matcher)


def _say_judged(judged: "Judged") -> None:
    from jobs.recall import counts

    out = console()
    removed = judged.changes.removed.num_rows
    out.print(
        f"[bold]{removed:,} of {judged.old.manifest.released:,} released rows[/] leave,"
        f" {judged.reworded:,} captions change"
    )
    for (verdict, reason), rows in counts(judged).items():
        out.print(f"  {verdict} {safe(reason)}: {rows:,}")
    if judged.changes.held:
        held = f"{judged.changes.held:,} of them are held: somebody has to look"
        say([f"{held} (recuse optout review RELEASE2)"])
    for one in judged.unjudged[:UNJUDGED_SHOWN]:
        out.print(f"  not judged: claim {safe(one.claim_id)}: {one.why}")
    if len(judged.unjudged) > UNJUDGED_SHOWN:
        out.print(f"  … and {len(judged.unjudged) - UNJUDGED_SHOWN:,} more")


def _say_written(judged: "Judged", done: "Rewritten", to: str, key: str) -> None:
    rows, shards = done.manifest.released, len(judged.old.release.names)
    say(
        [
            f"{to}: {rows:,} rows; {len(done.touched):,} of {shards:,} shards were written anew",
            f"{to}/retractions.parquet: for whoever holds a copy (recuse retract), signed by {key}",
        ]
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recall")(recall)
