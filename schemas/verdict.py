"""The closed lists: what can be decided about a row, why, and what can be said by a signal."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Verdict(StrEnum):
    """What becomes of a row. `KEEP` is released, `DROP` never, `HOLD` waits for a decision."""

    KEEP = "keep"
    DROP = "drop"
    HOLD = "hold"


class Reason(StrEnum):
    """Why a row is not released: every dropped or held row has exactly one of these."""

    # the input
    MALFORMED = "malformed"
    REPEATED = "repeated"
    # a claim in a registry
    OPTOUT_URL = "optout_url"
    OPTOUT_HOST = "optout_host"
    OPTOUT_ACCOUNT = "optout_account"  # on a host that others share
    OPTOUT_NAME = "optout_name"
    OPTOUT_WORK = "optout_work"
    OPTOUT_STYLE = "optout_style"
    OPTOUT_COPY = "optout_copy"  # a copy of a row that a claim denies
    OPTOUT_SAME_URL = "optout_same_url"  # the same address as a row that a claim denies
    NOT_GRANTED = "not_granted"  # opt-in mode, and nobody granted it
    # a machine-readable signal
    SIGNAL_ROBOTS = "signal_robots"
    SIGNAL_HEADER = "signal_header"
    SIGNAL_WELL_KNOWN = "signal_well_known"
    SIGNAL_PAGE = "signal_page"
    SIGNAL_EMBEDDED = "signal_embedded"
    SIGNAL_LIST = "signal_list"  # somebody else's registry
    SIGNAL_COPY = "signal_copy"  # a copy of a row whose bytes reserve their rights
    SIGNAL_ERROR = "signal_error"  # a channel could not be read: held
    UNCHECKED = "unchecked"  # a channel that nobody can read any more: held
    SIGNAL_STALE = "signal_stale"  # signals older than the build allows: held
    # safety lists
    SAFETY = "safety"
    # the web
    ADDRESS_REFUSED = "address_refused"
    UNREACHABLE = "unreachable"
    HTTP_STATUS = "http_status"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    NOT_OBSERVED = "not_observed"  # nothing in the fetch store answers for it: held
    # the image
    NOT_AN_IMAGE = "not_an_image"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    TOO_ELONGATED = "too_elongated"
    NOT_JUDGED = "not_judged"  # its vectors could not be computed: held
    # the builder's own choice
    FILTER = "filter"
    DUPLICATE = "duplicate"
    # flood guard and review
    REVIEW = "review"


class Purpose(StrEnum):
    """What somebody wants to do with an asset; signals answer for each purpose."""

    FETCH = "fetch"
    MINE = "mine"
    INFER = "infer"
    TRAIN_DISC = "train-disc"
    TRAIN_GEN = "train-gen"


class Say(StrEnum):
    """What one channel says about one purpose. `SILENT` and `ERROR` are never the same thing."""

    DENY = "DENY"
    ALLOW = "ALLOW"
    SILENT = "SILENT"
    ERROR = "ERROR"


class Family(StrEnum):
    """Channels that are read at the same moment; what nobody can read is said by family."""

    ROBOTS = "robots"  # robots.txt
    WELL_KNOWN = "well-known"  # tdmrep.json, ai.txt, trust.txt
    PAGE = "page"  # HTML of the page around the image
    HEADERS = "headers"  # of the image's own response
    EMBEDDED = "embedded"  # inside the image's bytes
    LISTS = "lists"  # registries of others


class Channel(StrEnum):
    """Where a signal was read."""

    ROBOTS = "robots"
    ROBOTS_CONTENT_USAGE = "robots:content-usage"
    ROBOTS_CONTENT_SIGNAL = "robots:content-signal"
    ROBOTS_LICENSE = "robots:license"
    TDMREP = "tdmrep.json"
    AI_TXT = "ai.txt"
    TRUST_TXT = "trust.txt"
    PAGE_ROBOTS = "page:robots"
    PAGE_TDM = "page:tdm"
    PAGE_LICENSE = "page:license"
    X_ROBOTS = "x-robots-tag"
    TDM_HEADER = "tdm-reservation"
    CONTENT_USAGE = "content-usage"
    CONTENT_SIGNAL = "content-signal"
    LINK_LICENSE = "link:license"
    XMP = "xmp"
    C2PA = "c2pa"
    SPAWNING = "spawning"
    DECLARATIONS = "declarations"


FAMILY: Mapping[Channel, Family] = MappingProxyType(
    {
        Channel.ROBOTS: Family.ROBOTS,
        Channel.ROBOTS_CONTENT_USAGE: Family.ROBOTS,
        Channel.ROBOTS_CONTENT_SIGNAL: Family.ROBOTS,
        Channel.ROBOTS_LICENSE: Family.ROBOTS,
        Channel.TDMREP: Family.WELL_KNOWN,
        Channel.AI_TXT: Family.WELL_KNOWN,
        Channel.TRUST_TXT: Family.WELL_KNOWN,
        Channel.PAGE_ROBOTS: Family.PAGE,
        Channel.PAGE_TDM: Family.PAGE,
        Channel.PAGE_LICENSE: Family.PAGE,
        Channel.X_ROBOTS: Family.HEADERS,
        Channel.TDM_HEADER: Family.HEADERS,
        Channel.CONTENT_USAGE: Family.HEADERS,
        Channel.CONTENT_SIGNAL: Family.HEADERS,
        Channel.LINK_LICENSE: Family.HEADERS,
        Channel.XMP: Family.EMBEDDED,
        Channel.C2PA: Family.EMBEDDED,
        Channel.SPAWNING: Family.LISTS,
        Channel.DECLARATIONS: Family.LISTS,
    }
)

FAMILY_REASON: Mapping[Family, Reason] = MappingProxyType(
    {
        Family.ROBOTS: Reason.SIGNAL_ROBOTS,
        Family.WELL_KNOWN: Reason.SIGNAL_WELL_KNOWN,
        Family.PAGE: Reason.SIGNAL_PAGE,
        Family.HEADERS: Reason.SIGNAL_HEADER,
        Family.EMBEDDED: Reason.SIGNAL_EMBEDDED,
        Family.LISTS: Reason.SIGNAL_LIST,
    }
)
"""The reason under which a row denied by a channel of the family is counted."""


class Outcome(StrEnum):
    """How the asking for one URL ended, as stored in the fetch store."""

    OK = "ok"  # a body of status 200
    GIVEN = "given"  # the bytes came with the source; nothing was asked
    GATED = "gated"  # an origin document forbids it or could not be read; nothing was asked
    STOPPED = "stopped"  # a response header forbids it; the body was not read
    UNREAD = "unread"  # its body, or itself, was not wanted
    MOVED = "moved"  # redirected to another host, asked there in a later round
    STATUS = "status"  # any other HTTP status
    ADDRESS = "address"  # the address is not one that we ask
    UNREACHABLE = "unreachable"
    REDIRECTS = "redirects"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"


class Scope(StrEnum):
    """What a claim covers."""

    WORK = "work"
    ARTIST = "artist"
    STYLE = "style"
    DOMAIN = "domain"


class Captions(StrEnum):
    """What becomes of a row whose caption holds a claimed name."""

    DROP = "drop"
    REDACT = "redact"  # the name is taken out, the row stays


class Stance(StrEnum):
    """Whether a claim forbids or grants."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
