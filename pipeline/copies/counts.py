"""What img2dataset and `datasets` say of how many rows their files hold."""

import json
from collections.abc import Iterable
from typing import Any

from schemas.errors import SchemaError


def statistics_without(
    body: bytes, rows: int, samples: int, failed: Iterable[tuple[str, str]] = ()
) -> bytes:
    """Return img2dataset's statistics of a shard without some rows. Raises SchemaError.

    samples: how many of these were fetched, and so count as successes. failed: of each that was
    not, status and what went wrong.
    """
    stats = _object(body, "statistics of a shard")
    given = stats.get("status_dict")
    status = given if isinstance(given, dict) else {}
    less = [(stats, "count", rows), (stats, "successes", samples), (status, "success", samples)]
    for state, why in failed:
        less += [(stats, state, 1), (status, why, 1)]
    for counts, name, number in less:
        if isinstance(counts.get(name), int):
            counts[name] = max(counts[name] - number, 0)
    return json.dumps(stats, indent=4).encode()


def info_without(body: bytes, rows: dict[str, int]) -> bytes:
    """Return dataset_info.json with the rows that are left. rows: by split. Raises SchemaError."""
    info = _object(body, "dataset_info.json")
    splits = info.get("splits")
    for name, split in (splits if isinstance(splits, dict) else {}).items():
        if name in rows and isinstance(split, dict):
            split["num_examples"] = rows[name]
    return json.dumps(info, indent=2).encode()


def _object(body: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise SchemaError(f"expected JSON of {what}: {e}") from e
    if not isinstance(value, dict):
        raise SchemaError(f"expected an object of {what}, found {value!r:.80}")
    return value
