"""Hash lists of material that must not be stored: asked before anything of a row is kept.

A file holds one lower- or upper-case hex hash a line (64 digits: SHA-256 of the bytes as fetched,
or PDQ); blank lines and what follows `#` are skipped. A PDQ hit asks for the same quality as
relating copies does, since hashes of flat pictures agree by chance.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.image.canonical import CanonicalHasher
from pipeline.near.hamming import Near, as_words
from schemas.canonical import canonical_json
from schemas.config import SafetyConfig
from schemas.errors import ImageError, UsageError
from schemas.tables import JUDGED, require
from schemas.verdict import Reason

MIN_QUALITY = 50
STAGE = "safety"
HEX = re.compile(r"[0-9a-fA-F]{64}")
SHOWN = 80  # characters of a bad line that a message quotes


@dataclass(frozen=True, slots=True)
class SafetyLists:
    """The lists of a build, ready to be asked."""

    sha256: Mapping[str, str]  # hash -> the file that lists it
    pdq: Near
    pdq_files: tuple[str, ...]  # of each hash in `pdq`
    sources: Mapping[str, int]  # file -> hashes in it

    @classmethod
    def load(cls, config: SafetyConfig, read: Callable[[str], bytes]) -> "SafetyLists":
        """Return the lists that a config names; `read` gives a file's bytes.

        Raises UsageError where a line is no hash, and what `read` raises.
        """
        exact = {path: parse(read(path), path) for path in config.sha256}
        near = {path: parse(read(path), path) for path in config.pdq}
        hashes = [(bytes.fromhex(h), path) for path, listed in near.items() for h in listed]
        return cls(
            {h: path for path in reversed(exact) for h in exact[path]},
            Near(as_words([h for h, _ in hashes]), config.pdq_radius),
            tuple(path for _, path in hashes),
            {path: len(listed) for path, listed in (exact | near).items()},
        )

    def names(self, sha256: str, body: bytes) -> bool:
        """Say whether a list names these bytes or their picture, before anything of them is kept.

        The picture is decoded only where there are PDQ lists; what is no image has no picture.
        """
        if self.hit(sha256) or not self.pdq_files:
            return self.hit(sha256) is not None
        try:
            keys = CanonicalHasher().keys(body)
        except ImageError:
            return False
        return self.hit(sha256, keys.pdq, keys.pdq_quality) is not None

    def hit(self, sha256: str, pdq: bytes | None = None, quality: int = 0) -> str | None:
        """Return what was hit as JSON (list, key, distance), None where nothing was.

        Without `pdq` only the bytes are judged. The detail names no hash.
        """
        if sha256 in self.sha256:
            return _detail(self.sha256[sha256], "sha256", 0)
        if pdq is None or quality < MIN_QUALITY:
            return None
        found = self.pdq.nearest(pdq)
        if found is None:
            return None
        place, bits = found
        return _detail(self.pdq_files[place], "pdq", bits)


def parse(body: bytes, path: str) -> list[str]:
    """Return the lower-case hashes of a list, in its order. Raises UsageError."""
    try:
        lines = body.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as e:
        raise UsageError(f"expected a list of hashes in UTF-8, found other bytes in {path}") from e
    hashes = []
    for number, line in enumerate(lines, 1):
        found = line.split("#", 1)[0].strip()
        if not found:
            continue
        if not HEX.fullmatch(found):
            raise UsageError(
                f"expected 64 hex digits, found {found[:SHOWN]!r} in line {number} of {path}"
            )
        hashes.append(found.lower())
    return hashes


def _detail(path: str, key: str, bits: int) -> str:
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return canonical_json({"list": name, "key": key, "distance": bits}).decode()


def withheld(judged: pa.Table) -> pa.Table:
    """Return JUDGED with a stop for each row whose bytes were seen and must not be kept.

    Such a row has a sha256, no pack, and nothing that stops it so far.
    """
    require(judged, JUDGED)
    refused = pc.and_(
        pc.and_(pc.is_valid(judged["sha256"]), pc.is_null(judged["pack"])),
        pc.is_null(judged["stop_reason"]),
    )
    for name, value in (("stop_stage", STAGE), ("stop_reason", str(Reason.SAFETY))):
        place = judged.schema.get_field_index(name)
        column = pc.if_else(refused, pa.scalar(value, pa.string()), judged[name])
        judged = judged.set_column(place, judged.schema.field(place), column)
    return judged
