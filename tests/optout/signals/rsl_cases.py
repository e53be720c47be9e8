"""RSL licences with what they say about an address: L01-L06 of the facts, and what is beside them.

`says` names the purposes that are spoken about; the others are silent. A document is kept as the
inside of `<rsl>`, so that it can be served whole or set into a page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from schemas.verdict import Purpose, Say

GEN, DISC, MINE, INFER = Purpose.TRAIN_GEN, Purpose.TRAIN_DISC, Purpose.MINE, Purpose.INFER
DENY, ALLOW = Say.DENY, Say.ALLOW
DENIED = MappingProxyType({GEN: DENY, DISC: DENY, MINE: DENY})
GRANTED = MappingProxyType({GEN: ALLOW, DISC: ALLOW, MINE: ALLOW})
TRAINING_DENIED = MappingProxyType({GEN: DENY, DISC: DENY})
TRAINING_GRANTED = MappingProxyType({GEN: ALLOW, DISC: ALLOW})
SILENT: Mapping[Purpose, Say] = MappingProxyType({})


@dataclass(frozen=True)
class Case:
    """Contents of a licence, and its say about `url` in the default profile."""

    name: str
    contents: str
    says: Mapping[Purpose, Say]
    note: str = ""
    url: str = "https://art.example/a.jpg"

    @property
    def document(self) -> bytes:
        """The whole licence."""
        return f'<rsl xmlns="https://rslstandard.org/rsl">{self.contents}</rsl>'.encode()


def licence(*terms: str) -> str:
    return f"<license>{''.join(terms)}</license>"


def content(*licences: str, url: str = "/", more: str = "") -> str:
    return f'<content url="{url}"{more}>{"".join(licences)}</content>'


def permits(words: str, kind: str = "usage") -> str:
    return f'<permits type="{kind}">{words}</permits>'


def prohibits(words: str, kind: str = "usage") -> str:
    return f'<prohibits type="{kind}">{words}</prohibits>'


def payment(kind: str) -> str:
    return f'<payment type="{kind}"/>'


L03 = content(licence(permits("all"))) + content(licence(prohibits("ai-train")), url="/articles/")
PERMITTED = licence(permits("all"))

CASES = [
    Case("L01 all AI prohibited", content(licence(prohibits("ai-all"))), DENIED),
    Case("L02 search only", content(licence(permits("search"))), DENIED, "not permitted"),
    Case("L03 broad permission", L03, GRANTED),
    Case("L03 narrow prohibition", L03, TRAINING_DENIED, url="https://art.example/articles/x"),
    Case(
        "L04 pay per crawl",
        content(licence(permits("ai-train"), payment("crawl"))),
        DENIED,
        "payment crawl",
    ),
    Case(
        "L05 for attribution",
        content(licence(permits("ai-all"), payment("attribution"))),
        DENIED,
        "attribution",
    ),
    Case("L06 no licence", content(), DENIED, "no licence"),
    Case("free", content(licence(permits("ai-all"), payment("free"))), GRANTED),
    Case("training implies mining", content(licence(permits("ai-train"))), TRAINING_GRANTED),
    Case(
        "index only",
        content(licence(permits("ai-index"))),
        MappingProxyType({GEN: DENY, DISC: DENY, MINE: ALLOW}),
    ),
    Case("input prohibited", content(licence(prohibits("ai-input"))), SILENT),
    Case("search prohibited", content(licence(prohibits("search"))), SILENT),
    Case(
        "index prohibited", content(licence(prohibits("ai-index"))), MappingProxyType({MINE: DENY})
    ),
    Case(
        "permitted and prohibited",
        content(licence(permits("all"), prohibits("ai-train"))),
        MappingProxyType({GEN: DENY, DISC: DENY, MINE: ALLOW}),
    ),
    Case(
        "prohibited by another licence of the same content",
        content(PERMITTED, licence(prohibits("all"))),
        DENIED,
    ),
    Case(
        "prohibited by another content of the same address",
        content(PERMITTED) + content(licence(prohibits("all"))),
        DENIED,
    ),
    Case(
        "order of contents does not matter",
        content(licence(prohibits("ai-train")), url="/a") + content(PERMITTED),
        TRAINING_DENIED,
    ),
    Case("one free offer", content(licence(payment("purchase")), PERMITTED), GRANTED),
    Case(
        "licence server",
        content(PERMITTED, more=' server="https://licences.example"'),
        DENIED,
        "licence server",
    ),
    Case("empty server", content(PERMITTED, more=' server=""'), DENIED, "licence server"),
    Case("encrypted", content(PERMITTED, more=' encrypted="true"'), DENIED, "encrypted"),
    Case("not encrypted", content(PERMITTED, more=' encrypted="false"'), GRANTED),
    Case(
        "some users",
        content(licence(permits("all"), permits("education", "user"))),
        DENIED,
        "user restriction",
    ),
    Case(
        "some places",
        content(licence(permits("all"), prohibits("DE", "geo"))),
        DENIED,
        "geo restriction",
    ),
    Case(
        "restriction of an unknown kind",
        content(licence(permits("all"), permits("x", "moon phase"))),
        DENIED,
        "restriction",
    ),
    Case(
        "reports are asked for",
        content(licence(permits("all"), "<reporting/>")),
        DENIED,
        "reporting",
    ),
    Case("payment of no type", content(licence(permits("all"), "<payment/>")), DENIED, "payment"),
    Case("no terms", content(licence()), DENIED, "no terms"),
    Case(
        "legacy words and commas",
        content(licence(prohibits("train-ai, inference"))),
        TRAINING_DENIED,
        "legacy",
    ),
    Case("unknown AI usage", content(licence(prohibits("train-genai"))), DENIED, "unknown usage"),
    Case("prohibits nothing by name", content(licence(prohibits(""))), DENIED, "unknown usage"),
    Case(
        "prohibition without a type",
        content(licence("<prohibits>ai-train</prohibits>")),
        TRAINING_DENIED,
    ),
    Case("permission without a type", content(licence("<permits>all</permits>")), DENIED),
    Case("upper case", content(licence('<Prohibits Type="Usage">AI-ALL</Prohibits>')), DENIED),
    Case("pattern", content(licence(prohibits("all")), url="/*.jpg$"), DENIED),
    Case("other path", content(licence(prohibits("all")), url="/music/"), SILENT),
    Case("absolute", content(licence(prohibits("all")), url="http://ART.example/"), DENIED),
    Case(
        "absolute with a port",
        content(licence(prohibits("all")), url="https://art.example:443/a"),
        DENIED,
    ),
    Case("any host below", content(licence(prohibits("all")), url="https://*.example/*"), DENIED),
    Case("other host", content(licence(prohibits("all")), url="https://other.example/"), SILENT),
    Case("without a slash", content(licence(prohibits("all")), url="a.jpg"), DENIED),
    Case(
        "encoded otherwise",
        content(licence(prohibits("all")), url="/%61.jpg"),
        DENIED,
    ),
    Case(
        "prohibited without an address", f"<content>{licence(prohibits('all'))}</content>", DENIED
    ),
    Case("permitted without an address", f"<content>{PERMITTED}</content>", SILENT),
    Case(
        "comment within a word",
        content(licence(prohibits("ai-<!-- x -->train"))),
        TRAINING_DENIED,
    ),
]

UNREADABLE: Mapping[str, bytes] = MappingProxyType(
    {
        "empty": b"",
        "a page": b"<!doctype html><html><body>Not found</body></html>",
        "no content": b'<rsl xmlns="https://rslstandard.org/rsl"/>',
        "other format": b'<rsl xmlns="https://other.example/"><content url="/"/></rsl>',
        "cut": CASES[0].document[:-9],
        "doctype": b"<!DOCTYPE rsl>" + CASES[2].document,
        "entities": b'<!DOCTYPE rsl [<!ENTITY a "all">]>' + CASES[2].document,
        "external": b'<!DOCTYPE rsl SYSTEM "https://attacker.example/x.dtd">' + CASES[2].document,
        "deep": b'<rsl xmlns="https://rslstandard.org/rsl">' + b"<content>" * 5000,
        "long": CASES[2].document + b" " * (256 * 1024),
        "unknown encoding": b'<?xml version="1.0" encoding="x-none"?>' + CASES[2].document,
        "undefined encoding": b'<?xml version="1.0" encoding="undefined"?>' + CASES[2].document,
    }
)
"""What stands where a licence was named and licenses nothing."""
