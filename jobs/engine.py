"""Runs tasks: over a Dask cluster with a bounded window, or one after another in this process.

A chain is a sequence of tasks that run one after another (the chunks of a host's URLs). Receipts
make every task safe to run twice: one that is done is not submitted, and one that two workers run
publishes the same files.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from jobs.context import context_at
from jobs.stages import run_stage
from pipeline.plan import Receipt, Task
from schemas.errors import CurationError, PlanError, StorageError
from schemas.ports import Store

if TYPE_CHECKING:
    from distributed import Client, Future

Done = Callable[[Task, Receipt, bool], None]
"""Told of each finished task; the flag says that an earlier run had finished it."""


class Engine(Protocol):
    """Runs chains of tasks and returns their receipts in the order given."""

    def run(self, chains: Iterable[Sequence[Task]], done: Done) -> list[Receipt]:
        """Run all tasks. Raises the error of the first one that fails for good."""


def finished(work: Store, task: Task) -> Receipt | None:
    """Return the receipt of a task that was done before."""
    if not work.exists(task.receipt_path):
        return None
    return Receipt.parse(json.loads(work.read(task.receipt_path)))


def run_task(root: str, task: Task) -> Receipt | CurationError:
    """Do one task in this process and publish its receipt, unless that was done before.

    An error that a second try cannot mend is returned, so that the scheduler does not retry it;
    everything else is raised.
    """
    context = context_at(root)
    receipt = finished(context.work, task)
    if receipt is not None:
        return receipt
    started = time.monotonic()
    try:
        outputs, counts = run_stage(context, task)
    except StorageError:
        raise
    except CurationError as e:
        return e
    seconds = round(time.monotonic() - started, 3)
    receipt = Receipt(task.stage, task.name, outputs, counts, seconds)
    context.work.publish(task.receipt_path, receipt.to_bytes())
    return receipt


class SerialEngine:
    """Runs one task after another in this process."""

    def __init__(self, work: Store) -> None:
        self._work = work

    def run(self, chains: Iterable[Sequence[Task]], done: Done) -> list[Receipt]:
        receipts = []
        for task in (t for chain in chains for t in chain):
            known = finished(self._work, task)
            receipt = known or _unwrapped(run_task(self._work.root, task), task)
            done(task, receipt, known is not None)
            receipts.append(receipt)
        return receipts


class DaskEngine:
    """Runs tasks as futures, few at a time, on the workers of their group."""

    def __init__(self, client: "Client", work: Store, *, window: int, retries: int) -> None:
        self._client = client
        self._work = work
        self._window = window
        self._retries = retries
        self._groups = offered_groups(client)

    def run(self, chains: Iterable[Sequence[Task]], done: Done) -> list[Receipt]:
        from distributed import as_completed  # noqa: PLC0415  # half a second of imports

        chains = [list(c) for c in chains]
        receipts: dict[str, Receipt] = {}
        waiting = iter([iter(chain) for chain in chains])
        running = as_completed([], loop=self._client.loop, raise_errors=False)
        under_way: dict[str, tuple[Task, Iterator[Task]]] = {}

        def submit(chain: Iterator[Task]) -> bool:
            for task in chain:
                known = finished(self._work, task)
                if known is not None:
                    receipts[task.key] = known
                    done(task, known, True)
                    continue
                future = self._submit(task)
                under_way[str(future.key)] = (task, chain)
                running.add(future)
                return True
            return False

        def feed(count: int) -> None:
            while count > 0 and (chain := next(waiting, None)) is not None:
                count -= submit(chain)

        feed(self._window)
        for future in running:
            task, chain = under_way.pop(str(future.key))
            receipts[task.key] = receipt = _outcome(future, task)
            future.release()  # the scheduler forgets it
            done(task, receipt, False)
            if not submit(chain):
                feed(1)
        return [receipts[t.key] for c in chains for t in c]

    def _submit(self, task: Task) -> "Future[Any]":
        resources = {task.group: 1} if self._groups else None
        if self._groups and task.group not in self._groups:
            raise PlanError(
                f"expected a worker that offers {task.group!r} for {task.key}, found workers "
                f"offering {sorted(self._groups)}; start one with --resources {task.group}=1"
            )
        return self._client.submit(
            run_task,
            self._work.root,
            task,
            key=task.key,
            resources=resources,
            retries=self._retries,
            pure=False,
        )


def offered_groups(client: "Client") -> set[str]:
    """Return the resource names that the cluster's workers offer; none means any may do all."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return {name for worker in workers for name in worker.get("resources", {})}


def _outcome(future: "Future[Any]", task: Task) -> Receipt:
    if future.status == "finished":
        return _unwrapped(future.result(), task)
    error = future.exception()
    if isinstance(error, CurationError):
        raise error
    raise PlanError(
        f"task {task.key} failed: {type(error).__name__}: {error}. "
        "What is finished is kept; the same command goes on."
    ) from error


def _unwrapped(result: Receipt | CurationError, task: Task) -> Receipt:
    if isinstance(result, CurationError):
        result.add_note(f"in task {task.key}")
        raise result
    return result
