"""Training-mining assertions with the answer that we expect for each purpose.

Facts, not files: `facts` makes what c2pa_manifest.read would have found. c2pa_files.py makes the
images of which these are the facts, and PUBLIC names files that others have signed.
"""

from dataclasses import dataclass, field
from typing import Any

from optout.signals.c2pa_manifest import ACTIVE, COMPONENT, PARENT, Assertion, C2paFacts
from schemas.canonical import canonical_json
from schemas.verdict import Purpose, Say

MINE, INFER = Purpose.MINE, Purpose.INFER
TRAIN_DISC, TRAIN_GEN = Purpose.TRAIN_DISC, Purpose.TRAIN_GEN
DENY, ALLOW, ERROR = Say.DENY, Say.ALLOW, Say.ERROR
EVERY = (MINE, INFER, TRAIN_DISC, TRAIN_GEN)
CAWG, C2PA = "cawg.training-mining", "c2pa.training-mining"

Stated = tuple[str, str, Any]  # relation, label, content


@dataclass(frozen=True)
class Case:
    """Assertions and what they say; purposes that are missing are silent."""

    name: str
    stated: tuple[Stated, ...]
    says: dict[Purpose, Say] = field(default_factory=dict)
    state: str = "Valid"
    remote: str | None = None
    fault: str | None = None
    note: str = ""  # of every signal; "" also where they differ

    def facts(self) -> C2paFacts:
        rows = tuple(
            Assertion(f"urn:{i}", relation, label, canonical_json(content).decode())
            for i, (relation, label, content) in enumerate(self.stated)
        )
        return C2paFacts(self.state, rows, self.remote, self.fault)


def uses(prefix: str = "cawg.", **entries: str) -> dict[str, Any]:
    """Return the content of an assertion, each entry with its use."""
    return {"entries": {f"{prefix}{key}": {"use": use} for key, use in entries.items()}}


def one(name: str, content: Any, says: dict[Purpose, Say], **more: Any) -> Case:
    """Return a case of one assertion of the active manifest."""
    return Case(name, ((ACTIVE, more.pop("label", CAWG), content),), says, **more)


NO = "notAllowed"
FOUR = {"data_mining": NO, "ai_inference": NO, "ai_training": NO, "ai_generative_training": NO}
MINING = {MINE: DENY, TRAIN_DISC: DENY, TRAIN_GEN: DENY}

CASES = [
    one(
        "C01 inference and generative training",
        uses(ai_inference=NO, ai_generative_training=NO),
        {INFER: DENY, TRAIN_GEN: DENY},
    ),
    one("C02 all four, label of C2PA 1.x", uses("c2pa.", **FOUR), dict.fromkeys(EVERY, DENY),
        label=C2PA),
    one("C03 cawg label, c2pa entries", uses("c2pa.", ai_generative_training=NO),
        {TRAIN_GEN: DENY}),
    one("C03 c2pa label, cawg entries", uses(ai_inference=NO), {INFER: DENY}, label=C2PA),
    one("C03 any prefix", uses("org.example.", ai_training=NO), {TRAIN_DISC: DENY}),
    one("C03 no prefix", uses("", ai_training=NO), {TRAIN_DISC: DENY}),
    one("C04 constrained", uses(ai_generative_training="constrained"), {TRAIN_GEN: DENY},
        note="constrained"),
    one(
        "C04 constrained with information",
        {"entries": {"cawg.ai_training": {"use": "constrained", "constraint_info": "ask me"}}},
        {TRAIN_DISC: DENY},
        note="constrained",
    ),
    one("C04 mining constrained", uses(data_mining="constrained"), MINING, note="constrained"),
    Case("C05 a manifest without such an assertion", ()),
    one("C07 broken signature, refusal", uses(ai_generative_training=NO), {TRAIN_GEN: DENY},
        state="Invalid"),
    one("C07 broken signature, grant", uses(ai_generative_training="allowed"), {},
        state="Invalid"),
    one("grant from a valid manifest", uses(ai_generative_training="allowed"),
        {TRAIN_GEN: ALLOW}),
    one("grant from a trusted one", uses(ai_inference="allowed"), {INFER: ALLOW},
        state="Trusted"),
    one("mining forbids training", uses(data_mining=NO), MINING),
    one("mining grants no training", uses(data_mining="allowed"), {MINE: ALLOW}),
    one("training of one kind says nothing of the other", uses(ai_training=NO),
        {TRAIN_DISC: DENY}),
    one("mining forbidden, training granted",
        uses(data_mining=NO, ai_generative_training="allowed"),
        MINING),
    one("flat map of CAWG 1.0", {"cawg.ai_training": {"use": NO}, "metadata": {}},
        {TRAIN_DISC: DENY}),
    one("flat beside entries", {**uses(ai_training="allowed"), "cawg.ai_training": {"use": NO}},
        {TRAIN_DISC: DENY}),
    one("entries of one's own", uses("com.example.", selling_it=NO), {}),
    one("no entries", {"entries": {}}, {}),
    one("unknown use", uses(ai_training="sometimes"), {TRAIN_DISC: DENY}, note="nonconforming"),
    one("use in other case", uses(ai_training="Allowed"), {TRAIN_DISC: DENY},
        note="nonconforming"),
    one("no use", {"entries": {"cawg.ai_training": {}}}, {TRAIN_DISC: DENY},
        note="nonconforming"),
    one("refusal without its map", {"entries": {"cawg.ai_training": NO}}, {TRAIN_DISC: DENY}),
    one("grant without its map", {"entries": {"cawg.ai_training": "allowed"}},
        {TRAIN_DISC: ERROR}, note="nonconforming"),
    one("entries that are a list", {"entries": []}, dict.fromkeys(EVERY, ERROR),
        note="malformed"),
    one("content that is text", "no training", dict.fromkeys(EVERY, ERROR), note="malformed"),
    Case(
        "two assertions, the stricter counts",
        (
            (ACTIVE, CAWG, uses(ai_training="allowed", ai_inference="allowed")),
            (ACTIVE, C2PA, uses("c2pa.", ai_training=NO)),
        ),
        {TRAIN_DISC: DENY, INFER: ALLOW},
    ),
    Case("a parent forbids", ((PARENT, CAWG, uses(ai_training=NO)),), {TRAIN_DISC: DENY},
         note="inherited"),
    Case("a parent grants", ((PARENT, CAWG, uses(ai_training="allowed")),)),
    Case(
        "a parent forbids what the edit grants",
        ((ACTIVE, CAWG, uses(ai_training="allowed")), (PARENT, CAWG, uses(ai_training=NO))),
        {TRAIN_DISC: ALLOW},
    ),
    Case(
        "a parent forbids what the edit grants, with a broken signature",
        ((ACTIVE, CAWG, uses(ai_training="allowed")), (PARENT, CAWG, uses(ai_training=NO))),
        {TRAIN_DISC: DENY},
        state="Invalid",
        note="inherited",
    ),
    Case(
        "a parent forbids what the edit does not speak of",
        ((ACTIVE, CAWG, uses(ai_inference=NO)), (PARENT, CAWG, uses(ai_training=NO))),
        {INFER: DENY, TRAIN_DISC: DENY},
    ),
    Case("a component forbids", ((COMPONENT, CAWG, uses(**FOUR)),)),
    Case("a manifest that lies elsewhere", (), dict.fromkeys(EVERY, ERROR), state="",
         remote="https://example.org/m.c2pa", fault="Remote", note="remote-manifest"),
    Case("a manifest that cannot be decoded", (), dict.fromkeys(EVERY, ERROR), state="",
         fault="Decoding", note="fault Decoding"),
    Case(
        "a refusal beside what could not be kept",
        ((ACTIVE, CAWG, uses(ai_training=NO)),),
        {MINE: ERROR, INFER: ERROR, TRAIN_DISC: DENY, TRAIN_GEN: ERROR},
        fault="Unkept",
    ),
]  # fmt: skip

PUBLIC = {
    "C01 C_with_CAWG_data.jpg": {INFER: DENY, TRAIN_GEN: DENY},
    "C02 sample_c2pa.png": dict.fromkeys(EVERY, DENY),
    "C05 C.jpg": {},
}
"""Files that others have signed, by vector and name; A.jpg (C06) has no manifest."""
