"""Small released samples for the tests of shards and tars."""

import io
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from optout.log.merkle import EMPTY_ROOT
from optout.log.sparse import EMPTY, Subtree
from pipeline.release_maps import roots_of
from schemas.manifest import Roots
from schemas.tables import SAMPLES, from_rows


def picture(seed: int, width: int = 24, height: int = 16) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=95)
    return sink.getvalue()


def sample(n: int) -> dict[str, Any]:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return {
        "uid": f"{n:032x}",
        "url": f"http://a.example/{n}.jpg",
        "caption": f"kött {n} <b>",
        "width": 24,
        "height": 16,
        "original_width": 240,
        "original_height": 160,
        "sha256": f"{n:064x}",
        "pdq": bytes([n]) * 32,
        "pdq_quality": 77,
        "clip_similarity": 0.25,
        "http_status": 200,
        "fetched_at": at,
        "signals": [{"channel": "robots", "purpose": "mine", "verdict": "ALLOW", "at": at}],
    }


def samples(count: int = 3) -> pa.Table:
    table = from_rows([sample(n) for n in range(count)], SAMPLES)
    table = table.append_column("extra.punsafe", pa.array(np.arange(count, dtype=np.float32)))
    return table.append_column("extra.width", pa.array(["w"] * count))


def roots(released: int, out: int) -> Roots:
    """Roots that may stand in the manifest of a release with so many rows."""
    return roots_of(
        Subtree(4 * released, bytes([1]) * 32 if released else EMPTY),
        Subtree(32 * released, bytes([2]) * 32 if released else EMPTY),
        Subtree(out, bytes([3]) * 32 if out else EMPTY_ROOT),
    )


def bodies(count: int = 3) -> pa.Array:
    return pa.array([picture(n) for n in range(count)], pa.binary())
