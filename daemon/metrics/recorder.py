"""Counts what the daemon does, and writes all metrics to files every few seconds.

It does so in a thread of its own: neither a slow disk nor a defect here can hold up the supervision loop.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

from daemon.metrics.observations import Observation
from daemon.spool.health import STARTING, Health, HealthReport
from daemon.spool.spool import Spool
from pipeline.config import Config
from pipeline.files import replace_file

WRITE_SECONDS = 5.0
"""Between two writes. Prometheus usually asks every 15 s or more."""

WRITE_SHARE = 20
"""Pause after a write, as a multiple of its duration: an inbox with very many jobs takes long to look at."""

STOP_SECONDS = 2.0
"""How long the daemon's end waits for the last write."""

PENDING_MAX = 10_000
"""Observations that wait to be counted; further ones are lost."""

SHARED_MODE = 0o644
"""Mode of the file that another program collects."""

if TYPE_CHECKING:
    from daemon.metrics.registry import Counted

log = logging.getLogger(__name__)


class Recorder:
    """The metrics of one daemon. Every method returns at once, except `close`."""

    def __init__(self, config: Config, spool: Spool) -> None:
        self._config = config
        self._spool = spool
        self._observations: queue.Queue[Observation] = queue.Queue(PENDING_MAX)
        self._report: HealthReport | None = None
        self._is_failing = False
        """Whether the last write failed."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def observe(self, observation: Observation) -> None:
        """Count something, soon. Thread-safe."""
        with contextlib.suppress(queue.Full):
            self._observations.put_nowait(observation)

    def show(self, report: HealthReport) -> None:
        """Set the state to write. Thread-safe."""
        self._report = report

    def close(self) -> None:
        """Write a last time."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        # Imported in this thread: it takes 20 ms, while the workers start.
        from daemon.metrics.registry import Counted, Present, render

        counted = Counted()
        present = Present(self._spool, self._health, free_megabytes=self._config.limits.free_megabytes)
        is_over = False
        while not is_over:
            start = time.monotonic()
            self._count(counted)
            self._write(render(present, counted))
            is_over = self._stopping.wait(max(WRITE_SECONDS, WRITE_SHARE * (time.monotonic() - start)))
        self._count(counted)
        self._write(render(present, counted))

    def _health(self) -> Health:
        report = self._report
        return Health(report.state, report.why, report) if report is not None else Health(STARTING, "", None)

    def _count(self, counted: Counted) -> None:
        """Count all pending observations."""
        if self._report is not None:
            counted.expect(self._config, self._report.workers)
        with contextlib.suppress(queue.Empty):
            while True:
                counted.count(self._observations.get_nowait())

    def _write(self, text: bytes) -> None:
        """Replace the files. Neither must survive a power cut."""
        try:
            replace_file(self._spool.metrics_file, text)
            shared = self._config.metrics.textfile
            if shared is not None:
                replace_file(self._config.path(shared), text, mode=SHARED_MODE)
        except OSError as error:
            if not self._is_failing:
                log.warning("cannot write the metrics: %s", error)
            self._is_failing = True
        else:
            self._is_failing = False
