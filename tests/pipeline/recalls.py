"""Worlds for tests of recalls: images, rows that show them, claims, and a build of all of it."""

import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from optout.style import near_styles
from pipeline.decide import decide
from pipeline.filters import FILTERED
from pipeline.likeness import likeness
from pipeline.match import match
from pipeline.recall import Found, Means, decide_again, find
from pipeline.redact import redact
from pipeline.relate import relate
from pipeline.release import ShardTables, sample_rows, vault_rows
from pipeline.represent import represent
from pipeline.reread import BY_CLAIMS, of_samples, of_vaulted, samples_of
from pipeline.screen import grants
from pipeline.shard import without_images
from pipeline.slim import content_keys, slim
from pipeline.votes import votes
from schemas.canonical import sha256_hex
from schemas.config import BuildConfig, MatchConfig
from schemas.snapshot import Honoured
from schemas.tables import (
    CLAIMS,
    DECODED,
    EXTRA,
    JUDGED,
    ROWS,
    STORED,
    WORKS,
    from_rows,
    vector,
)
from schemas.verdict import Reason
from tests.pipeline.samples import picture
from tests.pipeline.test_likeness import COHORT, DIM, MATCHER, tail, unit

THRESHOLD = 0.9
CONFIG = BuildConfig(match=MatchConfig(style_budget=0.05))
HOSTS = ("a.example", "b.example", "c.example")
WORDS = ("a tree", "a boat by Ada Grove", "a pond by Bo Lind", "after Cy Dale, a hill")
IMAGES = 16
ONE_HAND = 8


# --- a world: images, rows that show them, claims


def image(seed: int) -> np.ndarray:
    """Vectors of an image; from 8 on they are by one hand."""
    (own,) = unit(np.random.default_rng(seed), 1)
    if seed >= ONE_HAND:
        (hand,) = unit(np.random.default_rng(77), 1)
        mixed = hand.astype(np.float32) + own.astype(np.float32) * 0.55
        return (mixed / np.linalg.norm(mixed)).astype(np.float16)
    return own


def looks(number: int) -> np.ndarray:
    """Vectors of an image; every third is a near-copy of the one before."""
    if number % 3 == 2:
        near = image(number - 1).astype(np.float32)
        near += np.random.default_rng(number).standard_normal(DIM).astype(np.float32) * 0.03
        return (near / np.linalg.norm(near)).astype(np.float16)
    return image(number)


def pdq(number: int) -> bytes:
    own = number - 1 if number % 3 == 2 else number
    body = bytearray(np.random.default_rng(own).bytes(32))
    if own != number:
        body[0] ^= 0b111
    return bytes(body)


@dataclass(frozen=True)
class Shown:
    uid: str
    url: str
    host: str
    caption: str
    image: int
    encoded: int

    @property
    def sha256(self) -> str:
        return f"{self.image * 10 + self.encoded:064x}"


def world(seed: int, count: int) -> list[Shown]:
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(count):
        host = HOSTS[rng.integers(len(HOSTS))]
        address = n if rng.random() < 0.9 else int(rng.integers(max(n, 1)))
        shown, encoded = int(rng.integers(IMAGES)), int(rng.integers(2))
        if address != n:  # one address, one image
            host, shown, encoded = rows[address].host, rows[address].image, rows[address].encoded
            address = int(rows[address].url.rsplit("/", 1)[-1].split(".")[0])
        words = WORDS[rng.integers(len(WORDS))] if rng.random() < 0.5 else WORDS[0]
        url = f"https://{host}/{address}.jpg"
        rows.append(Shown(f"{n:032x}", url, host, f"{words} no. {n}", shown, encoded))
    return rows


def claim(name: str, **more) -> dict:
    return {
        "claim_id": name, "scope": "artist", "stance": "opt_out", "level": 2, "names": [],
        "captions": "drop", "hosts": [], "accounts": [], "urls": [], "license": "",
        "attribution": "", "style_state": "none", "seq": 0, "commitment": "", "trusted": False,
    } | more  # fmt: skip


def work(name: str, number: int) -> dict:
    own = looks(number)
    return {
        "claim_id": name, "work_id": f"{number}", "sha256": f"{number * 10:064x}",
        "pixel_sha256": f"{number + 1000:064x}", "pdq": [pdq(number)] * 8, "pdq_quality": 90,
        "matcher": MATCHER, "cpy": list(own), "sty": list(own), "cohort_mean": 0.25,
    }  # fmt: skip


POOL = {
    "host": (claim("host", hosts=["a.example"]), []),
    "url": (claim("url", urls=["https://b.example/1.jpg", "https://c.example/4.jpg"]), []),
    "name": (claim("name", names=["Ada Grove"]), []),
    "redact": (claim("redact", names=["Bo Lind"], captions="redact"), []),
    "both": (claim("both", names=["Cy Dale"], captions="redact"), [work("both", 6)]),
    "work": (claim("work"), [work("work", 3)]),
    "copy": (claim("copy"), [work("copy", 7), work("copy", 10)]),
    "style": (
        claim("style", style_state="active", style_tail=tail(0.5)),
        [work("style", 24), work("style", 8)],
    ),
    "broad": (
        claim("broad", style_state="active", style_tail=tail(-1.5)),
        [work("broad", 20), work("broad", 21)],
    ),
}


def honoured(names) -> Honoured:
    own = [POOL[name] for name in sorted(names)]
    works = [one for _, works in own for one in works]
    return Honoured(MATCHER, from_rows([c for c, _ in own], CLAIMS), from_rows(works, WORKS))


def clip(caption: str) -> float:
    return zlib.crc32(caption.encode()) / 2**32


def recaption(decoded: pa.Table, _vectors: pa.Table, captions) -> pa.Table:
    rows = decoded.to_pylist()
    for row in rows:
        if row["uid"] in captions:
            row["clip_similarity"] = clip(captions[row["uid"]])
    return from_rows(rows, DECODED)


# --- a build of it


@dataclass(frozen=True)
class Built:
    tables: ShardTables
    edges: pa.Table

    @property
    def kept(self) -> dict[str, str]:
        """Caption of each row that is released."""
        stays = self.tables.decided.filter(pc.equal(self.tables.decided["verdict"], "keep"))
        said = captions(self.tables.rows)
        return {uid: said[uid] for uid in stays["uid"].to_pylist()}

    @property
    def fetched(self) -> set[str]:
        return set(self.tables.decoded["uid"].to_pylist())


def build(rows: list[Shown], claims: Honoured, fetched: set[str] | None = None) -> Built:
    """Decide as a build does. fetched: what a store has; None for everything that is asked for."""
    source = from_rows(
        [
            {"uid": r.uid, "row": n, "url": r.url, "url_key": r.url, "host": r.host,
             "caption": r.caption}
            for n, r in enumerate(rows)
        ],
        ROWS,
    )  # fmt: skip
    source = source.append_column(
        f"{EXTRA}tags", pa.array([[r.caption.split(" no.")[0]] for r in rows])
    )
    worded = redact(source, claims.claims)
    stops = dict(zip(*(worded.rows[n].to_pylist() for n in ("uid", "stop_reason")), strict=True))
    said = captions(worded.rows)
    live = [r for r in rows if stops[r.uid] is None and (fetched is None or r.uid in fetched)]
    seen = {r.uid for r in live}
    unseen = {"stop_stage": "fetch", "stop_reason": str(Reason.NOT_OBSERVED)}
    judged = from_rows(
        [
            {"uid": r.uid, "sha256": r.sha256, "outcome": "ok"} if r.uid in seen
            else {"uid": r.uid, **(unseen if stops[r.uid] is None else {})}
            for r in rows
        ],
        JUDGED,
    )  # fmt: skip
    decoded = from_rows(
        [
            {"uid": r.uid, "pixel_sha256": f"{r.image + 1000:064x}", "pdq": pdq(r.image),
             "pdq_quality": 90, "stored_pdq": pdq(r.image),
             "original_width": 100 + r.encoded, "original_height": 100,
             "stored_sha256": stored(r), "clip_similarity": clip(said[r.uid])}
            for r in live
        ],
        DECODED,
    )  # fmt: skip
    column = pa.array([list(looks(r.image)) for r in live], vector(DIM))
    named = dict.fromkeys(("sem", "cpy", "sty"), column)
    vectors = pa.table({"uid": pa.array([r.uid for r in live], pa.string()), **named})
    keys = content_keys(judged, decoded)
    edges = relate(keys, column, config=CONFIG.relate, threshold=THRESHOLD, seed=0)
    similar = likeness(vectors, claims, COHORT, CONFIG.match.epsilon)
    met = pa.concat_tables([match(keys, vectors, claims, similar, CONFIG.match), worded.named])
    known = slim(worded.rows, judged, decoded, FILTERED.empty_table())
    voted = votes(known, [similar], edges, claims, CONFIG.match)
    decided = decide(
        known, pa.concat_tables([met, voted]), edges, claims.claims,
        grants(worded.rows, claims.claims), CONFIG,
    )  # fmt: skip
    chosen = represent(decided, known, edges, THRESHOLD, CONFIG)
    tables = ShardTables(
        worded.rows, judged, decoded, images(live), vectors, chosen, worded.originals, similar
    )
    return Built(tables, edges)


def stored(row: Shown) -> str:
    return sha256_hex(body(row))


@cache
def body(row: Shown) -> bytes:
    return picture(row.image * 10 + row.encoded)


def images(rows: list[Shown]) -> pa.Table:
    made = [{"uid": r.uid, "stored_sha256": stored(r), "body": body(r)} for r in rows]
    return from_rows(made, STORED)


def captions(table: pa.Table) -> dict[str, str]:
    return dict(zip(*(table[n].to_pylist() for n in ("uid", "caption")), strict=True))


# --- the same rows judged again, from what was published and what the vault holds


@dataclass(frozen=True)
class Again:
    """published: samples without images. vaulted: VAULTED and more. decided: DECIDED of all."""

    published: pa.Table
    vaulted: pa.Table
    released: Found
    decided: pa.Table


def judge_again(old: Built, claims: Honoured) -> Again:
    tables = old.tables
    stays = pc.equal(tables.decided["verdict"], "keep")
    published = without_images(sample_rows(tables, tables.decided.filter(stays)))
    vaulted = vault_rows(tables, tables.decided.filter(pc.invert(stays)), b"s" * 32)
    samples = samples_of(published, [f for f in vaulted.schema if f.name.startswith(EXTRA)])
    own = pc.is_in(tables.vectors["uid"], samples["uid"].combine_chunks())
    before = tables.originals.filter(
        pc.is_in(tables.originals["uid"], samples["uid"].combine_chunks())
    )
    means = Means(claims, CONFIG, COHORT, recaption, None, near_styles)
    released = find(of_samples(samples, tables.vectors.filter(own), {}), means, before)
    doubted = vaulted["uid"].filter(pc.is_in(vaulted["reason"], pa.array(sorted(BY_CLAIMS))))
    beside = find(of_vaulted(vaulted), means, doubted=doubted.combine_chunks())
    decided = decide_again([released, beside], old.edges, means, THRESHOLD).decided
    return Again(published, vaulted, released, decided)
