"""The protocols at the rim: everything that touches disk, network, model or clock is passed in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""uint8[height, width, 3], sRGB, upright."""

Vectors = npt.NDArray[np.float32]
"""float32[n, d], each row of unit length."""


class Store(Protocol):
    """Files under one root. Paths are relative, with forward slashes.

    A published file is whole or absent, on any backend; nothing relies on rename being atomic
    elsewhere than on a local disk.
    """

    @property
    def root(self) -> str:
        """The folder or fsspec URL under which all paths lie."""

    def publish(self, path: str, body: bytes) -> None:
        """Make `path` hold `body`; replaces what was there. Raises StorageError."""

    def publish_once(self, path: str, body: bytes) -> bool:
        """Publish unless `path` exists: True when this call wrote it, False when it was there."""

    def read(self, path: str) -> bytes:
        """Return a whole file. Raises StorageError where it is absent or unreadable."""

    def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each (offset, length) of one file, in the order asked."""

    def exists(self, path: str) -> bool:
        """Say whether a file is there."""

    def paths(self, folder: str) -> list[str]:
        """Return the paths of all files below a folder, sorted; empty where it is absent."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the size in bytes of every file that `paths` names, by its path."""

    def size_bytes(self, path: str) -> int:
        """Return a file's size. Raises StorageError where it is absent."""

    def delete(self, path: str) -> None:
        """Delete a file or a folder with all that is in it; absent is fine."""


class Clock(Protocol):
    """Wall time, for what is written down. Time-outs and back-off use the event loop's clock."""

    def now_us(self) -> int:
        """Return microseconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class Request:
    """One GET, or a question in a body. `headers` are added to the transport's own.

    Those are User-Agent and Accept. Neither headers nor body are shown: they may hold a key.
    """

    url: str
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    method: str = "GET"
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """A response whose body has not been read. `headers` keep order, case and repetition."""

    url: str
    status: int
    headers: Sequence[tuple[str, str]]
    address: str = ""  # the pinned IP address that answered


class Exchange(Protocol):
    """One request under way: its response head, then its body if somebody wants it."""

    response: Response

    async def body(self, limit_bytes: int) -> bytes:
        """Return the decoded body. Raises FetchError(TOO_LARGE) past the limit."""


class Transport(Protocol):
    """The only way in which recuse speaks HTTP. Follows no redirect and keeps no cookie."""

    async def open(self, request: Request) -> Exchange:
        """Send a request and return once the response head is there.

        Raises FetchError with Outcome ADDRESS (refused before a byte is sent), UNREACHABLE or
        TOO_SLOW.
        """

    async def release(self, exchange: Exchange) -> None:
        """Give the connection back, or close it where the body was not read to its end."""


class Resolver(Protocol):
    """Host names to addresses. No cache: the caller pins what it was given."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return IP addresses as text. Raises FetchError(UNREACHABLE)."""


@dataclass(frozen=True, slots=True)
class ContentKeys:
    """The keys of one image's canonical decode (docs/identity.md); no config can change them."""

    pixel_sha256: str
    pdq: bytes  # 32 bytes
    pdq_quality: int  # 0..100
    width: int  # of the upright original
    height: int


class Hasher(Protocol):
    """Bytes to content keys."""

    def keys(self, body: bytes) -> ContentKeys:
        """Return the keys. Raises ImageError."""

    def dihedral(self, body: bytes) -> list[bytes]:
        """Return the eight PDQ hashes of the image's rotations and mirrors, the upright first."""

    def striped(self, body: bytes) -> bool:
        """Say whether all rows of the image show the same, or all columns. Raises ImageError."""


@dataclass(frozen=True, slots=True)
class VectorSpec:
    """One named vector that an embedder gives, e.g. sem (512), cpy (256), sty (512)."""

    name: str
    dim: int


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a release says about a model.

    `fingerprint` is the digest of all that moves a vector, save precision and device; vectors of
    other fingerprints are never compared.
    """

    name: str
    fingerprint: str
    weights_sha256: str
    vectors: Sequence[VectorSpec]
    duplicate_threshold: float  # cosine of `sem` from which two images are near-copies
    notice: str = ""  # one line that every command using it prints; empty for chosen models
    extra: dict[str, str] = field(default_factory=dict)


class Embedder(Protocol):
    """An image-text model with its named vectors."""

    @property
    def card(self) -> ModelCard:
        """What is known about the model."""

    @property
    def edge_px(self) -> int:
        """The edge to which images are brought; decoders may stop at this size."""

    def images(self, pixels: Sequence[Pixels]) -> dict[str, Vectors]:
        """Return each named vector for each image, same order; unit length. n may be 0."""

    def texts(self, captions: Iterable[str]) -> Vectors:
        """Return `sem` vectors of captions, same order, unit length."""
