"""What an image's bytes say about themselves, read before anything is decoded.

Two steps, because what was read is the evidence: `read` takes packets and manifests out of the
bytes, `of_facts` says what they mean. Whoever has the facts comes to the same signals.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optout.signals import c2pa, c2pa_manifest, xmp, xmp_packets
from optout.signals.profiles import Profile
from optout.signals.signal import RAW_BYTES, Signal
from schemas.canonical import plain_json, sha256_hex
from schemas.errors import SchemaError, SignalError
from schemas.verdict import Channel, Purpose, Say

CHANNELS = (Channel.XMP, Channel.C2PA)


@dataclass(frozen=True, slots=True)
class EmbeddedFacts:
    """What stands in one image's bytes. sha256: of the bytes."""

    sha256: str
    xmp: xmp_packets.Packets
    c2pa: c2pa_manifest.C2paFacts | None

    def document(self) -> bytes:
        """Return the canonical JSON that is the evidence; absence is told too."""
        return plain_json(
            {
                "kind": "embedded",
                "sha256": self.sha256,
                "container": self.xmp.container,
                "xmp": [base64.b64encode(packet).decode() for packet in self.xmp.packets],
                "faults": list(self.xmp.faults),
                "c2pa": None if self.c2pa is None else self.c2pa.as_json(),
            }
        )

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> "EmbeddedFacts":
        """Read a document's JSON value back. Raises SchemaError."""
        try:
            packets = xmp_packets.Packets(
                packets=tuple(base64.b64decode(p, validate=True) for p in _list(value["xmp"])),
                faults=tuple(_text(f) for f in _list(value["faults"])),
                container=_text(value["container"]),
            )
            manifest = value["c2pa"]
            found = None if manifest is None else c2pa_manifest.C2paFacts.from_json(manifest)
            return cls(_text(value["sha256"]), packets, found)
        except (KeyError, TypeError, ValueError, binascii.Error, SignalError) as e:
            raise SchemaError(
                f"expected evidence of embedded metadata, found {value!r:.200}"
            ) from e


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {value!r:.80}")
    return value


def _text(value: Any) -> str:
    """Return a short text that UTF-8 can write; what is none raises a ValueError or TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {value!r:.80}")
    if len(value.encode()) > RAW_BYTES:
        raise ValueError(f"expected at most {RAW_BYTES} bytes of text, found {value!r:.80}")
    return value


def read(body: bytes, profile: Profile) -> EmbeddedFacts:
    """Return what stands in an image's bytes, of the channels that a profile reads."""
    packets = xmp_packets.NONE
    if profile.reads(Channel.XMP):
        packets = xmp_packets.packets(body)
    manifest = None
    if profile.reads(Channel.C2PA):
        manifest = c2pa_manifest.read(body)
    return EmbeddedFacts(sha256_hex(body), packets, manifest)


def of_facts(facts: EmbeddedFacts, profile: Profile, silent: Purpose) -> tuple[Signal, ...]:
    """Return what the facts say, each channel that is read at least once.

    silent: the purpose about which silence is recorded.
    """
    said = [*xmp.of_packets(facts.xmp, profile), *c2pa.of_facts(facts.c2pa)]
    spoken = {s.channel for s in said}
    quiet = [
        Signal(channel, silent, Say.SILENT)
        for channel in CHANNELS
        if channel not in spoken and profile.reads(channel)
    ]
    return (*(s for s in said if profile.reads(s.channel)), *quiet)
