"""The key that signs for a registry's log, as files: made once, handed over, found again.

The database says which key it is. Its file lies beside the registry, and every key that takes part
in a rotation also stands in a file of its own, under that name, a point and the key's id. Such a
file is written before the database moves, and is never written over: so whatever breaks off, and
whoever rotates at the same time, the key that the database names lies in one of the two places.
The file of the plain name follows, by whichever run comes next.
"""

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from jobs.claimant_files import replace_private
from jobs.list_files import log_key_path, read_signer, write_signer
from jobs.publishing import require_key
from jobs.signed_heads import require_continued
from optout.entry import Random
from optout.keys import SEED_BYTES, SigningKey
from optout.log.note import SignerKey, VerifierKey, parse_verifier_key
from optout.notice import rotation_bytes
from optout.registry import Registry
from schemas.errors import CurationError, UsageError


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation has done. file: where the new key lies; before: where the old one does."""

    key: VerifierKey
    file: Path
    before: Path


def log_key_of(registry: Registry) -> VerifierKey | None:
    """Return the key that signs for a registry's log, null where none does yet."""
    _, known = registry.log_key()
    return parse_verifier_key(known) if known else None


def signer_at_hand(registry: Registry, path: Path | None = None) -> SignerKey | None:
    """Return the key that signs for a registry's log, null where it is not at hand.

    path: its file, null for the usual place. Nothing is written. Raises UsageError where a file
    is there that holds no key.
    """
    known = log_key_of(registry)
    place = path or _usual(registry)
    faults: list[UsageError] = []
    # A file that is there and not ours to read is not at hand: claimants may share a registry.
    for file in (own_file(place, known), place) if known else ():
        if os.access(file, os.R_OK):
            try:
                signer = read_signer(file)
            except UsageError as e:
                faults.append(e)
                continue
            if signer.verifier == known:
                return signer
    if faults:
        raise faults[0]
    return None


def named_signer(registry: Registry, path: Path) -> SignerKey:
    """Return the key that signs for a registry's log out of a file that somebody has named.

    Raises UsageError where no key is there, RegistryError where it is another one.
    """
    signer = signer_at_hand(registry, path) or read_signer(path)
    require_key(registry, signer.verifier)
    settle(path, signer)
    return signer


def signer_of(registry: Registry, random: Random = secrets.token_bytes) -> SignerKey | None:
    """Return the key in its usual place; where the log has none yet, one is made and named.

    Null where it is not there. Its file is put in order where a rotation broke off.
    """
    if log_key_of(registry) is None:
        return first_signer(registry, random)
    signer = signer_at_hand(registry)
    if signer is not None:
        settle(_usual(registry), signer)
    return signer


def first_signer(
    registry: Registry, random: Random = secrets.token_bytes, path: Path | None = None
) -> SignerKey:
    """Make the key of a log that has none, and name it in the registry."""
    origin, _ = registry.log_key()
    place = path or _usual(registry)
    if not place.exists():  # else a run broke off between the file and the registry
        try:
            write_signer(SignerKey(origin, random(SEED_BYTES)), place)
        except UsageError:
            if not place.exists():  # else somebody else was quicker: theirs is read
                raise
    signer = read_signer(place)
    registry.set_log_key(signer.verifier)
    return signer


def rotate(
    registry: Registry,
    random: Random = secrets.token_bytes,
    path: Path | None = None,
    new: Path | None = None,
) -> Rotated:
    """Hand a log over to a new key, by an entry that the old one has signed.

    path: file of the old key, null for the usual place. new: file of the new one, which must not
    exist; null for the place of the old one. Raises UsageError where the old key is not there,
    RollbackError where the database is older than what its log has signed.
    """
    place = path or _usual(registry)
    old = named_signer(registry, place)
    require_continued(registry)
    signer = SignerKey(old.name, random(SEED_BYTES))
    pending = new or own_file(place, signer.verifier)
    write_signer(signer, pending)  # first: a log whose key was lost could not go on
    signed = rotation_bytes(str(old.verifier), str(signer.verifier))
    try:
        registry.set_log_key(signer.verifier, SigningKey(old.seed).sign(signed))
    except BaseException:
        _drop_unless_taken(registry, signer.verifier, pending)
        raise
    if new:
        return Rotated(signer.verifier, new, place)
    if settle(place, signer):
        return Rotated(signer.verifier, place, own_file(place, old.verifier))
    return Rotated(signer.verifier, pending, place)  # until the next run


def own_file(path: Path, key: VerifierKey) -> Path:
    """Return where a key stands under its own name, beside the file of the key that signs."""
    return path.with_name(f"{path.name}.{key.key_id}")


def settle(path: Path, signer: SignerKey) -> bool:
    """Put the key that signs for the log into its file, and what is there into one of its own.

    Returns whether it is there now. Where that cannot be done the key is at hand all the same, and
    the next run tries again.
    """
    try:
        held = read_signer(path) if path.exists() else None
        if held == signer:
            return True
        for key in (held, signer):  # both first: the plain name is the one that is written over
            if key is not None and not own_file(path, key.verifier).exists():
                write_signer(key, own_file(path, key.verifier))
        replace_private(path, f"{signer.to_text()}\n".encode())
    except UsageError:
        return False
    return True


def _drop_unless_taken(registry: Registry, key: VerifierKey, path: Path) -> None:
    """Delete the file of a key that the database has not taken; where nobody knows, it stays."""
    with contextlib.suppress(CurationError, OSError):
        if log_key_of(registry) != key:
            path.unlink()


def _usual(registry: Registry) -> Path:
    origin, _ = registry.log_key()
    return log_key_path(registry.where, origin)
