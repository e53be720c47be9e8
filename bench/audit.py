"""What an audit of a release costs, check by check, beside hashing its files and building it.

    OMP_NUM_THREADS=1 python bench/audit.py CORPUS [--rows 2000] [--works 40]

CORPUS is the folder that the corpus script made. ROWS images of it, drawn by a fixed seed, are the
source; WORKS of them are listed by a claim. The build is the command that builders run, from a
folder, in one process, with the built-in model. All that an auditor may hold is at hand: registry,
vault, model; every image is looked at. CPU seconds of this process, and of the build's.
"""

import argparse
import hashlib
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.copies import read_images
from jobs import verifying
from jobs.checks import files, images, lists
from jobs.checks.held import Held
from jobs.held_logs import of_registry
from jobs.registries import open_registry
from jobs.releases import Release, open_release
from pipeline.audit import Check
from pipeline.clock import clock_from_environment
from pipeline.models.loading import load_matcher
from pipeline.models.matcher_files import cohort_of
from pipeline.storage import open_store

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
SEED = 5
UNASKED = "robots,well-known,headers"  # what a folder has nobody to ask about
MODEL = "builtin:lite"


def recuse(*words: object) -> float:
    """Run a command; returns its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "jobs", *map(str, words)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def made(place: Path, bodies: Sequence[bytes], works: int) -> float:
    """Build a release below a folder; returns the CPU seconds of the build."""
    source, listed, registry = place / "source", place / "works", place / "registry.db"
    for folder in (source, listed):
        folder.mkdir()
    for number, body in enumerate(bodies):
        (source / f"{number:06d}.jpg").write_bytes(body)
        (source / f"{number:06d}.txt").write_text(f"picture {number}")
        if number < works:
            (listed / f"{number:06d}.jpg").write_bytes(body)
    recuse("optout", "submit", listed, "--artist", "Ada Example", "--kind", "work", "--registry",
           registry, "--receipt", place / "ada.tlog-proof", "--key", place / "ada.key")  # fmt: skip
    return recuse("build", source, "--out", place / "release", "--registry", registry,
                  "--workers", 0, "--accept-unchecked", UNASKED)  # fmt: skip


def timed(what: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    found = what()
    return found, time.process_time() - start


def hashed(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            hashlib.sha256(path.read_bytes())


def quiet(_done: int, _all: int) -> None:
    """Show no progress."""


def checks(release: Release, held: Held) -> dict[str, Callable[[], Check]]:
    return {
        "files": lambda: files.files(release, quiet),
        "rows": lambda: files.rows(release),
        "maps": lambda: files.maps(release, quiet),
        "bytes": lambda: images.stored_bytes(release, held, quiet),
        "vectors": lambda: images.vectors(release, held, quiet),
        "log": lambda: lists.logs(release, held),
        "vault": lambda: verifying.vault(release, held.vault),
        "ledger": lambda: verifying.ledger_opened(release, held.vault),
        "signals": lambda: verifying.replayed_signals(release, held.vault, quiet),
        "claims": lambda: verifying.claims(verifying.replayed(release, held)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--works", type=int, default=40)
    given = parser.parse_args()
    images = random.Random(SEED).sample(read_images(given.corpus), given.rows)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        built = made(place, [image.body for image in images], given.works)
        plain = timed(lambda: hashed(place / "release"))[1]
        print(f"{given.rows:,} rows; build {built:.0f} s CPU, hashing the files {plain:.2f} s\n")
        print("| check | found | CPU s | ms a row |\n| --- | --- | --- | --- |", flush=True)
        with open_registry(str(place / "registry.db"), clock_from_environment()) as registry:
            held = Held(
                registries=(registry,),
                logs=(partial(of_registry, registry),),
                vault=str(place / "release.vault"),
                sample=None,
                embedder=lambda: load_matcher(MODEL),
                cohort=partial(cohort_of, MODEL),
            )
            release = open_release(open_store(str(place / "release")))
            for name, check in checks(release, held).items():
                found, spent = timed(check)
                each = 1000 * spent / given.rows
                print(f"| {name} | {found.said} | {spent:.2f} | {each:.2f} |", flush=True)
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


if __name__ == "__main__":
    main()
