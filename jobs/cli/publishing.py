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
    import secrets

    from jobs.claimant_files import registry_at
    from jobs.list_files import log_key_path, write_signer
    from jobs.receipts import policy_beside, write_policy
    from jobs.registries import open_registry
    from optout.keys import SEED_BYTES
    from optout.log.note import SignerKey, require_name
    from pipeline.clock import clock_from_environment

    if origin:
        require_name(origin)
    place = registry_at(registry)
    with open_registry(place, clock_from_environment(), create=True, origin=origin) as found:
        name, known = found.log_key()
        if origin and name != origin:
            raise UsageError(f"expected a new registry to name {origin}, found {name} in {place}")
        if known:
            raise UsageError(
                f"expected a log without a key in {place}, found {known}; recuse registry rotate"
                " replaces it"
            )
        signer = SignerKey(name, secrets.token_bytes(SEED_BYTES))
        path = key or log_key_path(place, name)
        write_signer(signer, path)
        found.set_log_key(signer.verifier)
        write_policy(policy_beside(place), signer.verifier)
    out = console()
    out.print(f"registry {safe(place)}, log [bold]{safe(name)}[/]")
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
    import secrets

    from jobs.claimant_files import registry_at
    from jobs.list_files import log_key_path, read_signer, write_signer
    from jobs.publishing import require_key
    from jobs.receipts import add_log, policy_beside
    from optout.keys import SEED_BYTES, SigningKey
    from optout.log.note import SignerKey
    from optout.notice import rotation_bytes

    place = registry_at(registry)
    with opened(registry) as found:
        origin, _ = found.log_key()
        path = key or log_key_path(place, origin)
        old = read_signer(path)
        require_key(found, old.verifier)
        signer = SignerKey(origin, secrets.token_bytes(SEED_BYTES))
        target = new or path
        retired = path.with_name(f"{path.name}.{old.verifier.key_id}")
        if target == path:
            path.rename(retired)
        write_signer(signer, target)  # first: a log whose key was lost could not go on
        signed = rotation_bytes(str(old.verifier), str(signer.verifier))
        found.set_log_key(signer.verifier, SigningKey(old.seed).sign(signed))
    policy = policy_beside(place)
    added = add_log(policy, signer.verifier)
    say([f"the log {origin} is signed by another key from now on"])
    console().print(f"verifier key: [bold]{safe(signer.verifier)}[/], private key: {safe(target)}")
    say([
        "give it to all who verify: with a policy of the old key alone they refuse what comes now.",
        f"the old key is in {retired}" if target == path else f"the old key stays in {path}",
        *([f"it stands in {policy} as well, beside the old one"] if added else []),
    ])  # fmt: skip


def publish(
    registry: REGISTRY = "",
    to: Annotated[str, typer.Option("--to", help="Folder or URL to write the log to.")] = "",
    key: KEY = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Whose witnesses are asked. [beside the registry]"),
    ] = None,
) -> None:
    """Record where every claim stands, sign the log, have it cosigned, write it out.

    Exit code 1 where fewer witnesses have cosigned than the policy asks for; run it again later.
    """
    from jobs.claimant_files import registry_at
    from jobs.cli import proof_words
    from jobs.list_files import read_signer
    from jobs.publishing import publish as run
    from jobs.receipts import policy_beside, read_policy, signer_of
    from optout.log import policy as policies
    from pipeline.storage import open_store

    place = registry_at(registry)
    trusted = read_policy(policy or policy_beside(place))
    with opened(registry) as found:
        signer = read_signer(key) if key else signer_of(found)
        if signer is None:
            raise RegistryError(f"expected the key that signs for the log of {place} (--key FILE)")
        if signer.verifier not in trusted.log_keys(signer.name):
            raise UsageError(
                f"expected the line `log {signer.verifier}` in {policy or policy_beside(place)},"
                " found no such log: nobody could verify by it what is published"
            )
        done = run(found, signer, trusted, open_store(to) if to else None)
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
