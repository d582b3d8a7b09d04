"""How well the scheduler uses many workers, and how many items a second its loop handles: real code, simulated work.

`python -m benchmarks.scheduling [--workers N ...] [--seconds N]` runs the scheduler with workers that only exist in the
simulation: a virtual clock jumps from one result to the next, after the times that the stages were measured to take. So
hours of rendering take seconds, and the processor time they take is the scheduler's own, journals included.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles
from unittest.mock import patch

from daemon.scheduling.job_flow import JobFlow
from daemon.scheduling.journal import Journal
from daemon.scheduling.scheduler import JobDone, Scheduler
from daemon.scheduling.stages import ROLES
from pipeline.config import Config, LimitsSettings
from pipeline.executors.base import WorkerSpec
from pipeline.job import Job
from pipeline.messages import (
    Chunk,
    Event,
    Finished,
    Item,
    MergeItem,
    Ready,
    Result,
    Segment,
    SoundItem,
    Soundtrack,
    Span,
    Speech,
    SplitItem,
    Task,
    Timeline,
    TtsItem,
    Video,
    Yielded,
)

FPS = 25
CHUNK_SECONDS = 15
COSTS = {"tts": 0.102, "split": 0.009, "lipsync": 0.344, "sound": 0.016, "merge": 0.016}
"""Seconds of one core for each second of video, from `docs/benchmarks.md`: built-in engine, 720x720."""
STARTUP_SECONDS = {"tts": 0.02, "split": 0.03, "lipsync": 0.05, "sound": 0.1, "merge": 0.1}
"""The same for each item, whatever its length."""
SPREAD = 0.2
"""Standard deviation of the time that equal items take, as a part of it."""
SPAN = Span(0.0, 0.0)
CHARACTERS = 15
"""Of text, for each second of speech."""
LENGTHS = (15.0, 30.0, 60.0, 120.0)
"""Of videos, in seconds, equally often."""
MEAN_SECONDS = sum(LENGTHS) / len(LENGTHS)
JOBS_PER_WORKER = 2
"""In flight while the queue is full."""
USUAL_LOAD = 0.8
FAST, FAST_SECONDS = 200.0, 3.0
"""Workers that are so much faster keep the loop busy, which shows the most that it can do; measured for so long."""


class Clock:
    """A monotonic clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time, in seconds."""
        return self.now


class SimulatedWorkers:
    """An executor whose workers need virtual time, and whose results come when it is over.

    The time that the scheduler computes between two calls of `wait` passes on the virtual clock too, so workers wait
    for a loop that is too slow, as they would in reality.
    """

    def __init__(self, clock: Clock, seed: int, speed: float) -> None:
        self.clock = clock
        self._speed = speed
        self.items = 0
        self.loop_seconds = 0.0
        """Processor time of the scheduler."""
        self.busy_seconds = 0.0
        """Of all lip-sync workers together."""
        self._rng = random.Random(seed)
        self._coming: list[tuple[float, int, Event]] = []
        self._numbers = itertools.count()
        self._left_seconds = time.process_time()

    def gpu_count(self) -> int:
        """None."""
        return 0

    def offers(self) -> None:
        """There is no cluster."""

    def trouble(self) -> None:
        """Nothing hinders a worker that does not exist."""

    def start(self, spec: WorkerSpec) -> None:
        """Be ready at once."""
        self._report(0.0, Ready(spec.name, "cpu", 1))

    def send(self, worker: str, task: Task) -> None:
        """Compute the results, and let them arrive when their time has come."""
        results = list(_results(task.item, worker))
        seconds = _seconds(task.item) / self._speed * max(0.3, self._rng.gauss(1, SPREAD))
        self.busy_seconds += seconds if isinstance(task.item, Chunk) else 0.0
        self.items += 1
        for result in results:
            self._report(seconds, Yielded(worker, task.id, result))
        self._report(seconds, Finished(worker, task.id))

    def _report(self, seconds: float, event: Event) -> None:
        heapq.heappush(self._coming, (self.clock.now + seconds, next(self._numbers), event))

    def wait(self, timeout_seconds: float) -> Sequence[Event]:
        """Move the clock to the next event, at most by the timeout."""
        computed = time.process_time() - self._left_seconds
        self.loop_seconds += computed
        self.clock.now += computed
        if self._coming and self._coming[0][0] > self.clock.now:
            self.clock.now = min(self._coming[0][0], self.clock.now + timeout_seconds)
        events = []
        while self._coming and self._coming[0][0] <= self.clock.now:
            events.append(heapq.heappop(self._coming)[2])
        self._left_seconds = time.process_time()
        return events

    def resume(self) -> None:
        """Count no time since the last call: it was the benchmark's own."""
        self._left_seconds = time.process_time()

    def wake(self) -> None:
        """There is nothing to wake."""

    def forget(self, job: str) -> None:
        """There is nothing to remove."""

    def kill(self, worker: str) -> None:
        """No worker hangs."""
        raise AssertionError(worker)

    def close(self, busy: Collection[str] = ()) -> None:
        """There is nothing to stop."""


def _seconds(item: Item) -> float:
    """How long a worker with one core takes."""
    match item:
        case TtsItem():
            role, length = "tts", len(item.text) / CHARACTERS
        case SplitItem():
            role, length = "split", float(item.speech.audio.name)
        case Chunk():
            role, length = "lipsync", (item.stop_frame - item.start_frame) / FPS
        case SoundItem():
            role, length = "sound", item.seconds
        case MergeItem():
            role, length = "merge", item.timeline.seconds
        case _:
            raise AssertionError(item)
    return STARTUP_SECONDS[role] + COSTS[role] * length


def _results(item: Item, worker: str) -> Iterator[Result]:
    """What the stage would yield. The name of the speech's file is its length."""
    match item:
        case TtsItem():
            yield Speech(item.job, item.folder, item.folder / str(len(item.text) / CHARACTERS), "voice", span=SPAN)
        case SplitItem():
            yield from _chunks(item)
        case Chunk():
            yield _segment(item, worker)
        case SoundItem():
            yield Soundtrack(item.job, item.folder / "track.wav", item.folder / "track.m4a", SPAN)
        case MergeItem():
            yield Video(item.job, item.folder / "video.mp4", item.timeline.frames, FPS, 720, 720, 1, "", SPAN)


def _chunks(item: SplitItem) -> Iterator[Chunk]:
    folder, frames = item.speech.folder, round(float(item.speech.audio.name) * FPS)
    count = max(1, round(frames / FPS / CHUNK_SECONDS))
    files = (folder / "pcm", folder / "track", folder / "mel")
    timeline = Timeline(frames * 640, frames, FPS, (), "parallel", *files, SPAN, SPAN)
    whole = Chunk(
        job=item.job,
        folder=folder,
        index=0,
        count=count,
        start_frame=0,
        stop_frame=frames,
        model="gan",
        mixed=False,
        fade_from=None,
        avatar=item.avatar,
        size=None,
        phonemes=None,
        timeline=timeline,
    )
    edges = [round(frames * index / count) for index in range(count + 1)]
    for index, (start, stop) in enumerate(itertools.pairwise(edges)):
        yield replace(whole, index=index, start_frame=start, stop_frame=stop)


def _segment(chunk: Chunk, worker: str) -> Segment:
    return Segment(
        job=chunk.job,
        index=chunk.index,
        path=chunk.folder / f"chunk-{chunk.index:03d}.mp4",
        start_frame=chunk.start_frame,
        stop_frame=chunk.stop_frame,
        width=720,
        height=720,
        model=chunk.model,
        engine="builtin",
        device="cpu",
        worker=worker,
        span=SPAN,
        inference_seconds=0.0,
        encode_seconds=0.0,
        timeline=chunk.timeline,
    )


def workers(lipsync: int, *, others: bool) -> list[WorkerSpec]:
    """So many lip-sync workers, with as many others as they keep busy, or one split and one merge worker."""
    counts = {role: max(1, round(1.3 * lipsync * COSTS[role] / COSTS["lipsync"] + 0.5)) for role in COSTS}
    counts |= {"lipsync": lipsync} | ({} if others else {"split": 1, "merge": 1})
    return [
        WorkerSpec(f"{role}-{index}", role, stage, Config(), model="gan")
        for role, stage in ROLES.items()
        for index in range(counts[role])
    ]


@dataclass
class Outcome:
    """What one simulation measured."""

    items_per_second: float
    """Items that the scheduler's loop handles in a second of processor time."""
    efficiency: float
    """How much of the time the lip-sync workers worked."""
    latencies: list[float]
    """Seconds from the arrival of each job to its end, for each second of its video."""


class Simulation:
    """Jobs that arrive at random, as many as keep the lip-sync workers busy for a share `load` of the time.

    1: there are always jobs waiting.
    """

    def __init__(self, specs: Sequence[WorkerSpec], clock: Clock, folder: Path, load: float, speed: float) -> None:
        self._clock = clock
        self._folder = folder
        self._load = load
        self._lipsync = sum(spec.role == "lipsync" for spec in specs)
        self._pause_seconds = MEAN_SECONDS * COSTS["lipsync"] / self._lipsync / load
        self._rng, self._numbers, self._due_seconds = random.Random(1), itertools.count(), clock.now
        self._arrived: dict[str, tuple[float, float]] = {}
        """When each job arrived, and the length of its video."""
        self._latencies: list[float] = []
        self._executor = SimulatedWorkers(clock, 2, speed)
        self._scheduler = Scheduler(self._executor, Config(limits=LimitsSettings(free_megabytes=0)), specs)

    def run(self, seconds: float) -> Outcome:
        """Simulate and measure; the first third of the time does not count."""
        self._run_until(self._clock.now + seconds / 2)
        self._latencies.clear()
        workers, began = self._executor, self._clock.now
        busy, items, loop = workers.busy_seconds, workers.items, workers.loop_seconds
        self._run_until(began + seconds)
        items, passed = workers.items - items, self._clock.now - began
        return Outcome(
            items_per_second=items / (workers.loop_seconds - loop),
            efficiency=(workers.busy_seconds - busy) / self._lipsync / passed,
            latencies=self._latencies,
        )

    def _run_until(self, end_seconds: float) -> None:
        while self._clock.now < end_seconds:
            self._add_jobs()
            self._executor.resume()
            timeout = 10.0 if self._load == 1 else max(0.0, self._due_seconds - self._clock.now)
            for outcome in self._scheduler.step(timeout):
                assert isinstance(outcome, JobDone)
                at_seconds, length = self._arrived.pop(outcome.flow.name)
                self._latencies.append((self._clock.now - at_seconds) / length)
                shutil.rmtree(outcome.flow.folder)

    def _add_jobs(self) -> None:
        while self._is_due():
            name, length = f"job-{next(self._numbers)}", self._rng.choice(LENGTHS)
            self._scheduler.add(_flow(name, length, self._folder))
            self._arrived[name] = (self._clock.now, length)
            self._due_seconds += self._rng.expovariate(1 / self._pause_seconds)

    def _is_due(self) -> bool:
        if self._load == 1:
            return len(self._arrived) < JOBS_PER_WORKER * self._lipsync
        return self._due_seconds <= self._clock.now


def simulate(specs: Sequence[WorkerSpec], seconds: float, load: float, folder: Path, speed: float = 1.0) -> Outcome:
    """Simulate workers that are so many times as fast as measured."""
    clock = Clock()
    with patch("time.monotonic", clock), tempfile.TemporaryDirectory(dir=folder) as journals:
        return Simulation(specs, clock, Path(journals), load, speed).run(seconds)


def _flow(name: str, length: float, folder: Path) -> JobFlow:
    """A job of a text that takes so long to say; never cut into pieces, so that every job has four kinds of items."""
    place = folder / name
    place.mkdir()
    job = Job(text="a" * round(length * CHARACTERS))
    return JobFlow(name, job, place, {}, Config(), Journal(place, "", time.monotonic()))


def row(label: str, specs: Sequence[WorkerSpec], seconds: float, folder: Path) -> str:
    """One line of the table."""
    full, usual = simulate(specs, seconds, 1.0, folder), simulate(specs, seconds, USUAL_LOAD, folder)
    limit = simulate(specs, FAST_SECONDS, 1.0, folder, speed=FAST)
    tail = quantiles(usual.latencies, n=100)
    return (
        f"| {label} | {len(specs)} | {full.items_per_second:,.0f} | {limit.items_per_second:,.0f} "
        f"| {100 * full.efficiency:.0f} % "
        f"| {100 * usual.efficiency:.0f} % | {tail[49]:.2f} | {tail[94]:.2f} | {tail[98]:.2f} |"
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 32, 128, 512], help="lip-sync workers")
    parser.add_argument("--seconds", type=float, default=300.0, help="virtual time that each simulation measures")
    parser.add_argument("--journals", type=Path, default=Path("/dev/shm"), help="folder for journals, which are synced")
    arguments = parser.parse_args()
    columns = ("all", "items/s", "items/s at most", "busy, full queue", "busy, 80 % load", "p50", "p95", "p99")
    print(f"| lip-sync workers | {' | '.join(columns)} |\n| --- |{' ---: |' * len(columns)}")
    for count in arguments.workers:
        for others in (True, False):
            label = f"{count}" if others else f"{count}, one to split, one to merge"
            print(row(label, workers(count, others=others), arguments.seconds, arguments.journals), flush=True)


if __name__ == "__main__":
    main()
