"""A build may be killed anywhere; the same command finishes it, and the release is the same."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.builds import (
    ROOT,
    Changing,
    build,
    command,
    differing,
    digests,
    environment,
    manifest,
    scripted,
    url_list,
)
from tests.servers import serve

HOSTS = ("a.localhost", "b.localhost", "c.localhost")
SMALL = (
    "--shard-rows", "12", "--urls-per-task", "6", "--rows-per-task", "20", "--keep-store",
    "--no-dashboard", "--similarity", "0.9999",  # noise looks alike to a model
)  # fmt: skip
ROWS = 60


def urls(server, rows=ROWS):
    folders = ("/p/", "/p/", "/p/", "/closed/")
    return [server.url(f"{folders[i % 4]}{i}.jpg", HOSTS[i % 3]) for i in range(rows)]


def receipts(work: Path) -> int:
    return sum(1 for _ in (work / "receipts").rglob("*.json")) if work.exists() else 0


def kill_after(process: subprocess.Popen, work: Path, wanted: int) -> bool:
    """Kill a build once so many tasks are done; False where it ended before."""
    while process.poll() is None:
        if receipts(work) >= wanted:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.02)
    return False


def workers_of(process: subprocess.Popen) -> list[int]:
    """Return the process ids of a build's workers (children that run a Dask worker)."""
    tasks = Path(f"/proc/{process.pid}/task")
    children = " ".join((t / "children").read_text() for t in tasks.iterdir()).split()
    return [int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]


@pytest.mark.slow
def test_build_killed_at_twenty_points_equals_a_build_from_its_own_store(tmp_path):
    rng = random.Random(20)
    with serve(Changing(seed=1)) as server:
        source = url_list(tmp_path / "urls.jsonl", urls(server))
        out, work = tmp_path / "killed", tmp_path / "killed.run"
        allowed = ("--allow-hosts", ",".join(server.at(*HOSTS)))
        options = (*allowed, *SMALL, "--workers", "0")
        kills = 0
        while kills < 20:
            process = subprocess.Popen(
                command(source, out, *options), cwd=ROOT, env=environment(),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            wanted = receipts(work) + rng.choice((0, 1, 1, 2, 2, 3))
            if not kill_after(process, work, wanted):
                assert process.returncode == 0
                break
            kills += 1
        assert kills == 20, f"the build ended after {kills} kills"
        finished = build(source, out, *options)
        assert finished.returncode == 0, finished.stderr
    again = build(
        source, tmp_path / "again", *options, "--from-store", str(work)
    )  # the server is gone: nothing can be asked
    assert again.returncode == 0, again.stderr
    assert differing(out, tmp_path / "again") == []
    assert differing(tmp_path / "killed.vault", tmp_path / "again.vault") == []
    assert manifest(out)["released"] > ROWS // 4


def test_second_run_of_a_finished_build_asks_and_writes_nothing(tmp_path):
    with serve(Changing(seed=2)) as server:
        source = url_list(tmp_path / "urls.jsonl", urls(server, 8))
        options = ("--allow-hosts", ",".join(server.at(*HOSTS)), "--workers", "0")
        assert build(source, tmp_path / "out", *options).returncode == 0
        before, asked = digests(tmp_path / "out"), len(server.asked)
        again = build(source, tmp_path / "out", *options)
        assert again.returncode == 0
        assert "this release is finished" in again.stdout
        assert len(server.asked) == asked
    assert digests(tmp_path / "out") == before


def test_killed_build_redoes_only_unfinished_tasks(tmp_path):
    with serve(Changing(seed=3)) as server:
        source = url_list(tmp_path / "urls.jsonl", urls(server, 24))
        options = ("--allow-hosts", ",".join(server.at(*HOSTS)), *SMALL, "--workers", "0")
        process = subprocess.Popen(
            command(source, tmp_path / "out", *options), cwd=ROOT, env=environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        work = tmp_path / "out.run"
        while process.poll() is None and not list((work / "receipts").glob("decide/*")):
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        done = {p.name: p.stat().st_mtime_ns for p in (work / "receipts").rglob("*.json")}
        asked = len(server.asked)
        assert build(source, tmp_path / "out", *options).returncode == 0
        assert len(server.asked) == asked, "a finished fetch was asked again"
    kept = {p.name: p.stat().st_mtime_ns for p in (work / "receipts").rglob("*.json")}
    assert done.items() <= kept.items()


def same_secret(tmp_path: Path, *names: str) -> None:
    """Builds to be compared draw their ledger's salts from one secret."""
    for name in names:
        folder = tmp_path / f"{name}.run" / "fetch"
        folder.mkdir(parents=True)
        (folder / "secret").write_bytes(bytes(range(32)))


@pytest.mark.slow
def test_one_and_four_workers_killed_or_not_give_the_same_bytes(tmp_path):
    same_secret(tmp_path, "one", "four", "hit")
    with serve(scripted) as server:
        source = url_list(tmp_path / "urls.jsonl", urls(server))
        allowed = ("--allow-hosts", ",".join(server.at(*HOSTS)), *SMALL)
        for name, workers in (("one", "1"), ("four", "4")):
            done = build(source, tmp_path / name, *allowed, "--workers", workers)
            assert done.returncode == 0, done.stderr
        process = subprocess.Popen(
            command(source, tmp_path / "hit", *allowed, "--workers", "4"), cwd=ROOT,
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        killed = 0
        for wanted in (
            3,
            12,
        ):  # a worker dies while sources are read, another while hosts are asked
            while process.poll() is None and receipts(tmp_path / "hit.run") < wanted:
                time.sleep(0.02)
            for worker in workers_of(process)[:1]:
                os.kill(worker, signal.SIGKILL)
                killed += 1
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        assert killed == 2
    for other in ("four", "hit"):
        assert differing(tmp_path / "one", tmp_path / other) == []
        assert differing(tmp_path / "one.vault", tmp_path / f"{other}.vault") == []
    said = manifest(tmp_path / "one")
    assert said["dropped"]["signal_robots"] > 0
    assert said["dropped"]["signal_header"] > 0


@pytest.mark.slow
def test_separately_started_cluster_gives_the_same_release(tmp_path):
    same_secret(tmp_path, "own", "theirs")
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker"]
    env = {**environment(), "PYTHONWARNINGS": "ignore"}
    with serve(scripted) as server:
        source = url_list(tmp_path / "urls.jsonl", urls(server, 30))
        allowed = ("--allow-hosts", ",".join(server.at(*HOSTS)), *SMALL)
        own = build(source, tmp_path / "own", *allowed, "--workers", "0")
        assert own.returncode == 0, own.stderr
        address_file = tmp_path / "scheduler.json"
        quiet = {
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            "cwd": ROOT,
            "env": env,
        }
        running = [
            subprocess.Popen(
                [*dask, "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                 "--scheduler-file", str(address_file)], **quiet,
            )
        ]  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while not address_file.exists():
                assert time.monotonic() < deadline, "the scheduler did not start"
                time.sleep(0.1)
            running += [
                subprocess.Popen(
                    [*worker, "--scheduler-file", str(address_file), "--nthreads", "1",
                     "--no-dashboard", "--resources", group], **quiet,
                )
                for group in ("network=1,search=1", "model=1,search=1")
            ]  # fmt: skip
            address = json.loads(address_file.read_text())["address"]
            assert address.startswith("tcp://127.0.0.1:")
            deadline = time.monotonic() + 60
            while True:
                theirs = build(source, tmp_path / "theirs", *allowed, "--scheduler", address)
                if "found none" not in theirs.stderr or time.monotonic() > deadline:
                    break
                time.sleep(1)
            assert theirs.returncode == 0, theirs.stderr
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(30)
    assert differing(tmp_path / "own", tmp_path / "theirs") == []


def test_changed_config_says_so_and_leaves_the_build_alone(tmp_path):
    with serve(Changing(seed=4)) as server:
        source = url_list(tmp_path / "urls.jsonl", urls(server, 4))
        options = ("--allow-hosts", ",".join(server.at(*HOSTS)), "--workers", "0")
        assert build(source, tmp_path / "out", *options).returncode == 0
        changed = build(source, tmp_path / "out", *options, "--image-size", "128")
        assert changed.returncode == 1
        assert "config.decode.image_size: was 256, now 128" in changed.stderr
        url_list(source, urls(server, 5))
        other = build(source, tmp_path / "out", *options)
        assert other.returncode == 1
        assert "source: was" in other.stderr
    shutil.rmtree(tmp_path / "out.run")
    stranger = build(source, tmp_path / "out", *options)
    assert stranger.returncode == 1
    assert "holds the release of another build" in stranger.stderr
