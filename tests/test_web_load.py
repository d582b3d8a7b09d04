"""Many clients, slow clients, dying workers: nothing is lost, nothing is run twice, nobody waits for another."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from tests.gateway import RunningGateway
from tests.running import BRIEF_WAITS, CheapDaemon, own_bytes, until

pytestmark = pytest.mark.slow

JOBS = (30, pytest.param(200, marks=pytest.mark.soak))
REQUESTS = (250, pytest.param(1000, marks=pytest.mark.soak))
GROWTH_MAX_BYTES = 10 << 10
"""For each request."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheapDaemon]:
    with CheapDaemon(tmp_path_factory.mktemp("load") / "spool", **BRIEF_WAITS) as running:
        yield running.start("--brisk").ready()


@pytest.fixture(scope="module")
def gateway(daemon: CheapDaemon) -> Iterator[RunningGateway]:
    with RunningGateway(daemon.spool, queued_jobs=400, requests_per_minute=100_000) as running:
        yield running


@pytest.mark.parametrize("count", JOBS)
def test_submissions_survive_killed_workers(count: int, daemon: CheapDaemon, gateway: RunningGateway) -> None:
    def submit(number: int) -> str:
        answer = gateway.client.post("/api/jobs", json={"text": f"2 number {number}"})
        assert answer.status_code == 202, answer.text
        return str(answer.headers["x-lipdrop-job"])

    with ThreadPoolExecutor(50) as pool:
        submitting = pool.map(submit, range(count))
        for worker in ("gan-0", "merge-0", "tts-0", "nogan-1", "split-0"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(daemon.worker_pid(worker), signal.SIGKILL)
        names = list(submitting)
    assert len(set(names)) == count
    assert daemon.statuses(names) == {"done": count}
    daemon.until_work_is_clear()
    log = daemon.log()
    assert all(log.count(f"job {name}: done in") == 1 for name in names)
    found = {name: gateway.client.get(f"/api/jobs/{name}/video").content for name in names}
    assert sorted(found.values()) == sorted(f"2 number {number}".encode() for number in range(count))


@pytest.mark.parametrize("count", REQUESTS)
def test_memory_stays_flat(count: int, gateway: RunningGateway) -> None:
    process = psutil.Process(gateway.process.pid)
    gateway.client.put("/api/jobs/one", json={"text": "1 hello"}, headers={"Prefer": "wait=60"})

    def ask(number: int) -> None:
        path = ("/api/jobs", "/api/jobs/one", "/api/health", "/api/jobs/one/video", "/api/jobs/none")[number % 5]
        gateway.client.get(path)

    for number in range(200):
        ask(number)
    before = own_bytes(process)
    for number in range(count):
        ask(number)
    assert own_bytes(process) - before < GROWTH_MAX_BYTES * count
    assert process.num_fds() < 60


def test_slow_clients_hold_nobody_up(daemon: CheapDaemon, gateway: RunningGateway) -> None:
    """Given uploads that never end and downloads that are never read."""
    daemon.drop("large", text="1 hello")
    daemon.ending("large")
    with daemon.video("large").open("r+b") as video:
        video.truncate(64 << 20)  # more than the buffers of a connection hold
    host, port = httpx.URL(gateway.url).host, httpx.URL(gateway.url).port
    assert port is not None
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            upload = stack.enter_context(socket.create_connection((host, port)))
            head = f"POST /api/jobs HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000000\r\n"
            upload.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode())
            download = stack.enter_context(socket.create_connection((host, port)))
            download.sendall(f"GET /api/jobs/large/video HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            assert download.recv(12) == b"HTTP/1.1 200"
        answer = gateway.client.post("/api/jobs", json={"text": "1 quick"}, headers={"Prefer": "wait=60"})
        assert answer.json()["status"] == "done"
        process = psutil.Process(gateway.process.pid)
        assert process.num_fds() > 40
    until(lambda: process.num_fds() < 40 or None, "end of the abandoned connections")
