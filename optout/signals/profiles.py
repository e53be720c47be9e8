"""How signals are read: three named profiles, one table, the only place where they differ.

    default      what a careful crawler does: specifications, and the stricter of disputed readings
    strict       also what is suggestive, legacy, or addressed to other training crawlers
    rfc-literal  the letter of each specification, nothing added

TABLE is what `recuse signals profiles` prints and what a manifest records. A row is a setting: its
key, what it means, and its value in each profile. A channel's setting says what an unreadable
channel does to a row: `hold` it, or nothing (`ignore`); `off` is not read at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from schemas.errors import SchemaError
from schemas.verdict import Channel


class Mode(StrEnum):
    """What a channel that cannot be read does to a row."""

    HOLD = "hold"
    IGNORE = "ignore"
    OFF = "off"


class Tokens(StrEnum):
    """Whose robots.txt groups bind us beside our own and `*`."""

    OWN_ONLY = "own-only"
    UPSTREAM = "upstream"  # and CCBot: the crawler from whose index most lists of URLs come
    ANY_TRAINING_TOKEN = "any-training-token"  # noqa: S105 - and every known training crawler


class Setting(NamedTuple):
    """One row of TABLE."""

    key: str
    meaning: str
    default: Any
    strict: Any
    literal: Any


HOLD, IGNORE, OFF = Mode.HOLD, Mode.IGNORE, Mode.OFF

TABLE: tuple[Setting, ...] = (
    Setting("robots", "robots.txt: Allow, Disallow", HOLD, HOLD, HOLD),
    Setting("robots:content-usage", "robots.txt: AIPREF rules", HOLD, HOLD, HOLD),
    Setting("robots:content-signal", "robots.txt: Cloudflare's record", HOLD, HOLD, HOLD),
    Setting("robots:license", "robots.txt: RSL licence", HOLD, HOLD, HOLD),
    Setting("tdmrep.json", "/.well-known/tdmrep.json", HOLD, HOLD, HOLD),
    Setting("ai.txt", "/ai.txt (Spawning)", IGNORE, HOLD, IGNORE),
    Setting("trust.txt", "/trust.txt (JournalList)", OFF, HOLD, OFF),
    Setting("page:robots", "meta robots of the page", HOLD, HOLD, HOLD),
    Setting("page:tdm", "meta tdm-reservation of the page", HOLD, HOLD, HOLD),
    Setting("page:license", "RSL licence linked from the page", HOLD, HOLD, HOLD),
    Setting("x-robots-tag", "X-Robots-Tag header", HOLD, HOLD, HOLD),
    Setting("tdm-reservation", "tdm-reservation header", HOLD, HOLD, IGNORE),
    Setting("content-usage", "Content-Usage header (AIPREF)", HOLD, HOLD, HOLD),
    Setting("content-signal", "Content-Signal header", HOLD, HOLD, OFF),
    Setting("link:license", "Link: rel=license header (RSL)", HOLD, HOLD, HOLD),
    Setting("xmp", "XMP in the file: plus:DataMining", HOLD, HOLD, HOLD),
    Setting("c2pa", "C2PA and CAWG training-mining in the file", HOLD, HOLD, HOLD),
    Setting("spawning", "Spawning's list, where configured", HOLD, HOLD, HOLD),
    Setting("declarations", "files of declarations, where configured", HOLD, HOLD, HOLD),
    Setting(
        "robots_status",
        "robots.txt refused with 401, 403 or any 4xx but 404 and 410: `refuses` or, as in RFC "
        "9309, `allows`",
        "refuses", "refuses", "allows",
    ),
    Setting(
        "robots_tokens",
        "groups that bind us beside our own and `*`: none (own-only), CCBot's (upstream), those of "
        "all training crawlers (any-training-token)",
        Tokens.OWN_ONLY, Tokens.ANY_TRAINING_TOKEN, Tokens.OWN_ONLY,
    ),
    Setting(
        "robots_lenient",
        "honour what was meant: both readings of percent-encoding, patterns without a slash, agent "
        "names that are no RFC token, typos of Disallow",
        True, True, False,
    ),
    Setting("robots_star_too", "rights records of `*` bind beside our own group's",
            False, True, False),
    Setting("index_tokens", "noindex, noimageindex and none deny too, as in img2dataset",
            True, True, False),
    Setting("noml", "noml denies", True, True, False),
    Setting(
        "aipref_legacy", "labels of older drafts that say n deny (all, bots, tdm, ai, genai)",
        False, True, False,
    ),
    Setting(
        "aipref_malformed",
        "Content-Usage that names a known label but does not parse is an error, not silence",
        False, True, False,
    ),
    Setting(
        "aipref_all_paths", "a shorter path's n holds beside the longest rule", False, True, False
    ),
    Setting(
        "aipref_both_groupings",
        "deny if either reading of Content-Usage between agents denies (rule, or unknown record)",
        True, True, False,
    ),
    Setting(
        "signal_input_is_infer", "ai-input=no and ai-use=n forbid showing the image to a model",
        False, True, False,
    ),
    Setting(
        "tdm_header_lifts",
        "a tdm-reservation header replaces what tdmrep.json says, also where it allows more",
        True, False, True,
    ),
    Setting(
        "tdm_strict_order",
        "where first and longest rule of tdmrep.json disagree, the stricter one counts",
        True, True, False,
    ),
    Setting(
        "tdm_nonconforming", 'a JSON "1" or true reserves too; 1, 1 in a header as well',
        True, True, False,
    ),
    Setting(
        "tdm_page_binds",
        "a page's meta tdm-reservation binds the image with its caption, not the HTML alone",
        True, True, False,
    ),
    Setting(
        "rsl_attribution", "an RSL licence for attribution alone is a permission",
        False, False, False,
    ),
)  # fmt: skip
"""Every setting, channels first."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The values of one column of TABLE; fields beside name and channels are its other keys."""

    name: str
    channels: Mapping[Channel, Mode]
    robots_status: str
    robots_tokens: Tokens
    robots_lenient: bool
    robots_star_too: bool
    index_tokens: bool
    noml: bool
    aipref_legacy: bool
    aipref_malformed: bool
    aipref_all_paths: bool
    aipref_both_groupings: bool
    signal_input_is_infer: bool
    tdm_header_lifts: bool
    tdm_strict_order: bool
    tdm_nonconforming: bool
    tdm_page_binds: bool
    rsl_attribution: bool

    def reads(self, channel: Channel) -> bool:
        """Say whether a channel is read at all."""
        return self.channels[channel] is not Mode.OFF

    def as_json(self) -> dict[str, Any]:
        """Return the profile as a manifest records it; `from_json` reads it back."""
        value = {f.name: getattr(self, f.name) for f in fields(self)}
        value["channels"] = {str(channel): str(mode) for channel, mode in self.channels.items()}
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Profile":
        """Read a recorded profile. Raises SchemaError for one that is not of this shape."""
        try:
            channels = {Channel(c): Mode(m) for c, m in value["channels"].items()}
            known = {f.name for f in fields(cls)}
            if value.keys() != known or channels.keys() != set(Channel):
                raise SchemaError(
                    f"expected a profile with {sorted(known)} and every channel, found "
                    f"{sorted(value)} and {sorted(channels)}"
                )
            tokens = Tokens(value["robots_tokens"])
            if ill := [key for key in value if not _is_known(key, value[key])]:
                raise SchemaError(f"expected values of {ill} as in the table, found {value!r:.200}")
        except (KeyError, ValueError, AttributeError, TypeError) as e:
            raise SchemaError(f"expected a profile of signals, found {value!r:.200}") from e
        return cls(**{**value, "channels": MappingProxyType(channels), "robots_tokens": tokens})


def _is_known(key: str, value: Any) -> bool:
    """Say whether a value is of the kind that its setting has: one of its words, true or false."""
    known = [v for row in TABLE if row.key == key for v in (row.default, row.strict, row.literal)]
    if known and all(isinstance(v, bool) for v in known):
        return isinstance(value, bool)
    return isinstance(value, str) if key == "name" else key != "robots_status" or value in known


def _column(name: str, values: Mapping[str, Any]) -> Profile:
    channels = {channel: values[channel] for channel in Channel}
    rest = {key: value for key, value in values.items() if key not in set(Channel)}
    return Profile(name, MappingProxyType(channels), **rest)


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "default": _column("default", {row.key: row.default for row in TABLE}),
        "strict": _column("strict", {row.key: row.strict for row in TABLE}),
        "rfc-literal": _column("rfc-literal", {row.key: row.literal for row in TABLE}),
    }
)
"""Profiles by name."""
