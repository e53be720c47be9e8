"""Hash lists of material that must not be stored: asked before anything of a row is kept.

A file holds one lower- or upper-case hex hash a line (64 digits: SHA-256 of the bytes as fetched,
or PDQ); blank lines and what follows `#` are skipped. A PDQ hit asks for the same quality as
relating copies does, since hashes of flat pictures agree by chance.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.near.hamming import Near, as_words
from schemas.canonical import canonical_json
from schemas.config import SafetyConfig
from schemas.errors import UsageError

MIN_QUALITY = 50
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
