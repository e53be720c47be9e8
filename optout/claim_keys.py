"""The keys under which a registry keeps what its claims say: one a claim, in a second file.

Whoever erases a claim destroys its key, and what was written under it can be read no more, in no
copy of the database. So the file is never copied along with the database, and whoever keeps a copy
of it elsewhere keeps the power to read what was erased: docs/registry.md says for how long.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from optout import storage
from optout.entry import Random
from optout.storage import blob
from schemas.errors import RegistryError

SUFFIX = ".keys"
KEY_BYTES = 32
NONCE_BYTES = 12
NUMBER_BYTES = 4

METADATA = sa.MetaData()
KEYS = sa.Table(
    "claim_keys",
    METADATA,
    sa.Column("claim_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.LargeBinary(KEY_BYTES), nullable=False),
)


class ClaimKeys:
    """A file of keys. Opened by `ClaimKeys.open`; made where there is none only if asked."""

    def __init__(self, engine: sa.Engine, where: str) -> None:
        self.where = where
        self._engine = engine

    @classmethod
    def open(cls, where: str, *, create: bool) -> "ClaimKeys":
        """Return the keys in a file; a path, or :memory:.

        Raises RegistryError where it is no such file, and where there is none unless `create`.
        """
        engine = storage.open_file(where, create=create)
        with storage.translated(where):
            if create:
                with storage.writing(engine) as connection:
                    METADATA.create_all(connection)
            names = sa.inspect(engine).get_table_names()
        if names != [KEYS.name]:
            engine.dispose()
            raise RegistryError(f"expected a file of claim keys at {where}, found tables {names}")
        return cls(engine, where)

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _t: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.close()

    def get(self, claim_id: str, number: int) -> bytes | None:
        """Return one key of a claim, null where there is none."""
        query = sa.select(KEYS.c.key).where(KEYS.c.claim_id == claim_id, KEYS.c.number == number)
        with storage.translated(self.where), self._engine.connect() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else blob(found)

    def numbers(self, claim_id: str) -> list[int]:
        """Return the numbers of a claim's keys."""
        query = sa.select(KEYS.c.number).where(KEYS.c.claim_id == claim_id)
        with storage.translated(self.where), self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def claims(self, *, several: bool = False) -> list[str]:
        """Return the claims that have a key, or more than one."""
        least = sa.func.count() > int(several)
        query = sa.select(KEYS.c.claim_id).group_by(KEYS.c.claim_id).having(least)
        with storage.translated(self.where), self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def all(self) -> dict[tuple[str, int], bytes]:
        """Return every key by claim and number."""
        with storage.translated(self.where), self._engine.connect() as connection:
            rows = connection.execute(sa.select(KEYS)).all()
        return {(row.claim_id, row.number): blob(row.key) for row in rows}

    def make(self, claim_id: str, random: Random) -> int:
        """Write one more key of a claim; returns its number, 1 for the first."""
        newest = sa.select(sa.func.max(KEYS.c.number)).where(KEYS.c.claim_id == claim_id)
        with storage.translated(self.where), storage.writing(self._engine) as connection:
            number = int(connection.execute(newest).scalar() or 0) + 1
            row = {"claim_id": claim_id, "number": number, "key": random(KEY_BYTES)}
            connection.execute(sa.insert(KEYS), row)
        return number

    def destroy(self, claim_id: str, numbers: Iterable[int]) -> None:
        """Delete keys of a claim, so that no byte of them stays in the file."""
        with storage.translated(self.where), storage.writing(self._engine) as connection:
            for number in numbers:
                which = (KEYS.c.claim_id == claim_id) & (KEYS.c.number == number)
                connection.execute(sa.delete(KEYS).where(which))


def keys_path(where: str) -> str:
    """Return where the keys of a registry lie unless somebody says otherwise: beside its file.

    Raises RegistryError for a database that is no file.
    """
    url = storage.registry_url(where)
    path = storage.sqlite_path(url)
    if path is not None:
        return f"{path}{SUFFIX}"
    if url.get_backend_name() == "sqlite":
        return ":memory:"
    raise RegistryError(
        f"expected a file for the keys of the claims in {storage.shown(where)}, found none named:"
        " name one by RECUSE_REGISTRY_KEYS, on another disk than the database's backups"
    )


def sealed(plain: bytes, key: tuple[int, bytes], place: bytes, random: Random) -> bytes:
    """Return bytes that only this key opens, and only at this place. key: with its number."""
    number, secret = key
    nonce = random(NONCE_BYTES)
    head = number.to_bytes(NUMBER_BYTES) + nonce
    return head + AESGCM(secret).encrypt(nonce, plain, place)


def number_of(body: bytes) -> int:
    """Return the number of the key under which bytes are sealed."""
    return int.from_bytes(body[:NUMBER_BYTES])


def opened(body: bytes, secret: bytes, place: bytes) -> bytes:
    """Return what was sealed. Raises RegistryError where key, place or bytes are others."""
    nonce, rest = body[NUMBER_BYTES:][:NONCE_BYTES], body[NUMBER_BYTES + NONCE_BYTES :]
    try:
        return AESGCM(secret).decrypt(nonce, rest, place)
    except (InvalidTag, ValueError) as e:
        raise RegistryError(
            f"expected what was recorded at {place.decode()}, found bytes that its key does not"
            " open"
        ) from e
