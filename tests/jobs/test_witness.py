"""A witness at work: its storage, its server, its client, and its process when it is killed."""

import contextlib
import http.client
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from typer.testing import CliRunner

from jobs import witness as witnesses
from jobs.cli import registry
from jobs.cosigning import ask
from jobs.list_files import read_signer, write_signer
from jobs.witness import HeadFile, Witness, WitnessServer
from optout.keys import SigningKey
from optout.log import merkle
from optout.log.cosignature import cosign, cosigned_at, parse_lines
from optout.log.fork import parse as fork_proof
from optout.log.fork import verify
from optout.log.note import COSIGNATURE, Signature, SignerKey, parse, parse_verifier_key
from optout.log.policy import Log, Policy
from optout.log.witness import CALL, MAX_REQUEST_BYTES, Head, Move
from schemas.errors import (
    FetchError,
    ProofError,
    RegistryError,
    RollbackError,
    StorageError,
    UsageError,
)
from tests.fakes import FixedClock
from tests.optout.log.test_witness import FORK, HASHES, KEY, ROOTS, WITNESS, request, signed
from tests.servers import Answer as Served
from tests.servers import serve

AT = 1_700_000_000
HOST = "127.0.0.1"


def at_work(heads, told=lambda _: None) -> Witness:
    return Witness(WITNESS, (KEY.verifier,), heads, FixedClock(AT * 1_000_000), told)


def grown(size: int):
    """The proof that the log of so many entries extends an older one."""
    return lambda old: merkle.consistency_proof(HASHES[:size], old)


@pytest.fixture
def heads(tmp_path) -> HeadFile:
    return HeadFile(tmp_path / "witness.db", WITNESS.verifier)


@contextlib.contextmanager
def serving(witness: Witness):
    with WitnessServer(witness, HOST, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def move(before: int, after: int, root: bytes | None = None) -> Move:
    return Move(KEY.name, Head(before, ROOTS[before]), Head(after, root or ROOTS[after]), b"x")


def test_a_store_is_its_owners_alone_and_keeps_what_was_cosigned(tmp_path):
    path = tmp_path / "new" / "witness.db"
    first = HeadFile(path, WITNESS.verifier)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (first.head(KEY.name), first.signed(KEY.name)) == (Head(), b"")
    assert first.move(move(0, 5))
    again = HeadFile(path, WITNESS.verifier)
    assert again.head(KEY.name) == Head(5, ROOTS[5])
    assert again.all() == {KEY.name: Head(5, ROOTS[5])}
    assert again.head("other.example") == Head()
    assert again.signed(KEY.name) == b"x"


def test_a_move_from_another_state_than_the_one_stored_is_not_made(heads):
    assert heads.move(move(0, 5))
    for wrong in (move(0, 7), move(4, 7), Move(KEY.name, Head(5, bytes(32)), Head(7), b"x")):
        assert not heads.move(wrong)
    assert heads.head(KEY.name) == Head(5, ROOTS[5])
    assert heads.move(move(5, 5))


def test_the_file_itself_refuses_to_go_back(heads, tmp_path):
    assert heads.move(move(0, 5))
    for bad in (move(5, 4), move(5, 5, bytes(32))):
        with pytest.raises(StorageError, match="only grows"):
            heads.move(bad)
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "witness.db")) as file,
        pytest.raises(sqlite3.IntegrityError, match="forgotten"),
    ):
        file.execute("DELETE FROM heads")
    assert heads.head(KEY.name) == Head(5, ROOTS[5])


def test_another_witness_or_another_database_is_not_taken_for_its_own(heads, tmp_path):
    other = SignerKey("other.example", WITNESS.seed, COSIGNATURE).verifier
    with pytest.raises(UsageError, match="store of other"):
        HeadFile(tmp_path / "witness.db", other)
    with contextlib.closing(sqlite3.connect(tmp_path / "some.db")) as file:
        file.execute("CREATE TABLE some (thing)")
    with pytest.raises(UsageError, match="another database"):
        HeadFile(tmp_path / "some.db", WITNESS.verifier)
    (tmp_path / "text").write_text("no database at all, but long enough to look like a header")
    with pytest.raises(StorageError):
        HeadFile(tmp_path / "text", WITNESS.verifier)
    with pytest.raises(UsageError):
        HeadFile(tmp_path, WITNESS.verifier)


def test_a_store_that_was_emptied_is_not_taken_for_a_new_one(heads, tmp_path):
    """As a full disk or a copy that broke off leaves it: what was cosigned would be forgotten."""
    assert heads.move(move(0, 5))
    (tmp_path / "witness.db").write_bytes(b"")
    with pytest.raises(UsageError, match="found an empty file: put back the one that was there"):
        HeadFile(tmp_path / "witness.db", WITNESS.verifier)
    assert (tmp_path / "witness.db").read_bytes() == b""


def test_a_new_store_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "new" / "witness.db"

    def full(_number) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UsageError, match="No space left"):
            HeadFile(path, WITNESS.verifier)
    assert not list(path.parent.iterdir())
    with ThreadPoolExecutor(4) as pool:  # of several at once each has the one that is there
        made = [pool.submit(HeadFile, path, WITNESS.verifier) for _ in range(4)]
        assert made[0].result().move(move(0, 5))
        assert {one.result().head(KEY.name) for one in made} == {Head(5, ROOTS[5])}
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "elsewhere.db")
    assert HeadFile(link, WITNESS.verifier).move(move(0, 5))
    assert (tmp_path / "elsewhere.db").exists()


@dataclass
class FaultyHeads:
    """Heads in memory, whose next move fails: before it is written, or after."""

    heads: dict[str, Head] = field(default_factory=dict)
    fault: str = ""  # "failed", "written", "read", "race"

    def head(self, origin: str) -> Head:
        if self.fault == "read":
            raise StorageError("injected fault (read)")
        return self.heads.get(origin, Head())

    def signed(self, origin: str) -> bytes:
        return signed(self.head(origin).size)

    def move(self, asked: Move) -> bool:
        if self.head(asked.origin) != asked.before or self.fault == "race":
            return False
        if self.fault != "failed":
            self.heads[asked.origin] = asked.after
        if self.fault:
            raise StorageError(f"injected fault ({self.fault})")
        return True


@pytest.mark.parametrize("fault", ["failed", "written", "read"])
def test_nothing_is_cosigned_when_the_store_fails_and_nothing_inconsistent_after(fault):
    heads = FaultyHeads({KEY.name: Head(12, ROOTS[12])}, fault)
    told = []
    witness = at_work(heads, told.append)
    said = witness.answer(request(12, 20))
    assert said.status == 500
    assert "\u2014".encode() not in said.body
    assert [line for line in told if line.startswith("failed")]
    heads.fault = ""
    forked = merkle.root(FORK[:20])
    proof = merkle.consistency_proof(FORK[:20], 12)
    assert witness.answer(request(12, 20, proof, signed(20, forked))).status in (409, 422)
    assert witness.answer(request(20, 20, [], signed(20, forked))).status == 409
    assert witness.answer(request(12, 12)).status == (409 if fault == "written" else 200)
    with serving(witness) as url:  # and the log itself gets its cosignature, in one call
        line = ask(url, WITNESS.verifier, signed(20), grown(20), known=12)
    assert cosigned_at(parse(signed(20)).text, line, WITNESS.verifier) == AT
    assert heads.heads == {KEY.name: Head(20, ROOTS[20])}


def test_who_always_loses_the_race_is_told_to_come_again():
    assert at_work(FaultyHeads(fault="race")).answer(request(0, 5)).status == 503


def test_of_requests_at_once_one_history_is_cosigned(heads):
    witness = at_work(heads)
    sides = [(n, leaves) for n in range(6, 14) for leaves in (HASHES, FORK)]

    def asked(side) -> tuple[int, bytes] | None:
        size, leaves = side
        root = merkle.root(leaves[:size])
        said = witness.answer(request(0, size, [], signed(size, root)))
        return (size, root) if said.status == 200 else None

    with ThreadPoolExecutor(8) as pool:
        cosigned = [found for found in pool.map(asked, sides) if found]
    assert len(cosigned) == 1
    assert heads.head(KEY.name) == Head(*cosigned[0])


def test_a_log_is_cosigned_as_it_grows_and_the_witness_says_so(heads):
    told = []
    with serving(at_work(heads, told.append)) as url:
        for known, size in ((0, 5), (5, 20), (20, 20), (0, 33), (40, 40)):
            line = ask(f"{url}/", WITNESS.verifier, signed(size), grown(size), known=known)
            assert cosigned_at(parse(signed(size)).text, line, WITNESS.verifier) == AT
    assert len(told) == 5
    assert told[0].startswith(f"cosigned {KEY.name} 5 ")
    assert told[0].endswith(" at 2023-11-14T22:13:20Z")


def test_a_client_is_told_of_rollback_fork_and_refusal(heads):
    told = []
    with serving(at_work(heads, told.append)) as url:
        ask(url, WITNESS.verifier, signed(20), grown(20))
        with pytest.raises(RollbackError, match="expected 20 log entries"):
            ask(url, WITNESS.verifier, signed(12), grown(12))
        fork = signed(20, merkle.root(FORK[:20]))
        with pytest.raises(RollbackError, match="another root"):
            ask(url, WITNESS.verifier, fork, grown(20))
        longer = signed(30, merkle.root(FORK[:30]))
        with pytest.raises(RegistryError, match="422"):
            ask(url, WITNESS.verifier, longer, lambda n: merkle.consistency_proof(FORK[:30], n))
        stranger = SignerKey("stranger.example", bytes(32))
        with pytest.raises(RegistryError, match="404"):
            ask(url, WITNESS.verifier, signed(5, key=stranger), grown(5))
        with pytest.raises(RegistryError, match="403"):
            ask(url, WITNESS.verifier, signed(5, key=SignerKey(KEY.name, bytes(32))), grown(5))
    refused, proof, *rest = told[1:]
    assert [line[:11] for line in (refused, *rest)] == [
        f"refused {n}" for n in (409, 422, 404, 403)
    ]
    said, _, body = proof.partition("\n")
    assert said == f"{KEY.name} shows two histories; the proof:"
    first, second = verify(fork_proof(body.encode()), Policy((Log(KEY.verifier),)))
    assert (first.root, second.root) == (ROOTS[20], merkle.root(FORK[:20]))
    assert heads.head(KEY.name) == Head(20, ROOTS[20])


def test_an_answer_that_the_witness_has_not_signed_is_no_cosignature(heads):
    other = SignerKey(WITNESS.name, bytes(32), COSIGNATURE)
    with serving(at_work(heads)) as url, pytest.raises(ProofError, match="one cosignature"):
        ask(url, other.verifier, signed(5), grown(5))


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (Served(200, b"no lines"), ProofError, "signature lines"),
        (Served(200, b""), ProofError, "signature lines"),
        (Served(200, b"x" * 300_000), FetchError, "few lines"),
        (Served(200, b"x", fault="endless"), FetchError, "few lines"),
        (Served(200, fault="reset"), FetchError, "does not answer"),
        (Served(200, fault="close"), FetchError, "does not answer"),
        (Served(200, fault="garbage"), FetchError, "does not answer"),
        (Served(200, b"", head_delay_s=3), FetchError, "does not answer"),
        (Served(302, headers=[("Location", "/elsewhere")]), RegistryError, "302"),
        (Served(500, b"oh \x1b[2J no"), RegistryError, "500"),
        (Served(409, b"9\n", [("Content-Type", "text/x.tlog.size")]), RollbackError, "9 log"),
        (Served(409, b"2\n", [("Content-Type", "text/x.tlog.size")]), RegistryError, "3 tries"),
        (Served(409, b"-1\n", [("Content-Type", "text/x.tlog.size")]), ProofError, "size"),
    ],
)
def test_whatever_a_witness_answers_is_a_cosignature_or_our_error(answer, error, said):
    with (
        serve({f"/{CALL}": answer, "/elsewhere": b"x"}) as server,
        pytest.raises(error, match=said),
    ):
        ask(server.url(""), WITNESS.verifier, signed(5), grown(5), timeout_s=1)


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_witness_that_drips_is_left_behind(begun):
    """Each byte comes in time, and the head of the answer never ends."""
    stop = threading.Event()

    def drip(listener) -> None:
        one, _ = listener.accept()
        with one, contextlib.suppress(OSError):
            one.sendall(begun)
            for _ in range(300):  # else a client that waits would wait for ever
                if stop.wait(0.05):
                    return
                one.sendall(b"x")

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        started = time.monotonic()
        with pytest.raises(FetchError, match="no answer"):
            ask(f"http://{HOST}:{listener.getsockname()[1]}", WITNESS.verifier, signed(5), grown(5),
                timeout_s=0.2)  # fmt: skip
        assert time.monotonic() - started < 5
        stop.set()
        thread.join()


def test_a_time_that_no_calendar_can_name_is_no_cosignature():
    """It would be told, and compared with others: what has it must not come in."""
    text = parse(signed(5)).text
    at = 253_402_300_800
    with pytest.raises(ProofError, match="POSIX time"):
        cosign(text, WITNESS, at)
    good = cosign(text, WITNESS, at - 1)
    assert cosigned_at(text, good, WITNESS.verifier) == at - 1
    message = f"cosignature/v1\ntime {at}\n{text}".encode()
    body = at.to_bytes(8, "big") + bytes.fromhex(SigningKey(WITNESS.seed).sign(message))
    line = Signature(WITNESS.name, WITNESS.verifier.key_id, body)
    with (
        serve({f"/{CALL}": Served(200, line.line().encode())}) as server,
        pytest.raises(ProofError, match="one that fails"),
    ):
        ask(server.url(""), WITNESS.verifier, signed(5), grown(5))


BAD_URLS = ["", "file:///etc/passwd", "witness.example", "http://", "ftp://a"]
BAD_URLS += [
    "http://[::1",
    "http://a:b",
    "http://a:99999",
    "http://a b",
    "http://a/\x1b",
    "http://ä",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_only_web_addresses_are_asked(url):
    with pytest.raises(UsageError, match="http"):
        ask(url, WITNESS.verifier, signed(5), grown(5))


def test_nobody_there_is_a_failed_request():
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(FetchError, match="does not answer"):
        ask(f"http://{HOST}:{port}", WITNESS.verifier, signed(5), grown(5))


def test_a_connection_is_kept_and_other_calls_are_not_found(heads):
    with serving(at_work(heads)) as url:
        with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"))) as one:
            for known, size in ((0, 5), (5, 6)):
                one.request("POST", f"/{CALL}", request(known, size))
                found = one.getresponse()
                lines = parse_lines(found.read())
                assert (found.status, lines[0].name) == (200, WITNESS.name)
            one.request("POST", f"/{CALL}", request(5, 6))
            found = one.getresponse()
            assert (found.status, found.read()) == (409, b"6\n")
            assert found.headers["Content-Type"] == "text/x.tlog.size"
        for method, path in (("POST", "/"), ("GET", f"/{CALL}"), ("POST", f"/x/{CALL}")):
            with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"))) as one:
                one.request(method, path, b"")
                assert one.getresponse().status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (f"Content-Length: {MAX_REQUEST_BYTES + 1}", 413),
        ("Content-Length: 99999999999999999999", 413),
        ("Content-Length: -1", 411),
        ("Content-Length: \u0661", 411),
        ("Transfer-Encoding: chunked", 411),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3", 411),
        ("X: y", 411),
    ],
)
def test_bodies_are_of_a_stated_and_bounded_length(heads, headers, status):
    with serving(at_work(heads)) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=5) as one:
            one.sendall(f"POST /{CALL} HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n".encode())
            assert one.makefile("rb").readline().startswith(f"HTTP/1.1 {status}".encode())


def test_slow_and_silent_clients_are_left_and_too_many_turned_away(heads, monkeypatch):
    monkeypatch.setattr(witnesses._Handler, "timeout", 0.2)
    monkeypatch.setattr(witnesses, "MAX_OPEN", 2)
    with serving(at_work(heads)) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        silent = [socket.create_connection((host, int(port)), timeout=5) for _ in range(3)]
        assert [one.recv(1) for one in silent] == [b"", b"", b""]
        for one in silent:
            one.close()
        monkeypatch.setattr(witnesses._Handler, "timeout", 5)
        monkeypatch.setattr(witnesses, "LIFE_S", 0.3)
        with socket.create_connection((host, int(port)), timeout=5) as slow:
            begun = time.monotonic()
            with contextlib.suppress(OSError):
                while time.monotonic() - begun < 4:
                    slow.sendall(b"P")
                    time.sleep(0.05)
            assert time.monotonic() - begun < 3
        ask(url, WITNESS.verifier, signed(5), grown(5))


def test_an_address_that_cannot_be_had_is_told(heads):
    with serving(at_work(heads)) as url, pytest.raises(UsageError, match="listen"):
        WitnessServer(at_work(heads), HOST, int(url.rpartition(":")[2]))


RUNNER = CliRunner()


def made_key(path, name: str = "witness.example/one"):
    result = RUNNER.invoke(registry.app, ["witness-key", name, "--key", str(path)])
    assert result.exit_code == 0, result.output
    (said,) = [
        line.strip() for line in result.output.splitlines() if line.strip().startswith(name + "+")
    ]
    return parse_verifier_key(said, COSIGNATURE)


def test_a_witness_key_is_its_owners_alone_and_never_overwritten(tmp_path):
    path = tmp_path / "w.key"
    made = made_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_signer(path, COSIGNATURE).verifier == made
    write_signer(KEY, tmp_path / "log.key")
    with pytest.raises(UsageError, match="cosignature"):
        read_signer(tmp_path / "log.key", COSIGNATURE)
    result = RUNNER.invoke(registry.app, ["witness-key", "a.example", "--key", str(path)])
    assert isinstance(result.exception, UsageError)


@contextlib.contextmanager
def process(tmp_path, *logs: str):
    """A witness as a process of its own; gives its address and the process."""
    command = [sys.executable, "-m", "jobs", "registry", "witness", "--key", tmp_path / "w.key"]
    command += ["--store", tmp_path / "witness.db", *logs]
    env = os.environ | {"SOURCE_DATE_EPOCH": "0", "COLUMNS": "300"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as run:
        said = []
        try:
            for line in run.stdout:
                said.append(line)
                if line.startswith("listening at "):
                    break
            yield said[-1].split()[-1], run, said
        finally:
            run.kill()


def test_a_witness_that_is_killed_still_refuses_an_older_head(tmp_path):
    key = made_key(tmp_path / "w.key")
    policy = tmp_path / "policy"
    policy.write_bytes(Policy((Log(KEY.verifier),)).to_bytes())
    with process(tmp_path, "--policy", policy) as (url, run, said):
        assert said[0] == f"witness {key}\n"
        assert said[1] == f"log {KEY.verifier.short}, seen at size none\n"
        line = ask(url, key, signed(20), grown(20))
        cosigned = run.stdout.readline()
        assert cosigned.startswith(f"cosigned {KEY.name} 20 ")
        # Its own clock, whatever the environment of a build says.
        assert abs(cosigned_at(parse(signed(20)).text, line, key) - time.time()) < 60
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    with process(tmp_path, "--log", str(KEY.verifier)) as (url, run, said):
        assert said[1] == f"log {KEY.verifier.short}, seen at size 20\n"
        with pytest.raises(RollbackError):
            ask(url, key, signed(12), grown(12))
        with pytest.raises(RollbackError):
            ask(url, key, signed(20, merkle.root(FORK[:20])), grown(20))
        ask(url, key, signed(30), grown(30), known=20)
        run.send_signal(signal.SIGINT)
        run.wait(10)
        assert run.returncode == 0
        assert run.stdout.read().endswith("stopped\n")


def test_a_witness_of_no_log_does_not_start(tmp_path):
    made_key(tmp_path / "w.key")
    (tmp_path / "p").write_text("quorum none\n")
    given = ["witness", "--key", tmp_path / "w.key", "--store", tmp_path / "s"]
    for more, said in (
        ([], "--policy"),
        (["--policy", tmp_path / "p"], "--policy"),
        (["--policy", tmp_path / "none"], "policy file"),
        (["--log", "nonsense"], "verifier key"),
    ):
        result = RUNNER.invoke(registry.app, [str(word) for word in [*given, *more]])
        assert isinstance(result.exception, UsageError)
        assert said in str(result.exception)
