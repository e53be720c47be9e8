"""Small worlds for tests: rows, what their URLs answered, and the documents of their hosts."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from optout.signals.document import PATHS, Document, Kind, found
from optout.signals.policy import SignalPolicy
from pipeline.judge import Facts, judge
from schemas.tables import DOCUMENTS, JUDGED, LISTED, OBSERVED, ROWS, TRACED, from_rows
from schemas.verdict import Outcome

POLICY = SignalPolicy("ArtBot")
ASKED, FETCHED = 1_767_225_600_000_000, 1_767_225_601_000_000
OPEN = b"User-agent: *\nAllow: /\n"
SHUT = b"User-agent: *\nDisallow: /\n"
URL = "https://h.example/a.jpg"


def absent(kind: Kind, host: str = "h.example") -> Document:
    origin = f"https://{host}"
    return found(kind, origin, origin + PATHS[kind][1], http_status=404, asked_at_us=ASKED)


def robots(
    host: str = "h.example", status: int | None = 200, body: bytes | None = OPEN
) -> Document:
    origin = f"https://{host}"
    url = f"{origin}/robots.txt"
    return found("robots", origin, url, http_status=status, asked_at_us=ASKED, body=body)


PAGE_FILES = (absent(Kind.TDMREP), absent(Kind.AI))


@dataclass
class World:
    """Rows, answers and documents, one row for each answer."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    observed: list[dict[str, Any]] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    pages: list[dict[str, Any]] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)

    def row(self, url: str = URL, uid: str | None = None, **stop: str) -> "World":
        uid = uid or f"{len(self.rows):032x}"
        self.rows.append({"uid": uid, "row": len(self.rows), "url_key": url, **stop})
        return self

    def answer(
        self,
        url: str = URL,
        *hops: tuple[str, int | None, Document | None],
        outcome: Outcome = Outcome.OK,
        tag: str | None = None,
        **more: Any,
    ) -> "World":
        body = outcome in (Outcome.OK, Outcome.GIVEN)
        headers = [{"name": "Content-Type", "value": "image/jpeg"}]
        headers += [{"name": "X-Robots-Tag", "value": tag}] if tag else []
        asked = []
        for u, s, d in hops:
            spoken = [d] if d else []
            if d and d.kind == Kind.ROBOTS and not more.get("bare"):
                spoken += [absent(k, u.split("/")[2]) for k in (Kind.TDMREP, Kind.AI)]
            asked.append({"url": u, "status": s, "documents": [d.document_id for d in spoken]})
            self.documents += spoken
        more.pop("bare", None)
        status = hops[-1][1] if hops else None
        row = {
            "url_key": url,
            "outcome": outcome.value,
            "hops": asked,
            "final_url": hops[-1][0] if hops else None,
            "http_status": status,
            "headers": headers if status else None,
            "asked_at": ASKED,
            "fetched_at": FETCHED if body else None,
            "sha256": "ab" * 32 if body else None,
            "pack": "fetch/0.pack" if body else None,
            "offset": 0 if body else None,
            "length": 9 if body else None,
            "unchecked": [],
        }
        self.observed.append(row | more)
        return self

    def page(self, url: str, **more: Any) -> "World":
        """Give the last row a page around it, and the page an answer."""
        self.rows[-1]["page_key"] = url
        hop = {"url": url, "status": more.get("http_status", 200), "documents": []}
        hop["documents"] = [d.document_id for d in (robots(), *PAGE_FILES)]
        self.documents += [robots(), *PAGE_FILES]
        row = {"url_key": url, "outcome": "ok", "hops": [hop], "final_url": url, "asked_at": ASKED,
               "http_status": 200, "fetched_at": None, "unchecked": []}  # fmt: skip
        self.pages.append(row | more)
        return self

    def tables(self) -> tuple[pa.Table, Facts]:
        documents = [
            {k: getattr(d, k) for k in DOCUMENTS.names if k != "asked_at"}
            | {"asked_at": d.asked_at_us}
            for d in self.documents
        ]
        facts = Facts(
            from_rows(self.observed, OBSERVED),
            from_rows(documents, DOCUMENTS),
            from_rows(self.pages, OBSERVED),
            from_rows(self.listed, LISTED),
        )
        return from_rows(self.rows, ROWS), facts

    def judged(self, policy: SignalPolicy = POLICY, **more: Any) -> list[dict[str, Any]]:
        found = judge(*self.tables(), policy, **more)
        assert found.table.schema.equals(JUDGED, check_metadata=True)
        assert found.traced.schema.equals(TRACED, check_metadata=True)
        assert found.traced["uid"].equals(found.table["uid"])
        found.table.validate(full=True)
        rows: list[dict[str, Any]] = found.table.to_pylist()
        return rows
