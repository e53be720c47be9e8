import json

import pytest

from jobs import engine as engine_module
from jobs.context import PLAN_PATH, context_at
from jobs.engine import DaskEngine, SerialEngine, run_task
from pipeline.plan import ModelChoice, Plan, Receipt, Task
from pipeline.storage import open_store
from schemas.config import BuildConfig
from schemas.errors import PlanError, RegistryError, StorageError

MODEL = ModelChoice(
    name="m",
    fingerprint="f",
    weights_sha256="w",
    precision="fp32",
    device="cpu",
    edge_px=64,
    duplicate_threshold=0.95,
)


def plan(**changes):
    values = {
        "created": "2026-01-01T00:00:00Z",
        "tool_version": "0",
        "config": BuildConfig().as_json(),
        "source": {"name": "s", "parts": []},
        "source_fingerprint": "x",
        "rows_estimate": 0,
        "shards": 1,
        "host_buckets": 1,
        "identity_buckets": 1,
        "model": MODEL,
        "matcher": MODEL,
        "safety_sha256": "",
    }
    return Plan(**{**values, **changes})


@pytest.fixture
def work(tmp_path):
    context_at.cache_clear()
    store = open_store(str(tmp_path / "work"))
    store.publish(PLAN_PATH, plan().model_dump_json().encode())
    return store


@pytest.fixture
def ran(monkeypatch):
    """Replace the stages by one that publishes its arguments, and list the tasks that ran."""
    names = []

    def stage(context, task):
        names.append(task.name)
        fault = task.args.get("fault")
        if fault == "registry":
            raise RegistryError("rolled back")
        if fault == "disk":
            raise StorageError("no space left")
        ref = context.publish(task.path("out", ".json"), json.dumps(dict(task.args)).encode())
        return {"out": ref}, {"rows": 1}

    monkeypatch.setattr(engine_module, "run_stage", stage)
    return names


def chains(*lengths, **args):
    return [
        [Task("match", f"{c}-{i}", {"n": i, **args}) for i in range(n)]
        for c, n in enumerate(lengths)
    ]


@pytest.fixture(params=["serial", "dask"])
def runner(request, work):
    if request.param == "serial":
        yield SerialEngine(work)
        return
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            dashboard_address="127.0.0.1:0",  # None still opens a server, on the usual port
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield DaskEngine(client, work, window=3, retries=0)


def test_receipts_come_in_the_order_of_the_chains(runner, ran):
    receipts = runner.run(chains(3, 1, 2), lambda *_: None)
    assert [r.name for r in receipts] == ["0-0", "0-1", "0-2", "1-0", "2-0", "2-1"]


def test_tasks_of_a_chain_run_one_after_another(runner, ran):
    runner.run(chains(4, 4, 4), lambda *_: None)
    for chain in "012":
        mine = [n for n in ran if n.startswith(chain)]
        assert mine == sorted(mine)


def test_finished_task_is_not_run_again(runner, ran):
    runner.run(chains(2, 2), lambda *_: None)
    known = []
    runner.run(chains(2, 3), lambda task, _receipt, was_known: known.append((task.name, was_known)))
    assert sorted(known) == [
        ("0-0", True),
        ("0-1", True),
        ("1-0", True),
        ("1-1", True),
        ("1-2", False),
    ]
    assert len(ran) == 5


def test_other_arguments_are_another_task(runner, ran):
    runner.run(chains(1), lambda *_: None)
    runner.run(chains(1, more=1), lambda *_: None)
    assert ran == ["0-0", "0-0"]


def test_untrusted_registry_stops_the_run(runner, ran):
    with pytest.raises(RegistryError, match="rolled back"):
        runner.run(chains(1, fault="registry"), lambda *_: None)


def test_failed_shard_stops_the_run_and_keeps_what_is_done(runner, ran):
    runner.run(chains(1), lambda *_: None)
    with pytest.raises((StorageError, PlanError), match="no space left"):
        runner.run(chains(1, fault="disk"), lambda *_: None)
    known = []
    runner.run(chains(1), lambda _task, _receipt, was_known: known.append(was_known))
    assert known == [True]


def test_receipt_survives_a_round_trip(work, ran):
    task = Task("match", "a", {"n": 1})
    receipt = run_task(work.root, task)
    assert Receipt.parse(json.loads(work.read(task.receipt_path))) == receipt
