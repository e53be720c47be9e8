from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from jobs.demo.cast import Cast, Person, Work
from jobs.demo.gallery import jpeg
from jobs.demo.hosts import Hosts
from jobs.demo.run import submit_command
from jobs.demo.site import CONFIG, claims, lay_out
from schemas.config import BuildConfig
from schemas.verdict import Reason, Verdict


def _works(folder: Path, name: str, count: int) -> tuple[Work, ...]:
    random = np.random.default_rng(len(name))
    made = []
    for k in range(count):
        file = folder / f"{name}-{k}.jpg"
        file.write_bytes(jpeg(random.integers(0, 255, (24, 24, 3), dtype=np.uint8)))
        made.append(Work(file, f"{name} {k}"))
    return tuple(made)


@pytest.fixture
def cast(tmp_path: Path) -> Cast:
    return Cast(
        Person("Mira Venn", _works(tmp_path, "stylist", 8), 5, ("ミラ・ヴェン",)),
        Person("Teo Marsh", _works(tmp_path, "host", 8), 5),
        Person("Jon Holm", _works(tmp_path, "sibling", 8), 5),
        _works(tmp_path, "other", 85),
    )


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    made = Hosts()
    yield made
    made.stop()


def test_every_expected_word_is_one_that_the_build_knows(cast: Cast, hosts: Hosts) -> None:
    rows = lay_out(cast, hosts)
    assert {r.verdict for r in rows} <= {*Verdict, "any"}
    assert {reason for r in rows for reason in r.reasons} <= {*Reason}


def test_rows_differ_but_for_those_that_repeat(cast: Cast, hosts: Hosts) -> None:
    counts = Counter((r.url, r.caption) for r in lay_out(cast, hosts))
    assert sorted(n for n in counts.values() if n > 1) == [2, 2, 2]


def test_urls_stay_on_loopback_but_for_the_one_that_is_never_asked(
    cast: Cast, hosts: Hosts
) -> None:
    urls = [urlsplit(r.url) for r in lay_out(cast, hosts) if r.verdict != "drop"]
    assert all(u.hostname and u.hostname.endswith(".localhost") for u in urls)


def test_every_claim_has_its_works_and_a_command(cast: Cast, hosts: Hosts, tmp_path: Path) -> None:
    lay_out(cast, hosts)
    made = claims(cast, tmp_path / "claims")
    assert [len(list(c.folder.iterdir())) for c in made] == [5, 5, 5]
    command = submit_command(made[1], tmp_path / "r.db", tmp_path)
    assert "--host" in command
    assert "teo-marsh.localhost" in command


def test_the_config_is_one_that_the_build_takes() -> None:
    assert BuildConfig.model_validate(CONFIG).fetch.retries == 1
