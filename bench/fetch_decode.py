"""CPU time of fetching and decoding one image: recuse beside img2dataset 1.47, same server.

    OMP_NUM_THREADS=1 python bench/fetch_decode.py [--n 600] [--repeat 3] [--json FILE]

A loopback server in a process of its own gives JPEGs of 0.63 megapixels and about 85 KB, painted
by code like photographs (noise with a 1/f spectrum and hard edges), all different. Each case runs
in a fresh process, is warmed up with 60 images, and then timed with time.process_time over n more,
so that start-up (11 s of CPU for img2dataset) is left out. Median and least of the runs are given;
on a busy machine the least is nearer to the truth. `close` has the server end the connection
after each answer, as where every image lies on another host; img2dataset never keeps one.

img2dataset       Downloader, 32 threads, Resizer 256 keep_ratio q95, sha256, its Parquet writer
img2dataset-raw   the same without decoding: bytes as fetched (disable_all_reencoding)
aiohttp           aiohttp's own session and sha256, nothing else: the floor of this machine
recuse-fetch      robots.txt, gates, headers kept, sha256, packs published, OBSERVED written
recuse            the same, and decode: canonical keys (pixel_sha256, PDQ), 256 keep_ratio q95,
                  PDQ and sha256 of the stored bytes
recuse-i2d        fetch.engine: img2dataset, behind guard and gates, no decoding
"""

import argparse
import asyncio
import hashlib
import json
import os
import platform
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.feather

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.servers import Answer, Asked, certificate, serve  # noqa: E402 - after the path

WARM_UP = 60
CONNECTIONS = 32
AGENT = "bench"
PAINTED = 24
WIDTH, HEIGHT, TARGET_BYTES = 917, 687, 85_000
ENGINES = ("img2dataset", "img2dataset-raw", "aiohttp", "recuse-fetch", "recuse", "recuse-i2d")
LINKS = ("http keep", "http close", "https close")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=600, help="images timed in each case")
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the median counts")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--base", help=argparse.SUPPRESS)
    parser.add_argument("--serve", choices=LINKS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve_images(args.serve)
    elif args.client:
        print(json.dumps(client(args.client, args.base, args.n)))
    else:
        report(compare(args.n, args.repeat), args.json)


def painted(seed: int) -> bytes:
    """Return a JPEG with the statistics of a photograph, near TARGET_BYTES."""
    rng = np.random.default_rng(seed)
    y, x = np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None]
    spectrum = np.maximum(np.hypot(x, y), 1 / WIDTH) ** -1.15
    planes = []
    for _ in range(3):
        phase = np.exp(2j * np.pi * rng.random(spectrum.shape))
        plane = np.fft.irfft2(spectrum * phase, (HEIGHT, WIDTH))
        planes.append(plane / plane.std())
    luma = planes[0] * 42 + 120
    image = np.stack([luma, luma + planes[1] * 12, luma + planes[2] * 12], axis=2)
    for _ in range(12):
        centre = (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT)))
        cv2.circle(image, centre, int(rng.integers(20, 140)), rng.integers(0, 255, 3).tolist(), -1)
    pixels = np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
    sizes = {}
    for quality in range(60, 96, 3):
        body = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        sizes[abs(len(body) - TARGET_BYTES)] = body
    return sizes[min(sizes)]


def serve_images(link: str) -> None:
    """Serve until stdin closes; print port, TLS authority and mean size first."""
    bodies = [painted(seed) for seed in range(PAINTED)]
    headers = [("Content-Type", "image/jpeg"), ("ETag", '"1"'), ("Cache-Control", "max-age=60")]
    if link.endswith("close"):
        headers.append(("Connection", "close"))

    def answer(asked: Asked) -> Answer:
        if asked.path == "/robots.txt":
            return Answer(body=b"User-agent: *\nDisallow: /private/\n")
        number = int(asked.path.strip("/").split(".")[0])
        tail = number.to_bytes(8, "big")  # behind the end of image: other bytes, same pixels
        return Answer(body=bodies[number % PAINTED] + tail, headers=headers)

    tls, pem = certificate("127.0.0.1") if link.startswith("https") else (None, "")
    with serve(answer, tls=tls) as server:
        size = statistics.mean(map(len, bodies))
        print(json.dumps({"base": server.url(""), "pem": pem, "bytes": size}), flush=True)
        sys.stdin.read()


def compare(n: int, repeat: int) -> list[dict[str, object]]:
    """Time every engine over every link."""
    rows = []
    for link in LINKS:
        command = [sys.executable, __file__, "--serve", link]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            if server.stdout is None or server.stdin is None:
                raise RuntimeError("expected pipes to the server")
            told = json.loads(server.stdout.readline())
            runs = [
                (engine, timed(engine, told, n)) for _ in range(repeat) for engine in ENGINES
            ]  # engines take turns, so that a busy minute hits all
            server.stdin.close()
        for engine in ENGINES:
            found = [run for name, run in runs if name == engine]
            cpu = [run["cpu_ms"] for run in found]
            wall = statistics.median(run["wall_ms"] for run in found)
            rows.append(
                {
                    "engine": engine,
                    "link": link,
                    "cpu_ms": round(statistics.median(cpu), 2),
                    "least_cpu_ms": round(min(cpu), 2),
                    "wall_ms": round(wall, 2),
                    "images": found[0]["images"],
                    "mean_bytes": round(told["bytes"]),
                }
            )
            print(f"{link:12} {engine:16} {min(cpu):6.2f} ms CPU", file=sys.stderr)
    return rows


def timed(engine: str, server: dict[str, str], n: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1",
                       "WANDB_MODE": "disabled"}  # fmt: skip
        if server["pem"]:
            # Both clients load the system's authorities; the server's is put among them.
            system = Path(ssl.get_default_verify_paths().cafile or "/dev/null").read_text()
            bundle = Path(folder, "ca.pem")
            bundle.write_text(system + server["pem"])
            environment["SSL_CERT_FILE"] = str(bundle)
        command = [sys.executable, "-W", "ignore", __file__, "--client", engine, "--n", str(n)]
        found = subprocess.run(
            [*command, "--base", server["base"]],
            env=environment, cwd=folder, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    result: dict[str, float] = json.loads(found.stdout.splitlines()[-1])
    return result


def client(engine: str, base: str, n: int) -> dict[str, float]:
    """Return milliseconds per image of one engine, start-up left out."""
    run = downloads if engine.startswith("img2dataset") else ours
    if engine == "aiohttp":
        run = bare
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = run(engine, base, folder)
        work(range(WARM_UP))
        cpu, wall = time.process_time(), time.perf_counter()
        images = work(range(WARM_UP, WARM_UP + n))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if images != n:
        raise RuntimeError(f"expected {n} images, found {images}")
    return {"cpu_ms": cpu * 1000 / n, "wall_ms": wall * 1000 / n, "images": images}


Work = Callable[[range], int]


def downloads(engine: str, base: str, folder: str) -> Work:
    """Return a runner of img2dataset's own Downloader."""
    from img2dataset.downloader import Downloader  # noqa: PLC0415 - seconds
    from img2dataset.resizer import Resizer  # noqa: PLC0415 - likewise
    from img2dataset.writer import ParquetSampleWriter  # noqa: PLC0415 - likewise

    raw = engine.endswith("raw")
    resizer = Resizer(
        256, "keep_ratio", resize_only_if_bigger=True, disable_all_reencoding=raw
    )  # quality 95 and area interpolation by default

    def work(numbers: range) -> int:
        shard = str(Path(folder, f"{numbers.start}.feather"))
        urls = pa.table({"url": [f"{base}/{i}.jpg" for i in numbers]})
        pa.feather.write_feather(urls, shard, compression="uncompressed")
        downloader = Downloader(
            ParquetSampleWriter, resizer, CONNECTIONS, save_caption=False, extract_exif=False,
            output_folder=folder, column_list=["url"], timeout=30,
            number_sample_per_shard=len(numbers), oom_shard_count=5, compute_hash="sha256",
            verify_hash_type=None, encode_format="jpg", retries=0, user_agent_token=AGENT,
            disallowed_header_directives=["noai", "noimageai", "noindex", "noimageindex"],
        )  # fmt: skip
        downloader((numbers.start, shard))
        stats = json.loads(Path(folder, f"{numbers.start:05d}_stats.json").read_text())
        return int(stats["successes"])

    return work


def bare(_engine: str, base: str, _folder: str) -> Work:
    """Return a runner of aiohttp alone."""
    import aiohttp  # noqa: PLC0415 - not the peer's cost

    context = ssl.create_default_context()

    async def fetched(numbers: range) -> int:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one(number: int) -> bool:
                async with session.get(f"{base}/{number}.jpg") as answer:
                    return bool(hashlib.sha256(await answer.read()).digest())

            return sum(await asyncio.gather(*map(one, numbers)))

    return lambda numbers: asyncio.run(fetched(numbers))


def ours(engine: str, base: str, folder: str) -> Work:
    """Return a runner of recuse's fetch, with or without decode."""
    from optout.signals.policy import SignalPolicy  # noqa: PLC0415 - not the peer's cost
    from pipeline import fetch as aiohttp_engine  # noqa: PLC0415
    from pipeline.buckets import write_bucketed  # noqa: PLC0415
    from pipeline.clock import SystemClock  # noqa: PLC0415
    from pipeline.fetchstore import PackWriter, read_bodies  # noqa: PLC0415
    from pipeline.storage import open_store  # noqa: PLC0415
    from pipeline.transport import AiohttpTransport  # noqa: PLC0415
    from pipeline.web import img2dataset_engine  # noqa: PLC0415
    from schemas.config import DecodeConfig, FetchConfig  # noqa: PLC0415
    from schemas.tables import DOCUMENTS, REQUESTS, from_rows  # noqa: PLC0415

    config = FetchConfig(
        allow_hosts=(base.split("//")[1],), connections=CONNECTIONS, per_host=CONNECTIONS
    )
    store = open_store(folder)
    ask = (img2dataset_engine if engine == "recuse-i2d" else aiohttp_engine).fetch

    async def fetched(numbers: range) -> pa.Table:
        urls = [f"{base}/{i}.jpg" for i in numbers]
        rows = [{"host": "127.0.0.1", "url_key": u, "url": u, "shards": [0], "hops": []}
                for u in urls]  # fmt: skip
        async with AiohttpTransport(config) as transport:
            found = await ask(
                from_rows(rows, REQUESTS), DOCUMENTS.empty_table(), SignalPolicy("RecuseBot"),
                config, transport=transport, clock=SystemClock(), rng=random.Random(0),
                packs=PackWriter(store, "packs"),
            )  # fmt: skip
        return found.observed

    def work(numbers: range) -> int:
        observed = asyncio.run(fetched(numbers))
        shards = pa.array([0] * len(observed), pa.int32())
        store.publish(f"{numbers.start}.parquet", write_bucketed(observed, shards))
        images = observed["outcome"].to_pylist().count("ok")
        if engine == "recuse":
            from pipeline.decode import prepare  # noqa: PLC0415 - decoders only where they run

            settings = DecodeConfig(image_size=256)
            return sum(bool(prepare(b, settings).stored) for b in read_bodies(store, observed))
        return images

    return work


def report(rows: list[dict[str, object]], path: Path | None) -> None:
    machine = {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": [round(x, 1) for x in os.getloadavg()],
    }
    size = f"{rows[0]['mean_bytes']} bytes, {WIDTH * HEIGHT / 1e6:.2f} megapixels"
    print(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}")
    print(f"CPU ms per image of {size}: median (least)")
    print(f"{'':16}" + "".join(f"{link:>16}" for link in LINKS))
    for engine in ENGINES:
        cells = [row for row in rows if row["engine"] == engine]
        text = [f"{row['cpu_ms']:.2f} ({row['least_cpu_ms']:.2f})" for row in cells]
        print(f"{engine:16}" + "".join(f"{cell:>16}" for cell in text))
    if path:
        path.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")


if __name__ == "__main__":
    main()
