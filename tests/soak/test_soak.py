"""Thousands of jobs and random deaths. Seeded, but which moment is hit differs from run to run."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.media import speech_like, streams, write_recording
from tests.running import CheapDaemon, RunningDaemon, until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

SOAK_SECONDS = 3000
LIMITS = {"free_megabytes": 1, "attempts": 20}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[CheapDaemon]:
    with CheapDaemon(tmp_path / "spool", limits=LIMITS) as running:
        yield running


def all_done(daemon: RunningDaemon, names: list[str]) -> None:
    """Each job ends well, and is done exactly once."""
    assert Counter(daemon.ending(name, SOAK_SECONDS)["status"] for name in names) == {"done": len(names)}
    until(lambda: not any((daemon.spool / "work").iterdir()) or None, "clear work folder")
    assert not list((daemon.spool / "inbox").glob("*.json"))
    assert sorted(path.stem for path in (daemon.spool / "outbox").glob("*.mp4")) == sorted(names)


def test_ten_thousand_jobs_dropped_while_the_daemon_is_stopped(daemon: CheapDaemon) -> None:
    """More than the kernel's queue of file events holds."""
    process = daemon.start().ready().process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    names = daemon.drop_many(10_000, text="1 hello")
    process.send_signal(signal.SIGCONT)
    all_done(daemon, names)
    assert daemon.status()["state"] == "ok"


def test_a_thousand_jobs_leave_nothing_behind(daemon: CheapDaemon) -> None:
    daemon.start().ready()
    daemon.drop("warm", text="1 hello")
    daemon.ending("warm")
    before = daemon.resources()
    all_done(daemon, [*daemon.drop_many(1000, text="1 hello"), "warm"])
    after = daemon.resources()
    assert after["descriptors"] <= before["descriptors"]
    assert after["shared"] <= before["shared"]
    assert after["memory"] - before["memory"] < 16 << 20


def test_random_kills_over_two_hundred_jobs(daemon: CheapDaemon) -> None:
    """Workers, and now and then the daemon, which is started again as systemd would."""
    chance = random.Random(1)
    daemon.start().ready()
    names = daemon.drop_many(200, text="4 hello")
    kills = 0
    while len(list((daemon.spool / "outbox").glob("*.json"))) < len(names):
        time.sleep(chance.uniform(0.1, 0.6))
        if chance.random() < 0.05:
            daemon.restarted()
        else:
            kill_one(daemon, chance)
        kills += 1
    assert kills > 20
    all_done(daemon, names)
    merged = Counter(line for line in daemon.ran() if line.endswith("merge"))
    assert len(merged) == len(names)


def kill_one(daemon: RunningDaemon, chance: random.Random) -> None:
    workers = [process for process in daemon.family()[1:] if "spawn_main" in " ".join(process.cmdline())]
    if workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            chance.choice(workers).kill()


def test_real_jobs_through_kills_of_workers_and_daemon(tmp_path: Path) -> None:
    """Ten real jobs. Whenever a timing JSON can be seen, its video plays and is what the JSON says."""
    chance = random.Random(2)
    with RunningDaemon(tmp_path / "spool", limits=LIMITS).start().ready() as daemon:
        write_recording(daemon.spool / "inbox" / "speech.wav", speech_like(24))
        names = [f"real-{number}" for number in range(10)]
        for name in names[:7]:
            daemon.drop(name, audio="speech.wav", size="256x256")
        for name in names[7:]:
            daemon.drop(name, text="Мама мыла раму. " * 12, size="256x256")
        ended = threading.Event()
        seen: Counter[str] = Counter()
        reader = threading.Thread(target=read_outbox, args=(daemon.spool / "outbox", seen, ended))
        reader.start()
        try:
            for number in range(12):
                time.sleep(chance.uniform(2, 5))
                if number % 4 == 3:
                    daemon.restarted().ready()
                else:
                    kill_one(daemon, chance)
            all_done(daemon, names)
        finally:
            time.sleep(2)
            ended.set()
            reader.join()
    assert set(seen) == {"whole"}, seen


def read_outbox(outbox: Path, seen: Counter[str], ended: threading.Event) -> None:
    """Probe the video of every timing JSON that can be seen, over and over."""
    while not ended.wait(0.1):
        for path in outbox.glob("*.json"):
            timing = json.loads(path.read_bytes())
            try:
                video = streams(path.with_suffix(".mp4"))["video"]
                whole = int(video["nb_read_packets"]) == timing["video"]["frames"]
            except (subprocess.CalledProcessError, OSError):
                whole = False
            seen["whole" if whole else f"broken {path.name}"] += 1
