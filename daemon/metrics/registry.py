"""The definition of all metrics.

There are two kinds. `Counted` has what the daemon counts since its start: only the daemon can tell. `Present` has what
anybody can see in the spool at the moment, so that the gateway reports it even while the daemon is down.
"""

from __future__ import annotations

import contextlib
import platform
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from daemon.metrics.observations import EXIT_HELP, EXIT_REASONS, HOOK_RESULTS, HookRan, Observation, WorkerExit
from daemon.outputs.report import ChunkReport, DoneReport, JobReport
from daemon.spool.health import DEGRADED, DRAINING, OK, PAUSED, STARTING, Health
from daemon.spool.spool import Spool
from pipeline.config import Config

SECONDS_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
FACTOR_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
DAEMON_STATES = (STARTING, OK, DEGRADED, PAUSED, DRAINING, "stale", "down")
WORKER_STATES = ("starting", "idle", "busy", "waiting to restart", "down")
JOB_STATES = ("waiting", "queued", "tts", "split", "lipsync", "merge", "publish")
STATUSES = ("done", "failed", "cancelled", "cached")
MODES = ("sequential", "parallel", "stream")
STAGES = ("tts", "convert", "split", "lipsync", "merge")
FILE_BYTES_MAX = 4 << 20
"""Most that is read of the daemon's file."""


class Counted(Collector):
    """Counters and histograms. They start at 0 with each daemon, which Prometheus' `rate` and `increase` allow for."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # a gauge more for each series, which nobody asks for
        self._registry = CollectorRegistry()
        self._define_jobs()
        self._define_work()
        for status in STATUSES:
            self.jobs_ended.labels(status)
        for mode in MODES:
            self.real_time_factor.labels(mode)
        for result in HOOK_RESULTS:
            self.hook_runs.labels(result)
        for stage in STAGES:
            self.stage_seconds.labels(stage)

    def _define_jobs(self) -> None:
        self.jobs_ended = Counter(
            "lipdrop_jobs_ended",
            "Jobs that ended: done, failed, cancelled, or cached (the outputs existed already).",
            ["status"],
            registry=self._registry,
        )
        self.job_failures = self._counter("lipdrop_job_failures", "Jobs that failed, by error code.", "code")
        self.job_seconds = self._seconds("lipdrop_job_seconds", "From when a job was first seen until it was done.")
        self.queued_seconds = self._seconds("lipdrop_job_queued_seconds", "How long done jobs waited for a worker.")
        self.stage_seconds = self._seconds("lipdrop_stage_seconds", "How long each stage of a done job took.", "stage")
        self.real_time_factor = Histogram(
            "lipdrop_real_time_factor",
            "Seconds of work per second of speech of done jobs, without the time in the queue.",
            ["mode"],
            buckets=FACTOR_BUCKETS,
            registry=self._registry,
        )
        self.speech_seconds = self._counter("lipdrop_speech_seconds", "Speech in done jobs.")

    def _define_work(self) -> None:
        self.frames = self._counter("lipdrop_frames", "Frames rendered for done jobs.", "model", "engine")
        self.inference_seconds = self._counter(
            "lipdrop_inference_seconds", "Time that workers spent on computing these frames.", "model", "engine"
        )
        self.encode_seconds = self._counter("lipdrop_encode_seconds", "Running time of these frames' encoders.")
        self.stream_pieces = self._counter("lipdrop_stream_pieces", "Pieces of streams that are done.")
        self.stream_stalls = self._counter(
            "lipdrop_stream_stalls", "Pieces that came after they were needed (negative slack): playback stalled."
        )
        self.stall_seconds = self._counter("lipdrop_stream_stall_seconds", "By how much these pieces came too late.")
        self.worker_exits = self._counter(
            "lipdrop_worker_exits", f"Workers that ended and are restarted. {EXIT_HELP}", "worker", "reason"
        )
        self.hook_runs = self._counter("lipdrop_hook_runs", "Runs of the command hooks.on_done, by result.", "result")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _seconds(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=SECONDS_BUCKETS, registry=self._registry)

    def collect(self) -> Iterator[Metric]:
        """Return all families, as a registry asks for them."""
        return iter(self._registry.collect())

    def expect(self, config: Config, workers: Iterable[str]) -> None:
        """Show the counters of these workers as 0 before they count: Prometheus sees no increase in a first value."""
        for model in config.worker_models:
            labels = (model, config.model_settings(model).engine)
            self.frames.labels(*labels)
            self.inference_seconds.labels(*labels)
        for worker in workers:
            for reason in EXIT_REASONS:
                self.worker_exits.labels(worker, reason)

    # Counting

    def count(self, observation: Observation) -> None:
        """Count something that happened."""
        match observation:
            case WorkerExit(worker, reason):
                self.worker_exits.labels(worker, reason).inc()
            case HookRan(result):
                self.hook_runs.labels(result).inc()
            case _:
                self._count_job(observation)

    def _count_job(self, report: JobReport) -> None:
        if not isinstance(report, DoneReport):
            self.jobs_ended.labels("cancelled" if report.error.code == "cancelled" else "failed").inc()
            self.job_failures.labels(report.error.code).inc()
        elif report.cached:
            self.jobs_ended.labels("cached").inc()
        else:
            self.jobs_ended.labels("done").inc()
            self._count_times(report)
            for chunk in report.chunks:
                self._count_chunk(chunk)

    def _count_times(self, report: DoneReport) -> None:
        timing = report.timing
        self.job_seconds.observe(timing.total_seconds)
        self.queued_seconds.observe(timing.queued_seconds)
        for stage in STAGES:
            self.stage_seconds.labels(stage).observe(getattr(timing, f"{stage}_seconds"))
        self.real_time_factor.labels(report.mode).observe(timing.real_time_factor)
        self.speech_seconds.inc(report.audio.seconds)

    def _count_chunk(self, chunk: ChunkReport) -> None:
        self.frames.labels(chunk.model, chunk.engine).inc(chunk.frames)
        self.inference_seconds.labels(chunk.model, chunk.engine).inc(chunk.inference_seconds)
        self.encode_seconds.inc(chunk.encode_seconds)
        if chunk.slack_seconds is not None:
            self.stream_pieces.inc()
            if chunk.slack_seconds < 0:
                self.stream_stalls.inc()
                self.stall_seconds.inc(-chunk.slack_seconds)


class Present(Collector):
    """The state of the daemon, the queue and the disk at the moment."""

    def __init__(self, spool: Spool, find_health: Callable[[], Health], *, free_megabytes: int) -> None:
        """`free_megabytes`: with less free space, no new work starts."""
        self._spool = spool
        self._find_health = find_health
        self._least_bytes = free_megabytes << 20

    def collect(self) -> Iterator[Metric]:
        """Return all families, as a registry asks for them."""
        found = self._find_health()
        yield _build_info()
        yield from self._of_daemon(found)
        yield from self._of_queue(found)
        yield from self._of_disk()

    def _of_daemon(self, found: Health) -> Iterator[Metric]:
        yield _gauge("lipdrop_daemon_up", "Whether the daemon runs and its main loop works.", float(_is_up(found)))
        yield _states("lipdrop_daemon_state", "The state of the daemon: 1 for the current one.", "state", found.state)
        reported = _gauge("lipdrop_daemon_report_time_seconds", "When the daemon last reported, since the epoch.")
        if found.report is not None:  # in a file that is not written any more, this shows how old it is
            reported.add_metric([], time.time() - max(0.0, time.monotonic() - found.report.monotonic_seconds))
        yield reported
        workers = GaugeMetricFamily(
            "lipdrop_worker_state", "The state of each worker: 1 for the current one.", labels=["worker", "state"]
        )
        for name, worker in found.report.workers.items() if found.report is not None else ():
            for state in WORKER_STATES:
                workers.add_metric([name, state], float(state == worker.state))
        yield workers
        places = GaugeMetricFamily(
            "lipdrop_worker_info", "Always 1; the labels say where a worker is.", labels=["worker", "node", "device"]
        )
        for name, worker in found.report.workers.items() if found.report is not None else ():
            if worker.device is not None:
                places.add_metric([name, worker.node or "", worker.device], 1.0)
        yield places

    def _of_queue(self, found: Health) -> Iterator[Metric]:
        ages = list(_ages(self._spool))
        jobs = Tally(found.report.jobs.values()) if found.report is not None else Tally(queued=_claimed(self._spool))
        jobs["waiting"] = len(ages)
        states = GaugeMetricFamily("lipdrop_jobs", "Jobs that have not ended, by state.", labels=["state"])
        for state in dict.fromkeys([*JOB_STATES, *jobs]):
            states.add_metric([state], jobs[state])
        yield states
        yield _gauge(
            "lipdrop_queue_oldest_seconds", "How long the oldest job waits in the inbox.", max(ages, default=0)
        )
        calls, runs = len(self._spool.delivery_ids()), len(self._spool.hook_ids())
        yield _gauge("lipdrop_webhooks_pending", "Webhook calls that are not accepted yet.", calls)
        yield _gauge("lipdrop_hooks_pending", "Runs of the command hooks.on_done that are due.", runs)

    def _of_disk(self) -> Iterator[Metric]:
        with contextlib.suppress(OSError):
            yield _gauge("lipdrop_free_bytes", "Free space on the spool's disk.", self._spool.free_bytes())
        yield _gauge("lipdrop_free_bytes_limit", "With less free space, no new work starts.", self._least_bytes)


class LeftByDaemon(Collector):
    """The counters and histograms in the daemon's file, for the gateway. All 0 if there is no such file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def collect(self) -> Iterator[Metric]:
        """Return all families, as a registry asks for them."""
        zeros = {family.name: family for family in Counted().collect()}
        try:
            with self._file.open("rb") as file:
                text = file.read(FILE_BYTES_MAX).decode()
            left = {family.name: family for family in text_string_to_metric_families(text)}
        except (OSError, ValueError):
            left = {}
        return (left.get(name, zero) for name, zero in zeros.items())


def render(*collectors: Collector) -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return prometheus_client.generate_latest(registry)


def _is_up(found: Health) -> bool:
    return found.state not in ("down", "stale", "stopped")


@cache
def _build_info() -> Metric:
    labels = {"version": version("lipdrop"), "python": platform.python_version()}
    family = GaugeMetricFamily("lipdrop_build_info", "Always 1; the labels say what runs.", labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family


def _gauge(name: str, text: str, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _states(name: str, text: str, label: str, current: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for state in DAEMON_STATES:
        family.add_metric([state], float(state == ("down" if current == "stopped" else current)))
    return family


def _ages(spool: Spool) -> Iterator[float]:
    """How long each job waits in the inbox, in seconds. Not by modification time, which its writer can set."""
    now = time.time()
    for job in spool.scan()[0]:
        with contextlib.suppress(OSError):
            yield max(0.0, now - Path(job.path).stat(follow_symlinks=False).st_ctime)


def _claimed(spool: Spool) -> int:
    """How many jobs an earlier daemon left unfinished."""
    return sum(1 for _ in spool.work.iterdir()) if spool.work.is_dir() else 0
