"""Putting the Guard under img2dataset's downloader, and proof that it is there.

`urlopen` and the thread pool of img2dataset's downloader are replaced, and `connect` of all sockets
is checked in the pool's threads, as long as a block lasts. A probe shows that both hold.
"""

import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing.pool import ThreadPool
from types import ModuleType, SimpleNamespace
from typing import Any, Protocol

from schemas.errors import UsageError

VERSION = "1.47.0"
"""The only version whose downloader is known to ask the web in one place."""


class Opener(Protocol):
    """What stands in for urllib; counts its calls for the probe."""

    calls: int

    def urlopen(self, request: urllib.request.Request, **_: object) -> Any:
        """Answer a request, or raise."""


_ONE_AT_A_TIME = threading.Lock()
_HERE = threading.local()
"""`guarded`: this thread is img2dataset's. `address`: where the Guard lets it connect just now."""


@contextmanager
def guarded(downloader: ModuleType, guard: Opener) -> Iterator[None]:
    """Lead img2dataset's downloader through the Guard inside the block; one block at a time.

    Raises UsageError where the guard does not hold: another version, or a probe got through.
    """
    asking = SimpleNamespace(Request=urllib.request.Request, urlopen=guard.urlopen)
    with (
        _ONE_AT_A_TIME,
        _replaced(downloader, "urllib", SimpleNamespace(request=asking)),
        _replaced(downloader, "ThreadPool", _guarded_pool),
        _replaced(socket.socket, "connect", _checked(socket.socket.connect)),
        _replaced(socket.socket, "connect_ex", _checked(socket.socket.connect_ex)),
    ):
        _probe(downloader, guard)
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    own = name in vars(owner)  # socket.socket inherits connect
    old = getattr(owner, name, None)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, old)
        else:
            delattr(owner, name)


def _guarded_pool(threads: int) -> ThreadPool:
    return ThreadPool(threads, initializer=_mark)


def _mark() -> None:
    _HERE.guarded = True


@contextmanager
def may_connect(address: str) -> Iterator[None]:
    _HERE.address = address
    try:
        yield
    finally:
        _HERE.address = None


def _checked(connect: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: socket.socket, address: Any) -> Any:
        if getattr(_HERE, "guarded", False) and address[0] != getattr(_HERE, "address", None):
            raise PermissionError(f"{address!r} is not an address that was checked")
        return connect(self, address)

    return checked


def _probe(downloader: ModuleType, guard: Opener) -> None:
    """Raise UsageError unless img2dataset reaches the Guard, and nothing passes it."""
    if (found := version("img2dataset")) != VERSION:
        raise UsageError(f"fetch.engine: expected img2dataset {VERSION}, found {found}")
    calls = guard.calls
    # Not cleared, so the Guard refuses it before a socket is made; no other code may answer.
    _, body, said = downloader.download_image((0, "http://probe.invalid/"), 1, None, None)
    if guard.calls != calls + 1 or body is not None or "not cleared" not in str(said):
        raise UsageError("fetch.engine: img2dataset does not ask through our guard; not started")
    with _guarded_pool(1) as pool, socket.create_server(("127.0.0.1", 0)) as listener:
        if not pool.apply(_is_kept_from_connecting, (listener.getsockname(),)):
            raise UsageError("fetch.engine: sockets of img2dataset are not guarded; not started")


def _is_kept_from_connecting(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except PermissionError:
        return True
    return False
