"""The key by which a builder signs releases and retractions: made once, in the data folder."""

import os
import secrets
from pathlib import Path

from jobs.claimant_files import data_folder
from jobs.list_files import read_signer, write_signer
from optout.entry import Random
from optout.keys import SEED_BYTES
from optout.log.note import SignerKey

KEY_VARIABLE = "RECUSE_BUILDER_KEY"
KEY_FILE = "builder.key"
NAME_BYTES = 8


def builder_key_path(given: str = "") -> Path:
    """Return the key's file: as given, by RECUSE_BUILDER_KEY, or in the user's data folder."""
    named = given or os.environ.get(KEY_VARIABLE, "")
    return Path(named) if named else data_folder() / KEY_FILE


def builder_key(given: str = "", random: Random = secrets.token_bytes) -> SignerKey:
    """Return the builder's key; one of a random name is made where there is none.

    Who would be known by a name makes the file by `recuse registry keygen NAME --key FILE`.
    """
    path = builder_key_path(given)
    if not path.exists():
        made = SignerKey(f"builder/{random(NAME_BYTES).hex()}", random(SEED_BYTES))
        write_signer(made, path)
    return read_signer(path)
