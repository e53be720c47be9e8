"""Runs the real command over a real server, and compares releases byte for byte."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq

from tests.servers import Answer, Asked

ROOT = Path(__file__).parents[2]
EPOCH = "1767225600"  # 2026-01-01T00:00:00Z: what the recorded times say in builds to be compared


def command(source: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "jobs", "build", str(source), "--out", str(out), *options]


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "SOURCE_DATE_EPOCH": EPOCH,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "default",
    }


def build(source: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(source, out, *options),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def recuse(*arguments: object) -> str:
    """Run a command that must succeed; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "jobs", *map(str, arguments)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows_in(folder: Path) -> list[dict]:
    """Return the rows of all Parquet files of a folder."""
    return [row for p in sorted(folder.glob("*.parquet")) for row in pq.read_table(p).to_pylist()]


def manifest(out: Path) -> dict:
    return json.loads((out / "manifest.json").read_bytes())


def digests(folder: Path, leave: Sequence[str] = ()) -> dict[str, str]:
    """Return path -> sha256 of every file below a folder."""
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.relative_to(folder).as_posix() not in leave
    }


def differing(a: Path, b: Path) -> list[str]:
    one, other = digests(a), digests(b)
    return sorted(p for p in one.keys() | other.keys() if one.get(p) != other.get(p))


def picture(seed: int, edge: int = 300) -> bytes:
    """Return a JPEG of blocks and noise that no other seed gives."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 255, (10, 10, 3), np.uint8)
    pixels = cv2.resize(blocks, (edge, edge), interpolation=cv2.INTER_CUBIC)
    noise = rng.integers(0, 40, pixels.shape, np.uint8)
    ok, body = cv2.imencode(".jpg", cv2.add(pixels, noise), [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert ok
    return body.tobytes()


def url_list(path: Path, urls: Iterable[str]) -> Path:
    lines = [json.dumps({"url": u, "caption": f"picture {i}"}) for i, u in enumerate(urls)]
    path.write_text("\n".join(lines) + "\n")
    return path


class Changing:
    """Answers every request differently: another picture, now and then a refusal."""

    def __init__(self, seed: int) -> None:
        self.asked = 0
        self.seed = seed

    def __call__(self, asked: Asked) -> bytes | Answer:
        if asked.path == "/robots.txt":
            return Answer(200, b"User-agent: *\nDisallow: /closed/\n")
        if not asked.path.endswith(".jpg"):
            return Answer(404)
        self.asked += 1
        number = self.seed * 100_000 + self.asked
        if number % 11 == 0:
            return Answer(404, b"not today")
        headers = [("X-Robots-Tag", "noai")] if number % 13 == 0 else []
        return Answer(200, picture(number), headers)


def scripted(asked: Asked) -> bytes | Answer:
    """Answers by address alone."""
    if asked.path == "/robots.txt":
        return Answer(200, b"User-agent: *\nDisallow: /closed/\n")
    if not asked.path.endswith(".jpg"):
        return Answer(404)
    number = int(hashlib.sha256(f"{asked.host}{asked.path}".encode()).hexdigest()[:8], 16)
    if number % 11 == 0:
        return Answer(404, b"never")
    if number % 7 == 0 and asked.host.startswith("a"):
        to = f"http://b.localhost:{asked.headers['host'].rsplit(':', 1)[-1]}{asked.path}"
        return Answer(302, b"", [("Location", to)])
    headers = [("X-Robots-Tag", "noai")] if number % 13 == 0 else []
    return Answer(200, picture(number % 60), headers)  # some pictures are shown twice
