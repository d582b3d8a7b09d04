"""Executors say where workers run and what joins them; stages are ignorant of all of them."""

from __future__ import annotations

from pipeline.config import Config
from pipeline.executors.base import Executor


def make_executor(config: Config) -> Executor:
    """The executor that the configuration names."""
    if config.executor == "threads":
        from pipeline.executors.threads import ThreadExecutor

        return ThreadExecutor()
    from pipeline.executors.processes import ProcessExecutor

    return ProcessExecutor()
