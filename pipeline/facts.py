"""What was observed of one address, as a value: from the fetch store, or from its evidence.

A build reads it from OBSERVED, an auditor from the evidence document; both give the same value, and
so the same judgement.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from optout.signals.evidence import Hop, answer_document, microseconds
from pipeline.columns import header_lines, timestamps
from schemas.errors import SchemaError
from schemas.tables import OBSERVED, require
from schemas.verdict import Outcome

ANSWER, PAGE = "answer", "page"
"""Kinds of evidence document: of an image's address, of a page's."""

HeaderLines = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of OBSERVED, as far as it matters for judging.

    headers: the lines that bear signals; None where no headers were read that speak about an image.
    sha256: of the body; None without one. page_tags: what a page said; None for images.
    """

    outcome: Outcome
    hops: tuple[Hop, ...]
    final_url: str | None
    http_status: int | None
    headers: HeaderLines | None
    asked_at_us: int | None
    fetched_at_us: int | None
    sha256: str | None
    unchecked: tuple[str, ...]
    detail: str | None
    page_tags: str | None = None

    @property
    def at_us(self) -> int | None:
        """When it was whole; where there is no body, when it was asked."""
        return self.asked_at_us if self.fetched_at_us is None else self.fetched_at_us

    def document(self, kind: str) -> bytes:
        """Return the evidence document."""
        return answer_document(
            kind,
            self.outcome.value,
            self.hops,
            self.final_url,
            self.http_status,
            self.headers,
            asked_at_us=self.asked_at_us,
            fetched_at_us=self.fetched_at_us,
            sha256=self.sha256,
            unchecked=self.unchecked,
            detail=self.detail,
            page_tags=self.page_tags,
        )

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> "Answer":
        """Read an evidence document's JSON value back. Raises SchemaError."""
        try:
            headers = value["headers"]
            answer = cls(
                outcome=outcome_of(value["outcome"]),
                hops=tuple(Hop(url, status, tuple(ids)) for url, status, ids in value["hops"]),
                final_url=value["url"],
                http_status=value["status"],
                headers=None if headers is None else tuple((n, v) for n, v in headers),
                asked_at_us=microseconds(value["asked_at"]),
                fetched_at_us=microseconds(value["fetched_at"]),
                sha256=value["sha256"],
                unchecked=tuple(value["unchecked"]),
                detail=value["detail"],
                page_tags=value["page"],
            )
        except (KeyError, TypeError, ValueError) as e:
            raise SchemaError(f"expected evidence of an answer, found {value!r:.200}") from e
        if not answer.is_well_formed:
            raise SchemaError(f"expected texts and numbers in an answer, found {value!r:.200}")
        return answer

    @property
    def is_well_formed(self) -> bool:
        """Say whether every value is of its type: evidence comes from whoever publishes it."""
        may_miss = (self.final_url, self.sha256, self.detail, self.page_tags)
        texts = [*(text for text in may_miss if text is not None), *self.unchecked]
        texts += [part for line in self.headers or () for part in line]
        texts += [text for hop in self.hops for text in (hop.url, *hop.documents)]
        statuses = (self.http_status, *(hop.status for hop in self.hops))
        numbers = [status for status in statuses if status is not None]
        return all(isinstance(t, str) for t in texts) and all(isinstance(n, int) for n in numbers)


def answers_of(observed: pa.Table) -> Iterable[Answer]:
    """Yield the answers of OBSERVED, in order. Raises SchemaError for an unknown outcome."""
    require(observed, OBSERVED)
    read = have_headers(observed).to_pylist()
    lines = header_lines(observed["headers"])
    asked_at, fetched_at = timestamps(observed["asked_at"]), timestamps(observed["fetched_at"])
    names = ["outcome", "hops", "final_url", "http_status", "sha256", "unchecked", "detail"]
    rows = observed.select([*names, "page_tags"]).to_pylist()
    for index, row in enumerate(rows):
        yield Answer(
            outcome=outcome_of(row["outcome"]),
            hops=tuple(
                Hop(hop["url"], hop["status"], tuple(hop["documents"] or ()))
                for hop in row["hops"] or ()
            ),
            final_url=row["final_url"],
            http_status=row["http_status"],
            headers=lines[index] if read[index] else None,
            asked_at_us=asked_at[index],
            fetched_at_us=fetched_at[index],
            sha256=row["sha256"],
            unchecked=tuple(row["unchecked"] or ()),
            detail=row["detail"],
            page_tags=row["page_tags"],
        )


def have_headers(observed: pa.Table) -> pa.ChunkedArray:
    """Say of each answer whether it has headers that speak about an image.

    Those of a failure speak about an error page; a source that gives bytes may give none.
    """
    status = observed["http_status"]
    fine = pc.and_(pc.greater_equal(status, 200), pc.less(status, 300))
    given = pc.and_(
        pc.equal(observed["outcome"], Outcome.GIVEN.value),
        pc.greater(pc.list_value_length(observed["headers"]), 0),
    )
    read = pc.and_(pc.is_valid(observed["headers"]), pc.fill_null(fine, fill_value=False))
    return pc.or_(read, pc.fill_null(given, fill_value=False))


def outcome_of(value: str) -> Outcome:
    """Return an outcome by its value. Raises SchemaError."""
    try:
        return Outcome(value)
    except ValueError as e:
        raise SchemaError(f"expected an outcome of {list(Outcome)}, found {value!r}") from e
