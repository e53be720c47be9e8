"""Real pictures for the tests that need them."""

from pathlib import Path

import pytest

from tests.e2e.corpus_site import UnavailableError, corpus


@pytest.fixture(scope="session")
def corpus_folder() -> Path:
    """The folder of the corpus; what needs it is skipped where it cannot be had."""
    try:
        return corpus()
    except UnavailableError as e:
        pytest.skip(str(e))
