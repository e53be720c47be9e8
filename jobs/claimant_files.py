"""Where a claimant's files lie: the local registry, keys that only their owner reads, receipts."""

import os
import sys
from pathlib import Path

from optout import storage
from optout.keys import SigningKey, parse_pem
from schemas.errors import ClaimError, UsageError

REGISTRY_VARIABLE = "RECUSE_REGISTRY"
REGISTRY_FILE = "registry.db"
CLAIMANT_FOLDER = "claimant"
OWNER_ONLY = 0o600


def data_folder() -> Path:
    """Return the folder in which this platform keeps a user's data of recuse."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "recuse"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "recuse"
    home = os.environ.get("XDG_DATA_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "share"
    return base / "recuse"


def registry_at(given: str) -> str:
    """Return the registry that is meant: as given, by RECUSE_REGISTRY, or the user's own."""
    return given or os.environ.get(REGISTRY_VARIABLE, "") or str(data_folder() / REGISTRY_FILE)


def claimant_folder(registry: str) -> Path:
    """Return where keys and receipts are kept: beside a registry file, else in the data folder."""
    path = storage.sqlite_path(storage.registry_url(registry))
    return (path.parent if path else data_folder()) / CLAIMANT_FOLDER


def key_path(registry: str, claim_id: str) -> Path:
    """Return where the key of a claim is kept unless the claimant says otherwise."""
    return claimant_folder(registry) / f"{claim_id}.key"


def receipt_path(registry: str, claim_id: str) -> Path:
    """Return where the receipt of a claim is kept unless the claimant says otherwise."""
    return claimant_folder(registry) / f"{claim_id}.receipt.json"


def read_key(path: Path) -> SigningKey:
    """Return the key of a file. Raises ClaimError where it holds none."""
    try:
        body = path.read_bytes()
    except OSError as e:
        raise ClaimError(f"expected a private key in {path}: {e.strerror or e}") from e
    return parse_pem(body, str(path))


def write_private(path: Path, body: bytes) -> None:
    """Write a new file that only its owner can read. Raises UsageError where it exists already."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(path, flags, OWNER_ONLY), "wb") as file:
            file.write(body)
    except OSError as e:
        raise UsageError(f"expected to write a new file {path}: {e.strerror or e}") from e
