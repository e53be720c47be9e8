"""A registry of one's own that publishes, and a witness that it names: for tests of commands."""

from pathlib import Path

from jobs.cli import optout
from optout.log.note import COSIGNATURE, SignerKey, parse_verifier_key
from optout.log.policy import Log, Policy
from optout.log.policy import Witness as Trusted
from optout.registry import Registry
from tests.fakes import FixedClock
from tests.jobs.commands import run

WITNESS = SignerKey("witness.example", bytes([7] * 32), COSIGNATURE)
AT = 1_767_225_600


class BrokenOffError(Exception):
    """What a test breaks a run off with."""


def submitted(name: str = "Ada Example", db: Path | None = None, *options: object) -> str:
    where = ("--registry", db) if db else ()
    said = run(optout.app, "submit", "--artist", name, "--host", "ada.example", *where, *options)
    (new,) = [w for w in said.split() if len(w) == 32 and set(w) <= set("0123456789abcdef")]
    return new


def key_of(place: Path) -> str:
    with Registry.open(str(place / "home" / "registry.db"), FixedClock()) as found:
        return found.log_key()[1]


def policy_with(place: Path, witness) -> Path:
    url, logs = witness
    key = parse_verifier_key(key_of(place))
    logs.append(key)
    path = place / "policy"
    trusted = Trusted("w", WITNESS.verifier, url)
    path.write_bytes(Policy((Log(key),), (trusted,), (), "w").to_bytes())
    return path
