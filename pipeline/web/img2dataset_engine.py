"""`fetch.engine: img2dataset`: img2dataset 1.47's own Downloader asks, behind our gates and guard.

Same tables in and out as `pipeline.fetch`. What differs, because img2dataset keeps bytes and an
error text:
* the response headers of a kept image are gone, so `headers` are unchecked in its row
  (img2dataset has read X-Robots-Tag by its own, narrower rules);
* a row that img2dataset itself refused for X-Robots-Tag keeps that header, as its evidence;
* a body is read whole before anybody but img2dataset judges its headers;
* nothing is tried twice: img2dataset's own retry has no back-off and repeats refusals;
* a redirect to another origin, the same host's https included, is asked in the next round after
  that origin's documents, so `robots` is never unchecked.
"""

import asyncio
import os
import random
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.feather

from pipeline.fetch import Fetched, Seen, redirects, requests_of
from pipeline.fetchstore import PackWriter
from pipeline.transport import tls_context
from pipeline.web.asking import Answer, Asker
from pipeline.web.gates import Gates
from pipeline.web.img2dataset_guard import Guard, Means, Visit
from pipeline.web.img2dataset_patch import guarded
from pipeline.web.origin_documents import OriginDocuments
from pipeline.web.resolve import SystemResolver, Target, target
from schemas.config import FetchConfig
from schemas.errors import FetchError, StorageError, UsageError
from schemas.ports import Clock, Resolver, Response, Transport
from schemas.tables import OBSERVED, REQUESTS, from_rows, require
from schemas.verdict import Channel, Family, Outcome

DIRECTIVES = ("noai", "noimageai", "noindex", "noimageindex")  # img2dataset's default
REFUSED = "Use of image disallowed by X-Robots-Tag directive"  # img2dataset's words
MAX_THREADS = 64

TakeBody = Callable[[str, bytes | None, str | None], None]
"""url, body, img2dataset's error text."""


async def fetch(
    requests: pa.Table,
    known: pa.Table,
    gates: Gates,
    config: FetchConfig,
    *,
    transport: Transport,
    clock: Clock,
    rng: random.Random,
    packs: PackWriter,
    resolver: Resolver | None = None,
    extra_ca: str = "",
) -> Fetched:
    """Return what `pipeline.fetch.fetch` returns, the images asked by img2dataset's Downloader.

    transport: asks origin documents; images go through `resolver` (the system's) and the guard.
    Raises UsageError where img2dataset is absent, of another version or not held by the guard;
    otherwise as `pipeline.fetch.fetch`.
    """
    require(requests, REQUESTS)
    downloader = import_downloader()
    asker = Asker(config, transport, clock, rng)
    documents = OriginDocuments(known, gates, asker, clock, config.allow_hosts)
    rows = [Seen.of(row) for row in requests_of(requests)]
    urls = {row["url_key"]: str(row["url"]) for row in requests.to_pylist()}
    visits = await _cleared([(seen, urls[seen.url_key]) for seen in rows], gates, config, documents)
    for visit in visits.values():
        delay_s = gates.crawl_delay_s(visit.spoken.documents)
        asker.politeness.host(visit.asked.host).space(delay_s)
    loop, tls, system = asyncio.get_running_loop(), tls_context(extra_ca), SystemResolver()
    means = Means(config, gates, asker.politeness, resolver or system, clock, tls, loop)
    try:
        guard = Guard(means, visits)
        found = await asyncio.to_thread(_download, downloader, guard, visits, config, packs)
    finally:
        system.close()
    await asyncio.to_thread(packs.flush)
    for seen in rows:
        if seen.outcome is None:
            url = str(seen.final_url)
            _conclude(seen, visits[url], *found.get(url, (None, None)))
    return Fetched(from_rows([seen.row(packs) for seen in rows], OBSERVED), documents.new())


def import_downloader() -> ModuleType:
    """Return img2dataset's downloader module, its import kept quiet and off the network.

    Raises UsageError where it is not installed.
    """
    # albumentations asks the web for newer versions at import; wandb would log runs.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    os.environ.setdefault("WANDB_MODE", "disabled")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # imghdr and others are none of our user's business
            from img2dataset import downloader  # noqa: PLC0415 - seconds, and only here
    except ImportError as e:
        raise UsageError(f"fetch.engine: expected img2dataset to be installed: {e}") from e
    module: ModuleType = downloader
    return module


async def _cleared(
    asked: list[tuple[Seen, str]], gates: Gates, config: FetchConfig, documents: OriginDocuments
) -> dict[str, Visit]:
    """Return a visit for each URL that may be asked; end the rows of the others."""
    visits: dict[str, Visit] = {}

    async def clear(seen: Seen, url: str) -> None:
        place = _checked(seen, url, config)
        if place is None:
            return
        spoken = await documents.of(place.origin, place.url)
        if spoken.error is not None:
            seen.hop(place.url, None, spoken.ids)
            seen.end(spoken.error.outcome, str(spoken.error))
        elif not gates.may_read(place.url, (), spoken.documents) or not gates.may_ask(
            place.url, spoken.documents
        ):
            # A header that would lift a reservation of tdmrep.json is not seen by this engine.
            seen.hop(place.url, None, spoken.ids)
            seen.end(Outcome.GATED)
        else:
            seen.final_url = place.url  # until the visit says otherwise
            visits[place.url] = Visit(place, spoken, redirects(seen.hops))

    await asyncio.gather(*(clear(seen, url) for seen, url in asked))
    return visits


def _checked(seen: Seen, url: str, config: FetchConfig) -> Target | None:
    try:
        return target(url, config.allow_hosts)
    except FetchError as e:
        seen.hop(url, None, [])
        seen.end(e.outcome, str(e))
        return None


def _download(
    downloader: ModuleType,
    guard: Guard,
    visits: Mapping[str, Visit],
    config: FetchConfig,
    packs: PackWriter,
) -> dict[str, tuple[str | None, str | None]]:
    """Run the Downloader over one shard; return sha256 and error text of each URL."""
    found: dict[str, tuple[str | None, str | None]] = {}
    failures: list[StorageError] = []

    def take(url: str, body: bytes | None, said: str | None) -> None:
        try:
            found[url] = (None if body is None else packs.add(body), said)
        except StorageError as e:  # the Downloader would print it and go on
            failures.append(e)

    if not visits:
        return found
    with tempfile.TemporaryDirectory(prefix="recuse-") as folder, guarded(downloader, guard):
        shard = str(Path(folder, "0.feather"))
        urls = pa.table({"url": pa.array(sorted(visits), pa.string())})
        pa.feather.write_feather(urls, shard, compression="uncompressed")
        run = _downloader(downloader, config, folder, len(visits), take)
        done, _ = run((0, shard))  # deletes the feather file
    if failures:
        raise failures[0]
    if not done:
        raise StorageError("img2dataset's Downloader failed; its message stands above")
    return found


def _downloader(
    module: ModuleType, config: FetchConfig, folder: str, rows: int, take: TakeBody
) -> Any:
    from img2dataset.resizer import Resizer  # noqa: PLC0415 - imported with the downloader

    class Writer:
        """img2dataset's sample writer: takes what it would have written."""

        def __init__(self, *_: object) -> None:
            """Take what every writer is given; nothing is written."""

        def write(
            self, body: bytes | None, _key: str, _caption: str | None, meta: Mapping[str, Any]
        ) -> None:
            """Hand over one sample."""
            take(meta["url"], body, meta["error_message"])

        def close(self) -> None:
            """Do nothing: nothing is open."""

    return module.Downloader(
        sample_writer_class=Writer,
        resizer=Resizer(256, "no", resize_only_if_bigger=True, disable_all_reencoding=True),
        thread_count=min(MAX_THREADS, config.connections, rows),
        save_caption=False,
        extract_exif=False,
        output_folder=folder,
        column_list=["url"],
        timeout=config.timeout_s,
        number_sample_per_shard=rows,
        oom_shard_count=1,
        compute_hash=None,
        verify_hash_type=None,
        encode_format="jpg",
        retries=0,  # its retry knows no back-off and asks again what refused it
        user_agent_token=config.agent,
        disallowed_header_directives=DIRECTIVES,
    )


def _conclude(seen: Seen, visit: Visit, sha256: str | None, said: str | None) -> None:
    """Write down what the guard saw and what img2dataset gave."""
    for url, status in visit.hops:
        seen.hop(url, status, visit.spoken.ids)
    seen.answer = Answer(visit.asked_at_us or 0, visit.response, fetched_at_us=visit.fetched_at_us)
    if sha256 is not None:
        seen.sha256 = sha256
        seen.keeps_headers = False
        seen.unchecked = [Family.HEADERS.value]
        seen.end(Outcome.OK)
    elif said == REFUSED and visit.response is not None:
        seen.answer = Answer(visit.asked_at_us or 0, _robots_lines(visit.response))
        seen.end(Outcome.STOPPED, f"img2dataset: {said}")
    elif visit.error is not None:
        seen.final_url = visit.moved_to or seen.final_url
        seen.end(visit.error.outcome, str(visit.error))
    else:
        seen.end(Outcome.UNREACHABLE, f"img2dataset: {said}")


def _robots_lines(response: Response) -> Response:
    lines = [(n, v) for n, v in response.headers if n.lower() == Channel.X_ROBOTS]
    return Response(response.url, response.status, lines, response.address)
