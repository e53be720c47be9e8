"""Where signed lists, and the keys that sign them or cosign logs, lie on one's machine."""

from pathlib import Path
from urllib.parse import quote

from jobs.claimant_files import data_folder, write_private
from optout import storage
from optout.log.note import ED25519, SignerKey, parse_signer_key
from schemas.errors import UsageError

LISTS = "lists"
KEYS = "registry-keys"
LOG_KEY = ".log-key"


def lists_folder() -> Path:
    """Return where imported lists are kept unless the builder says otherwise."""
    return data_folder() / LISTS


def signer_path(name: str) -> Path:
    """Return where a signing key is written unless the publisher says otherwise."""
    return data_folder() / KEYS / f"{file_name(name)}.key"


def log_key_path(registry: str, origin: str) -> Path:
    """Return where the key that signs for a registry's log lies: beside its file, else here."""
    path = storage.sqlite_path(storage.registry_url(registry))
    return signer_path(origin) if path is None else path.with_name(f"{path.name}{LOG_KEY}")


def file_name(text: str) -> str:
    """Return a name of one file for an origin or a key's name, which may hold slashes.

    No other text gives the same one, none leads out of its folder, and none is hidden.
    """
    quoted = quote(text, safe="")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def read_signer(path: Path, kind: bytes = ED25519) -> SignerKey:
    """Return the signing key of a file. Raises UsageError where it holds none of that kind."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"expected a registry's signing key in {path}: {e}") from e
    return parse_signer_key(text.removesuffix("\n"), str(path), kind)


def write_signer(key: SignerKey, path: Path) -> None:
    """Write a new file that only its owner can read. Raises UsageError where it exists already."""
    write_private(path, f"{key.to_text()}\n".encode())
