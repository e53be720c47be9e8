"""Asking again about the images of a release; what changed is decided in pipeline/recheck.py.

Read again are the documents of each origin, once each, and on request the response headers of each
image (bodies stay unread). Nothing about the release changes.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from jobs.asking import Asked, Means, ask, require_contact
from jobs.audit import checked, policy_of
from optout.urls import canonical_url
from pipeline.fetch import Errand
from pipeline.manifest import read_manifest
from pipeline.recheck import Compared, compare
from pipeline.requests import public_urls, requests_to
from pipeline.shard import read_parquet, write_parquet
from pipeline.storage import open_store
from schemas.config import FetchConfig
from schemas.errors import UsageError


@dataclass(frozen=True, slots=True)
class Rechecked:
    """What a recheck found. documents: DOCUMENTS read. left: rows beyond the limit."""

    compared: Compared
    documents: pa.Table
    left: int

    def write(self, folder: str) -> None:
        """Write changes.parquet and documents.parquet. Raises StorageError."""
        store = open_store(folder)
        store.publish("changes.parquet", write_parquet(self.compared.changes))
        store.publish("documents.parquet", write_parquet(self.documents))


def recheck(
    release: str,
    config: FetchConfig,
    errand: Errand,
    max_urls: int,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> Rechecked:
    """Ask again, at most `max_urls` URLs, and return what changed.

    config: contact, allow_hosts and manners; the product token is the release's own.
    Raises StorageError and SchemaError for a release that cannot be read, UsageError where public
    hosts would be asked without a contact.
    """
    store = open_store(release)
    manifest = read_manifest(store)
    policy = policy_of(manifest)
    files = {f.path: f for f in manifest.files}
    samples = [p for p in sorted(files) if p.startswith("samples/") and p.endswith(".parquet")]
    rows = [row for path in samples for row in _rows(checked(store, files, path))]
    urls = sorted({row["key"] for row in rows if row["key"]})
    chosen = set(urls[:max_urls])
    wanted = requests_to(chosen)
    config = config.model_copy(update={"agent": policy.agent})
    require_contact(config, len(public_urls(wanted, config.allow_hosts)))
    asked, done = Asked(), Counter[str]()

    def count(more: int) -> None:
        done["urls"] += more
        told(min(done["urls"], len(chosen)), len(chosen))

    ask(wanted, Means(policy, config, errand), asked, count)
    again = [row for row in rows if row["key"] in chosen]
    compared = compare(again, asked.answers(), asked.documents, policy, errand)
    return Rechecked(compared, asked.documents, len(rows) - len(again))


def _rows(body: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_parquet(body, ["uid", "url", "signals"]).to_pylist()
    return [row | {"key": _key(row["url"])} for row in rows]


def _key(url: str | None) -> str | None:
    try:
        return canonical_url(url) if url else None
    except UsageError:
        return None
