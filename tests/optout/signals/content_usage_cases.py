"""Content-Usage values with what each profile makes of them: A01-A09 and what lies near them."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.verdict import Purpose, Say

DENY, ALLOW, ERROR = Say.DENY, Say.ALLOW, Say.ERROR
GEN, DISC, MINE, INFER = Purpose.TRAIN_GEN, Purpose.TRAIN_DISC, Purpose.MINE, Purpose.INFER

Says = Mapping[Purpose, Say]


@dataclass(frozen=True)
class Case:
    """One value. `strict`: None where it is what the default says. `note`: of its TRAIN_GEN."""

    name: str
    value: str
    default: Says
    strict: Says | None = None
    note: str = ""


SILENT: Says = {}
NO = {GEN: DENY}
STRICT_NO = {GEN: DENY, DISC: DENY}  # until -08 train-ai was about training of any kind
YES = {GEN: ALLOW}
STRICT_ERROR = {GEN: ERROR, DISC: ERROR}
ALL = {GEN: DENY, DISC: DENY, MINE: DENY}


def _wrong(name: str, *values: str, note: str = "malformed") -> list[Case]:
    return [Case(f"{name} {value}", value, SILENT, STRICT_ERROR, note) for value in values]


CASES = [
    Case("A01 n", "train-ai=n", NO, STRICT_NO),
    Case("A02 y", "train-ai=y, search=n", YES),
    Case("A03 last of repeated labels", 'train-ai=y, train-ai, search=n, search="n"', SILENT),
    Case("A04 parameter", "train-ai;allow=n, train-ai=y", YES),
    Case("A05 trailing semicolon", 'train-ai;has;parameters="?";', SILENT),
    *_wrong(
        "A06",
        "Train-AI=n",
        "train-ai = n",
        "train-ai=n,",
        "train-ai=n;",
        "train-ai=n search=y",
        "train-ai=n # c",
    ),
    *_wrong("A07", "train-ai=N", "train-ai=no", 'train-ai="n"', "train-ai=?0", "train-ai=(n)"),
    Case("A08 exceptions", "train-ai=n;exceptions=cc-cr", NO, STRICT_NO, "exceptions cc-cr"),
    *_wrong("A09", "ai-train=no", "ai-train=n", note="cross-spelling"),
    Case("ai-use", "ai-use=n", SILENT, {INFER: DENY}),
    Case("ai-use y permits nothing", "ai-use=y", SILENT),
    Case("ai-use misspelt", "ai-use=no", SILENT, {INFER: ERROR}),
    Case("search", "search=n", SILENT),
    *[
        Case(f"legacy {label}", f"{label}=n", SILENT, ALL, "legacy-label")
        for label in ("all", "bots", "tdm")
    ],
    Case("legacy ai", "ai=n", SILENT, STRICT_NO, "legacy-label"),
    Case("legacy genai", "genai=n", SILENT, NO, "legacy-label"),
    Case("legacy train-genai", "train-genai=n", SILENT, NO, "legacy-label"),
    Case("legacy y permits nothing", "all=y, genai=y", SILENT),
    Case("last n counts", "train-ai=y, train-ai=n", NO, STRICT_NO),
    Case("last y counts", "train-ai=n, train-ai=y", YES, STRICT_ERROR, "malformed"),
    Case("another label", "xtrain-ai=n, train-ai.x=n, train-aix=n", SILENT),
    Case("empty", "", SILENT),
    Case("not ASCII", "train-ai=n, ä=y", SILENT, STRICT_ERROR, "malformed"),
]
