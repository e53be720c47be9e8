"""`recuse registry` witness-key and witness: vouching that everybody is shown one log."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.console import console, safe, say
from schemas.errors import UsageError

if TYPE_CHECKING:
    from optout.log.note import VerifierKey

# ruff: noqa: PLC0415 - commands import what they need, so that --help and others start at once


def witness_key(
    name: Annotated[str, typer.Argument(help="Name of the witness, best an address of yours.")],
    key: Annotated[Path, typer.Option("--key", help="File of the private key.")],
) -> None:
    """Make the key by which a witness cosigns; prints what others verify it by."""
    import secrets

    from jobs.list_files import write_signer
    from optout.keys import SEED_BYTES
    from optout.log.note import COSIGNATURE, SignerKey, require_name

    require_name(name)
    made = SignerKey(name, secrets.token_bytes(SEED_BYTES), COSIGNATURE)
    write_signer(made, key)
    out = console()
    out.print(f"private key: {safe(key)} (keep it to yourself)")
    out.print("verifier key:")
    out.print(f"  [bold]{safe(made.verifier)}[/]")
    out.print("  it goes into policy files, in a line: witness NAME KEY [URL]")


def witness(
    key: Annotated[Path, typer.Option("--key", help="Key that witness-key wrote.")],
    store: Annotated[Path, typer.Option("--store", help="File of what was cosigned last.")],
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Policy file; its logs are cosigned.")
    ] = None,
    log: Annotated[
        list[str] | None, typer.Option("--log", help="Verifier key of a log; may be repeated.")
    ] = None,
    *,
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port; 0 takes a free one.")] = 0,
) -> None:
    """Cosign the checkpoints of logs that only grow, until stopped; a line for each.

    Keep the store: a witness that has lost it would cosign another history. Run it on another
    machine than the log's, under somebody else's hand.
    """
    from jobs.list_files import read_signer
    from jobs.witness import HeadFile, Witness, WitnessServer
    from optout.log.note import COSIGNATURE
    from pipeline.clock import SystemClock

    signer = read_signer(key, COSIGNATURE)
    logs = _logs(policy, log or [])
    heads = HeadFile(store, signer.verifier)
    # Its times are proof for others, so no SOURCE_DATE_EPOCH of a build's environment counts here.
    at_work = Witness(signer, logs, heads, SystemClock(), lambda line: say([line]))
    seen = heads.all()
    with WitnessServer(at_work, host, port) as server:
        say([f"witness {signer.verifier}"])
        for each in logs:
            known = seen.get(each.name)
            say([f"log {each.short}, seen at size {known.size if known else 'none'}"])
        say([f"listening at {server.url}"])
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say(["stopped"])


def _logs(policy: Path | None, given: list[str]) -> "tuple[VerifierKey, ...]":
    from optout.log.note import parse_verifier_key
    from optout.log.policy import parse

    found = [parse_verifier_key(text) for text in given]
    if policy:
        try:
            body = policy.read_bytes()
        except OSError as e:
            raise UsageError(f"expected a policy file in {policy}: {e.strerror or e}") from e
        found += [each.key for each in parse(body, str(policy)).logs]
    if not found:
        raise UsageError("expected logs to cosign: --policy FILE that names some, or --log KEY")
    return tuple(dict.fromkeys(found))


OF_WITNESSES: dict[str, Callable[..., None]] = {"witness-key": witness_key, "witness": witness}
