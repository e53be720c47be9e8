"""`recuse registry` init, rotate, publish, announce: what a registry says to everybody."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.console import console, safe, say
from jobs.cli.given import REGISTRY, opened
from schemas.errors import RegistryError, UsageError

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once

KEY = Annotated[
    Path | None, typer.Option("--key", help="Key that signs for the log. [beside the registry]")
]


def init(
    origin: Annotated[
        str, typer.Argument(help="Name of the log, best an address of yours: example.org/optouts.")
    ] = "",
    registry: REGISTRY = "",
    key: KEY = None,
) -> None:
    """Make a registry and the key that signs for its log; prints what others verify it by."""
    from jobs.claimant_files import registry_at
    from jobs.list_files import log_key_path
    from jobs.log_keys import first_signer
    from jobs.receipts import policy_beside, require_new_name, trust_log
    from jobs.registries import open_registry
    from optout.log.note import require_name
    from pipeline.clock import clock_from_environment

    if origin:
        require_name(origin)
    place = registry_at(registry)
    require_new_name(place, origin)
    with open_registry(place, clock_from_environment(), create=True, origin=origin) as found:
        name, known = found.log_key()
        if origin and name != origin:
            raise UsageError(
                f"expected a new registry to name {origin}, found {name} in {found.where}"
            )
        if known:
            raise UsageError(
                f"expected a log without a key in {found.where}, found {known}; recuse registry"
                " rotate replaces it"
            )
        signer = first_signer(found, path=key)
        trust_log(policy_beside(place), signer.verifier)
    path = key or log_key_path(place, name)
    out = console()
    out.print(f"registry {safe(found.where)}, log [bold]{safe(name)}[/]")
    out.print(f"private key: {safe(path)}")
    out.print("  keep it to yourself, and keep a copy of it: whoever has it speaks for the log.")
    out.print(f"verifier key: [bold]{safe(signer.verifier)}[/]")
    out.print(f"policy for those who verify: {safe(policy_beside(place))}")
    out.print("  add witnesses to it before you hand it out: recuse registry witness --help")


def rotate(
    registry: REGISTRY = "",
    key: KEY = None,
    new: Annotated[
        Path | None, typer.Option("--new", help="File of the new key. [in place of the old one]")
    ] = None,
) -> None:
    """Hand the log over to a new key, by an entry that the old one has signed.

    Whoever trusts the old key alone will refuse what comes after: give them the new one.
    """
    from jobs import log_keys
    from jobs.claimant_files import registry_at
    from jobs.receipts import policy_beside, trust_log

    place = registry_at(registry)
    policy = policy_beside(place)
    with opened(registry) as found:
        done = log_keys.rotate(found, path=key, new=new)
        origin, _ = found.log_key()
    trust_log(policy, done.key)
    say([f"the log {origin} is signed by another key from now on"])
    console().print(f"verifier key: [bold]{safe(done.key)}[/], private key: {safe(done.file)}")
    say([
        "give it to all who verify: with a policy of the old key alone they refuse what comes now.",
        f"the old key {'stays' if new else 'is'} in {done.before}",
        f"it stands in {policy} as well, beside the old one",
    ])  # fmt: skip


def publish(
    registry: REGISTRY = "",
    to: Annotated[str, typer.Option("--to", help="Folder or URL to write the log to.")] = "",
    key: KEY = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Whose witnesses are asked. [beside the registry]"),
    ] = None,
    *,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Read all of --to, not only what is missing or too short."),
    ] = False,
) -> None:
    """Record where every claim stands, sign the log, have it cosigned, write it out.

    What was published before and is missing or damaged there is written again.

    Exit code 1 where fewer witnesses have cosigned than the policy asks for; run it again later.
    """
    from jobs.claimant_files import registry_at
    from jobs.cli import proof_words
    from jobs.log_keys import named_signer, signer_of
    from jobs.publishing import publish as run
    from jobs.receipts import policy_beside, read_policy, trust_log
    from optout.log import policy as policies
    from pipeline.storage import open_store

    if repair and not to:
        raise UsageError("expected --to, the folder or URL to repair, found none")
    place = registry_at(registry)
    with opened(registry) as found:
        signer = named_signer(found, key) if key else signer_of(found)
        if signer is None:
            raise RegistryError(
                f"expected the key that signs for the log of {found.where} (--key FILE)"
            )
        try:
            trust_log(policy_beside(place), signer.verifier)  # a rotation may have broken off
        except UsageError:
            if policy is None:  # else nobody reads the one beside the registry
                raise
        trusted = read_policy(policy or policy_beside(place))
        if signer.verifier not in trusted.log_keys(signer.name):
            raise UsageError(
                f"expected the line `log {signer.verifier}` in {policy or policy_beside(place)},"
                " found no such log: nobody could verify by it what is published"
            )
        done = run(found, signer, trusted, open_store(to) if to else None, thorough=repair)
    say(proof_words.published(done, to))
    if not policies.opened(done.body, trusted).quorum:
        say(["fewer witnesses have cosigned than the policy asks for: run it again later"])
        raise typer.Exit(1)


def announce(
    manifest: Annotated[str, typer.Argument(help="A release, its folder or its manifest.json.")],
    registry: REGISTRY = "",
) -> None:
    """Write an entry for a release: its manifest's digest, its maps' roots, the state it used."""
    from jobs.announcing import announce as run

    with opened(registry) as found:
        notice, seq = run(found, manifest)
    applied = notice.applied
    say([
        f"entry {seq} of the log: release {notice.title!r}, manifest {notice.manifest_sha256}",
        (
            f"it says it was made by this registry at {applied.size} entries"
            if applied
            else "it says it was made without this registry"
        ),
        "who signed it was not checked, and what it holds its own proofs say: recuse audit verify",
    ])  # fmt: skip
