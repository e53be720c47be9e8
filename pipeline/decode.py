"""Stage decode: bytes as fetched to content keys, stored bytes and the pixels that models see.

Pure: bodies are passed in, nothing is opened, equal bytes are decoded once. A bad image is a stop
in its row. What a safety list knows leaves nothing behind: no keys, no bytes, no pixels. Rows that
were stopped before pass through. In batches, so that embedding can overlap.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.image.canonical import (
    CANONICAL_EDGE_PX,
    CanonicalHasher,
    bounded,
    canonical_pixels,
    content_keys,
)
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from pipeline.image.keypoints import SAMPLE, keypoints
from pipeline.image.resize import encoded, plan_resize, resized
from pipeline.safety import SafetyLists
from schemas.canonical import canonical_json, sha256_hex
from schemas.config import DecodeConfig
from schemas.errors import ImageError, SchemaError
from schemas.ports import ContentKeys, Pixels
from schemas.tables import DECODED, JUDGED, STORED, from_rows, require
from schemas.verdict import Reason

BATCH_ROWS = 256
STAGE = "decode"
STOPS = ("stop_stage", "stop_reason", "stop_claim", "stop_detail")


@dataclass(frozen=True, slots=True)
class Prepared:
    """One image, ready to be stored and embedded."""

    keys: ContentKeys
    width: int  # of the stored image
    height: int
    stored: bytes
    stored_sha256: str
    stored_pdq: bytes
    pixels: Pixels  # for the model
    keypoints: bytes = b""  # where they were asked for


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the stage gives."""

    table: pa.Table  # DECODED
    stored: pa.Table  # STORED: the rows that nothing speaks against so far
    pixels: dict[str, Pixels]  # by pixel_sha256, of the same rows
    keypoints: dict[str, bytes]  # likewise, where they were asked for

    def embeddable(self) -> tuple[list[str], list[str]]:
        """Return uid and pixel_sha256 of the rows that have pixels and that nothing stops."""
        unstopped, decoded = (
            self.table["stop_reason"].is_null(),
            self.table["pixel_sha256"].is_valid(),
        )
        free = pc.and_(unstopped, decoded)
        rows = self.table.filter(free)
        return rows["uid"].to_pylist(), rows["pixel_sha256"].to_pylist()


@dataclass(frozen=True, slots=True)
class Options:
    """How images are decoded; `threads` leaves no trace in what comes out."""

    config: DecodeConfig = field(default_factory=DecodeConfig)
    edge_px: int = 224  # of the model: pixels come at least so large where the original is
    safety: SafetyLists | None = None
    threads: int = 1
    batch_rows: int = BATCH_ROWS
    keypoints: bool = False  # they cost as much as all else here


def prepare(
    body: bytes, config: DecodeConfig, edge_px: int = 224, *, points: bool = False
) -> Prepared:
    """Return keys, stored bytes and model pixels of an image. Raises ImageError.

    points: whether key points are wanted. edge_px: up to 256 the model gets the canonical pixels;
    beyond, a decode whose shorter side is at least that (or full size).
    """
    header = read_header(body, config.max_pixels)
    plan = plan_resize(*header.upright, config)
    decoder = Decoder(body, header)
    canonical = canonical_pixels(decoder)
    # The canonical scale serves all smaller sizes, so that most images are decoded once.
    wanted = max(plan.shorter_px, CANONICAL_EDGE_PX)
    stored = resized(decoder.at_least(wanted), plan, reduced=decoder.reduced(wanted))
    written = encoded(stored, config)
    pixels = canonical
    if edge_px > CANONICAL_EDGE_PX:
        pixels = bounded(decoder.at_least(edge_px), edge_px)
    return Prepared(
        keys=content_keys(canonical, header.upright),
        width=stored.shape[1],
        height=stored.shape[0],
        stored=written,
        stored_sha256=sha256_hex(written),
        stored_pdq=CanonicalHasher(config.max_pixels).pdq(written)[0],
        pixels=pixels,
        keypoints=keypoints(canonical, SAMPLE) if points else b"",
    )


def decode(judged: pa.Table, bodies: Mapping[str, bytes], options: Options) -> Decoded:
    """Return all rows of a shard at once; see `decoded_batches`."""
    parts = list(decoded_batches(judged, bodies, options))
    pixels: dict[str, Pixels] = {}
    points: dict[str, bytes] = {}
    for part in parts:
        pixels = part.pixels | pixels  # the first row that shows them
        points |= part.keypoints
    return Decoded(
        pa.concat_tables([DECODED.empty_table(), *(p.table for p in parts)]).combine_chunks(),
        pa.concat_tables([STORED.empty_table(), *(p.stored for p in parts)]),
        pixels,
        points,
    )


def decoded_batches(
    judged: pa.Table, bodies: Mapping[str, bytes], options: Options
) -> Iterator[Decoded]:
    """Yield the rows of a shard in batches, by uid.

    judged: JUDGED. bodies: bytes as fetched by sha256; may be lazy, and is asked once for each
    sha256 of a row that is not stopped.
    Raises SchemaError where a body is missing or the tables depart from their schemas.
    """
    require(judged, JUDGED)
    rows = judged.select(["uid", "sha256", *STOPS]).sort_by("uid").to_pylist()
    uses = Counter(r["sha256"] for r in rows if r["stop_reason"] is None)
    known: dict[str, Prepared | Stop] = {}
    with ExitStack() as stack:
        each: Callable[..., Iterable[Prepared | Stop]] = map
        if options.threads > 1:
            each = stack.enter_context(ThreadPoolExecutor(options.threads)).map
        for start in range(0, len(rows), options.batch_rows):
            batch = rows[start : start + options.batch_rows]
            live = [r["sha256"] for r in batch if r["stop_reason"] is None]
            fresh = [sha for sha in dict.fromkeys(live) if sha not in known]
            asked = [(sha, _body(bodies, sha)) for sha in fresh]
            known.update(zip(fresh, each(partial(_judged, options), asked), strict=True))
            yield _batch(batch, known)
            uses.subtract(live)
            for sha in fresh + live:
                if not uses[sha]:
                    known.pop(sha, None)


def with_similarity(decoded: pa.Table, similarity: Mapping[str, float | None]) -> pa.Table:
    """Return DECODED with clip_similarity filled; similarity: by uid, absent gives null."""
    require(decoded, DECODED)
    found = pa.array([similarity.get(u) for u in decoded["uid"].to_pylist()], pa.float32())
    place = decoded.schema.get_field_index("clip_similarity")
    return decoded.set_column(place, decoded.schema.field(place), found)


@dataclass(frozen=True, slots=True)
class Stop:
    """Why an image goes no further."""

    reason: str
    detail: str  # JSON


def _body(bodies: Mapping[str, bytes], sha256: str | None) -> bytes:
    if sha256 is None or sha256 not in bodies:
        raise SchemaError(f"expected bytes for every row that is not stopped, found none: {sha256}")
    return bodies[sha256]


def _judged(options: Options, asked: tuple[str, bytes]) -> Prepared | Stop:
    sha256, body = asked
    lists = options.safety
    hit = lists.hit(sha256) if lists else None
    if hit:
        return Stop(Reason.SAFETY, hit)
    try:
        found = prepare(body, options.config, options.edge_px, points=options.keypoints)
    except ImageError as e:
        return Stop(e.reason, canonical_json({"message": str(e)}).decode())
    hit = lists.hit(sha256, found.keys.pdq, found.keys.pdq_quality) if lists else None
    return Stop(Reason.SAFETY, hit) if hit else found


def _batch(rows: list[dict[str, Any]], known: Mapping[str, Prepared | Stop]) -> Decoded:
    table, stored = [], []
    pixels: dict[str, Pixels] = {}
    points: dict[str, bytes] = {}
    for row in rows:
        stops = {name: row[name] for name in STOPS}
        found = known[row["sha256"]] if row["stop_reason"] is None else None
        if isinstance(found, Stop):
            stops |= {"stop_stage": STAGE, "stop_reason": found.reason, "stop_detail": found.detail}
        if not isinstance(found, Prepared):
            table.append({"uid": row["uid"], **stops})
            continue
        table.append({"uid": row["uid"], **_columns(found), **stops})
        stored.append(
            {"uid": row["uid"], "stored_sha256": found.stored_sha256, "body": found.stored}
        )
        pixels.setdefault(found.keys.pixel_sha256, found.pixels)
        points[found.keys.pixel_sha256] = found.keypoints
    return Decoded(from_rows(table, DECODED), from_rows(stored, STORED), pixels, points)


def _columns(found: Prepared) -> dict[str, Any]:
    return {
        "width": found.width,
        "height": found.height,
        "original_width": found.keys.width,
        "original_height": found.keys.height,
        "pixel_sha256": found.keys.pixel_sha256,
        "pdq": found.keys.pdq,
        "pdq_quality": found.keys.pdq_quality,
        "stored_sha256": found.stored_sha256,
        "stored_pdq": found.stored_pdq,
        "stored_size_bytes": len(found.stored),
    }
