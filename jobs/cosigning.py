"""Asking a witness over HTTP to cosign a checkpoint.

By the standard library: a registry is kept and published without the packages of a build.
"""

import http.client
import ipaddress
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from optout.log import checkpoint, cosignature, note
from optout.log.checkpoint import parse_number
from optout.log.note import Signature, VerifierKey
from optout.log.witness import CALL, CONFLICT, OK, SIZE, Answer, Request
from schemas.errors import FetchError, ProofError, RegistryError, RollbackError, UsageError
from schemas.verdict import Outcome

MAX_ANSWER_BYTES = 256 << 10
TIMEOUT_S = 10.0
PATIENCE = 3
"""As many timeouts for one request: to connect, for the head of an answer, for the rest."""
TRIES = 3
"""The first may find another size, and another copy of the log may be quicker once."""


def ask(
    url: str,
    key: VerifierKey,
    signed: bytes,
    consistency: Callable[[int], Sequence[bytes]],
    *,
    known: int = 0,
    timeout_s: float = TIMEOUT_S,
) -> Signature:
    """Return a witness's cosignature of a checkpoint, verified by the witness's key.

    url: the witness's submission prefix. signed: the note that the log has signed. consistency:
    gives the proof from an older size to that checkpoint. known: the size that the witness is
    thought to have seen; where it says another, it is asked again from there.

    Raises FetchError where the witness does not answer in time, ProofError for an answer that its
    key has not signed, RollbackError where it has seen a longer log, or another one of that size,
    RegistryError where it refuses otherwise.
    """
    text, size = note.parse(signed).text, checkpoint.parse(signed).size
    old = min(known, size)
    for _ in range(TRIES):
        proof = tuple(consistency(old)) if 0 < old < size else ()
        found = _in_time(url, _call(url), Request(old, proof, signed).to_bytes(), timeout_s)
        if found.status == OK:
            return _cosignature(found.body, text, key)
        if (found.status, found.content_type) != (CONFLICT, SIZE):
            raise _refusal(url, found)
        old = parse_number(found.body.decode(errors="replace").removesuffix("\n"), "size")
        if old > size:
            raise RollbackError(f"expected {old} log entries, as witness {url} saw, found {size}")
    raise RegistryError(f"expected a cosignature of {url} within {TRIES} tries, found none")


def _cosignature(body: bytes, text: str, key: VerifierKey) -> Signature:
    """Return the line of the witness's key. Lines of other keys are passed over."""
    lines = cosignature.parse_lines(body)
    ours = [line for line in lines if (line.name, line.key_id) == (key.name, key.key_id)]
    if len(ours) != 1:
        raise ProofError(f"expected one cosignature by {key.short}, found {len(ours)}")
    cosignature.cosigned_at(text, ours[0], key)
    return ours[0]


def _refusal(url: str, found: Answer) -> RegistryError:
    said = f"{found.status}: {found.body.decode(errors='replace').strip()!r:.200}"
    if found.status == CONFLICT:
        return RollbackError(f"expected the log that witness {url} knows, found another: {said}")
    return RegistryError(f"expected witness {url} to cosign, found {said}")


def _call(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and not parts.query
        _ = parts.port  # a number, where there is one
    except ValueError:  # an address in brackets that is none
        sound = False
    if not sound or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"expected the http(s) address of a witness, found {url!r:.120}")
    return f"{url.rstrip('/')}/{CALL}"


def _in_time(url: str, call: str, body: bytes, timeout_s: float) -> Answer:
    """Return the answer to a request, or leave it behind: a timeout counts for each piece anew.

    Whoever sends a byte now and then could otherwise hold up a registry, and all other witnesses.
    """
    ended: queue.SimpleQueue[Answer | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            ended.put(_post(call, body, timeout_s))
        except BaseException as e:  # noqa: BLE001 - it is raised again, by who waits
            ended.put(e)

    threading.Thread(target=run, daemon=True, name=f"ask {url:.60}").start()
    try:
        found = ended.get(timeout=PATIENCE * timeout_s)
    except queue.Empty:
        raise FetchError(
            Outcome.TOO_SLOW, f"witness {url}: no answer in {PATIENCE * timeout_s:g} s"
        ) from None
    if isinstance(found, BaseException):
        raise found
    return found


def _post(url: str, body: bytes, timeout_s: float) -> Answer:
    request = urllib.request.Request(  # noqa: S310 - _call has looked at the scheme
        url, body, {"Content-Type": "text/plain; charset=utf-8"}
    )
    try:
        try:
            with _opener(url).open(request, timeout=timeout_s) as found:
                return _answer(found, url, timeout_s)
        except urllib.error.HTTPError as e:
            with e:
                return _answer(e, url, timeout_s)
    except (OSError, http.client.HTTPException) as e:
        raise FetchError(Outcome.UNREACHABLE, f"witness {url} does not answer: {e}") from e


def _answer(found: Any, url: str, timeout_s: float) -> Answer:
    body, deadline = b"", time.monotonic() + timeout_s
    while piece := found.read1(1 << 16):
        body += piece
        if len(body) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
            raise FetchError(
                Outcome.TOO_SLOW, f"witness {url}: no answer of a few lines in {timeout_s:g} s"
            )
    kind = found.headers.get("Content-Type", "").partition(";")[0].strip()
    return Answer(found.status, body, kind)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow nothing: a witness is where its operator says."""


def _opener(url: str) -> urllib.request.OpenerDirector:
    # A proxy, where one is set, cannot reach what listens on this machine.
    host = urlsplit(url).hostname or ""
    try:
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    direct = [urllib.request.ProxyHandler({})] if here else []
    return urllib.request.build_opener(_NoRedirect, *direct)
