import json
import os
import subprocess
import sys

import pytest

from jobs.lock import LOCK_PATH, locked
from pipeline.storage import open_store
from schemas.errors import PlanError


def test_second_build_is_told_who_holds_the_folder(tmp_path):
    store = open_store(str(tmp_path))
    with locked(store), pytest.raises(PlanError, match=f"process {os.getpid()}"), locked(store):
        pass
    assert not store.exists(LOCK_PATH)


def test_lock_of_a_killed_process_is_taken_over(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from jobs.lock import locked\n"
        "from pipeline.storage import open_store\n"
        "with locked(open_store(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    store = open_store(str(tmp_path))
    assert store.exists(LOCK_PATH)
    with locked(store):
        assert json.loads(store.read(LOCK_PATH))["pid"] == os.getpid()


def test_silent_lock_of_another_machine_is_taken_over(tmp_path):
    store = open_store(str(tmp_path))
    other = {"host": "elsewhere", "pid": 1, "process_start": "1", "since": "x", "beat": 0}
    store.publish(LOCK_PATH, json.dumps(other).encode())
    with locked(store):
        pass


def test_living_lock_of_another_machine_is_respected(tmp_path):
    store = open_store(str(tmp_path))
    other = {"host": "elsewhere", "pid": 1, "process_start": "1", "since": "x", "beat": 4e9}
    store.publish(LOCK_PATH, json.dumps(other).encode())
    with pytest.raises(PlanError, match="elsewhere"), locked(store):
        pass


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}"])
def test_unreadable_lock_is_taken_over(tmp_path, body):
    store = open_store(str(tmp_path))
    store.publish(LOCK_PATH, body)
    with locked(store):
        pass
