"""What an audit of a release checks, and how each check may end. Pure.

Every check ends in one of three ways: *verified*, *failed*, or *needs* something that whoever
audits does not hold: a key, the log, the snapshot, the vault, the model, bytes. Nothing that could
not be looked at counts as verified.
"""

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optout.keypoints import agreeing, both_ways, unpack
from optout.match import PDQ_MIN_QUALITY
from optout.urls import canonical_url, host_of
from pipeline.evidence import EVIDENCE, EVIDENCE_INDEX
from pipeline.formats.rows import MAX_KEPT_URL
from pipeline.layout import BESIDE_SAMPLES
from pipeline.manifest import thresholds_of
from pipeline.release_maps import CODES, HASHES
from pipeline.rewrite import RETRACTIONS_PATH
from pipeline.shard import IMAGE_COLUMN
from pipeline.tars import stats, told_beside
from pipeline.vault import commitment
from schemas.canonical import sha256_hex
from schemas.config import BuildConfig, ResizeMode
from schemas.errors import ImageError, UsageError
from schemas.manifest import Manifest
from schemas.ports import Vectors
from schemas.tables import LEDGER, RETRACTIONS, of_pixels
from schemas.verdict import Reason, Verdict

SAMPLED_ROWS = 9_206
"""Finds one false row in a thousand in 9,999 of 10,000 samples; 4,603 would miss one in 100."""
LEAST_AGREEMENT = {"cpy": 0.8, "sty": 0.5}
"""Cosine of a stored vector with that of the stored image. Seen among 1,200 images of the
development corpus: .888 and .655 at least (clip art on plain ground moves most); another image has
less than .46 in 999 of 1,000 pairs, of either."""
LEAST_EDGE_PX, LEAST_QUALITY = 256, 90
"""Of stored images, for which LEAST_AGREEMENT was measured; below, honest vectors differ."""
WHOLE_IMAGES = (ResizeMode.NO, ResizeMode.KEEP_RATIO, ResizeMode.KEEP_RATIO_LARGEST)
UNIT_TOLERANCE = 0.01
"""Of a stored vector's length, in half precision; seen: 1e-4 at most."""
CLEAR_QUALITY = 55
"""PDQ quality of a stored image from which that of the image as fetched is 50 or more; the two
were never more than 2 apart among 1,200 images of the development corpus."""
MANY_POINTS, LEAST_POINTS = 20, 4
"""A stored image with so many key points agrees with the stored ones in so many; seen among 1,023
such: 6 at least, 11 in all but 5."""
SHOWN = 5
KEYS = (*HASHES, *CODES, "pdq_quality")
"""What every released row has, by which it is found."""
COLUMNS = {
    "ledger/": LEDGER.names,
    RETRACTIONS_PATH: RETRACTIONS.names,
    EVIDENCE_INDEX: EVIDENCE.names,
}
"""The columns of what stands beside samples and vectors, by how its path begins."""

Pdq = Callable[[bytes], tuple[bytes, int]]
"""Hash and quality of an image. Raises ImageError."""


class Name(StrEnum):
    """The checks, in the order in which they run."""

    MANIFEST = "manifest"
    SIGNATURE = "signature"
    FILES = "files"
    ROWS = "rows"
    MAPS = "maps"
    BYTES = "bytes"
    VECTORS = "vectors"
    LISTS = "lists"
    LOG = "log"
    VAULT = "vault"
    LEDGER = "ledger"
    SIGNALS = "signals"
    CLAIMS = "claims"


ABOUT = {
    Name.MANIFEST: "canonical, of a known form, its numbers add up",
    Name.SIGNATURE: "the builder has signed the manifest",
    Name.FILES: "every file is there, as the manifest names it, and no other",
    Name.ROWS: "each input row is released once, or stands in the ledger once",
    Name.MAPS: "the roots are those of the maps over these rows, and of this ledger",
    Name.BYTES: "stored images have the digests and perceptual codes that their rows say",
    Name.VECTORS: "stored vectors are those of the stored images",
    Name.LISTS: "every list was used at a signed state, was fresh, and none asked for is left out",
    Name.LOG: "the logs of the registries had those states, only grew, and date entries truly",
    Name.VAULT: "the vault is the one that the manifest pins",
    Name.LEDGER: "each row of the ledger commits to what the vault holds of it",
    Name.SIGNALS: "every verdict by what sites and files say follows from the evidence",
    Name.CLAIMS: "no released row is one that a claim in force denies",
}
EXIT_CODES = {name: 10 + place for place, name in enumerate(Name)}
"""The exit code of the first check that failed."""
INCOMPLETE = 3
"""The exit code where nothing failed, something was needed, and all was asked for."""


class Status(StrEnum):
    """How a check ends."""

    VERIFIED = "verified"
    FAILED = "failed"
    NEEDS = "needs"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one release. said: in a line. wrong: what was found, the first few of it."""

    name: Name
    status: Status
    said: str
    wrong: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def verified(name: Name, said: str) -> Check:
    """Return a check that holds."""
    return Check(name, Status.VERIFIED, said)


def needs(name: Name, what: str, said: str = "") -> Check:
    """Return a check that could not be made. what: is missing."""
    return Check(name, Status.NEEDS, said or ABOUT[name], needs=(what,))


def failed(name: Name, wrong: Iterable[str]) -> Check:
    """Return a check that does not hold."""
    found = list(wrong)
    more = f" ({len(found):,} in all)" if len(found) > SHOWN else ""
    return Check(name, Status.FAILED, f"{found[0]}{more}", tuple(found))


def judged(name: Name, wrong: Sequence[str], said: str) -> Check:
    """Return a check that holds unless anything is wrong."""
    return failed(name, wrong) if wrong else verified(name, said)


def exit_code(checks: Sequence[Check], *, complete: bool) -> int:
    """Return the exit code of an audit. complete: nothing may be left that needs something."""
    for check in checks:
        if check.status == Status.FAILED:
            return EXIT_CODES[check.name]
    left = any(check.status == Status.NEEDS for check in checks)
    return INCOMPLETE if complete and left else 0


# --- rows


def said_faults(manifest: Manifest, config: BuildConfig) -> list[str]:
    """Return the numbers of a manifest that its own config contradicts.

    config: the one in it. Rows in which somebody could not read a family are released only where
    the config accepts that.
    """
    said, expected = manifest.thresholds, thresholds_of(config)
    wrong = [
        f"expected {name} {value:g} among the thresholds, as in the config, found {said.get(name)}"
        for name, value in expected.items()
        if said.get(name) != value
    ]
    accepted = {str(family) for family in config.signals.accept_unchecked}
    for family, count in sorted(manifest.unchecked.items()):
        most = manifest.released if family in accepted else 0
        if not 0 <= count <= most:
            wrong.append(f"expected {most:,} rows or fewer without {family} read, found {count:,}")
    return wrong


def layout_faults(paths: Iterable[str], form: str) -> list[str]:
    """Return which files no release of such a layout has, and which it lacks.

    form: of the config's output.format. A file in no known place could hold rows that nobody looks
    at, in the manifest or not.
    """
    found = set(paths)
    samples = {path for path in found if path.startswith("samples/")}
    parts = {p.removesuffix(".parquet") for p in samples if p.endswith(".parquet")}
    ends = (".parquet", ".tar", "_stats.json") if form == "webdataset" else (".parquet",)
    expected = {part + end for part in parts for end in ends}
    vectors = {f"embeddings/{part.removeprefix('samples/')}.parquet" for part in parts}
    elsewhere = {p for p in found - samples - vectors if not BESIDE_SAMPLES.fullmatch(p)}
    return [
        *(f"{path} belongs to no part of samples" for path in sorted(samples - expected)),
        *(f"expected {path}, found none" for path in sorted(expected - samples)),
        *(f"{path} is no file that a release has" for path in sorted(elsewhere)),
    ]


def column_faults(path: str, schema: pa.Schema, form: str) -> list[str]:
    """Return the columns of a table that no release has there: they could hold anything.

    schema: of the file. form: as of `layout_faults`; in samples columns of the source may stand,
    and images where the layout has them.
    """
    if path.startswith("samples/"):
        if (IMAGE_COLUMN in schema.names) == (form == "parquet"):
            return []
        return [f"{path}: expected images in it or none, as {form} has"]
    if path.startswith("embeddings/"):
        known = ["uid", *of_pixels(schema)]
    else:
        known = next((names for start, names in COLUMNS.items() if path.startswith(start)), [])
    more = sorted(set(schema.names) - set(known))
    return [f"{path}: expected columns {', '.join(known)}, found {', '.join(more)}"] if more else []


def evidence_faults(bodies: Mapping[str, str], named: Iterable[str | None]) -> list[str]:
    """Return the documents of a release that are not what they are called, or that nothing names.

    bodies: sha256 by name, of what stands in evidence/. named: by its index.
    """
    known = set(named)
    wrong = []
    for name, digest in sorted(bodies.items()):
        if name != digest:
            wrong.append(f"evidence/{name}: expected a document of that sha256, found {digest}")
        elif name not in known:
            wrong.append(f"evidence/{name} is not in evidence/index.parquet")
    return wrong


def tar_faults(
    rows: Sequence[Mapping[str, Any]], members: Sequence[tuple[str, bytes]], form: str
) -> list[str]:
    """Return how a tar holds something else than the rows of the table beside it.

    rows: of that table. members: name and bytes of all that is in the tar. form: of its images.
    """
    said = {f"{row['key']}.{end}": row for row in rows for end in (form, "txt", "json")}
    names = [name for name, _ in members]
    if sorted(names) != sorted(said):
        more = sorted(set(names) - said.keys()) or sorted(said.keys() - set(names)) or ["a file"]
        return [f"expected {len(said):,} files of {len(rows):,} rows, found others: {more[0]!r}"]
    wrong = []
    for name, body in members:
        row = said[name]
        if name.endswith(".txt") and body != (row["caption"] or "").encode():
            wrong.append(f"{name}: expected the caption of row {row['uid']}, found another")
        if name.endswith(".json") and json.loads(body) != told_beside(row):
            wrong.append(f"{name}: expected what the table says of row {row['uid']}")
    return wrong


def stats_faults(count: int, body: bytes) -> list[str]:
    """Return how the statistics beside a tar are not those of so many rows."""
    if json.loads(body) == stats(count):
        return []
    return [f"expected statistics of {count:,} rows and nothing else, found others"]


def row_faults(manifest: Manifest, samples: Iterable[pa.Table], ledger: pa.Table) -> list[str]:
    """Return where rows and counts contradict each other.

    samples: tables with `uid`. ledger: LEDGER.
    """
    released = [uid for table in samples for uid in table["uid"].to_pylist()]
    out = ledger["uid"].to_pylist()
    wrong = []
    if len(set(released)) != len(released):
        wrong.append("expected each released uid once, found one twice")
    if len(set(out)) != len(out):
        wrong.append("expected each uid once in the ledger, found one twice")
    both = set(released) & set(out)
    wrong += [f"row {uid} is released and stands in the ledger" for uid in sorted(both)[:SHOWN]]
    strange = {str(reason) for reason in ledger["reason"].to_pylist()} - set(map(str, Reason))
    wrong += [f"expected a reason that is known, found {one!r:.80}" for one in sorted(strange)]
    if len(released) != manifest.released:
        wrong.append(f"expected {manifest.released:,} released rows, found {len(released):,}")
    for verdict, said in ((Verdict.DROP, manifest.dropped), (Verdict.HOLD, manifest.held)):
        own = ledger.filter(pc.equal(ledger["verdict"], str(verdict)))
        found = {r["values"]: r["counts"] for r in pc.value_counts(own["reason"]).to_pylist()}
        for reason in sorted(said.keys() | found.keys()):
            expected, seen = said.get(reason, 0), found.get(reason, 0)
            if expected != seen:
                wrong.append(f"expected {expected:,} ledger rows of {reason}, found {seen:,}")
    return wrong


def host_faults(rows: pa.Table) -> list[str]:
    """Return the rows that name another host than their address has; claims by host go by it.

    rows: uid, url, host.
    """
    wrong = []
    for row in rows.to_pylist():
        url = row["url"]
        if url is None or len(url) >= MAX_KEPT_URL:
            continue
        try:
            host = host_of(canonical_url(url))
        except UsageError:
            continue
        if row["host"] != host:
            wrong.append(f"row {row['uid']}: expected the host {host}, found {row['host']!r:.80}")
    return wrong


def key_faults(rows: pa.Table) -> list[str]:
    """Return the rows that lack a hash or a code: no map, no claim and no proof would find them.

    rows: KEYS and uid.
    """
    wrong = []
    for row in rows.to_pylist():
        lacking = [name for name in KEYS if row[name] is None]
        if lacking:
            wrong.append(f"row {row['uid']}: expected its {', '.join(lacking)}, found none")
    return wrong


def redaction_faults(manifest: Manifest, redacted: int) -> list[str]:
    """Return how the number of released rows with a redacted caption is not the manifest's."""
    said = manifest.captions_redacted
    if redacted == said:
        return []
    return [f"expected {said:,} released rows with a redacted caption, found {redacted:,}"]


def retraction_faults(
    manifest: Manifest, released: pa.ChunkedArray, retractions: pa.Table
) -> list[str]:
    """Return how what a recall says it took out contradicts what is there.

    released: uids. retractions: RETRACTIONS.
    """
    inside = retractions.filter(pc.is_in(retractions["uid"], released))["uid"].to_pylist()
    wrong = [f"row {uid} is released and said to be retracted" for uid in inside[:SHOWN]]
    expected = manifest.recalled.removed if manifest.recalled else 0
    own = pc.equal(retractions["release"], manifest.parent or "")
    found = pc.sum(own).as_py() or 0
    if found != expected:
        wrong.append(f"expected {expected:,} rows retracted from the parent, found {found:,}")
    return wrong


def ledger_faults(ledger: pa.Table, vaulted: pa.Table) -> list[str]:
    """Return the rows of a ledger that do not commit to what the vault holds of them.

    ledger: LEDGER. vaulted: VAULTED of the same rows.
    """
    held = {row["uid"]: row for row in vaulted.to_pylist()}
    wrong = []
    for row in ledger.to_pylist():
        kept = held.pop(row["uid"], None)
        if kept is None:
            wrong.append(f"ledger row {row['uid']} is not in the vault")
            continue
        if commitment(kept) != row["commitment"]:
            wrong.append(f"ledger row {row['uid']} commits to something else than the vault holds")
        wrong += [
            f"ledger row {row['uid']}: expected {name} {kept[name]}, found {row[name]}"
            for name in ("stage", "verdict", "reason")
            if kept[name] != row[name]
        ]
    return [*wrong, *(f"row {uid} of the vault is not in the ledger" for uid in sorted(held))]


# --- bytes and vectors


def chosen(uids: Sequence[str], count: int, seed: int) -> list[str]:
    """Return `count` of the uids, drawn by a seed; all where there are no more."""
    ordered = sorted(uids)
    if count >= len(ordered):
        return ordered
    return sorted(random.Random(seed).sample(ordered, count))  # noqa: S311  # a sample, no secret


def byte_faults(rows: pa.Table, bodies: Mapping[str, bytes], pdq: Pdq) -> list[str]:
    """Return the rows whose stored image is another than they say.

    rows: MAPPED and pdq_quality, of the rows to look at. bodies: stored images by uid. pdq: of an
    image's bytes.
    """
    wrong = []
    for row in rows.to_pylist():
        uid, body = row["uid"], bodies.get(row["uid"])
        if body is None:
            wrong.append(f"row {uid} has no stored image")
            continue
        if (digest := sha256_hex(body)) != row["stored_sha256"]:
            wrong.append(
                f"row {uid}: expected stored_sha256 {row['stored_sha256']}, found {digest}"
            )
            continue
        try:
            code, quality = pdq(body)
        except ImageError as e:
            wrong.append(f"row {uid}: expected an image, found {e}")
            continue
        if code != row["stored_pdq"]:
            wrong.append(f"row {uid}: expected the stored_pdq of its image, found another")
        said = row["pdq_quality"]
        if row["pdq"] is None or said is None:
            wrong.append(f"row {uid}: expected a pdq and its quality, found none")
        elif said < PDQ_MIN_QUALITY and quality >= CLEAR_QUALITY:
            wrong.append(
                f"row {uid}: expected a pdq_quality of {PDQ_MIN_QUALITY} or more, as its image of"
                f" quality {quality} has, found {said}"
            )
    return wrong


def lacking_bytes(config: BuildConfig) -> str:
    """Return what is lacking to embed stored images again as they were; "" for nothing."""
    decode = config.decode
    if config.output.format == "urls":
        return "bytes: this release has addresses only"
    if decode.resize_mode not in WHOLE_IMAGES:
        return "bytes as fetched: stored images are cut or padded"
    lossy = decode.encode_format != "png" and decode.encode_quality < LEAST_QUALITY
    if lossy or decode.image_size < LEAST_EDGE_PX:
        return "bytes as fetched: stored images are too small or too coarse"
    return ""


def vector_form_faults(uids: Sequence[str], table: pa.Table, names: Iterable[str]) -> list[str]:
    """Return how stored vectors are not one of each name for each row, of unit length.

    uids: of the rows. table: uid and named vectors. Matching takes lengths of 1 for granted: a
    shorter vector is like nothing.
    """
    found = table["uid"].to_pylist()
    if sorted(found) != sorted(uids):
        return [
            f"expected vectors of {len(uids):,} rows, once each, found {len(found):,} of others"
        ]
    wrong = []
    for name in sorted(names):
        if name not in table.column_names or table[name].null_count:
            wrong.append(f"expected a vector {name} of every row, found rows without")
            continue
        rows = np.array(table[name].to_pylist(), np.float64).reshape(len(found), -1)
        lengths = np.linalg.norm(rows, axis=1)
        off = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))
        wrong += [
            f"row {found[place]}: expected the vector {name} of length 1, found"
            f" {lengths[place]:.3f}"
            for place in off.tolist()
        ]
    return wrong


def point_faults(
    uids: Sequence[str], stored: Sequence[bytes | None], again: Sequence[bytes]
) -> list[str]:
    """Return the rows whose stored key points are not those of their stored images.

    stored, again: as `optout.keypoints.pack` writes them, in the order of the uids.
    """
    wrong = []
    for uid, kept, found in zip(uids, stored, again, strict=True):
        points = unpack(found)
        if len(points.xy) < MANY_POINTS:
            continue
        same = agreeing(both_ways(kept), points) if kept else 0
        if same < LEAST_POINTS:
            wrong.append(
                f"row {uid}: expected the key points of its image, found {same} of"
                f" {len(points.xy)} that agree (at least {LEAST_POINTS})"
            )
    return wrong


def vector_faults(
    uids: Sequence[str],
    stored: Mapping[str, Vectors],
    again: Mapping[str, Vectors],
) -> list[str]:
    """Return the rows whose stored vectors are not those of their stored images.

    stored, again: float[n, d] by name of the vector (cpy, sty), rows in the order of the uids.
    """
    wrong = []
    for name in sorted(again):
        least = LEAST_AGREEMENT[name]
        a, b = (side[name].astype(np.float64) for side in (stored, again))
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
        wrong += [
            f"row {uids[place]}: expected the vector {name} of its image, found one with cosine"
            f" {cosine[place]:.3f} (at least {least})"
            for place in np.flatnonzero(~(cosine >= least)).tolist()
        ]
    return wrong
