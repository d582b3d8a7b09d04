"""Hostile input in quantity: corrupted job files and recordings, and ten thousand jobs at once."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import psutil
import pytest

from daemon.spool.spool import Spool
from daemon.supervisor import Supervisor
from pipeline.config import Config
from pipeline.errors import JobError
from pipeline.executors.base import WorkerSpec
from pipeline.executors.threads import ThreadExecutor
from pipeline.media import recording
from pipeline.messages import PCM_RATE_HZ
from tests.fuzz import fuzz
from tests.hostile import BAD_JOBS, BAD_REQUESTS, made

pytestmark = pytest.mark.soak

JOBS = 10_000
MEMORY_GROWTH_MAX_BYTES = 100 << 20
STAGES = {
    "tts-0": ("tts", "CheapTts"),
    "split-0": ("split", "CheapSplit"),
    "gan-0": ("lipsync", "CheapLipSync"),
    "nogan-1": ("lipsync", "CheapLipSync"),
    "merge-0": ("merge", "CheapMerge"),
}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 104))
def test_half_a_million_corrupted_job_files(seed: int) -> None:
    fuzz(random.Random(seed), 500_000, seeds=[data for data, _ in (*BAD_JOBS, *BAD_REQUESTS)])


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("ending", [".mp4", ".mp3", ".avi", ".flac", ".ogg", ".mkv", ".wma", ".wav", ".caf", ".aiff"])
def test_hundreds_of_corrupted_recordings_are_read_or_refused(ending: str, tmp_path: Path) -> None:
    rng = random.Random(ending)
    whole = made(tmp_path, "-f lavfi -i sine=d=1", ending)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 3, 30, 300])):
            data[rng.randrange(min(len(data), rng.choice([200, 2000, len(data)])))] = rng.choice([0, 127, 255])
        (tmp_path / "corrupted").write_bytes(data)
        with contextlib.suppress(JobError):
            sound = recording.read(tmp_path / "corrupted", tmp_path, limit_seconds=9)
            assert len(sound.samples) <= 9 * PCM_RATE_HZ


@pytest.mark.timeout(1800)
def test_ten_thousand_jobs_at_once(tmp_path: Path) -> None:
    """With cheap stages and the real supervision loop and spool, all are done and none stays in memory."""
    config, spool = Config(), Spool(tmp_path)
    spool.create()
    for number in range(JOBS):
        (spool.inbox / f"job-{number:05d}.json").write_text(f'{{"text": "number {number}"}}')
    specs = [
        WorkerSpec(name, role, f"tests.faults:{stage}", config, model=name.partition("-")[0])
        for name, (role, stage) in STAGES.items()
    ]
    supervisor = Supervisor(config, spool, ThreadExecutor(), specs)
    memory_bytes = psutil.Process().memory_info().rss
    assert supervisor.run(once=True) == 0
    assert psutil.Process().memory_info().rss - memory_bytes < MEMORY_GROWTH_MAX_BYTES
    assert len(list(spool.outbox.glob("*.json"))) == len(list(spool.done.iterdir())) == JOBS
    assert not [*spool.inbox.iterdir(), *spool.work.iterdir(), *spool.failed.iterdir()]
