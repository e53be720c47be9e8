"""Are stored images, codes and vectors those of each other: a sample of rows, or all."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.audit import checked
from jobs.checks.held import Held, Told
from jobs.releases import Release
from pipeline import audit
from pipeline.audit import Check, Name, failed, judged, needs, verified
from pipeline.image.canonical import CanonicalHasher, canonical_pixels
from pipeline.image.decoders import Decoder
from pipeline.image.header import read_header
from pipeline.image.keypoints import SAMPLE, keypoints
from pipeline.release_maps import MAPPED, mapped
from pipeline.shard import read_parquet
from schemas.ports import Embedder
from schemas.tables import KEYPOINTS


@dataclass(frozen=True, slots=True)
class Drawn:
    """Some rows of a part, and their stored images."""

    name: str
    rows: pa.Table
    pictures: dict[str, bytes]


def drawn(release: Release, held: Held, told: Told) -> Iterator[Drawn]:
    """Yield the rows that are looked at one by one: a sample, or all."""
    uids = [uid for name in release.names for uid in release.uids(name)["uid"].to_pylist()]
    count = len(uids) if held.sample is None else held.sample
    wanted = pa.array(audit.chosen(uids, count, held.seed), pa.string())
    for number, name in enumerate(release.names, 1):
        body = checked(release.store, release.files, f"samples/{name}.parquet")
        table = read_parquet(body, [*MAPPED, "pdq_quality"])
        table = mapped(table).append_column("pdq_quality", table["pdq_quality"])
        own = table.filter(pc.is_in(table["uid"], wanted))
        if own.num_rows:
            yield Drawn(name, own, release.pictures(name, set(own["uid"].to_pylist())))
        told(number, len(release.names))


def stored_bytes(release: Release, held: Held, told: Told) -> Check:
    """Check digests and perceptual codes of stored images."""
    if release.config.output.format == "urls" and release.names:
        return needs(Name.BYTES, "bytes: this release has addresses only")
    wrong: list[str] = []
    count = 0
    hasher = CanonicalHasher()
    for some in drawn(release, held, told):
        wrong += audit.byte_faults(some.rows, some.pictures, hasher.pdq)
        count += some.rows.num_rows
    return judged(Name.BYTES, wrong, f"{count:,} of {release.manifest.released:,} rows looked at")


def vectors(release: Release, held: Held, told: Told) -> Check:
    """Check stored vectors against those of the stored images, embedded again."""
    if not release.names:  # by the files themselves; whether they are all of them, other checks say
        return verified(Name.VECTORS, "0 of 0 images embedded again")
    if not any(path.startswith("embeddings/") for path in release.files):
        return needs(Name.VECTORS, "vectors: this release has none")
    if unfit := list(_unfit_vectors(release)):
        return failed(Name.VECTORS, unfit)
    if lacking := audit.lacking_bytes(release.config):
        return needs(Name.VECTORS, lacking)
    embedder = held.embedder()
    if embedder is None:
        return needs(Name.VECTORS, "the model that gave them")
    wrong: list[str] = []
    count = 0
    for some in drawn(release, held, told):
        faults, seen = _vector_faults(release, some, embedder)
        wrong += faults
        count += seen
    return judged(
        Name.VECTORS, wrong, f"{count:,} of {release.manifest.released:,} images embedded again"
    )


def _unfit_vectors(release: Release) -> Iterator[str]:
    names = audit.LEAST_AGREEMENT if release.matcher else ()
    for name in release.names:
        path = f"embeddings/{name}.parquet"
        table = read_parquet(checked(release.store, release.files, path))
        uids = release.uids(name)["uid"].to_pylist()
        yield from (f"{path}: {f}" for f in audit.vector_form_faults(uids, table, names))


def _vector_faults(release: Release, some: Drawn, embedder: Embedder) -> tuple[list[str], int]:
    path = f"embeddings/{some.name}.parquet"
    table = read_parquet(checked(release.store, release.files, path))
    uids = [uid for uid in some.rows["uid"].to_pylist() if uid in some.pictures]
    places = pc.index_in(pa.array(uids, pa.string()), table["uid"].combine_chunks())
    if places.null_count:
        missing = uids[places.to_pylist().index(None)]
        return [f"row {missing}: expected vectors, found none"], 0
    bodies = [some.pictures[uid] for uid in uids]
    pixels = [canonical_pixels(Decoder(body, read_header(body))) for body in bodies]
    again = embedder.images(pixels)
    names = sorted(audit.LEAST_AGREEMENT.keys() & set(table.column_names) & again.keys())
    stored = {
        name: np.array(table[name].take(places).to_pylist(), np.float32).reshape(len(uids), -1)
        for name in names
    }
    points = [keypoints(p, SAMPLE) for p in pixels]
    told = table[KEYPOINTS.name].take(places).to_pylist()
    wrong = audit.vector_faults(uids, stored, {name: again[name] for name in names})
    return [*wrong, *audit.point_faults(uids, told, points)], len(uids)
