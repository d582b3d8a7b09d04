"""Health reports: which ones are current, and how they are written."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from daemon import supervisor
from daemon.spool.health import Health, health, read_health, write_health
from daemon.spool.spool import Spool
from daemon.supervisor import Supervisor
from pipeline.config import Config
from pipeline.executors.threads import ThreadExecutor
from tests.cheap_daemon import cheap_specs
from tests.reports import healthy


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path)
    spool.create()
    return spool


def report(spool: Spool, *, state: str = "ok", age_seconds: float) -> None:
    write_health(spool, healthy(state=state, monotonic_seconds=time.monotonic() - age_seconds))


@pytest.mark.parametrize(
    ("state", "age_seconds", "expected"),
    [
        ("ok", 0.0, "ok"),
        ("degraded", 9.0, "degraded"),
        ("ok", 11.0, "stale"),
        ("ok", -5000.0, "starting"),  # from a previous boot
        ("stopped", 0.0, "starting"),
    ],
)
def test_a_report_counts_if_it_is_recent_and_its_daemon_lives(
    state: str, age_seconds: float, expected: str, spool: Spool
) -> None:
    report(spool, state=state, age_seconds=age_seconds)
    assert health(spool).state == "down"
    with spool.owned():
        assert health(spool).state == expected


def test_a_starting_daemon_is_not_mistaken_for_its_predecessor(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The predecessor was killed and left its report."""
    found: list[Health] = []

    def recover() -> list[str]:
        found.append(health(spool))
        raise OSError

    report(spool, age_seconds=60)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(spool, "recover", recover)
    config = Config()
    with pytest.raises(OSError):
        Supervisor(config, spool, ThreadExecutor(), cheap_specs(config)).run(once=True)
    assert [(health.state, health.report and health.report.pid) for health in found] == [("starting", os.getpid())]


def test_a_state_is_reported_at_once_and_what_changes_within_it_after_a_pause(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop turns several times for each job, far more often than anybody looks. It does not sleep before that."""
    written: list[str] = []
    monkeypatch.setattr("daemon.spool.health.write_health", lambda _, report: written.append(report.state))
    config = Config()
    loop = Supervisor(config, spool, ThreadExecutor(), cheap_specs(config))
    for state in ("ok", "ok", "paused", "paused"):
        loop._report_health(state, "")
    assert written == ["ok", "paused"]
    assert loop._idle_seconds() <= supervisor.HEALTH_SECONDS
    time.sleep(supervisor.HEALTH_SECONDS)
    loop._report_health("paused", "")
    assert written == ["ok", "paused", "paused"]
    assert loop._idle_seconds() > supervisor.HEALTH_SECONDS


def test_a_report_keeps_its_blocks_and_can_be_replaced(spool: Spool) -> None:
    """On a full disk only preallocated files can be written."""
    for state in ("ok", "paused", "degraded"):
        report(spool, state=state, age_seconds=0)
        found = read_health(spool)
        assert found is not None
        assert found.state == state
    sizes = [(spool.run / name).stat().st_size for name in ("health.json", "health.spare")]
    assert min(sizes) >= 4096


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'{"state": "ok"}', b'{"workers": 1}', b'{"workers": {"a": 1}}', b"\xff"]
)
def test_a_damaged_report_is_ignored(content: bytes, spool: Spool) -> None:
    (spool.run / "health.json").write_bytes(content)
    with spool.owned():
        assert health(spool).state == "starting"


def test_keys_of_another_version_are_ignored(spool: Spool) -> None:
    report(spool, age_seconds=0)
    file = spool.run / "health.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "new": [1]}))
    with spool.owned():
        assert health(spool).state == "ok"
