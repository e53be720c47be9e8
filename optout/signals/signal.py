"""The one shape in which every family of signals answers: who said what about which purpose."""

from dataclasses import dataclass

from schemas.verdict import Channel, Purpose, Say

RAW_BYTES = 512
"""Longest excerpt that a signal carries; the whole artefact stands in the evidence."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What one place of one channel says about one purpose.

    raw: the text that matched, at most RAW_BYTES bytes of UTF-8; empty where nothing was said.
    line: 1-based line of a document, or 0-based index of a header; None where neither applies.
    place: URL of the document, or lower-case name of the header.
    evidence: digest of the evidence; None until whoever holds the artefact's identity fills it in.
    note: a short code for what raw does not show, e.g. `index-token`, `status 403`.
    """

    channel: Channel
    purpose: Purpose
    say: Say
    raw: str = ""
    line: int | None = None
    place: str = ""
    evidence: str | None = None
    note: str = ""

    def with_evidence(self, evidence: str) -> "Signal":
        """Return the signal with the digest of its evidence."""
        return Signal(
            self.channel, self.purpose, self.say, self.raw, self.line, self.place, evidence,
            self.note,
        )  # fmt: skip


def excerpt(text: bytes | str) -> str:
    """Return at most RAW_BYTES bytes of a text, valid UTF-8, whatever came in."""
    body = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if len(body) <= RAW_BYTES and isinstance(text, str):
        return body.decode()
    shown = body[:RAW_BYTES].decode("utf-8", "replace")
    while len(shown.encode()) > RAW_BYTES:  # a replacement character is three bytes
        shown = shown[:-1]
    return shown
