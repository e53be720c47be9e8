"""A small web on loopback: many host names, one port, every answer set beforehand.

Names end in `.localhost`, which resolves to 127.0.0.1 (RFC 6761 section 6.3); which host is meant
is read from the Host header, as real servers do.
"""

import socket
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

IDLE_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What one path of one host answers, `delay_s` after it was asked."""

    body: bytes = b""
    status: int = 200
    content_type: str = "image/jpeg"
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0


NOT_FOUND = Answer(b"not here\n", 404, "text/plain")


class Hosts:
    """The hosts and what they answer. The port is taken at once, so that URLs can be written.

    Use as a context manager, or `start` and `stop`.
    """

    def __init__(self, port: int = 0) -> None:
        """Take a port of 127.0.0.1: the one that is named, or a free one where it is taken."""
        try:
            self._server = _Server(("127.0.0.1", port), _Handler)
        except OSError:
            self._server = _Server(("127.0.0.1", 0), _Handler)
        self._closed = socket.socket()  # bound, never listening: whoever connects is refused
        self._closed.bind(("127.0.0.1", 0))
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that answers."""
        return int(self._server.server_address[1])

    @property
    def closed_port(self) -> int:
        """A port that refuses every connection."""
        return int(self._closed.getsockname()[1])

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Host and path of every request so far, in order."""
        return list(self._server.asked)

    def names(self) -> list[str]:
        """Return every host that answers something, sorted."""
        return sorted({host for host, _ in self._server.answers})

    def put(self, host: str, path: str, answer: Answer) -> str:
        """Set what a path answers; return its URL."""
        self._server.answers[host, path] = answer
        return self.url(host, path)

    def url(self, host: str, path: str) -> str:
        """Return the URL of a path, answered or not."""
        return f"http://{host}:{self.port}{path}"

    def start(self) -> None:
        """Begin to answer, in a thread."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Answer no more, and give the ports back."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._closed.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client may keep its connection open for as long as it likes
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.answers: dict[tuple[str, str], Answer] = {}
        self.asked: list[tuple[str, str]] = []
        super().__init__(address, handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing where a client hung up; anything else is a fault of ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed: private union


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT_S
    disable_nagle_algorithm = True
    server_version = "demo"
    sys_version = ""

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)  # noqa: S101  # for mypy: it is always ours
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        self.server.asked.append((host, self.path))
        answer = self.server.answers.get((host, self.path), NOT_FOUND)
        if answer.delay_s:
            time.sleep(answer.delay_s)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        try:
            self.end_headers()
            self.wfile.write(answer.body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had read enough: an opt-out in the header

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is inherited
        """Say nothing: the build tells what was asked."""
