"""Registries of others that answer for lists of URLs, in the manner of Spawning's.

A question is URLs, one a line; the answer is JSON, {"urls": [{"url": ..., "optOut": true}, ...]}.
Answers are found by their URL, never by their place: an answer that is short, in another order or
about something else says nothing about the URLs that it leaves out, and those are ERROR, not
silence. Whoever asks (pipeline/lists.py) keeps for each URL the entry that answered it; from the
kept document `replay` comes to the same signals.
Source: facts section 13 (client of the Spawning API, version 2).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from optout.signals.combine import STRICTNESS
from optout.signals.signal import Signal, excerpt
from optout.urls import canonical_url
from schemas.canonical import canonical_json
from schemas.errors import SchemaError, SignalError, UsageError
from schemas.verdict import Channel, Purpose, Say

MAX_BATCH_URLS = 10_000
"""The most that one question may name."""
MEDIA_TYPE = "text/plain"
SPEAKS_OF = (Purpose.TRAIN_GEN, Purpose.TRAIN_DISC)

_OK = 200
_KEPT = ("url", "optOut")
_ENTRY_BYTES = 128  # names, braces and values of one entry of an answer
_ESCAPED = 6  # JSON may write a byte as \u0000


class Reply(NamedTuple):
    """What a list says about one URL.

    answer: canonical JSON of url and optOut of the entry that answered; empty without one.
    """

    say: Say
    answer: str = ""
    note: str = ""


def batches(urls: Sequence[str], size: int = MAX_BATCH_URLS) -> Iterator[list[str]]:
    """Yield the URLs that can be asked about, each once and in order, `size` at a time."""
    asked = [url for url in dict.fromkeys(urls) if is_askable(url)]
    step = min(max(size, 1), MAX_BATCH_URLS)
    for at in range(0, len(asked), step):
        yield asked[at : at + step]


def is_askable(url: str) -> bool:
    """Say whether a URL is one line: what would break into two asks about another URL."""
    if not url or any(ord(c) <= 0x20 or 0x7F <= ord(c) <= 0xA0 for c in url):  # noqa: PLR2004 - C0, C1
        return False
    return not any(c.isspace() or "\ud800" <= c <= "\udfff" for c in url)


def question(batch: Sequence[str]) -> bytes:
    """Return the body that asks about the URLs of one batch."""
    return "\n".join(batch).encode()


def answer_limit_bytes(batch: Sequence[str]) -> int:
    """Return the longest honest answer to a batch."""
    return 4096 + len(batch) * _ENTRY_BYTES + _ESCAPED * len(question(batch))


def answers(urls: Sequence[str], http_status: int | None, body: bytes | None) -> dict[str, Reply]:
    """Return what a list answered about each URL; ERROR where it did not answer.

    http_status, body: None where no answer came, or not whole. Entries about other URLs are
    passed over; of several about one URL the strictest counts. Raises nothing.
    """
    if http_status is None or body is None:
        return dict.fromkeys(urls, Reply(Say.ERROR, note="no response"))
    if http_status != _OK:
        return dict.fromkeys(urls, Reply(Say.ERROR, note=f"status {http_status}"))
    entries = _entries(body)
    if entries is None:
        return dict.fromkeys(urls, Reply(Say.ERROR, note="malformed"))
    found = dict.fromkeys(urls, Reply(Say.ERROR, note="not answered"))
    answered: set[str] = set()
    for entry in entries:
        url = _asked(entry, found)
        if url is None:
            continue
        reply = of_entry(entry)
        if url not in answered or STRICTNESS[reply.say] > STRICTNESS[found[url].say]:
            found[url] = reply
        answered.add(url)
    return found


def of_entry(entry: Any) -> Reply:
    """Return what one entry of an answer says; ERROR unless optOut is true or false."""
    fields = entry if isinstance(entry, dict) else {}
    kept = {key: fields[key] for key in _KEPT if isinstance(fields.get(key), str | bool)}
    opted_out = kept.get("optOut")
    try:
        text = canonical_json(kept).decode()
    except SchemaError:  # a URL with lone surrogates
        return Reply(Say.ERROR, note="malformed")
    if not isinstance(opted_out, bool):
        return Reply(Say.ERROR, text, "malformed")
    return Reply(Say.DENY if opted_out else Say.SILENT, text)


def of_reply(reply: Reply, channel: Channel = Channel.SPAWNING) -> tuple[Signal, ...]:
    """Return the signals of a reply; nothing where the list does not know the URL."""
    if reply.say is Say.SILENT:
        return ()
    raw = excerpt(reply.answer)
    return tuple(Signal(channel, p, reply.say, raw, note=reply.note) for p in SPEAKS_OF)


def document(name: str, url: str, http_status: int | None, reply: Reply, asked_at: str) -> bytes:
    """Return the canonical JSON that is evidence of what a list said. asked_at: RFC 3339."""
    entry = json.loads(reply.answer) if reply.answer else None
    shown = url.encode("utf-8", "replace").decode()  # lone surrogates are no JSON
    return canonical_json(
        {
            "kind": "list",
            "list": name,
            "url": shown,
            "status": http_status,
            "answer": entry,
            "note": reply.note,
            "asked_at": asked_at,
        }
    )


def replay(evidence: Mapping[str, Any]) -> Reply:
    """Return what a document says, from its answer and not from its note.

    Raises SignalError where it is not one of `document`.
    """
    if evidence.get("kind") != "list" or "answer" not in evidence:
        raise SignalError(f"expected evidence of a list's answer, found {evidence!r:.200}")
    if evidence["answer"] is None:
        return Reply(Say.ERROR, note=str(evidence.get("note", "")))
    return of_entry(evidence["answer"])


def _entries(body: bytes) -> list[Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    entries = value.get("urls") if isinstance(value, dict) else None
    return entries if isinstance(entries, list) else None


def _asked(entry: Any, found: Mapping[str, Reply]) -> str | None:
    """Return the URL of ours that an entry is about, also where it is written otherwise."""
    url = entry.get("url") if isinstance(entry, dict) else None
    if not isinstance(url, str):
        return None
    if url in found:
        return url
    try:
        canonical = canonical_url(url)
    except UsageError:
        return None
    return canonical if canonical in found else None
