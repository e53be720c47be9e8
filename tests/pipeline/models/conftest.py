"""The real built-in model, loaded once a session, assembled in a folder of the session's own."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.models import builtin, loading


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def lite(cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, builtin.CACHE_VARIABLE, str(cache))
        return loading.load_matcher(batch_size=4)


@pytest.fixture(scope="session")
def pictures() -> list[np.ndarray]:
    """Pictures with soft and hard edges, of sizes and shapes that differ."""
    rng = np.random.default_rng(5)
    made = []
    for i, (height, width) in enumerate([(256, 256), (300, 420), (90, 64), (500, 260), (256, 340)]):
        small = rng.integers(0, 256, (5 + i, 7, 3), dtype=np.uint8)
        image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.circle(image, (width // 2, height // 3), 20 + 5 * i, (250, 30, 10 * i), -1)
        cv2.putText(image, "abc", (5, height // 2), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (0, 0, 0), 3)
        made.append(image)
    return made
