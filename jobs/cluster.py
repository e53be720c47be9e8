"""Clusters: one that is started here on loopback, or one that somebody already runs.

Traps that are met here (docs/cluster.md): nannies set single-thread variables in the parent's
environment, the dashboard of a LocalCluster listens on every address unless told, and a task whose
resource nobody offers waits for ever.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from schemas.config import WorkersConfig
from schemas.errors import PlanError

if TYPE_CHECKING:
    from distributed import Client

LOOPBACK = "127.0.0.1"
GROUPS = ("network", "model", "search")

SETTINGS = {
    "distributed.scheduler.no-workers-timeout": "300s",
    "distributed.scheduler.work-stealing": False,  # the window is small, and tasks are long
    "distributed.scheduler.worker-ttl": "60 minutes",
    "distributed.scheduler.allowed-failures": 3,
    "distributed.worker.memory.target": False,  # bytes in flight are bounded by the window
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.comm.timeouts.connect": "60s",
}

WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "2",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "WANDB_MODE": "disabled",
}


@contextmanager
def cluster(config: WorkersConfig) -> Iterator["Client"]:
    """Yield a client of the cluster that `config` asks for, and close what was started here.

    Raises PlanError where the scheduler does not answer.
    """
    import dask  # noqa: PLC0415  # a second of imports that other commands need not pay
    from distributed import Client  # noqa: PLC0415

    # Whoever gives the root logger a handler (model libraries do) would show each comm of Dask's.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with dask.config.set(SETTINGS):
        if config.scheduler:
            try:
                client = Client(config.scheduler, timeout="30s", set_as_default=False)
            except (OSError, TimeoutError, ValueError) as e:
                raise PlanError(f"no Dask scheduler answers at {config.scheduler}: {e}") from e
            with client:
                if not client.scheduler_info(n_workers=-1)["workers"]:
                    raise PlanError(
                        f"expected workers at {config.scheduler}, found none; start one with "
                        f"`dask worker {config.scheduler}`"
                    )
                yield client
        else:
            with _environment_kept(), _local(config) as client:
                yield client


@contextmanager
def _local(config: WorkersConfig) -> Iterator["Client"]:
    from distributed import Client, LocalCluster  # noqa: PLC0415

    with (
        LocalCluster(
            n_workers=config.count,
            threads_per_worker=1,
            processes=True,
            host=LOOPBACK,
            dashboard_address=f"{LOOPBACK}:0",  # None would open it on all addresses, port 8787
            resources=dict.fromkeys(GROUPS, 1),
            env=WORKER_ENVIRONMENT,
            silence_logs=logging.CRITICAL,
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Undo what starting nannies writes into this process's environment."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for key in os.environ.keys() - before.keys():
            del os.environ[key]
        os.environ.update(before)
