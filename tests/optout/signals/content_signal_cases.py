"""Content-Signal values with what they say; `strict` also reads `ai-input`."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.verdict import Purpose, Say

DENY, ALLOW, ERROR = Say.DENY, Say.ALLOW, Say.ERROR
GEN, DISC, MINE, INFER = Purpose.TRAIN_GEN, Purpose.TRAIN_DISC, Purpose.MINE, Purpose.INFER

Says = Mapping[Purpose, Say]


@dataclass(frozen=True)
class Case:
    """One value. `strict`: None where it says what the default says. `note`: of TRAIN_GEN."""

    name: str
    value: str
    default: Says
    strict: Says | None = None
    note: str = ""


SILENT: Says = {}
NO = {GEN: DENY, DISC: DENY}
YES = {GEN: ALLOW, DISC: ALLOW}
WRONG = {GEN: ERROR, DISC: ERROR}

CASES = [
    Case("S01 managed file", "search=yes,ai-train=no,use=reference", NO),
    Case("S02 yes", "search=yes, ai-train=yes", YES),
    Case("S03 about search alone", "search=yes", SILENT),
    Case("case and space", "AI-Train = NO", NO),
    Case("yes with case and space", " Ai-Train = Yes ", YES),
    Case("no comma", "search=yes ai-train=no", NO),
    Case("no comma permits nothing", "search=yes ai-train=yes", SILENT),
    Case("a path permits nothing", "/x search=yes, ai-train=yes", SILENT),
    Case("a path reserves", "/x ai-train=no", NO),
    Case("repeated, the stricter", "ai-train=no, ai-train=yes", NO),
    Case("ai-input", "ai-input=no", SILENT, {INFER: DENY}),
    Case("ai-input yes permits nothing", "ai-input=yes", SILENT),
    Case("use=immediate", "use=immediate", {**NO, MINE: DENY}, note="use"),
    Case("use=immediate beside yes", "ai-train=yes, use=immediate", {**NO, MINE: DENY}, note="use"),
    Case("use=reference", "search=yes, use=reference", {GEN: DENY}, note="use"),
    Case("use=reference beside yes", "use=reference, ai-train=yes", YES),
    Case("use=full", "use=full", SILENT),
    Case("cross-spelling", "train-ai=n", WRONG, note="cross-spelling"),
    Case("cross-spelling y", "train-ai=y", SILENT),
    Case("cross-spelling of input", "ai-use=n", SILENT, {INFER: ERROR}),
    Case("misspelt no", "ai-train=n", WRONG, note="malformed"),
    Case("misspelt no beside yes", "ai-train=yes, ai-train=n", WRONG, note="malformed"),
    Case("another key", "x-ai-train=no, ai-trains=no", SILENT),
    Case("empty", "", SILENT),
]
