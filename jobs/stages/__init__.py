"""One module a stage: read what the task names, run the pure function, publish, count.

Each has `run(context, task) -> (outputs by name, counts)`. No decision is taken here.
"""

from collections.abc import Mapping
from importlib import import_module

from jobs.context import Context
from pipeline.plan import GROUPS, Ref, Task
from schemas.errors import PlanError

Result = tuple[Mapping[str, Ref], Mapping[str, int]]


def run_stage(context: Context, task: Task) -> Result:
    """Run a task's stage; its module is imported now, so that a process loads only what it runs."""
    if task.stage not in GROUPS:
        raise PlanError(f"expected a stage of {sorted(GROUPS)}, found {task.stage!r}")
    result: Result = import_module(f"jobs.stages.{task.stage}").run(context, task)
    return result
