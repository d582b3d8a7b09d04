"""The registry of executors."""

from __future__ import annotations

import multiprocessing
from typing import get_args

import pytest

from pipeline.config import Config
from pipeline.executors import EXECUTORS, make_executor
from pipeline.executors.base import Executor, WorkerSpec
from pipeline.executors.worker import process_main

METHODS = sorted(name for name in vars(Executor) if not name.startswith("_"))


def test_the_configuration_names_exactly_the_registered_executors() -> None:
    assert set(get_args(Config.model_fields["executor"].annotation)) == set(EXECUTORS)


@pytest.mark.parametrize("name", EXECUTORS)
def test_an_executor_is_made_by_its_name(name: str) -> None:
    executor = make_executor(Config.model_validate({"executor": name}))
    assert f"{type(executor).__module__}:{type(executor).__name__}" == EXECUTORS[name]
    assert METHODS == ["close", "gpu_count", "kill", "send", "start", "wait", "wake"]
    assert all(callable(getattr(executor, method)) for method in METHODS)
    executor.close()


def test_a_worker_that_is_still_starting_when_its_daemon_stops_exits_quietly(capfd: pytest.CaptureFixture[str]) -> None:
    context = multiprocessing.get_context("spawn")
    own_end, worker_end = context.Pipe()
    own_end.close()
    spec = WorkerSpec("tts-0", "tts", "tests.faults:CheapTts", Config())
    process = context.Process(target=process_main, args=(worker_end, spec))
    process.start()
    process.join(60)
    assert (process.exitcode, capfd.readouterr().err) == (0, "")
