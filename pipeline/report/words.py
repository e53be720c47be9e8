"""How a page says things to people: reasons in words, numbers and sizes that read well."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from schemas.verdict import Reason

KILO = 1000.0


class Family(StrEnum):
    """Reasons of one kind, in the order in which rows leave the stream."""

    INPUT = "input"
    OPTOUT = "optout"
    SIGNAL = "signal"
    SAFETY = "safety"
    WEB = "web"
    IMAGE = "image"
    CHOICE = "choice"
    HELD = "held"


FAMILY_TITLE = {
    Family.INPUT: "Not usable as given",
    Family.OPTOUT: "Opted out",
    Family.SIGNAL: "Rights reserved",
    Family.SAFETY: "Safety lists",
    Family.WEB: "Not reachable",
    Family.IMAGE: "Not a fitting image",
    Family.CHOICE: "Builder's choice",
    Family.HELD: "Held for a decision",
}


@dataclass(frozen=True)
class Words:
    """A reason for people: its family, a title, and one sentence."""

    family: Family
    title: str
    sentence: str


REASONS: dict[Reason, Words] = {
    Reason.MALFORMED: Words(
        Family.INPUT, "Malformed row", "The row has no usable address or caption."
    ),
    Reason.REPEATED: Words(
        Family.INPUT, "Repeated row", "An identical row came earlier in the source."
    ),
    Reason.OPTOUT_URL: Words(Family.OPTOUT, "Listed address", "A claim lists the address."),
    Reason.OPTOUT_HOST: Words(Family.OPTOUT, "Listed host", "A claim covers the host."),
    Reason.OPTOUT_ACCOUNT: Words(
        Family.OPTOUT, "Listed account", "A claim covers the account on a shared host."
    ),
    Reason.OPTOUT_NAME: Words(
        Family.OPTOUT, "Name in the caption", "The caption names someone who opted out."
    ),
    Reason.OPTOUT_WORK: Words(
        Family.OPTOUT, "Listed work", "The image is a listed work, or a copy of one."
    ),
    Reason.OPTOUT_STYLE: Words(
        Family.OPTOUT, "Style", "The image looks like the work of a hand that opted out."
    ),
    Reason.OPTOUT_COPY: Words(
        Family.OPTOUT,
        "Copy of an opted-out image",
        "A row with the same image is denied by a claim.",
    ),
    Reason.OPTOUT_SAME_URL: Words(
        Family.OPTOUT, "Address of an opted-out row", "A row with the same address is denied."
    ),
    Reason.NOT_GRANTED: Words(
        Family.OPTOUT, "Not granted", "Only granted images are kept, and nobody granted this one."
    ),
    Reason.SIGNAL_ROBOTS: Words(
        Family.SIGNAL, "robots.txt", "The site's robots.txt forbids this use."
    ),
    Reason.SIGNAL_HEADER: Words(
        Family.SIGNAL, "Response header", "A header of the response forbids this use."
    ),
    Reason.SIGNAL_WELL_KNOWN: Words(
        Family.SIGNAL, "Site policy file", "A policy file of the site forbids this use."
    ),
    Reason.SIGNAL_PAGE: Words(Family.SIGNAL, "Page", "The page around the image forbids this use."),
    Reason.SIGNAL_EMBEDDED: Words(
        Family.SIGNAL, "Inside the file", "A reservation stands inside the file itself."
    ),
    Reason.SIGNAL_LIST: Words(
        Family.SIGNAL, "Another registry", "Another registry's list reserves the image."
    ),
    Reason.SIGNAL_COPY: Words(
        Family.SIGNAL, "Copy of a reserved image", "The same image reserves its rights elsewhere."
    ),
    Reason.SIGNAL_ERROR: Words(
        Family.HELD, "Signal unreadable", "A channel that might forbid this use could not be read."
    ),
    Reason.UNCHECKED: Words(
        Family.HELD, "Channel unchecked", "A channel can no longer be read by anybody."
    ),
    Reason.SIGNAL_STALE: Words(
        Family.HELD, "Signals too old", "Its signals were read longer ago than the build allows."
    ),
    Reason.SAFETY: Words(Family.SAFETY, "Safety list", "The image is on a safety list."),
    Reason.ADDRESS_REFUSED: Words(
        Family.WEB, "Address refused", "The address is not one that may be asked."
    ),
    Reason.UNREACHABLE: Words(Family.WEB, "Unreachable", "No answer came."),
    Reason.HTTP_STATUS: Words(
        Family.WEB, "No image there", "The server answered with another status than 200."
    ),
    Reason.TOO_MANY_REDIRECTS: Words(
        Family.WEB, "Too many redirects", "The answer led from address to address."
    ),
    Reason.TOO_LARGE: Words(Family.WEB, "Too large", "The file is larger than allowed."),
    Reason.TOO_SLOW: Words(Family.WEB, "Too slow", "The answer took longer than allowed."),
    Reason.NOT_OBSERVED: Words(
        Family.HELD, "Never asked", "Nothing was observed about this row, so nothing is known."
    ),
    Reason.NOT_AN_IMAGE: Words(Family.IMAGE, "Not an image", "The bytes are no readable image."),
    Reason.TOO_MANY_PIXELS: Words(
        Family.IMAGE, "Too many pixels", "The image is larger than may be decoded."
    ),
    Reason.TOO_SMALL: Words(Family.IMAGE, "Too small", "The shorter edge is below the limit."),
    Reason.TOO_ELONGATED: Words(
        Family.IMAGE, "Too elongated", "The edges differ by more than the limit."
    ),
    Reason.NOT_JUDGED: Words(
        Family.HELD, "Not judged", "Its vectors could not be computed, so no claim was compared."
    ),
    Reason.FILTER: Words(Family.CHOICE, "Filter", "The row does not meet the builder's filters."),
    Reason.DUPLICATE: Words(
        Family.CHOICE, "Duplicate", "A copy of the image is released in its place."
    ),
    Reason.REVIEW: Words(
        Family.HELD,
        "Under review",
        "A claimed style is near, or a claim reached more rows than its cap; somebody has to look.",
    ),
}
"""Every reason in words."""


def humane(number: float) -> str:
    """Return a count with thin grouping: 1,234,567."""
    return f"{number:,.0f}"


def share(part: int, whole: int) -> str:
    """Return a percentage that never rounds something to nothing or a part to the whole."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    if part == whole:
        return "100 %"
    if percent < 0.1:  # noqa: PLR2004  # below what one decimal shows
        return "< 0.1 %"
    if percent > 99.9:  # noqa: PLR2004  # likewise at the other end
        return "> 99.9 %"
    return f"{percent:.1f} %"


def size(count_bytes: int) -> str:
    """Return a size with three figures at most: 950 B, 12.3 MB."""
    left = float(count_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if left < KILO or unit == "TB":
            break
        left /= KILO
    digits = 0 if unit == "B" or left >= 100 else 1  # noqa: PLR2004  # three figures
    return f"{left:,.{digits}f} {unit}"


def short(digest: str | None, length: int = 12) -> str:
    """Return the head of a digest or id, for a page; the whole stands in its title."""
    return f"{digest[:length]}…" if digest and len(digest) > length else digest or "-"


def when(moment: str | None) -> str:
    """Return an RFC 3339 time for people: 22 November 2026, 11:04 UTC; other text as it is."""
    try:
        at = datetime.fromisoformat(moment or "").astimezone(UTC)
    except ValueError:
        return moment or ""
    return f"{at.day} {at:%B %Y, %H:%M} UTC"
