"""A lock with owner and time keeps two builds out of one work folder.

The owner writes who it is, and says again every few seconds that it lives. A lock is taken over
when its owner is a process of this machine that is gone (a build that was killed), or when a
stranger's has been silent for a while.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schemas.errors import PlanError
from schemas.ports import Store

LOCK_PATH = "lock.json"
BEAT_S = 15.0
SILENT_S = 120.0


@contextmanager
def locked(work: Store) -> Iterator[None]:
    """Hold the work folder for the time of the context. Raises PlanError where another has it."""
    mine = _owner()
    _take(work, mine)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(work, mine, stop), daemon=True)
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        work.delete(LOCK_PATH)


def _owner() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_start": _process_start(os.getpid()),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _take(work: Store, mine: dict[str, Any]) -> None:
    body = json.dumps({**mine, "beat": time.time()}).encode()
    if work.publish_once(LOCK_PATH, body):
        return
    try:
        other = json.loads(work.read(LOCK_PATH))
        alive = _alive(other, mine["host"])
        who = f"process {other['pid']} on {other['host']} since {other['since']}"
    except (ValueError, KeyError, TypeError):
        alive, who = False, "an unreadable lock"
    if alive:
        raise PlanError(f"{work.root} is in use by {who}; two builds cannot share a work folder")
    work.publish(LOCK_PATH, body)


def _alive(other: dict[str, Any], host: str) -> bool:
    if other["host"] != host:
        return time.time() - float(other["beat"]) < SILENT_S
    return _process_start(int(other["pid"])) == other["process_start"] is not None


def _process_start(pid: int) -> str | None:
    """Return what tells a process from a later one of the same number; None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except OSError:
        pass
    else:
        return None if fields[0] == "Z" else fields[19]
    if Path("/proc/self").exists():
        return None
    try:
        os.kill(pid, 0)  # no /proc here: a number in use is taken for the owner
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "running"


def _beat(work: Store, mine: dict[str, Any], stop: threading.Event) -> None:
    while not stop.wait(BEAT_S):
        work.publish(LOCK_PATH, json.dumps({**mine, "beat": time.time()}).encode())
