"""Asking the web outside a build: one image for `explain`, a release's URLs for `recheck`.

The same fetcher, manners and judge as in a build; nothing is kept on disk.
"""

import asyncio
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from optout.signals.policy import SignalPolicy
from pipeline.answers import latest
from pipeline.clock import SystemClock
from pipeline.fetch import Errand, Fetched, fetch, next_round
from pipeline.fetchstore import PackWriter
from pipeline.requests import chunks
from pipeline.storage import open_store
from pipeline.transport import AiohttpTransport
from schemas.config import FetchConfig
from schemas.errors import UsageError
from schemas.ports import Store
from schemas.tables import DOCUMENTS, OBSERVED, REQUESTS


@dataclass
class Asked:
    """What was observed: the last answer to each URL, and every document."""

    observed: list[pa.Table] = field(default_factory=list)
    documents: pa.Table = field(default_factory=DOCUMENTS.empty_table)
    store: Store = field(default_factory=lambda: open_store(f"memory://{secrets.token_hex(8)}"))

    def answers(self) -> pa.Table:
        """Return OBSERVED, one row a URL."""
        return latest(self.observed) if self.observed else OBSERVED.empty_table()


def require_contact(config: FetchConfig, public: int) -> None:
    """Raise UsageError where public hosts would be asked by nobody in particular."""
    if public and not config.contact:
        raise UsageError(
            f"expected --contact URL-or-mail before asking {public:,} URLs of public hosts, found "
            "none: sites must be able to reach whoever asks"
        )


@dataclass(frozen=True)
class Means:
    """How is asked: by which policy, with which manners, for what."""

    policy: SignalPolicy
    config: FetchConfig
    errand: Errand


def ask(
    requests: pa.Table,
    means: Means,
    asked: Asked,
    told: Callable[[int], None] = lambda _n: None,
) -> None:
    """Ask REQUESTS round after round and add what was observed to `asked`.

    told: of the number of URLs of each chunk that is done.
    """
    wanted = requests
    while wanted.num_rows:  # the limit of redirects holds through all rounds
        moved = [REQUESTS.empty_table()]
        for chunk in chunks(wanted, means.config.urls_per_task):
            found = asyncio.run(_once(chunk, asked, means))
            asked.observed.append(found.observed)
            asked.documents = pa.concat_tables([asked.documents, found.documents])
            moved.append(next_round(found.observed))
            told(chunk.num_rows)
        wanted = pa.concat_tables(moved)


async def _once(requests: pa.Table, asked: Asked, means: Means) -> Fetched:
    async with AiohttpTransport(means.config) as transport:
        return await fetch(
            requests,
            asked.documents,
            means.policy,
            means.config,
            transport=transport,
            clock=SystemClock(),
            rng=random.Random(0),  # noqa: S311  # jitter, not secrets
            packs=PackWriter(asked.store, "packs"),
            errand=means.errand,
        )
