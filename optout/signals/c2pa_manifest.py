"""C2PA manifests: what a signed manifest says of training and mining, taken out of an image.

`may_hold` walks an image's container and looks only where a manifest, or the address of one, can
stand: it spares ordinary images the reader, which costs some hundred times as much. `read` verifies
the manifest and keeps of it what the meaning rests on. These facts are the evidence: c2pa.py needs
nothing else, and an auditor needs neither the image nor the reader.
The reader may ask nothing of any network, whatever a file tells it to: no manifest that lies
elsewhere, no revocation, no identity document. Signers need no trust: who forged a reservation
harmed nobody else's rights, and permissions need a valid signature (c2pa.py).
Source: C2PA 1.4 sections 11 and 19.23; CAWG training and data mining assertion 1.1.
"""

import io
import json
import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from optout.signals.signal import excerpt
from schemas.canonical import canonical_json
from schemas.errors import SchemaError, SignalError

MANIFESTS = 256
"""Manifests that are followed from one image through its ingredients."""
ASSERTIONS = 256
"""Training-mining assertions that are kept of one image."""
DATA_BYTES = 65_536
"""Longest assertion that is kept; honest ones have some hundred bytes."""
BOXES = 4096
"""Boxes, chunks or segments walked before the rest is searched instead."""

ACTIVE, PARENT, COMPONENT = "active", "parentOf", "componentOf"
RELATIONS = frozenset({ACTIVE, PARENT, COMPONENT})
SOUND = frozenset({"Valid", "Trusted"})
STATES = SOUND | {"Invalid", ""}

REMOTE, UNREAD, TOO_MANY, UNKEPT = "Remote", "Unread", "TooMany", "Unkept"
"""Faults beside those that the reader names; Unkept: an assertion too long, or no JSON."""

LABEL = re.compile(r"(?:c2pa|cawg)\.training-mining(?:\.v[0-9]+)?(?:__[0-9]+)?")
_SETTINGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "core": {
            "allowed_network_hosts": [],
            "allow_redirects": False,
            "decode_identity_assertions": False,  # they name documents that lie elsewhere
            "max_decompressed_manifest_size_in_mb": 16,
        },
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    }
)
_FAULT = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_FROM_URL = " from url "
_SUGGESTIVE = b".training-mining"


class Assertion(NamedTuple):
    """One training-mining assertion. data: canonical JSON of its content."""

    manifest: str
    relation: str  # active, parentOf, componentOf: how the image came from the manifest's own
    label: str
    data: str


@dataclass(frozen=True, slots=True)
class C2paFacts:
    """What the manifest of one image is, and what it says of training and mining.

    state: Valid, Invalid or Trusted, as the reader found it; empty where it read no manifest.
    remote: the address of a manifest that lies elsewhere and was not asked for.
    fault: the reader's name for why nothing, or not all, could be read.
    """

    state: str = ""
    assertions: tuple[Assertion, ...] = ()
    remote: str | None = None
    fault: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the facts as evidence records them; `from_json` reads them back."""
        return {
            "state": self.state,
            "assertions": [list(assertion) for assertion in self.assertions],
            "remote": self.remote,
            "fault": self.fault,
        }

    @classmethod
    def from_json(cls, value: Any) -> "C2paFacts":
        """Read recorded facts. Raises SignalError for what `as_json` does not write."""
        wrong = SignalError(f"expected recorded facts of a C2PA manifest, found {value!r:.200}")
        if not isinstance(value, Mapping) or value.keys() != {
            "state", "assertions", "remote", "fault"
        }:  # fmt: skip
            raise wrong
        state, rows = value["state"], value["assertions"]
        if not isinstance(state, str) or state not in STATES or not isinstance(rows, list):
            raise wrong
        if any(not isinstance(value[key], str | None) for key in ("remote", "fault")):
            raise wrong
        for row in rows:
            if not isinstance(row, list) or len(row) != len(Assertion._fields):
                raise wrong
            if not all(isinstance(field, str) for field in row) or row[1] not in RELATIONS:
                raise wrong
        return cls(state, tuple(Assertion(*row) for row in rows), value["remote"], value["fault"])


def may_hold(body: bytes) -> bool:
    """Say whether an image may have a manifest, inside or by an address in its XMP.

    True is a guess that `read` settles, False is final. Containers that are not walked are
    searched whole.
    """
    if body.startswith(b"\xff\xd8"):
        return _jpeg(body)
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return _chunks(body, 8, b"caBX", (b"iTXt", b"tEXt", b"zTXt"), big=True)
    if body.startswith(b"RIFF"):
        return _chunks(body, 12, b"C2PA", (b"XMP ",), big=False)
    if body.startswith(b"GIF8"):
        return _GIF + b"C2PA_GIF" in body or (_GIF + b"XMP DataXMP" in body and _is_referred(body))
    if body[4:8] in {b"ftyp", b"JXL "}:
        return _boxes(body)
    return (b"jumb" in body and b"c2pa" in body) or b"c2pa:manifest" in body or _is_referred(body)


def read(body: bytes) -> C2paFacts | None:
    """Return what the manifest of an image says, None where it has none. Raises nothing.

    A container that is broken around a manifest, a manifest that cannot be decoded and one that
    lies elsewhere are facts with a fault.
    """
    if not may_hold(body):
        return None
    import c2pa  # noqa: PLC0415 - a large native library, and most images never need it

    try:
        with c2pa.Reader(None, io.BytesIO(body), context=_context(os.getpid())) as reader:
            store = json.loads(reader.json())
    except c2pa.C2paError as e:
        return _fault(str(e), body)
    except (ValueError, RecursionError, OSError, TypeError) as e:  # text that is no JSON
        return C2paFacts(fault=type(e).__name__)
    return _facts(store)


@lru_cache(maxsize=2)
def _context(pid: int) -> Any:  # noqa: ARG001 - a native handle does not survive a fork
    import c2pa  # noqa: PLC0415 - likewise

    settings = {section: dict(values) for section, values in _SETTINGS.items()}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def _fault(message: str, body: bytes) -> C2paFacts | None:
    """Return what a reader's refusal means; its messages begin with the name of the error."""
    name = _FAULT.match(message)
    fault = name[0] if name else UNREAD
    if fault == REMOTE:
        return C2paFacts(remote=excerpt(message.partition(_FROM_URL)[2]), fault=REMOTE)
    if fault == "ManifestNotFound":
        # A store too damaged to be found is not the absence of one.
        return C2paFacts(fault=UNREAD) if _SUGGESTIVE in body else None
    return C2paFacts(fault=fault)


def _facts(store: Any) -> C2paFacts:
    state = _map(store).get("validation_state")
    manifests = _map(_map(store).get("manifests"))
    label = _map(store).get("active_manifest")
    if not isinstance(label, str) or label not in manifests or state not in STATES:
        return C2paFacts(fault=UNREAD)
    relations, fault = _relations(manifests, label)
    found: list[Assertion] = []
    for manifest, relation in relations.items():
        for assertion in _list(manifests[manifest].get("assertions")):
            name = _map(assertion).get("label")
            if not isinstance(name, str) or not LABEL.fullmatch(name):
                continue
            data = _text(_map(assertion).get("data"))
            if data is None:
                fault = UNKEPT
            elif len(found) == ASSERTIONS:
                fault = TOO_MANY
            else:
                found.append(Assertion(manifest, relation, name, data))
    return C2paFacts(state, tuple(found), None, fault)


def _relations(manifests: Mapping[str, Any], active: str) -> tuple[dict[str, str], str | None]:
    """Return how the image came from each manifest, the nearest first, and a fault.

    A manifest reached through parents alone is a parent, whatever else it is as well. Cycles end
    where they were entered.
    """
    relations = {active: ACTIVE}
    for wanted in ({PARENT}, None):  # parents of parents first, then everything else
        queue = list(relations)
        for label in queue:  # grows while it is walked
            for relation, child in _ingredients(manifests[label]):
                if child in relations or child not in manifests:
                    continue
                if wanted and relation not in wanted:
                    continue
                if len(relations) == MANIFESTS:
                    return relations, TOO_MANY
                relations[child] = PARENT if wanted else COMPONENT
                queue.append(child)
    return relations, None


def _ingredients(manifest: Any) -> Iterator[tuple[str, str]]:
    for ingredient in _list(_map(manifest).get("ingredients")):
        label = _map(ingredient).get("active_manifest")
        if isinstance(label, str):
            yield str(_map(ingredient).get("relationship")), label


def _text(data: Any) -> str | None:
    try:
        body = canonical_json(data)
    except SchemaError:
        return None
    return body.decode() if len(body) <= DATA_BYTES else None


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# --- containers: where a manifest, or an address of one, can stand


def _is_referred(body: bytes, start: int = 0, end: int | None = None) -> bool:
    """Say whether text names the provenance of its image (dcterms:provenance, any prefix)."""
    return body.find(b"provenance", start, end) >= 0


def _jpeg(body: bytes) -> bool:
    at = 2
    for _ in range(BOXES):
        if body[at : at + 1] != b"\xff":
            break  # garbage between segments
        marker = body[at + 1 : at + 2]
        if marker == b"\xff":  # a fill byte
            at += 1
            continue
        if marker == b"\xeb":  # APP11
            return True
        if marker in {b"\xda", b"\xd9"}:  # readers do not look behind the first scan either
            return False
        size = int.from_bytes(body[at + 2 : at + 4], "big")
        if marker == b"\xe1" and _is_referred(body, at + 4, at + 2 + size):
            return True
        at += 2 + size
    return body.find(b"\xff\xeb", at) >= 0


_GIF = b"\x21\xff\x0b"  # an application extension
_COMPRESSED_XMP = b"XML:com.adobe.xmp\0\1"


def _chunks(body: bytes, at: int, manifest: bytes, texts: tuple[bytes, ...], *, big: bool) -> bool:
    """Walk PNG chunks (big: length, name, content, checksum) or RIFF chunks (name, length)."""
    head = struct.Struct(">I4s" if big else "<4sI")
    for _ in range(BOXES):
        if at + 8 > len(body):
            return False
        first, second = head.unpack_from(body, at)
        name, size = (second, first) if big else (first, second)
        if name == manifest:
            return True
        if name in texts and _is_referred(body, at + 8, at + 8 + size):
            return True
        if body.startswith(_COMPRESSED_XMP, at + 8):  # what it says is not looked up here
            return True
        at += 12 + size if big else 8 + size + size % 2
    return body.find(manifest, at) >= 0 or _is_referred(body, at)


_MANIFEST_ID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_XMP_ID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def _boxes(body: bytes) -> bool:
    """Walk the top-level boxes of AVIF, HEIC, MP4 and JPEG XL."""
    at = 0
    for _ in range(BOXES):
        if at + 8 > len(body):
            return False
        size, name = struct.unpack_from(">I4s", body, at)
        begin = at + 8
        if size == 1:
            size, begin = int.from_bytes(body[begin : begin + 8], "big"), at + 16
        end = at + size if size else len(body)
        kind = body[begin : begin + 16]
        if name == b"jumb" or (name == b"uuid" and kind == _MANIFEST_ID):
            return True
        if (name == b"xml " or kind == _XMP_ID) and _is_referred(body, begin, end):
            return True
        if end < begin:  # a size that leads backwards
            break
        at = end
    return body.find(b"jumb", at) >= 0 or _is_referred(body, at)
