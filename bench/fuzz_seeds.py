"""What fuzzing starts from: the vectors of the specifications, as inputs of bench.fuzz_targets.

They come from the tables in tests/optout/signals and from its files of images and manifests.
"""

import json
from collections.abc import Iterable
from typing import Any

from bench.fuzz_targets import SEPARATOR, TARGETS
from optout.signals import c2pa_manifest, embedded, page, xmp_packets
from optout.signals.evidence import Hop
from pipeline.facts import ANSWER, Answer
from schemas.canonical import canonical_json, sha256_hex
from schemas.verdict import Outcome
from tests.optout.signals import (
    ai_txt_cases,
    c2pa_cases,
    c2pa_files,
    content_signal_cases,
    content_usage_cases,
    list_cases,
    page_cases,
    robots_cases,
    robots_rights_cases,
    rsl_cases,
    tdmrep_cases,
    x_robots_cases,
    xmp_cases,
    xmp_files,
)

LONGEST = 64 * 1024
"""Longer vectors are about caps, which tests of their own look at."""

LINKS = (
    '<https://a.example/l.xml>; rel="license"; type="application/rsl+xml"',
    '<l>;rel=license;type="application/rsl+xml", <b,c>; rel="a b"; title="x, \\"y\\" <z>"',
    "<https://creativecommons.org/licenses/by/4.0/>; rel=license; anchor=x, <l; rel",
)


def seeds(name: str) -> list[bytes]:
    """Return the seeds of one target, without repetitions."""
    if name not in TARGETS:
        raise KeyError(name)
    found = dict.fromkeys(_SEEDS[name]())
    return [seed for seed in found if len(seed) <= LONGEST]


def _joined(*parts: str | bytes | None) -> bytes:
    octets = (part if isinstance(part, bytes) else (part or "").encode() for part in parts)
    return SEPARATOR.join(octets)


def _lines(values: Iterable[str]) -> bytes:
    return "\n".join(values).encode()


def _robots() -> list[bytes]:
    cases = [_joined(case.path, case.body) for case in robots_cases.CASES]
    return cases + [_joined(case.path, case.lines) for case in robots_rights_cases.CASES]


def _ai_txt() -> list[bytes]:
    cases = [_joined(c.path, c.content_type, c.media_type, c.body) for c in ai_txt_cases.CASES]
    made = ai_txt_cases.generated(images=False, text=True)
    return [*cases, _joined("/a.jpg", "text/plain", "image/png", made)]


def _headers(pairs: Iterable[tuple[str, str]]) -> bytes:
    return _lines(f"{name}: {value}" for name, value in pairs)


def _tdm_headers() -> list[bytes]:
    policy = ("tdm-policy", "https://a.example/p")
    cases = [[("tdm-reservation", v) for v in case.values] for case in tdmrep_cases.HEADERS]
    return [_headers(pairs) for case in cases for pairs in (case, [*case, policy])]


def _pages() -> list[bytes]:
    return [_joined(_headers(case.headers), case.html) for case in page_cases.CASES]


def _page_tags() -> list[bytes]:
    found = [page.extract(c.html, headers=c.headers).as_json() for c in page_cases.CASES]
    return [json.dumps(tags).encode() for tags in found]


def _wat() -> list[bytes]:
    return [json.dumps(_capture(case)).encode() for case in page_cases.CASES]


def _capture(case: page_cases.Case) -> dict[str, Any]:
    tags = page.extract(case.html)
    link = {"path": "LINK@/href", "rel": "license"}
    html = {
        "Head": {
            "Base": "https://art.example/base/",
            "Metas": [{"name": name, "content": content} for name, content in tags.metas],
            "Link": [{**link, "url": href, "type": kind} for kind, href in tags.licenses],
        },
        "Links": [{"path": "A@/href", "url": "/terms", "rel": "license"}],
    }
    response = {"Headers": dict(case.headers), "HTML-Metadata": html}
    return {"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": response}}}


def _rsl() -> list[bytes]:
    cases = [_joined(case.url, case.document) for case in rsl_cases.CASES]
    unreadable = rsl_cases.UNREADABLE.values()
    return cases + [_joined("https://art.example/a.jpg", body) for body in unreadable]


def _files() -> list[bytes]:
    said = xmp_files.mining(f"{xmp_files.VOCABULARY}DMI-PROHIBITED-AIMLTRAINING")
    allowed = xmp_files.mining(f"{xmp_files.VOCABULARY}DMI-ALLOWED")
    built = [file.build(packet) for file in xmp_files.FILES.values() for packet in (said, allowed)]
    return built + [case.packet for case in xmp_cases.CASES]


def _manifests() -> list[bytes]:
    """Return signed images: a store in each container, one that is broken, one elsewhere."""
    stated = [c2pa_files.training(ai_training="notAllowed", data_mining="allowed")]
    found = [
        c2pa_files.signed(c2pa_files.picture(kind, 16), stated, media_type=media_type)
        for kind, media_type in c2pa_files.MEDIA_TYPES.items()
    ]
    edited = c2pa_files.signed(c2pa_files.picture("JPEG", 16), [], parent=found[0])
    elsewhere = c2pa_files.remote(c2pa_files.picture("JPEG", 16), "https://a.example/m.c2pa")
    plain = [c2pa_files.picture(kind, 16) for kind in c2pa_files.MEDIA_TYPES]
    return [*found, edited, c2pa_files.broken(found[0]), elsewhere, *plain]


def _embedded() -> list[bytes]:
    manifests: list[c2pa_manifest.C2paFacts | None] = [case.facts() for case in c2pa_cases.CASES]
    packets = [xmp_packets.packets(case.packet) for case in xmp_cases.CASES]
    pairs = [(xmp_packets.NONE, facts) for facts in manifests] + [(p, None) for p in packets]
    return [embedded.EmbeddedFacts(sha256_hex(b""), *pair).document() for pair in pairs]


def _declarations() -> list[bytes]:
    names = {"url": list_cases.A, "sha256": "ab" * 32, "domain": "b.example"}
    cases = [case.declaration for case in list_cases.DECLARED]
    lines = [canonical_json({key: names[key], **said}) for said in cases for key in names]
    return [*lines, b"\n".join(lines[:6]), *list_cases.REFUSED.values()]


def _answers() -> list[bytes]:
    hop = Hop("https://a.example/1.jpg", 301, ("ab" * 32,))
    tags = json.dumps(page.extract(page_cases.CASES[0].html).as_json())
    sent = (("x-robots-tag", "noai"), ("link", LINKS[0]))
    at = 1_795_600_000_000_000
    rows = [
        Answer(Outcome.OK, (hop,), hop.url, 200, sent, at, at + 5, "cd" * 32, (), None),
        Answer(Outcome.OK, (), hop.url, 200, (), at, at, None, ("robots",), "cut", tags),
        Answer(Outcome.OK, (), None, None, None, at, None, None, (), "no response"),
    ]
    return [row.document(ANSWER) for row in rows]


_SEEDS = {
    "robots": _robots,
    "rights": _robots,
    "tdmrep": lambda: [_joined(case.path, case.body) for case in tdmrep_cases.FILES],
    "ai_txt": _ai_txt,
    "trust_txt": lambda: [_joined(c.content_type, c.body) for c in ai_txt_cases.TRUST],
    "rsl": _rsl,
    "content_usage": lambda: [c.value.encode() for c in content_usage_cases.CASES],
    "content_signal": lambda: [c.value.encode() for c in content_signal_cases.CASES],
    "x_robots": lambda: [_lines(case.lines) for case in x_robots_cases.CASES],
    "tdm_header": _tdm_headers,
    "link_header": lambda: [_joined("https://a.example/1.jpg", line) for line in LINKS],
    "page": _pages,
    "page_tags": _page_tags,
    "wat": _wat,
    "xmp": _files,
    "xmp_statements": lambda: [case.packet for case in xmp_cases.CASES],
    "c2pa": _manifests,
    "embedded": _embedded,
    "declarations": _declarations,
    "url_lists": lambda: [c.body for c in list_cases.ANSWERED if c.body is not None],
    "answer": _answers,
}
