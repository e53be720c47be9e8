"""What a walk through a container gathers, and the caps that keep a hostile file cheap."""

import zlib
from dataclasses import dataclass, field

PACKET_BYTES = 4 * 2**20
"""Longest packet that is read; one byte more is kept, so that the reader sees that it is longer."""

TOTAL_BYTES = 4 * PACKET_BYTES
"""Bytes of all packets of one file, as they stand or inflated."""

PACKETS = 16
"""Packets of one file: one is usual, a few stand in files that several tools wrote."""

FAULTS = 64
"""More than there are kinds of faults and codes: the last one, a stray code, is never lost."""

XMP_NAMESPACE_NAME = b"http://ns.adobe.com/xap/1.0/"
"""What an APP1 segment with XMP begins with, a NUL after it."""

_BLANK = b"\0 \t\r\n"
_ANY_WRAPPER = 32 + zlib.MAX_WBITS  # zlib or gzip, whichever the bytes begin with


@dataclass(slots=True)
class Walk:
    """Packets and faults found so far in one container.

    beside: (start, stop) of the bytes that hold no pixels; None where that was not worked out.
    """

    container: str
    packets: list[bytes] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    beside: list[tuple[int, int]] | None = None
    left_bytes: int = TOTAL_BYTES

    def add(self, packet: bytes) -> None:
        """Keep a packet unless it is blank, kept already, or more than a file may hold."""
        if not packet.strip(_BLANK):
            return
        kept = packet[: PACKET_BYTES + 1]
        if len(kept) > PACKET_BYTES:
            self.fault("packet too long")
        if kept in self.packets:
            return
        if len(self.packets) == PACKETS or len(kept) > self.left_bytes:
            self.fault("more packets than are read")
            return
        self.packets.append(kept)
        self.left_bytes -= len(kept)

    def fault(self, what: str) -> None:
        """Note where the container breaks off, or says what is not so."""
        named = f"{self.container}: {what}"
        if named not in self.faults and len(self.faults) < FAULTS:
            self.faults.append(named)

    def inflated(self, deflated: bytes, what: str, limit: int = PACKET_BYTES) -> bytes:
        """Return zlib or gzip bytes inflated, no more than one byte beyond a limit.

        What does not inflate, breaks off or is longer is a fault; what came out of it is returned.
        """
        limit = min(limit, self.left_bytes)
        stream = zlib.decompressobj(_ANY_WRAPPER)
        try:
            text = stream.decompress(deflated, limit + 1)
        except zlib.error:
            self.fault(f"{what} does not inflate")
            return b""
        # Counted even if the text turns out to be none of ours: a file of bombs is read for no
        # longer than a file of packets.
        self.left_bytes -= len(text) // 2
        if len(text) > limit:
            self.fault(f"{what} inflates to more than is read")
        elif not stream.eof:
            self.fault(f"{what} breaks off")
        return text
