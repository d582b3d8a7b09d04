"""Executors decide where workers run and how they are connected to the scheduler. Stages do not depend on them.

`base.py` is the interface, `worker.py` the loop that every worker runs; `processes.py`, `threads.py` and `cluster/`
are the implementations. To add one, implement `Executor` in a new module, register it here, and allow its name in
`Config.executor`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.executors.base import Executor

EXECUTORS = {
    "processes": "pipeline.executors.processes:ProcessExecutor",
    "threads": "pipeline.executors.threads:ThreadExecutor",
    "ray": "pipeline.executors.cluster.executor:RayExecutor",
}
"""Import path of each executor, by its name in the configuration. Only the chosen one is imported."""


def make_executor(config: Config) -> Executor:
    """Make the executor named in the configuration. Raises ConfigError if a package is missing."""
    module, _, name = EXECUTORS[config.executor].partition(":")
    executor: Executor = getattr(import_module(module), name).of(config)
    return executor
