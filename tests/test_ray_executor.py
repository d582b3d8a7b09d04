"""The daemon's end of the executor `ray`, with bridges that act; and parts of it that need no cluster."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from daemon.scheduling.workers import worker_specs
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.executors.base import WorkerSpec
from pipeline.executors.cluster import executor as executor_module
from pipeline.executors.cluster import version
from pipeline.executors.cluster.clock import boot_id, shifted
from pipeline.executors.cluster.executor import RayExecutor
from pipeline.executors.cluster.protocol import TOKEN_FILE, Patience, Settings, Terms
from pipeline.executors.cluster.version import own_version, worker_kind
from pipeline.messages import Died, Event, Finished, Ready, Sentence, Span, Speech, Task, TtsItem
from tests.bridges import answering_bridge, bridge_once_refused, crowded_bridge, refused_bridge, silent_bridge
from tests.running import ROOT

SPEC = WorkerSpec("tts-0", "tts", "tests.faults:CheapTts", None)  # type: ignore[arg-type]
ITEM = TtsItem("job", Path("/work/job"), "hello", "en", None, 1.0)
BRIEF = Patience(poll_seconds=0.1, lease_seconds=0.2, margin_seconds=0.0)
Start = Callable[[Callable[[Connection, Settings], None]], RayExecutor]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Start]:
    """Make an executor with another bridge; its pauses are short."""
    made: list[RayExecutor] = []
    monkeypatch.setattr(executor_module, "find_spec", lambda _: object())
    monkeypatch.setattr(executor_module, "RETRY_FIRST_SECONDS", 0.1)

    def make(bridge: Callable[[Connection, Settings], None]) -> RayExecutor:
        monkeypatch.setattr(executor_module, "_bridge_main", bridge)
        made.append(RayExecutor("10.0.0.1:6379", tmp_path, patience=BRIEF))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


def first(executor: RayExecutor, seconds: float = 30) -> Event:
    """The first event."""
    deadline = time.monotonic() + seconds
    while not (found := executor.wait(0.2)):
        assert time.monotonic() < deadline
    [event] = found
    return event


def test_workers_start_once_there_is_a_connection(start: Start) -> None:
    executor = start(answering_bridge)
    executor.start(SPEC)
    assert executor.trouble() is None, "connecting takes a moment and is no trouble"
    assert first(executor) == Ready("tts-0", "cpu", 5, "node")
    executor.send("tts-0", Task(1, ITEM))
    assert first(executor) == Finished("tts-0", 1)
    executor.kill("tts-0")
    assert first(executor) == Died("tts-0", None)


def test_a_cluster_that_cannot_be_reached_is_tried_again(start: Start) -> None:
    executor = start(bridge_once_refused)
    executor.start(SPEC)
    while executor.trouble() is None:
        assert executor.wait(0.2) == []
    assert executor.trouble() == "no connection to the Ray cluster (10.0.0.1:6379): connection refused"
    assert first(executor) == Ready("tts-0", "cpu", 5, "node")
    assert executor.trouble() is None


def test_what_is_wrong_with_the_cluster_is_logged(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A terminal shows it too, where a first job would seem to hang."""
    executor = start(crowded_bridge)
    deadline = time.monotonic() + 60
    while executor.trouble() is None:
        assert executor.wait(0.2) == []
        assert time.monotonic() < deadline
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == ["no room for a"]


def test_a_bridge_that_does_not_connect_in_time_is_ended(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "CONNECT_SECONDS", 0.2)
    executor = start(silent_bridge)
    executor.wait(5)
    assert executor.trouble() == "no connection to the Ray cluster (10.0.0.1:6379): it does not answer"


def test_pauses_between_attempts_grow(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    executor = start(refused_bridge)
    while executor._failures < 3:
        executor.wait(0.5)
    pauses = [record.args[1] for record in caplog.records if isinstance(record.args, tuple)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4])


def test_workers_that_are_up_are_lost_with_the_connection_and_start_with_the_next_one(start: Start) -> None:
    executor = start(answering_bridge)
    executor.start(SPEC)
    assert first(executor) == Ready("tts-0", "cpu", 5, "node")
    executor.send("tts-0", Task(13, ITEM))
    assert first(executor) == Died("tts-0", None, is_lost=True)
    assert executor.trouble() == "no connection to the Ray cluster (10.0.0.1:6379): it was lost"
    executor.start(SPEC)
    assert first(executor) == Ready("tts-0", "cpu", 5, "node")


def test_a_worker_that_waits_for_a_connection_can_be_killed(start: Start) -> None:
    executor = start(silent_bridge)
    executor.start(SPEC)
    executor.kill("tts-0")
    executor.kill("tts-0")
    assert first(executor) == Died("tts-0", None)


def test_without_ray_its_executor_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(executor_module, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        RayExecutor("auto", tmp_path)
    assert (caught.value.code, caught.value.field) == ("ray_missing", "executor")
    assert caught.value.hint == "pip install 'lipdrop[ray]'"


def test_the_daemons_end_does_not_import_ray() -> None:
    code = "import sys, pipeline.executors.cluster.executor; print('ray' in sys.modules)"
    argv = [sys.executable, "-c", code]
    assert subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "False\n"


# What workers need of a node


def placed(**settings: object) -> list[WorkerSpec]:
    return worker_specs(Config.model_validate({"executor": "ray", **settings}), 0)


def test_every_worker_has_a_place_and_computes_with_as_many_threads() -> None:
    workers = [{"model": "gan", "place": {"num_cpus": 0.5, "num_gpus": 0.25}}, {"model": "nogan"}]
    specs = placed(workers=workers, ray={"place": {"num_cpus": 4}, "other_place": {"labels": {"disk": "fast"}}})
    assert [(s.name, s.place.num_cpus, s.threads, s.encoder_threads, s.device) for s in specs if s.place] == [
        ("tts-0", 1, 1, 1, "cpu"),
        ("split-0", 1, 1, 1, "cpu"),
        ("gan-0", 0.5, 1, 1, "cuda:0"),
        ("nogan-1", 4, 4, 4, "cpu"),
        ("merge-0", 1, 1, 1, "cpu"),
    ]
    assert [s.place.labels for s in specs if s.place and s.role != "lipsync"] == [{"disk": "fast"}] * 3
    assert {(s.cpus, s.encoder_cpus) for s in specs} == {((), ())}, "cores have numbers of their own on each node"


def test_a_worker_on_the_cpu_asks_for_no_gpu() -> None:
    specs = placed(workers=[{"model": "gan", "device": "cpu"}], ray={"place": {"num_gpus": 1}})
    [lipsync] = [spec for spec in specs if spec.role == "lipsync"]
    assert lipsync.place is not None
    assert (lipsync.device, lipsync.place.num_gpus) == ("cpu", 0)


def test_a_gpu_is_not_chosen_by_its_number() -> None:
    with pytest.raises(ConfigError, match="Ray chooses the GPU") as caught:
        placed(workers=[{"model": "gan", "device": "cuda:1"}])
    assert (caught.value.code, caught.value.field) == ("no_device", "workers.0.device")


# What a node must offer


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'lipdrop[ray]'")
def test_a_node_is_refused_that_has_another_version_or_another_folder(tmp_path: Path) -> None:
    from pipeline.executors.cluster.actor import unmet

    terms = Terms(own_version(), tmp_path, "secret", "bridge", Patience())
    assert unmet(replace(terms, version="other")) == "it has another version of lipdrop than the daemon"
    assert unmet(terms) == f"it does not have the folder {tmp_path}"
    (tmp_path / TOKEN_FILE).write_text("another daemon's")
    assert unmet(terms) == f"its folder {tmp_path} is not the daemon's"
    (tmp_path / TOKEN_FILE).write_text("secret")
    assert unmet(terms) is None


def test_the_version_depends_on_the_source() -> None:
    assert own_version() == own_version.__wrapped__()
    code = (
        "import pathlib, sys, pipeline; from pipeline.executors.cluster.version import own_version\n"
        "pipeline.__path__[0] = sys.argv[1]; print(own_version())"
    )
    argv = [sys.executable, "-c", code]
    other = subprocess.run([*argv, str(ROOT / "pipeline" / "media")], cwd=ROOT, check=True, capture_output=True)
    same = subprocess.run([*argv, str(ROOT / "pipeline")], cwd=ROOT, check=True, capture_output=True)
    assert other.stdout.decode().strip() != own_version() == same.stdout.decode().strip()


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'lipdrop[ray]'")
def test_an_actor_exits_once_its_lease_is_not_renewed() -> None:
    code = (
        "import time\nfrom pipeline.executors.cluster.actor import WorkerActor\n"
        "lease = WorkerActor()._lease\nlease.renew(0.4)\n"
        "for _ in range(4):\n    time.sleep(0.2)\n    lease.renew(0.4)\nprint('renewed', flush=True)\ntime.sleep(60)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.returncode) == ("renewed\n", 1)


@pytest.mark.parametrize("change", [{"threads": 2}, {"encoder_threads": 2}, {"device": "cuda:0"}])
def test_workers_are_of_one_kind_only_if_they_round_alike(change: dict[str, Any]) -> None:
    assert worker_kind(SPEC) == worker_kind(replace(SPEC, name="tts-1"))
    assert worker_kind(SPEC) != worker_kind(replace(SPEC, **change))


def test_the_kind_of_a_worker_depends_on_the_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kinds = []
    for number, flags in enumerate(("sse2 avx", "sse2 avx", "sse2 avx avx512f")):
        (tmp_path / f"{number}").write_text(f"model name : CPU\nMHz : {number}\nflags : {flags}\n\nmodel name : CPU\n")
        monkeypatch.setattr(version, "PROCESSOR", tmp_path / f"{number}")
        kinds.append(worker_kind(SPEC))
    assert kinds[0] == kinds[1] != kinds[2]


# Clocks


def test_spans_are_moved_between_clocks_and_nothing_else_is() -> None:
    speech = Speech("job", Path("/f"), Path("/a"), "v", (Sentence("Hi.", 0.0, 1.0),), span=Span(10.0, 12.5))
    moved = shifted(Task(1, speech), 100.0)  # type: ignore[arg-type]
    assert moved == Task(1, replace(speech, span=Span(110.0, 112.5)))  # type: ignore[arg-type]
    assert shifted(moved, -100.0) == Task(1, speech)  # type: ignore[arg-type]
    assert shifted(speech, 0) is speech
    assert boot_id() == boot_id()
