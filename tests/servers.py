"""A real HTTP server on loopback for tests: scripted routes, faults, several hosts by name.

    with serve({"/a.jpg": b"...", "b.localhost/robots.txt": Answer(503)}) as server:
        url = server.url("/a.jpg")            # http://127.0.0.1:PORT/a.jpg
        url = server.url("/a.jpg", "b.localhost")
        server.count("/a.jpg")                # how often it was asked

A route is `/path` (any host, query included or not) or `host/path`; the more exact one wins. Its
value is bytes (200), an Answer, or a function of Asked. `serve(function)` scripts everything. Each
connection has a thread; HTTP/1.1 with keep-alive; TLS with `certificate()`.
"""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Headers = Sequence[tuple[str, str]]
Fault = Literal["", "reset", "close", "truncate", "endless", "garbage"]


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it. `host` has no port, `path` keeps the query."""

    host: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    method: str = "GET"
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What the server sends.

    fault: reset (RST instead of an answer), close (nothing), truncate (half of the body, then
    RST), endless (the body again and again, without length), garbage (no HTTP at all).
    head_delay_s, byte_delay_s: before the head; between pieces of 16 bytes of the body.
    """

    status: int = 200
    body: bytes = b""
    headers: Headers = ()
    fault: Fault = ""
    head_delay_s: float = 0.0
    byte_delay_s: float = 0.0


Route = bytes | Answer | Callable[[Asked], "bytes | Answer"]
Handler = Callable[[Asked], bytes | Answer]


def redirect(to: str, status: int = 302) -> Answer:
    """Return an answer that sends elsewhere."""
    return Answer(status, headers=[("Location", to)])


@dataclass
class Server:
    """A running server and what it was asked."""

    port: int
    scheme: str = "http"
    asked: list[Asked] = field(default_factory=list)
    most_open: int = 0  # requests at once, from their arrival to the head of their answer
    connected: int = 0  # connections taken, ever

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def at(self, *hosts: str) -> tuple[str, ...]:
        """Return HOST:PORT of each host, for fetch.allow_hosts."""
        return tuple(f"{host}:{self.port}" for host in hosts)

    def count(self, path: str, host: str = "") -> int:
        return sum(a.path == path and host in {"", a.host} for a in list(self.asked))


@contextlib.contextmanager
def serve(
    routes: Mapping[str, Route] | Handler, *, tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """Serve until the block ends; connections still open are closed then."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = Server(listener.getsockname()[1], "https" if tls else "http")
    running = _Running(listener, server, _handler(routes), tls)
    thread = threading.Thread(target=running.accept, daemon=True, name=f"server-{server.port}")
    thread.start()
    try:
        yield server
    finally:
        running.stop()
        thread.join(5)


def certificate(*names: str) -> tuple[ssl.SSLContext, str]:
    """Return a server's TLS context for names (or addresses), and the PEM text to trust."""
    from cryptography import x509  # noqa: PLC0415 - only tests with TLS pay for it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - likewise
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - likewise

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    day = dt.timedelta(days=1)
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = built.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # the ssl module reads files only
        file = Path(folder, "server.pem")
        file.write_bytes(secret + pem)
        context.load_cert_chain(file)
    return context, pem.decode()


def _general(name: str) -> "x509.GeneralName":  # noqa: F821 - imported where it is needed
    from cryptography import x509  # noqa: PLC0415 - as above

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _handler(routes: Mapping[str, Route] | Handler) -> Handler:
    if callable(routes):
        return routes

    def handle(asked: Asked) -> bytes | Answer:
        bare = asked.path.split("?", 1)[0]
        for key in (f"{asked.host}{asked.path}", f"{asked.host}{bare}", asked.path, bare):
            if key in routes:
                route = routes[key]
                return route(asked) if callable(route) else route
        return Answer(404, b"not here")

    return handle


@dataclass
class _Running:
    listener: socket.socket
    server: Server
    handler: Handler
    tls: ssl.SSLContext | None
    open_now: int = 0
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    connections: set[socket.socket] = field(default_factory=set)

    def accept(self) -> None:
        while not self.stopped:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.server.connected += 1
                self.connections.add(connection)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def stop(self) -> None:
        self.stopped = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self.listener.close()
        with self.lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _converse(self, connection: socket.socket) -> None:
        plain = connection
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection.makefile("rb") as stream:
                while not self.stopped and (asked := _read(stream)):
                    if not self._respond(connection, asked):
                        break
        except (OSError, ValueError):
            pass  # the client went away, which is its right
        finally:
            with self.lock:
                self.connections.discard(plain)
            connection.close()

    def _respond(self, connection: socket.socket, asked: Asked) -> bool:
        with self.lock:
            self.server.asked.append(asked)
            self.open_now += 1
            self.server.most_open = max(self.server.most_open, self.open_now)
        try:
            found = self.handler(asked)
            answer = Answer(body=found) if isinstance(found, bytes) else found
            self._wait(answer.head_delay_s)
        finally:  # before the answer leaves: whoever has it may ask again at once
            with self.lock:
                self.open_now -= 1
        return self._send(connection, answer)

    def _send(self, connection: socket.socket, answer: Answer) -> bool:
        if answer.fault == "reset":
            return _reset(connection)
        if answer.fault == "close":
            return False
        if answer.fault == "garbage":
            connection.sendall(b"220 not a web server\r\n")
            return False
        if answer.fault == "endless":
            connection.sendall(_head(answer, length=False))
            while not self.stopped:
                connection.sendall(answer.body)
                self._wait(answer.byte_delay_s)
            return False
        body = answer.body[: len(answer.body) // 2] if answer.fault else answer.body
        if answer.byte_delay_s:
            connection.sendall(_head(answer))
            for start in range(0, len(body), 16):
                connection.sendall(body[start : start + 16])
                self._wait(answer.byte_delay_s)
        else:
            connection.sendall(_head(answer) + body)
        return _reset(connection) if answer.fault == "truncate" else True

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stopped and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))


def _read(stream: "socket.SocketIO") -> Asked | None:
    line = stream.readline().decode("latin-1").split()
    if len(line) < 2:
        return None
    headers: dict[str, str] = {}
    while (text := stream.readline().decode("latin-1").strip()) != "":
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    host = headers.get("host", "")
    name = host.rsplit(":", 1)[0] if host.count(":") == 1 else host
    body = stream.read(int(headers.get("content-length", "0")))
    return Asked(name, line[1], headers, line[0], body)


def _head(answer: Answer, *, length: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} x"]
    given = {name.lower() for name, _ in answer.headers}
    if length and "content-length" not in given and "transfer-encoding" not in given:
        lines.append(f"Content-Length: {len(answer.body)}")
    if not length:
        lines.append("Connection: close")
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _reset(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False
