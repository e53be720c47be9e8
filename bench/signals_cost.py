"""What reading every signal costs: CPU per image and requests per host, signals on beside off.

    OMP_NUM_THREADS=1 python bench/signals_cost.py [--hosts 1000] [--images 50] [--repeat 1]

A loopback server in a process of its own plays many hosts (h0.localhost, h1.localhost, ...), each
with a robots.txt of 24 lines, no tdmrep.json and no ai.txt, and JPEGs of 0.63 megapixels and about
85 KB with eight ordinary response headers; every tenth image carries an XMP packet of 2 KB as
editors write it. Timed with time.process_time in a fresh process, chunk by chunk of 2,000 URLs as
in a build: fetch, publish, judge, open the bytes, decode to canonical keys and a stored image. No
model runs. `off` fetches and decodes the same, asks for no document and reads no signal.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import pyarrow as pa
import pyarrow.compute as pc

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# ruff: noqa: E402 - after the path
from bench.fetch_decode import painted, processor
from optout.signals.policy import SignalPolicy
from optout.signals.profiles import PROFILES, Mode
from pipeline.buckets import write_bucketed
from pipeline.clock import SystemClock
from pipeline.decode import prepare
from pipeline.embedded import embedded
from pipeline.fetch import fetch
from pipeline.fetchstore import PackWriter, read_bodies
from pipeline.judge import Facts, judge
from pipeline.storage import open_store
from pipeline.transport import AiohttpTransport
from schemas.config import DecodeConfig, FetchConfig
from schemas.tables import DOCUMENTS, REQUESTS, ROWS, from_rows
from tests.servers import Answer, Asked, serve

CHUNK = 2_000
PAINTED = 24
ROBOTS = (
    b"User-agent: *\nDisallow: /wp-admin/\nAllow: /wp-admin/admin-ajax.php\n"
    + b"".join(b"Disallow: /private/%d/\n" % n for n in range(14))
    + b"Crawl-delay: 0\n\nUser-agent: GPTBot\nDisallow: /\n\nUser-agent: CCBot\nDisallow: /\n"
)
PACKET = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x='
    b'"adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:CreatorTool="An editor" '
    b'xmp:CreateDate="2024-05-01T10:00:00"><dc:creator><rdf:Seq><rdf:li>Somebody</rdf:li>'
    b"</rdf:Seq></dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>"
    + b" " * 1400 + b'<?xpacket end="w"?>'
)  # fmt: skip
HEADERS = [
    ("Content-Type", "image/jpeg"), ("ETag", '"1"'), ("Cache-Control", "max-age=60"),
    ("Server", "nginx"), ("Date", "Wed, 25 Nov 2026 10:00:00 GMT"), ("Vary", "Accept"),
    ("Last-Modified", "Tue, 01 Oct 2024 10:00:00 GMT"), ("Accept-Ranges", "bytes"),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--images", type=int, default=50, help="images of each host")
    parser.add_argument("--repeat", type=int, default=1, help="runs of which the median counts")
    parser.add_argument("--client", choices=("on", "off"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve_hosts()
    elif args.client:
        print(json.dumps(client(args.client, args.port, args.hosts, args.images)))
    else:
        compare(args.hosts, args.images, args.repeat)


def with_packet(body: bytes) -> bytes:
    segment = b"http://ns.adobe.com/xap/1.0/\0" + PACKET
    return body[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + body[2:]


def serve_hosts() -> None:
    """Serve until stdin closes; print the port first, and at the end what was asked."""
    bodies = [painted(seed) for seed in range(PAINTED)]
    bodies = [with_packet(b) if n % 10 == 0 else b for n, b in enumerate(bodies)]
    documents: Counter[str] = Counter()

    def answer(asked: Asked) -> Answer:
        if not asked.path.endswith(".jpg"):
            documents[asked.host] += 1
            return Answer(body=ROBOTS) if asked.path == "/robots.txt" else Answer(404)
        number = int(asked.path.strip("/").split(".")[0])
        tail = f"{asked.host}{number}".encode()  # behind the end of image: other bytes
        return Answer(body=bodies[number % PAINTED] + tail, headers=HEADERS)

    with serve(answer) as server:
        print(json.dumps({"port": server.port}), flush=True)
        while sys.stdin.readline():
            most = max(documents.values(), default=0)
            print(json.dumps({"documents": sum(documents.values()), "most": most}), flush=True)
            documents.clear()
            server.asked.clear()


def compare(hosts: int, images: int, repeat: int) -> None:
    command = [sys.executable, __file__, "--serve"]
    runs: dict[str, list[dict[str, Any]]] = {"off": [], "on": []}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        if server.stdout is None or server.stdin is None:
            raise RuntimeError("expected pipes to the server")
        port = json.loads(server.stdout.readline())["port"]
        for _ in range(repeat):
            for name, found in runs.items():
                run = timed(name, port, hosts, images)
                server.stdin.write("\n")
                server.stdin.flush()
                found.append(run | json.loads(server.stdout.readline()))
                print(f"{name:4}", json.dumps(found[-1]), file=sys.stderr)
        server.stdin.close()
    print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{hosts:,} hosts x {images} images; CPU ms per image, median of {repeat}")
    means = {name: statistics.median(r["cpu_ms"] for r in found) for name, found in runs.items()}
    for name, found in runs.items():
        parts = {k: statistics.median(r["parts"][k] for r in found) for k in found[0]["parts"]}
        told = "  ".join(f"{k} {v:.3f}" for k, v in parts.items())
        print(f"signals {name:4} {means[name]:7.3f}   {told}")
    ratios = [on["cpu_ms"] / off["cpu_ms"] for on, off in zip(runs["on"], runs["off"], strict=True)]
    print(f"more CPU with signals: {statistics.median(ratios) - 1:+.1%}")
    print(f"requests beyond images: at most {max(r['most'] for r in runs['on'])} a host")


def timed(name: str, port: int, hosts: int, images: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--client", name, "--port", str(port)]
    found = subprocess.run(
        [*command, "--hosts", str(hosts), "--images", str(images)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return result


def client(name: str, port: int, hosts: int, images: int) -> dict[str, Any]:
    cv2.setNumThreads(1)
    policy, parts = policy_of(name), Counter[str]()
    urls = [
        (f"h{h}.localhost", f"http://h{h}.localhost:{port}/{n}.jpg")
        for n in range(images)
        for h in range(hosts)
    ]
    run_chunk(policy, [("warm.localhost", f"http://warm.localhost:{port}/{n}.jpg")
                       for n in range(60)], Counter(), port, [])  # fmt: skip
    known: list[Any] = []
    cpu, wall, done = time.process_time(), time.perf_counter(), 0
    for at in range(0, len(urls), CHUNK):
        done += run_chunk(policy, urls[at : at + CHUNK], parts, port, known)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if done != len(urls):
        raise RuntimeError(f"expected {len(urls)} images, found {done}")
    return {
        "cpu_ms": cpu * 1000 / done,
        "wall_ms": wall * 1000 / done,
        "images": done,
        "parts": {k: v * 1000 / done for k, v in parts.items()},
    }


@dataclass(frozen=True)
class Off(SignalPolicy):
    """Asks for no document and reads nothing."""

    def wanted_documents(self, *_: Any) -> tuple[()]:
        return ()

    def of_documents(self, *_: Any) -> tuple[()]:
        return ()


def policy_of(name: str) -> SignalPolicy:
    if name == "on":
        return SignalPolicy("RecuseBot")

    default = PROFILES["default"]
    closed = replace(default, channels=dict.fromkeys(default.channels, Mode.OFF))
    return Off("RecuseBot", profile=closed)


def run_chunk(
    policy: SignalPolicy,
    urls: list[tuple[str, str]],
    parts: Counter[str],
    port: int,
    known: list[Any],
) -> int:
    """Take one chunk through fetch, judge, embedded and decode; return how many were decoded."""
    config = FetchConfig(allow_hosts=(f"*.localhost:{port}",), connections=32, per_host=32)
    rows = [{"host": h, "url_key": u, "url": u, "shards": [0], "hops": []} for h, u in urls]
    documents = pa.concat_tables([DOCUMENTS.empty_table(), *known])
    folder = tempfile.mkdtemp()

    async def fetched(store: Any) -> Any:
        async with AiohttpTransport(config) as transport:
            return await fetch(
                from_rows(rows, REQUESTS), documents, policy, config, transport=transport,
                clock=SystemClock(), rng=random.Random(0), packs=PackWriter(store, "packs"),
            )  # fmt: skip

    def part(name: str, since: float) -> float:
        now = time.process_time()
        parts[name] += now - since
        return now

    try:
        at = time.process_time()
        store = open_store(folder)
        found = asyncio.run(fetched(store))
        known.append(found.documents)
        shards = pa.array([0] * len(found.observed), pa.int32())
        store.publish("observed.parquet", write_bucketed(found.observed, shards))
        at = part("fetch", at)
        uids = [{"uid": f"{n:032x}", "row": n, "url_key": u} for n, (_, u) in enumerate(urls)]
        every = pa.concat_tables([documents, found.documents])
        judged = judge(from_rows(uids, ROWS), Facts(found.observed, every), policy)
        at = part("judge", at)
        live = judged.table.filter(pc.is_null(judged.table["stop_reason"]))
        places = live.select(["pack", "offset", "length", "sha256"])
        bodies = dict(zip(live["sha256"].to_pylist(), read_bodies(store, places), strict=True))
        at = part("read", at)
        opened = embedded(judged, bodies, policy)
        kept = opened.evidence.table()
        write_bucketed(kept, pa.array([0] * len(kept), pa.int32()))
        at = part("embedded", at)
        left = opened.table.filter(pc.is_null(opened.table["stop_reason"]))
        settings = DecodeConfig(image_size=256)
        done = sum(bool(prepare(bodies[s], settings).stored) for s in left["sha256"].to_pylist())
        part("decode", at)
    finally:
        shutil.rmtree(folder)
    return done


if __name__ == "__main__":
    main()
