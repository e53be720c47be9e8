"""A witness as a process: its storage, and the calls that it answers over HTTP.

What is answered is decided in optout.log.witness. Here is the order that keeps a witness honest
when it is killed or its disk fails: judge by the state as stored; store the new state, if that is
still the one that was judged by; only then sign. A state that was stored and never answered costs
nothing: the log asks again, from there.
"""

import contextlib
import os
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from jobs.claimant_files import write_private
from optout.log import checkpoint, fork, witness
from optout.log.merkle import HASH_BYTES
from optout.log.note import SignerKey, VerifierKey, to_base64
from optout.log.policy import Log, Policy
from optout.log.witness import CALL, MAX_REQUEST_BYTES, Answer, Head, Move
from schemas.errors import ProofError, StorageError, UsageError
from schemas.ports import Clock

LOST_RACES = 3
FAILED, BUSY = 500, 503
LENGTH_REQUIRED, TOO_LARGE = 411, 413

SILENT_S = 10.0
"""A client that sends nothing for so long is left."""
LIFE_S = 60.0
"""A connection is cut after so long, so that a slow client holds none for ever."""
MAX_OPEN = 64
LOCKED_S = 10.0

FILE_MARK = 0x72777431  # SQLite's application id: says that a file is a witness's store
TABLES = """
CREATE TABLE witness (key TEXT NOT NULL);
CREATE TABLE heads (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, signed BLOB NOT NULL
) STRICT;
CREATE TRIGGER heads_only_grow BEFORE UPDATE ON heads
WHEN NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN SELECT RAISE(ABORT, 'a head only grows'); END;
CREATE TRIGGER heads_stay BEFORE DELETE ON heads
BEGIN SELECT RAISE(ABORT, 'a head is never forgotten'); END;
"""


class Heads(Protocol):
    """What a witness has cosigned last of each log."""

    def head(self, origin: str) -> Head:
        """Return the head of a log; the empty one where none was cosigned. Raises StorageError."""

    def move(self, move: Move) -> bool:
        """Store a head if the one stored is still `move.before`; say whether. Raises StorageError.

        It may have been stored also where this raises.
        """

    def signed(self, origin: str) -> bytes:
        """Return the checkpoint of the head as the log has signed it; empty where none was."""


class HeadFile:
    """Heads in a SQLite file of one witness, synced to disk with each move."""

    def __init__(self, path: Path, key: VerifierKey) -> None:
        """Open the file, or make it, for its owner alone.

        Raises UsageError for a file that is something else, an empty one included, or another
        witness's: with a store that is not its own a witness would have forgotten what it cosigned.
        """
        self._path = path
        there = path.resolve()  # a link leads on to where somebody wants the file to lie
        if not there.exists():
            try:
                write_private(there, _new_store(str(key)))
            except UsageError:
                if not there.exists():  # else somebody else was quicker
                    raise
        try:
            os.close(os.open(path, os.O_RDWR))
        except OSError as e:
            raise UsageError(f"expected a witness's store in {path}: {e.strerror or e}") from e
        with self._changing() as found:
            self._require_ours(found, str(key))

    def head(self, origin: str) -> Head:
        """Return the head of a log."""
        with self._opened() as found:
            return _head(found, origin)

    def move(self, move: Move) -> bool:
        """Store a head if the one stored is still the one that was judged by."""
        with self._changing() as found:
            if _head(found, move.origin) != move.before:
                return False
            found.execute(
                "INSERT INTO heads VALUES (?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE"
                " SET size = excluded.size, root = excluded.root, signed = excluded.signed",
                (move.origin, move.after.size, move.after.root, move.signed),
            )
        return True

    def signed(self, origin: str) -> bytes:
        """Return the checkpoint of the head of a log as the log has signed it."""
        with self._opened() as found:
            row = found.execute("SELECT signed FROM heads WHERE origin = ?", (origin,)).fetchone()
        return bytes(row[0]) if row else b""

    def all(self) -> dict[str, Head]:
        """Return the heads of all logs."""
        with self._opened() as found:
            origins = [row[0] for row in found.execute("SELECT origin FROM heads ORDER BY origin")]
            return {origin: _head(found, origin) for origin in origins}

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        # A connection each: requests come in threads, and none is held between them.
        try:
            with contextlib.closing(
                sqlite3.connect(self._path, timeout=LOCKED_S, isolation_level=None)
            ) as found:
                found.execute("PRAGMA synchronous = EXTRA")  # the folder too, after each commit
                yield found
        except sqlite3.Error as e:
            raise StorageError(f"expected a witness's store in {self._path}: {e}") from e

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as found:
            found.execute("BEGIN IMMEDIATE")
            try:
                yield found
            except BaseException:
                found.rollback()
                raise
            found.execute("COMMIT")

    def _require_ours(self, found: sqlite3.Connection, key: str) -> None:
        (mark,) = found.execute("PRAGMA application_id").fetchone()
        (tables,) = found.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not mark and not tables:
            raise UsageError(
                f"expected a witness's store in {self._path}, found an empty file: put back the one"
                " that was there; only if this witness has never cosigned, delete the file"
            )
        if mark != FILE_MARK:
            raise UsageError(f"expected a witness's store in {self._path}, found another database")
        (kept,) = found.execute("SELECT key FROM witness").fetchone()
        if kept != key:
            raise UsageError(f"expected the store of {key} in {self._path}, found that of {kept}")


@dataclass(frozen=True)
class Witness:
    """A witness at work. told: takes a line for each cosignature, and each refusal worth one.

    A log that shows two heads of one size gives the proof of it away, and that is told in full.
    """

    key: SignerKey
    logs: tuple[VerifierKey, ...]
    heads: Heads
    clock: Clock
    told: Callable[[str], None] = lambda _: None

    def answer(self, body: bytes) -> Answer:
        """Answer a call of add-checkpoint. The state is stored before the cosignature is made."""
        for _ in range(LOST_RACES):
            at = self.clock.now_us() // 1_000_000
            try:
                found = witness.judge(body, self.logs, self.heads.head)
                if isinstance(found, Answer):
                    self._tell_refused(found, body)
                    return found
                stored = self.heads.move(found)
            except StorageError as e:
                self.told(f"failed: {e}")
                return Answer(FAILED, b"the witness cannot store what it would cosign\n")
            if stored:
                self._tell_cosigned(found, at)
                return witness.cosigned(found, self.key, at)
        return Answer(BUSY, b"others were quicker; ask again\n")

    def _tell_cosigned(self, move: Move, at: int) -> None:
        when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        head = move.after
        self.told(f"cosigned {move.origin} {head.size} {to_base64(head.root)} at {when}")

    def _tell_refused(self, answer: Answer, body: bytes) -> None:
        # Another size than the one seen is how a client learns of it, and no news.
        if answer.content_type == witness.SIZE:
            return
        self.told(f"refused {answer.status}: {answer.body.decode().strip()}")
        if answer.status == witness.CONFLICT:
            asked = witness.parse_request(body).checkpoint
            origin = checkpoint.parse(asked).origin
            known = Policy(tuple(map(Log, self.logs)))
            # No proof where the head has moved since, or its key is no longer known.
            with contextlib.suppress(ProofError):
                if forked := fork.of_heads(self.heads.signed(origin), asked, known):
                    proof = forked.to_bytes().decode()
                    self.told(f"{origin} shows two histories; the proof:\n{proof}")


class WitnessServer(ThreadingHTTPServer):
    """A witness that listens. `serve_forever` answers, each connection in a thread."""

    daemon_threads = True
    request_queue_size = MAX_OPEN

    def __init__(self, serves: Witness, host: str, port: int) -> None:
        """Listen. Raises UsageError where that address cannot be had."""
        self.serves = serves
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.BoundedSemaphore(MAX_OPEN)
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as e:
            raise UsageError(f"expected an address to listen at, found {host} {port}: {e}") from e

    @property
    def url(self) -> str:
        """The submission prefix that clients are told."""
        host, port = self.server_address[:2]
        name = host.decode() if isinstance(host, bytes) else str(host)
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, or hang up where there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up; what else fails is a fault of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # clients should be able to keep connections
    server_version, sys_version = "recuse-witness", ""
    timeout = SILENT_S
    server: WitnessServer

    def setup(self) -> None:
        super().setup()
        self._end = threading.Timer(LIFE_S, self._cut)
        self._end.daemon = True
        self._end.start()

    def finish(self) -> None:
        self._end.cancel()
        super().finish()

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            self._refuse(LENGTH_REQUIRED, "expected a body of a stated length")
        elif len(length) > len(str(MAX_REQUEST_BYTES)) or int(length) > MAX_REQUEST_BYTES:
            self._refuse(TOO_LARGE, f"expected {MAX_REQUEST_BYTES:,} bytes at most")
        elif self.path != f"/{CALL}":
            self._refuse(witness.NOT_FOUND, f"expected a call of /{CALL}")
        elif len(body := self.rfile.read(int(length))) == int(length):
            self._send(self.server.serves.answer(body))
        else:
            self.close_connection = True  # the client has left

    def do_GET(self) -> None:
        self._refuse(witness.NOT_FOUND, f"expected a call of /{CALL}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Leave it to `told`."""

    def _refuse(self, status: int, why: str) -> None:
        self.close_connection = True  # a body that was not read would pass for the next request
        self._send(Answer(status, f"{why}\n".encode()))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _head(found: sqlite3.Connection, origin: str) -> Head:
    row = found.execute("SELECT size, root FROM heads WHERE origin = ?", (origin,)).fetchone()
    if row is None:
        return Head()
    if row[0] < 0 or len(row[1]) != HASH_BYTES:
        raise StorageError(f"expected size and root of {origin} in a witness's store, found {row}")
    return Head(*row)


def _new_store(key: str) -> bytes:
    """Return the file of a witness that has cosigned nothing."""
    with contextlib.closing(sqlite3.connect(":memory:")) as made:
        made.executescript(TABLES)
        made.execute("INSERT INTO witness VALUES (?)", (key,))
        made.commit()
        made.execute(f"PRAGMA application_id = {FILE_MARK}")
        return made.serialize()
