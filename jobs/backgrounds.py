"""Pictures by others to try a style on: a folder, or a release with its vectors as stored."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.enrol import Folder, Matcher, Track, folder, in_batches
from jobs.releases import Release, is_release, open_release
from pipeline.decode import prepare
from pipeline.match import FINGERPRINT
from pipeline.stored_vectors import matrix
from schemas.config import DecodeConfig
from schemas.errors import ImageError, ModelMismatchError, UsageError
from schemas.ports import Pixels, Store, Vectors

VECTORS = ("sty", "cpy")


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Pictures with the matcher's vectors.

    names: file names, or uids of a release. said: what each is called beside its picture. bodies:
    the bytes of the places asked for; what has no picture is left out. unread: files that are none.
    """

    told: str
    names: tuple[str, ...]
    said: tuple[str, ...]
    where: tuple[str, ...]  # host of each, empty in a folder
    sty: Vectors
    cpy: Vectors
    bodies: Callable[[Sequence[int]], Mapping[int, bytes]]
    unread: int = 0


def background(store: Store, matcher: Matcher, track: Track) -> Background:
    """Return the pictures of a folder, or of a release in it.

    Raises UsageError where there are none, ModelMismatchError for a release that was compared by
    another matcher.
    """
    if is_release(store):
        return of_release(open_release(store), matcher, track)
    return of_folder(folder(store), matcher, track)


def of_folder(pictures: Folder, matcher: Matcher, track: Track) -> Background:
    """Return the pictures of a folder, embedded here as samples are."""
    names: list[str] = []

    def seen() -> Iterable[Pixels]:
        for name in track(pictures.names, "comparing background"):
            try:
                found = prepare(pictures.read(name), DecodeConfig(), matcher.embedder.edge_px)
            except ImageError:
                continue
            names.append(name)
            yield found.pixels

    vectors = in_batches(seen(), matcher.embedder, VECTORS)
    if not names:
        raise UsageError(f"expected images in {pictures.store.root}, found none")
    return Background(
        told=f"{len(names):,} images in {_last(pictures.store.root)}",
        names=tuple(names),
        said=tuple(names),
        where=("",) * len(names),
        sty=vectors["sty"].astype(np.float32),
        cpy=vectors["cpy"].astype(np.float32),
        bodies=lambda places: {place: pictures.read(names[place]) for place in places},
        unread=len(pictures.names) - len(names),
    )


def of_release(release: Release, matcher: Matcher, track: Track) -> Background:
    """Return the released pictures that have vectors, as they are stored."""
    parts: list[str] = []
    rows: list[pa.Table] = []
    vectors: dict[str, list[Vectors]] = {name: [] for name in VECTORS}
    for name in track(release.names, "reading release"):
        part = release.part(name)
        _require_matcher(part.vectors, matcher, release.store.root)
        keep = part.vectors.filter(part.vectors["sty"].is_valid())
        known = part.rows.select(["uid", "caption", "host"])
        rows.append(keep.select(["uid"]).join(known, "uid").sort_by("uid"))
        parts += [name] * keep.num_rows
        for kind in VECTORS:
            vectors[kind].append(matrix(keep.sort_by("uid")[kind]))
    if not parts:
        raise UsageError(f"expected released rows in {release.store.root}, found none")
    table = pa.concat_tables(rows)
    uids = table["uid"].to_pylist()

    def bodies(places: Sequence[int]) -> Mapping[int, bytes]:
        found: dict[str, bytes] = {}
        for part in Counter(parts[place] for place in places):
            found |= release.pictures(part, {uids[p] for p in places if parts[p] == part})
        return {place: found[uids[place]] for place in places if uids[place] in found}

    return Background(
        told=f"{len(uids):,} released images of {_last(release.store.root)}",
        names=tuple(uids),
        said=tuple(
            caption or uid for caption, uid in zip(table["caption"].to_pylist(), uids, strict=True)
        ),
        where=tuple(host or "" for host in table["host"].to_pylist()),
        sty=np.concatenate(vectors["sty"]),
        cpy=np.concatenate(vectors["cpy"]),
        bodies=bodies,
    )


def _last(root: str) -> str:
    return root.rstrip("/").rpartition("/")[2]


def _require_matcher(vectors: pa.Table, matcher: Matcher, where: str) -> None:
    """Raise ModelMismatchError unless a part has vectors of the matcher that is used here."""
    told = (vectors.schema.metadata or {}).get(FINGERPRINT.encode(), b"none").decode()
    pinned = matcher.embedder.card.fingerprint
    if told != pinned or not set(VECTORS) <= set(vectors.column_names):
        raise ModelMismatchError(
            f"expected vectors of the matcher {pinned[:16]} in {where}, found {told[:16]}; name a"
            " folder with some of its images instead"
        )
