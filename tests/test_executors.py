"""The registry of executors."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from typing import get_args

import pytest
import torch

from pipeline.config import Config
from pipeline.executors import EXECUTORS, make_executor, processes
from pipeline.executors.base import Executor, WorkerSpec
from pipeline.executors.worker import process_main
from tests import faults
from tests.running import ROOT

METHODS = sorted(name for name in vars(Executor) if not name.startswith("_"))


def test_the_configuration_names_exactly_the_registered_executors() -> None:
    assert set(get_args(Config.model_fields["executor"].annotation)) == set(EXECUTORS)


@pytest.mark.parametrize("name", EXECUTORS)
def test_an_executor_is_made_by_its_name(name: str) -> None:
    if name == "ray":
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'lipdrop[ray]'")
    executor = make_executor(Config.model_validate({"executor": name}))
    assert f"{type(executor).__module__}:{type(executor).__name__}" == EXECUTORS[name]
    expected = ["close", "forget", "gpu_count", "kill", "offers", "send", "start", "trouble", "wait", "wake"]
    assert expected == METHODS
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


def test_a_process_counts_the_gpus() -> None:
    executor = processes.ProcessExecutor(preloaded=())
    assert executor.gpu_count() == torch.cuda.device_count()
    executor.close()


def test_the_cpu_is_used_if_the_process_that_counts_gpus_dies(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(processes, "_send_gpu_count", faults.die)
    executor = processes.ProcessExecutor(preloaded=())
    assert executor.gpu_count() == 0
    assert "the process that counts the GPUs died" in caplog.text
    executor.close()


def test_a_server_with_another_copy_of_lipdrop_leaves_it_to_the_workers_to_import_the_daemons() -> None:
    code = (
        "import sys\n"
        "try:\n    import pipeline.executors.preloaded\n"
        "except ImportError:\n    print([name for name in sys.modules if name.partition('.')[0] == 'pipeline'])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LIPDROP_PACKAGE": "/elsewhere/pipeline"}
    argv = [sys.executable, "-c", code]
    assert subprocess.run(argv, env=environment, check=True, capture_output=True, text=True).stdout == "[]\n"
