"""A signed note that vouches for a file by its digest: a manifest, a file of retractions. Pure.

    recuse-manifest/1            the kind of file and its version
    sha256 HEX                   of the file's bytes
    NAME VALUE                   what else is said, in order of name; one word each

The note stands beside the file as FILE.note; keys come from whoever verifies, never from it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from optout.log.note import SignerKey, VerifierKey, opened, sign
from schemas.canonical import sha256_hex
from schemas.errors import ProofError

SUFFIX = ".note"
DIGEST = "sha256"
WORD = re.compile(r"\S{1,400}")


@dataclass(frozen=True, slots=True)
class SignedFile:
    """What a note says of a file: its kind, digest, further facts, and whose keys have signed."""

    kind: str
    sha256: str
    said: Mapping[str, str]
    keys: tuple[VerifierKey, ...]


def sign_file(kind: str, body: bytes, key: SignerKey, said: Mapping[str, str]) -> bytes:
    """Return the note of a file. Raises ProofError for what no note can hold."""
    text = _text(kind, sha256_hex(body), said)
    parsed = _parsed(text)
    if parsed != (kind, sha256_hex(body), dict(said)):
        raise ProofError(f"expected facts that stay what they are in a note, found {said!r:.200}")
    return sign(text, key)


def open_note(note: bytes, kind: str, keys: Collection[VerifierKey]) -> SignedFile:
    """Return what a note says that one of the keys has signed. Raises ProofError otherwise."""
    found = opened(note, keys)
    said_kind, digest, said = _parsed(found.text)
    if said_kind != kind:
        raise ProofError(f"expected a note of {kind}, found one of {said_kind:.60}")
    return SignedFile(said_kind, digest, said, found.keys)


def require_same(note: SignedFile, body: bytes, where: str) -> None:
    """Raise ProofError unless a note vouches for these bytes."""
    found = sha256_hex(body)
    if found != note.sha256:
        raise ProofError(f"{where}: expected sha256 {note.sha256}, as signed, found {found}")


def _text(kind: str, digest: str, said: Mapping[str, str]) -> str:
    lines = [f"{name} {said[name]}" for name in sorted(said)]
    return "\n".join([kind, f"{DIGEST} {digest}", *lines, ""])


def _parsed(text: str) -> tuple[str, str, dict[str, str]]:
    kind, *lines = text.removesuffix("\n").split("\n")
    facts = [line.partition(" ")[::2] for line in lines]
    names = [name for name, _ in facts]
    good = all(WORD.fullmatch(word) for pair in facts for word in pair) and WORD.fullmatch(kind)
    if not good or names[:1] != [DIGEST] or names[1:] != sorted(set(names[1:]) - {DIGEST}):
        raise ProofError(f"expected a kind, a digest and facts in a note, found {text!r:.120}")
    digest = facts[0][1]
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ProofError(f"expected a sha256 in a note, found {digest!r:.80}")
    return kind, digest, dict(facts[1:])
