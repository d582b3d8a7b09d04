"""The executor `ray` with a real cluster and cheap stages. One cluster and one connection serve all tests."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'lipdrop[ray]'")

from daemon.doctor import machine as machine_module
from daemon.doctor.checks import cluster as cluster_check
from daemon.doctor.finding import Level
from daemon.doctor.machine import this_machine
from daemon.spool.layout import Layout
from pipeline.config import Config, PlaceSettings
from pipeline.executors.base import WorkerSpec
from pipeline.executors.cluster.executor import RayExecutor
from pipeline.executors.cluster.protocol import Patience
from pipeline.executors.cluster.roll import Roll, seconds_left
from pipeline.executors.cluster.version import worker_kind
from pipeline.messages import Died, Event, Failed, Finished, Ready, Task, TtsItem, Yielded
from tests.cheap_daemon import cheap_specs
from tests.ray_cluster import LocalCluster, local_cluster
from tests.running import exits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SECONDS = 90


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster() as started:
        yield started


@pytest.fixture(scope="module")
def executor(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayExecutor]:
    made = RayExecutor(cluster.address, tmp_path_factory.mktemp("run"))
    yield made
    made.close()


def events(executor: RayExecutor, is_last: Callable[[Event], bool]) -> list[Event]:
    """All events up to the last that is waited for."""
    found: list[Event] = []
    deadline = time.monotonic() + SECONDS
    while not any(map(is_last, found)):
        assert time.monotonic() < deadline, (found, executor.trouble())
        found += executor.wait(1.0)
    return found


def start(executor: RayExecutor, spec: WorkerSpec) -> Ready:
    executor.start(spec)
    [ready] = events(executor, lambda event: event.worker == spec.name and isinstance(event, Ready))
    assert isinstance(ready, Ready)
    return ready


def spec(stage: str, name: str = "tts-0", **place: object) -> WorkerSpec:
    [made] = [spec for spec in cheap_specs(Config()) if spec.name == name]
    return replace(made, stage=f"tests.faults:{stage}", place=PlaceSettings.model_validate(place))


def ended(executor: RayExecutor, kind: type[Event]) -> list[Event]:
    return events(executor, lambda event: isinstance(event, kind))


def work(executor: RayExecutor, folder: Path, worker: str = "tts-0") -> Sequence[Event]:
    folder.mkdir(exist_ok=True)
    executor.send(worker, Task(7, TtsItem("job", folder, "hello", "en", None, 1.0)))
    return ended(executor, Finished)


def test_a_worker_reports_results_and_survives_errors(executor: RayExecutor, tmp_path: Path) -> None:
    ready = start(executor, spec("BadJobTts"))
    assert (ready.device, ready.pid != os.getpid(), bool(ready.node)) == ("cpu", True, True)
    assert ready.kind == worker_kind(spec("BadJobTts"))
    yielded, finished = work(executor, tmp_path)
    assert isinstance(yielded, Yielded)
    assert (yielded.result.job, finished) == ("job", Finished("tts-0", 7))
    executor.send("tts-0", Task(8, TtsItem("job", tmp_path, "bad", "en", None, 1.0)))
    [failed] = ended(executor, Failed)
    assert isinstance(failed, Failed)
    assert (failed.task, failed.error.code, failed.error.stage) == (8, "voice", "tts")
    assert len(work(executor, tmp_path)) == 2


def test_a_worker_whose_process_is_killed_is_reported_at_once(executor: RayExecutor) -> None:
    pid, began = start(executor, spec("CheapTts", "split-0")).pid, time.monotonic()
    os.kill(pid, signal.SIGKILL)
    assert ended(executor, Died) == [Died("split-0", None)]
    assert time.monotonic() - began < Patience().lease_seconds


def test_a_worker_that_hangs_is_killed(executor: RayExecutor, tmp_path: Path) -> None:
    """Its process exits, and is not only marked as dead."""
    pid = start(executor, spec("LateTts", "gan-0")).pid
    executor.send("gan-0", Task(9, TtsItem("job", tmp_path, "hello", "en", None, 1.0)))
    while not (tmp_path / "begun").exists():
        assert executor.wait(0.05) == []
    executor.kill("gan-0")
    assert ended(executor, Died) == [Died("gan-0", None)]
    assert exits(pid)
    assert not (tmp_path / "late").exists()


def test_a_worker_that_cannot_start_says_why(executor: RayExecutor) -> None:
    executor.start(spec("BadConfigInSetup", "merge-0"))
    failed, died = ended(executor, Died)
    assert isinstance(failed, Failed)
    assert (failed.task, failed.error.code, failed.error.fatal) == (None, "checkpoint_missing", True)
    assert died == Died("merge-0", None)


def test_a_worker_waits_for_a_node_that_offers_what_it_needs(cluster: LocalCluster, executor: RayExecutor) -> None:
    executor.start(spec("CheapTts", "nogan-1", labels={"zone": "b"}, resources={"voices": 1}))
    deadline = time.monotonic() + SECONDS
    while executor.trouble() is None:
        assert executor.wait(1.0) == []
        assert time.monotonic() < deadline
    assert executor.trouble() == "the Ray cluster has no room for nogan-1 (CPU 1, voices 1, zone=b)"
    cluster.add_node(labels={"zone": "b"}, resources={"voices": 1}, node_name="second")
    [ready] = ended(executor, Ready)
    assert isinstance(ready, Ready)
    assert (ready.worker, ready.node, executor.trouble()) == ("nogan-1", "second", None)


def test_doctor_looks_at_every_node(cluster: LocalCluster, tmp_path: Path) -> None:
    Layout(tmp_path / "spool").create()
    settings = {"executor": "ray", "ray": {"address": cluster.address}, "workers": [{"model": "gan", "count": 3}]}
    (tmp_path / "config.yaml").write_text(json.dumps(settings))
    machine = this_machine(tmp_path / "config.yaml", tmp_path / "spool")
    found = list(cluster_check.check(machine))
    texts = [finding.text for finding in found]
    nodes = [text for text in texts if "reads and writes the spool" in text]
    assert len(nodes) == int(texts[0].split()[-2]) >= 1, texts
    assert "CPU 8" in nodes[0]
    assert texts[-1] == "there is room for all 6 workers"
    assert {finding.level for finding in found} == {Level.OK}
    assert list(machine.spool.run.glob("doctor-*")) == []


def test_doctor_says_that_a_cluster_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Layout(tmp_path / "spool").create()
    (tmp_path / "config.yaml").write_text(json.dumps({"executor": "ray", "ray": {"address": "127.0.0.1:9"}}))
    machine = this_machine(tmp_path / "config.yaml", tmp_path / "spool")
    monkeypatch.setattr(machine_module, "PROBE_SECONDS", 5.0)
    [finding] = cluster_check.check(machine)
    assert finding.level is Level.BROKEN
    assert finding.text.startswith("no Ray cluster at 127.0.0.1:9: ")


def test_a_lost_connection_costs_only_what_was_in_flight(executor: RayExecutor, tmp_path: Path) -> None:
    """What Ray does to a process that has lost the head: it ends it."""
    assert executor._bridge is not None
    executor._bridge.process.kill()
    lost = events(executor, lambda event: event.worker == "tts-0")
    assert set(lost) == {Died("tts-0", None, is_lost=True), Died("nogan-1", None, is_lost=True)}
    assert executor.trouble() == f"no connection to the Ray cluster ({executor._settings.address}): it was lost"
    start(executor, spec("CheapTts"))
    assert executor.trouble() is None
    assert len(work(executor, tmp_path)) == 2


def test_a_worker_that_cannot_be_found_is_waited_for(cluster: LocalCluster, tmp_path: Path) -> None:
    """It may be on a node that Ray has given up, and write for a job until its lease is over."""
    patience = Patience(poll_seconds=0.2, lease_seconds=3.0, margin_seconds=0.3)
    Roll(tmp_path).add("gan-0")
    made, began = RayExecutor(cluster.address, tmp_path, patience=patience), time.monotonic()
    try:
        start(made, spec("CheapTts"))
        assert time.monotonic() - began > patience.fence_seconds
        assert seconds_left(tmp_path, ("tts-0",), 1.0) == 0
        assert seconds_left(tmp_path, (), 1.0) == 1.0, "it is noted while it is up"
    finally:
        made.close()
    assert 0 < seconds_left(tmp_path, (), 600.0) < 600, "and when the bridge has ended"


def test_others_are_still_taken_over_after_that(cluster: LocalCluster, tmp_path: Path) -> None:
    """The wait is longer than the lease of those that could be used at once."""
    patience = Patience(poll_seconds=0.2, lease_seconds=3.0, margin_seconds=0.3)
    first = RayExecutor(cluster.address, tmp_path, patience=patience)
    before = start(first, spec("CheapTts"))
    assert first._bridge is not None
    first._bridge.process.kill()
    first._bridge.process.join()
    noted = Roll(tmp_path)
    for name in ("tts-0", "gan-0"):
        noted.add(name)
    second, began = RayExecutor(cluster.address, tmp_path, patience=patience), time.monotonic()
    try:
        after = start(second, spec("CheapTts"))
        assert time.monotonic() - began > patience.fence_seconds
        assert after.pid == before.pid
    finally:
        second.close()
        first.close()
