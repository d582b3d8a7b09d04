"""Thousands of jobs and random kills. The kills are seeded, but hit at different moments in each run."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.media import speech_like, streams, write_recording
from tests.running import CheapDaemon, RunningDaemon, lipdrop, until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

SOAK_SECONDS = 3000
SENTENCE, LONG_SENTENCES = "Мама мыла раму. ", 670
PROMISED_SECONDS = 2
"""No process of a killed daemon is left after this time, on an otherwise idle machine."""
LIMITS = {"free_megabytes": 1, "attempts": 20}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[CheapDaemon]:
    with CheapDaemon(tmp_path / "spool", limits=LIMITS) as running:
        yield running


def all_done(daemon: RunningDaemon, names: list[str]) -> None:
    """Check that each job succeeds, and only once."""
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


def test_four_hundred_real_jobs_leave_nothing_behind(tmp_path: Path) -> None:
    """Recorded and spoken jobs of half a second; the first hundred fill the caches."""
    with RunningDaemon(tmp_path / "spool", limits=LIMITS).start().ready() as daemon:
        write_recording(daemon.spool / "inbox" / "half.wav", speech_like(0.5))
        drop_small(daemon, range(100))
        before = daemon.resources()
        drop_small(daemon, range(100, 400))
        after = daemon.resources()
    assert after["descriptors"] <= before["descriptors"]
    assert after["shared"] <= before["shared"]
    assert after["memory"] - before["memory"] < 16 << 20


def drop_small(daemon: RunningDaemon, numbers: range) -> None:
    """Drop small jobs together and wait until all are done."""
    names = [f"small-{number:03d}" for number in numbers]
    for number, name in zip(numbers, names, strict=True):
        job = {"text": "Да."} if number % 3 == 0 else {"audio": "half.wav"}
        daemon.drop(name, **job, size="128x128", metadata={"number": number})
    assert Counter(daemon.ending(name, SOAK_SECONDS)["status"] for name in names) == {"done": len(names)}
    until(lambda: not any((daemon.spool / "work").iterdir()) or None, "clear work folder")


def test_a_long_job_does_not_starve_short_ones_dropped_with_it(tmp_path: Path) -> None:
    """With real stages: ten minutes of text, immediately followed by 20 texts of about 3 s.

    These may wait for one item of the long job on each worker, and then share the machine with it.
    """
    with RunningDaemon(tmp_path / "spool", tts={"backend": "espeak"}).start().ready() as daemon:
        alone = total_seconds(daemon, drop_short(daemon, "alone"))
        daemon.drop("long", text=SENTENCE * LONG_SENTENCES, size="128x128")
        beside = total_seconds(daemon, drop_short(daemon, "beside"))
        long = daemon.ending("long", SOAK_SECONDS)
    times = long["timing"]
    item_seconds = times["tts_seconds"] + times["convert_seconds"] + times["split_seconds"]
    item_seconds += max(chunk["total_seconds"] for chunk in long["chunks"])
    assert long["audio"]["seconds"] >= 600
    assert beside[18] < item_seconds + 2 * alone[18], "the 95th percentile"
    assert beside[18] < times["total_seconds"]


def drop_short(daemon: RunningDaemon, kind: str) -> list[str]:
    names = [f"{kind}-{number:02d}" for number in range(20)]
    for name in names:
        daemon.drop(name, text=SENTENCE * 3, size="128x128")
    return names


def total_seconds(daemon: RunningDaemon, names: list[str]) -> list[float]:
    """Seconds from drop to end of each job, sorted."""
    return sorted(daemon.ending(name, SOAK_SECONDS)["timing"]["total_seconds"] for name in names)


def test_random_kills_of_workers_over_two_hundred_jobs_cost_one_item_each(daemon: CheapDaemon) -> None:
    daemon.start().ready()
    names = daemon.drop_many(200, text="4 hello")
    kills = through_kills(daemon, names, lambda chance: kill_one(daemon, chance))
    again = sum(times - 1 for times in Counter(daemon.ran()).values())
    assert 0 < again <= kills
    assert not daemon.log().count("resumed")


def test_random_kills_of_the_daemon_over_two_hundred_jobs(daemon: CheapDaemon) -> None:
    """It is restarted as by systemd; only the current items of its five workers are lost."""
    daemon.start().ready()
    names = daemon.drop_many(200, text="4 hello")
    kills = through_kills(
        daemon, names, lambda chance: daemon.restarted(orphans_seconds=PROMISED_SECONDS).ready(), pause_seconds=(1, 4)
    )
    again = sum(times - 1 for times in Counter(daemon.ran()).values())
    assert 0 < again <= 5 * kills


def through_kills(
    daemon: CheapDaemon,
    names: list[str],
    kill: Callable[[random.Random], object],
    pause_seconds: tuple[float, float] = (0.1, 0.6),
) -> int:
    """Kill at random moments until all jobs have succeeded, each only once; returns the number of kills."""
    chance = random.Random(1)
    kills = 0
    while len(list((daemon.spool / "outbox").glob("*.json"))) < len(names):
        assert daemon.process is not None
        assert daemon.process.poll() is None, daemon.log()[-3000:]
        time.sleep(chance.uniform(*pause_seconds))
        kill(chance)
        kills += 1
    assert kills >= 5
    all_done(daemon, names)
    return kills


def kill_one(daemon: RunningDaemon, chance: random.Random) -> None:
    """Kill a worker that is ready: one that keeps dying at startup is no longer restarted."""
    pids = [worker["pid"] for worker in daemon.status()["workers"].values() if worker["pid"] is not None]
    if pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(pids), signal.SIGKILL)


def test_real_jobs_through_kills_of_workers_and_daemon(tmp_path: Path) -> None:
    """Ten real jobs. Whenever a timing JSON is visible, its video plays and matches it."""
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
                    daemon.restarted(orphans_seconds=PROMISED_SECONDS).ready()
                else:
                    kill_one(daemon, chance)
            all_done(daemon, names)
        finally:
            time.sleep(2)
            ended.set()
            reader.join()
    assert set(seen) == {"whole"}, seen


def read_outbox(outbox: Path, seen: Counter[str], ended: threading.Event) -> None:
    """Keep probing the video of every timing JSON that is visible."""
    while not ended.wait(0.1):
        for path in outbox.glob("*.json"):
            timing = json.loads(path.read_bytes())
            try:
                video = streams(path.with_suffix(".mp4"))["video"]
                whole = int(video["nb_read_packets"]) == timing["video"]["frames"]
            except (subprocess.CalledProcessError, OSError):
                whole = False
            seen["whole" if whole else f"broken {path.name}"] += 1


@pytest.mark.timeout(7 * 3600)
def test_six_hours_of_an_open_stream_take_constant_memory_and_disk(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path) as daemon:
        daemon.start().ready()
        first, last = stayed_open(daemon, seconds=6 * 3600, every_seconds=300)
    assert last["disk"] <= 1.2 * first["disk"]
    assert last["memory"] <= 1.1 * first["memory"]


def caption(stream: Path, said: str) -> Path | None:
    """A file with captions that has a text; None if there is none yet, or any more."""
    with contextlib.suppress(FileNotFoundError):  # the window slides
        return next((path for path in stream.glob("*-*.vtt") if said in path.read_text()), None)
    return None


def stayed_open(daemon: RunningDaemon, seconds: float, every_seconds: float) -> list[dict[str, int]]:
    """Let a stream listen and speak; return the most bytes of disk and memory in the first and the last quarter."""
    job = {"text": "Hello.", "language": "en", "size": "64x64", "captions": True}
    daemon.drop("live", mode="stream", keep_open=True, window_seconds=60, **job)
    until(lambda: (daemon.spool / "outbox" / "live" / "index.m3u8").exists() or None, "a playlist")
    used: list[dict[str, int]] = []
    for number in range(round(seconds / every_seconds)):
        assert lipdrop("say-to", "live", f"Text {number}.", cwd=daemon.spool).returncode == 0
        until(partial(caption, daemon.spool / "outbox" / "live", f"Text {number}."), "a caption")
        time.sleep(every_seconds)
        files = [path.stat().st_size for path in daemon.spool.rglob("*") if path.is_file() and path.name != "log"]
        used.append({"disk": sum(files), "memory": daemon.memory_bytes()})
    assert lipdrop("say-to", "live", "--end", cwd=daemon.spool).returncode == 0
    assert daemon.ending("live")["video"]["frames"] >= 60 * 25
    quarter = max(1, len(used) // 4)
    return [{key: max(one[key] for one in part) for key in used[0]} for part in (used[:quarter], used[-quarter:])]
