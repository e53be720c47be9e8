"""Which files a release and its vault have. Pure.

Whatever else lies in their folders is somebody's: nothing is written over it, and in a release that
is out it could hold rows that nobody looks at.
"""

import re
from collections.abc import Iterable

BESIDE_SAMPLES = re.compile(
    r"ledger/\d+\.parquet|evidence/([0-9a-f]{64}|index\.parquet)|report\.html|retractions\.parquet"
)
"""What a release has beside rows, their vectors, its manifest and notes (docs/release.md)."""
RELEASE = re.compile(
    rf"samples/\d+(\.parquet|\.tar|_stats\.json)|embeddings/\d+\.parquet|{BESIDE_SAMPLES.pattern}"
    r"|(manifest\.json|retractions\.parquet)(\.note)?"
)
VAULT = re.compile(
    r"(rows|captions|held|similarities|evidence/(rows|private))/.+"
    r"|(edges|matches|claims)\.parquet|secret|review\.html"
)


def strangers(paths: Iterable[str], known: re.Pattern[str]) -> list[str]:
    """Return the paths that are no file of a RELEASE or a VAULT, sorted."""
    return sorted(path for path in paths if not known.fullmatch(path))
