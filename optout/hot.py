"""Pictures that are nobody's: claiming one would take other people's images along.

Three kinds are told by their hash: test patterns, listed here, flags (optout.flags), and what many
claimants have listed already, which is a meme, a logo or a stock picture. Flat pictures and
stripes, of which PDQ makes no hash that lasts, are told by the hasher.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optout.flags import FLAGS

SAME_RADIUS = 31  # PDQ bits within which two pictures are one
FLAG_RADIUS = 16
"""Bits within which a picture is a flag: of 4,141 other pictures of the development corpus none is;
within 24 two plain ones are."""
MAX_CLAIMANTS = 5
"""Others that may have listed a picture before it counts as nobody's."""

TEST_CARDS = {
    "ca95cf83346aca95bd6ab56acb95307cb56aca95307cb7824a95307c9782487d": "colour bars",
    "33333333cccccccc33333333cccccccc33333333cccccccc33333333cccccccc": "chequers, 2 x 2",
    "61869e799e7969a679a6618661869e799e79618679a6618661869e799e796186": "chequers, 3 x 3",
    "af8d0d0dad0d0d0df2f2f2f28d0df2f28d0d0d0d0d0d0d0df2f2f2f20d0df2f2": "chequers, 4 x 4",
    "6a1a95e595e56a1a95e56a1a97e56b1a6a1a6a1a6a1a95e595e56a1a95e56a1a": "chequers, 5 x 5",
    "d8bdafca5035afcad835503550355035d0355035afcaafcad035afca5035afca": "chequers, 6 x 6",
    "aafd00d5aad500d5a8d500d5a0d500d5ff2aff2a80d5ff2a80d5ff2a80d5ff2a": "chequers, 8 x 8",
    "8bdd0355035503558b550355fcaafcaa8355fcaa0355fcaa8355fcaa0355fcaa": "chequers, 10 x 10",
    "2aaa2aaaf5552aaaf5552aaad5552aaad5552aaad5552aaad5552aaad5552aaa": "chequers, 16 x 16",
    "862ccb26da734d3649e334b12da6b45bb494c6c4d2dbcc4e2f4933e4b4b43b13": "a circle on a grid",
}
"""PDQ of test patterns, hex; painted and printed by bench/hot_patterns.py."""

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """Pictures that others have listed. pdq: uint64[m, 4], upright. claimant: of each, any text."""

    pdq: Words
    claimant: Sequence[str]

    @classmethod
    def of(cls, listed: Iterable[tuple[str, bytes]]) -> "Listed":
        """Return the pictures of claimants: who, and the upright PDQ of what."""
        rows = list(listed)
        return cls(words([pdq for _, pdq in rows]), [who for who, _ in rows])

    def claimants(self, variants: Words) -> int:
        """Return how many claimants have listed a picture, mirrored or turned or not.

        variants: uint64[8, 4].
        """
        same = distances(self.pdq, variants) <= SAME_RADIUS
        return len({self.claimant[place] for place in np.flatnonzero(same).tolist()})


def words(hashes: Sequence[bytes]) -> Words:
    """Return uint64[n, 4] of n PDQ hashes; n may be 0."""
    return np.frombuffer(b"".join(hashes), np.uint64).reshape(-1, 4)


def distances(hashes: Words, variants: Words) -> npt.NDArray[np.int64]:
    """Return int64[n], the least distance of hashes uint64[n, 4] to variants uint64[8, 4]."""
    least = np.full(len(hashes), 256, np.int64)
    for variant in variants:
        np.minimum(least, np.bitwise_count(hashes ^ variant).sum(axis=1, dtype=np.int64), out=least)
    return least


def refusal(variants: Words, listed: Listed) -> str:
    """Return why a picture is nobody's to claim, empty where it may be somebody's."""
    near = np.flatnonzero(distances(CARDS, variants) <= SAME_RADIUS)
    if len(near):
        return f"a test pattern ({list(TEST_CARDS.values())[near[0]]}), which is nobody's work"
    near = np.flatnonzero(distances(FLAG_WORDS, variants) <= FLAG_RADIUS)
    if len(near):
        name = list(FLAGS.values())[near[0]]
        return f"a flag ({name}, or one of the same pattern), which is nobody's work"
    others = listed.claimants(variants)
    if others >= MAX_CLAIMANTS:
        return (
            f"stands in the claims of {others} others already, as memes and logos do"
            f" ({MAX_CLAIMANTS} are the limit); it stays protected by theirs, and by its address or"
            " host if you name them"
        )
    return ""


CARDS = words([bytes.fromhex(text) for text in TEST_CARDS])
FLAG_WORDS = words([bytes.fromhex(text) for text in FLAGS])
