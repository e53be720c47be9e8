"""Fakes with faults, shared by all tests: they keep the contracts of schemas.ports."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.errors import FetchError, StorageError
from schemas.ports import ModelCard, Pixels, Request, Response, Vectors, VectorSpec


@dataclass
class MemoryStore:
    """A Store in a dictionary. Faults come in two kinds: failed, and failed but written anyway."""

    root: str = "memory://store"
    files: dict[str, bytes] = field(default_factory=dict)
    fail: Callable[[str], str | None] = lambda _path: None  # "failed", "written" or None

    def publish(self, path: str, body: bytes) -> None:
        fault = self.fail(path)
        if fault != "failed":
            self.files[path] = bytes(body)
        if fault:
            raise StorageError(f"could not publish {path}: injected fault ({fault})")

    def publish_once(self, path: str, body: bytes) -> bool:
        if path in self.files:
            return False
        self.publish(path, body)
        return True

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise StorageError(f"could not read {path}: absent")
        return self.files[path]

    def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        body = self.read(path)
        return [body[offset : offset + length] for offset, length in ranges]

    def exists(self, path: str) -> bool:
        return path in self.files

    def paths(self, folder: str) -> list[str]:
        prefix = f"{folder}/" if folder else ""
        return sorted(p for p in self.files if p.startswith(prefix))

    def sizes(self, folder: str) -> dict[str, int]:
        return {path: len(self.files[path]) for path in self.paths(folder)}

    def size_bytes(self, path: str) -> int:
        return len(self.read(path))

    def delete(self, path: str) -> None:
        for p in [p for p in self.files if p == path or p.startswith(f"{path}/")]:
            del self.files[p]


@dataclass
class FixedClock:
    """A clock that stands still unless told to step at each reading."""

    at_us: int = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
    step_us: int = 0

    def now_us(self) -> int:
        self.at_us += self.step_us
        return self.at_us


@dataclass
class ScriptedExchange:
    """An exchange whose head and body are known beforehand."""

    response: Response
    content: bytes = b""

    async def body(self, limit_bytes: int) -> bytes:
        if len(self.content) > limit_bytes:
            raise FetchError("too_large", f"body of {len(self.content)} bytes, limit {limit_bytes}")
        return self.content


Handler = Callable[[Request], tuple[int, Sequence[tuple[str, str]], bytes]]


@dataclass
class ScriptedTransport:
    """A transport made of a function: request to (status, headers, body), or to a FetchError."""

    handler: Handler
    asked: list[str] = field(default_factory=list)

    async def open(self, request: Request) -> ScriptedExchange:
        self.asked.append(request.url)
        status, headers, body = self.handler(request)
        return ScriptedExchange(Response(request.url, status, tuple(headers), "127.0.0.1"), body)

    async def release(self, exchange: ScriptedExchange) -> None:
        pass


class FakeEmbedder:
    """An embedder of coarse colour and edge statistics: near for copies, far for other images."""

    edge_px = 64

    def __init__(self, vectors: Sequence[tuple[str, int]] = (("sem", 16),)) -> None:
        specs = [VectorSpec(name, dim) for name, dim in vectors]
        self.card = ModelCard("fake", "f" * 64, "0" * 64, specs, 0.95)

    def images(self, pixels: Sequence[Pixels]) -> dict[str, Vectors]:
        return {
            spec.name: np.stack([_statistics(p, spec.dim) for p in pixels])
            if len(pixels)
            else np.zeros((0, spec.dim), np.float32)
            for spec in self.card.vectors
        }

    def texts(self, captions: Iterable[str]) -> Vectors:
        dim = self.card.vectors[0].dim
        digests = [hashlib.sha256(c.encode()).digest()[:dim] for c in captions]
        rows = [_unit(np.frombuffer(d, np.uint8)) for d in digests]
        return np.stack(rows) if rows else np.zeros((0, dim), np.float32)


def _statistics(pixels: Pixels, dim: int) -> Vectors:
    side = max(1, int(np.sqrt(dim // 3 + 1)) + 1)
    rows = np.array_split(pixels.astype(np.float32), side, axis=0)
    cells = [c.mean(axis=(0, 1)) for r in rows for c in np.array_split(r, side, axis=1)]
    return _unit(np.resize(np.concatenate(cells), dim))


def _unit(values: np.ndarray) -> Vectors:
    centred = values.astype(np.float32) - values.mean()
    return centred / (np.linalg.norm(centred) + 1e-9)
