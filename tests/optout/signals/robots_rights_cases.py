"""Files of robots.txt with rights records: U01-U05, S01-S05, DisallowAITraining, others' groups.

What is expected is by (channel, purpose); `strict` is None where it is what the default says.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.verdict import Channel, Purpose, Say

DENY, ALLOW, ERROR = Say.DENY, Say.ALLOW, Say.ERROR

FETCH = Channel.ROBOTS, Purpose.FETCH
GEN, DISC = (Channel.ROBOTS, Purpose.TRAIN_GEN), (Channel.ROBOTS, Purpose.TRAIN_DISC)
U_GEN = Channel.ROBOTS_CONTENT_USAGE, Purpose.TRAIN_GEN
U_DISC = Channel.ROBOTS_CONTENT_USAGE, Purpose.TRAIN_DISC
S_GEN = Channel.ROBOTS_CONTENT_SIGNAL, Purpose.TRAIN_GEN
S_DISC = Channel.ROBOTS_CONTENT_SIGNAL, Purpose.TRAIN_DISC

Says = Mapping[tuple[Channel, Purpose], Say]


@dataclass(frozen=True)
class Case:
    """One question of agent ArtBot. `note`: of the strict profile's strictest signal."""

    name: str
    lines: str
    path: str
    default: Says
    strict: Says | None = None
    note: str = ""


def _text(*lines: str) -> str:
    return "\n".join(lines) + "\n"


STAR, OURS = "User-agent: *", "User-agent: ArtBot"
U_NO, U_STRICT_NO = {U_GEN: DENY}, {U_GEN: DENY, U_DISC: DENY}
S_NO, S_YES = {S_GEN: DENY, S_DISC: DENY}, {S_GEN: ALLOW, S_DISC: ALLOW}
ASK = {FETCH: ALLOW}
TRAINING_NO = {GEN: DENY, DISC: DENY}

_U01 = _text(
    STAR,
    "Allow: /",
    "Disallow: /never/",
    "Content-Usage: train-ai=n",
    "Content-Usage: /ai-ok/ train-ai=y",
)
_U04 = _text(OURS, "Content-Usage: train-ai=n", "User-agent: B", "Disallow: /")
_GPTBOT = _text(STAR, "Allow: /", "", "User-agent: GPTBot", "Disallow: /")
_CCBOT = _text(STAR, "Disallow:", "", "User-agent: CCBot", "Disallow: /art/")

CASES = [
    Case("U01 all paths", _U01, "/test", {**ASK, **U_NO}, {**ASK, **U_STRICT_NO}),
    Case("U01 closed path has no preferences", _U01, "/never/x", {FETCH: DENY}),
    Case(
        "U01 longer path",
        _U01,
        "/ai-ok/x",
        {**ASK, U_GEN: ALLOW},
        {**ASK, U_GEN: ALLOW, U_DISC: DENY},  # the label of old drafts, about which y says nothing
        "legacy-label",
    ),
    Case(
        "U02 longest alone, or any above",
        _text(STAR, "Content-Usage: train-ai=n", "Content-Usage: /art/ search=y"),
        "/art/x",
        {},
        U_STRICT_NO,
    ),
    Case(
        "U03 equal paths, the stricter",
        _text(STAR, "Content-Usage: /a train-ai=y", "Content-Usage: /a train-ai=n"),
        "/a/1",
        U_NO,
        U_STRICT_NO,
    ),
    Case(
        "U04 between agents",
        _U04,
        "/x",
        {FETCH: DENY, **U_NO},
        {FETCH: DENY, **U_STRICT_NO},
    ),
    Case(
        "U05 line without path",
        _text(STAR, "Disallow:", "Content-Usage: train-ai=n"),
        "/x",
        U_NO,
        U_STRICT_NO,
    ),
    Case(
        "Content-Usage with a wildcard",
        _text(STAR, "Content-Usage: /*.jpg$ train-ai=n"),
        "/a/b.jpg",
        U_NO,
        U_STRICT_NO,
    ),
    Case(
        "Content-Usage, percent-encoded",
        _text(STAR, "content-usage:/%61rt\ttrain-ai=n"),
        "/art",
        U_NO,
        U_STRICT_NO,
    ),
    Case(
        "Content-Usage that does not parse",
        _text(STAR, "Content-Usage: /a train-ai = n"),
        "/a",
        {},
        {U_GEN: ERROR, U_DISC: ERROR},
        "malformed",
    ),
    Case("Content-Usage of others", _text("User-agent: X", "Content-Usage: train-ai=n"), "/a", {}),
    Case(
        "Content-Usage, own group replaces *",
        _text(STAR, "Content-Usage: train-ai=n", "Disallow:", OURS, "Disallow:"),
        "/a",
        {},
        U_STRICT_NO,
        "star",
    ),
    Case(
        "S01 managed file",
        _text(STAR, "Content-Signal: search=yes,ai-train=no,use=reference", "Allow: /"),
        "/a",
        {**ASK, **S_NO},
    ),
    Case("S02 yes", _text(STAR, "Content-signal: search=yes, ai-train=yes"), "/a", S_YES),
    Case("S03 about search alone", _text(STAR, "Content-Signal: search=yes"), "/a", {}),
    Case("S04 comment", _text(STAR, "# Content-Signal: ai-train=no"), "/a", {}),
    Case(
        "S05 another crawler's",
        _text("User-agent: GPTBot", "Content-Signal: ai-train=no"),
        "/a",
        {},
        S_NO,
        "proxy GPTBot",
    ),
    Case(
        "S05 permits nothing", _text("User-agent: GPTBot", "Content-Signal: ai-train=yes"), "/a", {}
    ),
    Case(
        "Content-Signal above all groups",
        "Content-Signal: ai-train=no\n",
        "/a",
        S_NO,
        None,
        "site-wide",
    ),
    Case(
        "Content-Signal, two blocks of *",
        _text(
            STAR, "Content-Signal: ai-train=no", "Allow: /", STAR, "Content-Signal: ai-train=yes"
        ),
        "/a",
        {**ASK, **S_NO},
    ),
    Case(
        "Content-Signal, own group replaces *",
        _text(STAR, "Content-Signal: ai-train=no", "Disallow:", OURS, "Disallow:"),
        "/a",
        {},
        S_NO,
        "star",
    ),
    Case(
        "Content-Signal, * permits nothing to a named agent",
        _text(STAR, "Content-Signal: ai-train=yes", "Disallow:", OURS, "Disallow:"),
        "/a",
        {},
    ),
    Case("proxy token", _GPTBOT, "/a", ASK, {**ASK, **TRAINING_NO}, "proxy GPTBot"),
    Case("proxy token, longest rule", _CCBOT, "/art/1", {}, TRAINING_NO, "proxy CCBot"),
    Case("proxy token, other path", _CCBOT, "/b", {}),
    Case(
        "proxy token that is no RFC token",
        _text("User-agent: Kangaroo Bot", "Disallow: /"),
        "/a",
        {},
        TRAINING_NO,
        "proxy Kangaroo Bot",
    ),
    Case(
        "proxy token with a version",
        _text("User-agent: AI2Bot/1.0", "Disallow: /"),
        "/a",
        {},
        TRAINING_NO,
        "proxy AI2Bot",
    ),
    Case("search is no proxy", _text("User-agent: OAI-SearchBot", "Disallow: /"), "/a", {}),
    Case(
        "DisallowAITraining",
        _text(STAR, "Allow: /", "DisallowAITraining: /", "AllowAITraining: /ok/"),
        "/a",
        {**ASK, **TRAINING_NO},
    ),
    Case(
        "AllowAITraining",
        _text(STAR, "Allow: /", "DisallowAITraining: /", "AllowAITraining: /ok/"),
        "/ok/1",
        {**ASK, GEN: ALLOW, DISC: ALLOW},
    ),
    Case(
        "AllowAITraining never undoes another crawler's Disallow",
        _text(STAR, "AllowAITraining: /", "Allow: /", "User-agent: CCBot", "Disallow: /"),
        "/a",
        {**ASK, GEN: ALLOW, DISC: ALLOW},
        {**ASK, **TRAINING_NO},
        "proxy CCBot",
    ),
    Case("DisallowAITraining of others", _text("User-agent: X", "DisallowAITraining: /"), "/a", {}),
    Case("nothing", "", "/a", {}),
]
