"""Whose word about the daemon is believed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from daemon.spool.health import Health, health
from daemon.spool.spool import Spool
from daemon.supervisor import Supervisor
from pipeline.config import Config
from pipeline.executors.threads import ThreadExecutor
from tests.cheap_daemon import cheap_specs


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path)
    spool.create()
    return spool


def tell(spool: Spool, *, state: str = "ok", age_seconds: float) -> None:
    told = {"state": state, "why": "", "pid": 1, "waiting": 0, "jobs": {}, "workers": {}, "done": 0, "failed": 0}
    spool.tell({**told, "monotonic_seconds": time.monotonic() - age_seconds})


@pytest.mark.parametrize(
    ("state", "age_seconds", "expected"),
    [
        ("ok", 0.0, "ok"),
        ("degraded", 9.0, "degraded"),
        ("ok", 11.0, "stale"),
        ("ok", -5000.0, "starting"),  # of an earlier boot
        ("stopped", 0.0, "starting"),
    ],
)
def test_a_daemon_is_believed_that_is_there_and_tells_often(
    state: str, age_seconds: float, expected: str, spool: Spool
) -> None:
    tell(spool, state=state, age_seconds=age_seconds)
    assert health(spool).state == "down"
    with spool.owned():
        assert health(spool).state == expected


def test_a_daemon_that_starts_is_not_taken_for_the_one_before(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which was killed, and left its word behind."""
    found: list[Health] = []

    def recover() -> list[str]:
        found.append(health(spool))
        raise OSError

    tell(spool, age_seconds=60)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(spool, "recover", recover)
    config = Config()
    with pytest.raises(OSError):
        Supervisor(config, spool, ThreadExecutor(), cheap_specs(config)).run(once=True)
    assert [(health.state, health.told["pid"]) for health in found] == [("starting", os.getpid())]
