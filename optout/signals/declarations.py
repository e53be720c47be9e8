"""Declarations about works, kept in files: TDM-AI's two dialects, one JSON object a line.

    {"url": "https://...", "tdm-reservation": 1, "tdm-policy": "https://..."}
    {"sha256": "ab12...", "all": "true", "train-genai": "false"}
    {"domain": "art.example", "all": "false", "verified": false}

A line names a work by url, sha256 or domain (hosts below it too), or several of these, and says
what may be done with it. In the IETF dialect (frozen at draft-ietf-aipref-vocab-02) a label that
is missing takes the value of the one above: train-genai, train-ai, all; ai-use, all. `false`
reserves, and `true` grants. Lines add up: nothing supersedes, whatever `intent` says, because a
reservation ends when whoever keeps the file takes it out. `verified: false` is a declaration whose
signature nobody could check: what it reserves is reserved, what it grants is not granted.
A file that cannot be read whole is no file: a line too few may be somebody's reservation.
Source: facts section 12 (docs.tdmai.org); W3C TDMRep for the first dialect.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from optout.signals.combine import STRICTNESS
from optout.signals.signal import Signal, excerpt
from optout.urls import canonical_url, check_host, host_of, is_address, twin_url
from schemas.canonical import canonical_json
from schemas.errors import ClaimError, SchemaError, SignalError, UsageError
from schemas.verdict import Channel, Purpose, Say

LINE_BYTES = 65_536
"""Longest line."""
INTENTS = frozenset({"activate", "update", "supersede"})
VERSION = "1.0"

_RESERVES = (Purpose.MINE, Purpose.TRAIN_DISC, Purpose.TRAIN_GEN)
_LABELS: Mapping[Purpose, tuple[str, ...]] = MappingProxyType(
    {
        Purpose.MINE: ("all",),
        Purpose.INFER: ("ai-use", "all"),
        Purpose.TRAIN_DISC: ("train-ai", "all"),
        Purpose.TRAIN_GEN: ("train-genai", "train-ai", "all"),
    }
)
"""Labels that decide about a purpose, the nearest first."""
_KNOWN = ("all", "train-ai", "train-genai", "ai-use", "search")
_VALUES: Mapping[str, Say] = MappingProxyType({"true": Say.ALLOW, "false": Say.DENY})
_RESERVATION, _THIRD_SHAPE = "tdm-reservation", "TDMAI"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NONCONFORMING = "nonconforming"


class Statement(NamedTuple):
    """What one line says about a purpose."""

    purpose: Purpose
    say: Say
    note: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One line of a file. line: 1-based. raw: excerpt of it. text: the whole of it."""

    line: int
    raw: str
    text: str
    statements: tuple[Statement, ...]


Index = Mapping[str, tuple[Declaration, ...]]


@dataclass(frozen=True, slots=True)
class Declarations:
    """The lines of one file by what they name: canonical URL, sha256 in hex, host."""

    urls: Index
    sha256s: Index
    hosts: Index


def parse(body: bytes) -> Declarations:
    """Return the declarations of a file; empty lines are passed over.

    Raises SignalError with the number of the first line that is no declaration.
    """
    found: dict[str, dict[str, list[Declaration]]] = {"url": {}, "sha256": {}, "domain": {}}
    for number, text in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            value = _object(text)
            whole = canonical_json(value).decode()
            said = Declaration(number, excerpt(text.strip()), whole, tuple(_statements(value)))
            for key, name in _names(value):
                found[key].setdefault(name, []).append(said)
        except (SignalError, UsageError, ClaimError, RecursionError) as e:  # SchemaError too
            raise SignalError(f"line {number}: {e}") from e
    return Declarations(*(_frozen(found[key]) for key in ("url", "sha256", "domain")))


def of_url(
    declarations: Declarations,
    url_key: str,
    sha256: str | None = None,
    *,
    input_is_infer: bool = False,
) -> tuple[Signal, ...]:
    """Return the strictest that a file says about each purpose; nothing where it is silent.

    url_key: canonical URL. sha256: of the image's bytes, where they are known.
    input_is_infer: ai-use binds our own models too (profile `signal_input_is_infer`); it speaks
    of generative models otherwise.
    """
    best: dict[Purpose, tuple[Statement, Declaration]] = {}
    for declaration in _about(declarations, url_key, sha256):
        for statement in declaration.statements:
            if statement.purpose is Purpose.INFER and not input_is_infer:
                continue
            held = best.get(statement.purpose)
            if held is None or STRICTNESS[statement.say] > STRICTNESS[held[0].say]:
                best[statement.purpose] = statement, declaration
    return tuple(
        Signal(Channel.DECLARATIONS, purpose, said.say, by.raw, by.line, note=said.note)
        for purpose in Purpose
        if purpose in best
        for said, by in (best[purpose],)
    )


def document(declarations: Declarations, url_key: str, sha256: str | None, read_at: str) -> bytes:
    """Return the canonical JSON that is evidence of what a file says about an address or content.

    read_at: RFC 3339. No line is evidence of absence.
    """
    lines = dict.fromkeys(d.text for d in _about(declarations, url_key, sha256))
    return canonical_json(
        {
            "kind": "list",
            "list": str(Channel.DECLARATIONS),
            "url": url_key,
            "sha256": sha256,
            "answer": [json.loads(text) for text in lines],
            "asked_at": read_at,
        }
    )


def replay(evidence: Mapping[str, Any], *, input_is_infer: bool) -> tuple[Signal, ...]:
    """Return what a document says. Raises SignalError where it is not one of `document`."""
    try:
        lines = b"\n".join(canonical_json(line) for line in evidence["answer"])
        url_key, sha256 = str(evidence["url"]), evidence["sha256"]
    except (KeyError, TypeError, SchemaError) as e:
        raise SignalError(f"expected evidence of declarations, found {evidence!r:.200}") from e
    return of_url(parse(lines), url_key, sha256, input_is_infer=input_is_infer)


def _about(declarations: Declarations, url_key: str, sha256: str | None) -> Iterator[Declaration]:
    """Yield what names a work, the most exact first."""
    if sha256 is not None:
        yield from declarations.sha256s.get(sha256.lower(), ())
    yield from declarations.urls.get(url_key, ())
    host = host_of(url_key)
    while host:
        yield from declarations.hosts.get(host, ())
        if is_address(host):
            return
        host = host.partition(".")[2]


def _object(text: bytes) -> dict[str, Any]:
    if len(text) > LINE_BYTES:
        raise SignalError(f"expected at most {LINE_BYTES} bytes, found {len(text)}")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise SignalError(f"expected a JSON object, found {text[:60]!r}") from e
    if not isinstance(value, dict):
        raise SignalError(f"expected a JSON object, found {text[:60]!r}")
    return value


def _statements(value: Mapping[str, Any]) -> Iterator[Statement]:
    """Yield what a declaration says, each purpose possibly twice (in both dialects)."""
    if (version := value.get("version", VERSION)) != VERSION:
        raise SignalError(f"expected version {VERSION!r}, found {version!r:.60}")
    intent = value.get("intent", "activate")
    if not isinstance(intent, str) or intent not in INTENTS:
        raise SignalError(f"expected intent of {sorted(INTENTS)}, found {intent!r:.60}")
    verified = value.get("verified", True)
    if not isinstance(verified, bool):
        raise SignalError(f"expected verified to be true or false, found {verified!r:.60}")
    if not value.keys() & {*_KNOWN, _RESERVATION, _THIRD_SHAPE}:
        raise SignalError(f"expected {_RESERVATION} or one of {list(_KNOWN)}, found neither")
    for statement in (*_of_tdmrep(value), *_of_labels(value), *_of_third_shape(value)):
        if verified or statement.say is not Say.ALLOW:
            yield statement


def _of_tdmrep(value: Mapping[str, Any]) -> Iterator[Statement]:
    if _RESERVATION not in value:
        return
    found = value[_RESERVATION]
    if found is True or found == "1":
        yield from (Statement(p, Say.DENY, _NONCONFORMING) for p in _RESERVES)
    elif isinstance(found, int) and not isinstance(found, bool) and found in {0, 1}:
        yield from (Statement(p, Say.DENY if found else Say.ALLOW) for p in _RESERVES)
    else:
        raise SignalError(f"expected {_RESERVATION} to be 0 or 1, found {found!r:.60}")


def _of_labels(value: Mapping[str, Any]) -> Iterator[Statement]:
    says: dict[str, tuple[Say, str]] = {}
    for label in _KNOWN:
        if label in value:
            said = value[label]
            # The dialect has strings; who writes booleans means the same.
            word = str(said).lower() if isinstance(said, bool) else said
            if not isinstance(word, str) or word not in _VALUES:
                raise SignalError(f'expected {label} to be "true" or "false", found {said!r:.60}')
            says[label] = _VALUES[word], "" if word is said else _NONCONFORMING
    for purpose, labels in _LABELS.items():
        nearest = next((label for label in labels if label in says), None)
        if nearest is not None:
            yield Statement(purpose, *says[nearest])


def _of_third_shape(value: Mapping[str, Any]) -> Iterator[Statement]:
    """Yield the refusal of `"TDMAI": false`, which third parties write; it grants nothing."""
    found = value.get(_THIRD_SHAPE, True)
    if found is False or found == "false":
        yield from (Statement(p, Say.DENY, _NONCONFORMING) for p in _RESERVES)
    elif found not in (True, "true"):
        raise SignalError(f"expected {_THIRD_SHAPE} to be true or false, found {found!r:.60}")


def _names(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (key, name) of all that a line names, each name as it is looked up."""
    texts = {key: value[key] for key in ("url", "sha256", "domain") if key in value}
    if not texts:
        raise SignalError("expected url, sha256 or domain, found none of them")
    for key, text in texts.items():
        if not isinstance(text, str):
            raise SignalError(f"expected {key} to be text, found {text!r:.60}")
    names: list[tuple[str, str]] = []
    if "url" in texts:
        url = canonical_url(texts["url"])
        # The same address under the other scheme is meant too.
        names += (("url", address) for address in (url, twin_url(url)) if address is not None)
    if "sha256" in texts:
        sha256 = texts["sha256"].lower()
        if not _SHA256.fullmatch(sha256):
            raise SignalError(f"expected a sha256 of 64 hex digits, found {sha256!r:.80}")
        names.append(("sha256", sha256))
    if "domain" in texts:
        names.append(("domain", check_host(texts["domain"])))
    return names


def _frozen(index: Mapping[str, list[Declaration]]) -> Index:
    return MappingProxyType({name: tuple(lines) for name, lines in index.items()})
