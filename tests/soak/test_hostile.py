"""Hostile input in quantity: minutes of spoilt job files, and ten thousand jobs at once."""

from __future__ import annotations

import random
from pathlib import Path

import psutil
import pytest

from daemon.spool import Spool
from daemon.supervisor import Supervisor
from pipeline.config import Config
from pipeline.executors.base import WorkerSpec
from pipeline.executors.threads import ThreadExecutor
from tests.fuzz import fuzz
from tests.hostile import BAD_JOBS, BAD_WISHES

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


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 104))
def test_half_a_million_spoilt_job_files(seed: int) -> None:
    fuzz(random.Random(seed), 500_000, seeds=[data for data, _ in (*BAD_JOBS, *BAD_WISHES)])


@pytest.mark.timeout(1800)
def test_ten_thousand_jobs_at_once(tmp_path: Path) -> None:
    """Cheap stages, the real supervision loop and spool: all are done, and nothing is kept of them in memory."""
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
