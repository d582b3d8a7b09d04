"""A daemon to measure: started from its command line on its own spool, observed from outside."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import yaml

from daemon.cli import submission
from daemon.outputs.report import JobReport, read_report
from daemon.spool.health import OK, health
from daemon.spool.spool import Spool
from pipeline import programs
from pipeline.config import CONFIG_FILE, Config
from pipeline.errors import BootError

POLL_SECONDS = 0.01
MEMORY_SECONDS = 1.0
"""Between two memory samples: one costs the kernel about 10 ms per process."""
STOP_SECONDS = 60


class Trial:
    """A daemon on a temporary spool. Context manager: inside the block it runs and all workers are ready."""

    def __init__(self, folder: Path, config: Config) -> None:
        """`folder` must be empty; it becomes the spool and the base of relative paths in the configuration."""
        self.spool = Spool(folder)
        self.memory: Memory
        self.cold_start_seconds = 0.0
        """From the command until all workers are ready."""
        settings = config.model_dump(mode="json") | {"spool": ".", "hooks": {}, "metrics": {}}
        (folder / CONFIG_FILE).write_text(yaml.safe_dump(settings), "utf-8")
        self._log = folder / "log"

    def __enter__(self) -> Self:
        start = time.monotonic()
        # -P: do not run a folder named daemon in the current directory instead.
        argv = [sys.executable, "-P", "-m", "daemon", "run", "--config", str(self.spool.root / CONFIG_FILE)]
        with self._log.open("wb") as log:
            self._process = programs.start(argv, subprocess.DEVNULL, stderr=log)
        self.memory = Memory(self._process.pid)
        try:
            self.until(lambda: health(self.spool).state == OK)
        except BaseException as error:
            self.__exit__(type(error))
            raise
        self.cold_start_seconds = time.monotonic() - start
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.memory.stop()
        with self._process:
            if kind is None:
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_SECONDS)
            programs.kill_group(self._process)  # its workers too, and at once after an interrupt

    def run(self, name: str, **job: Any) -> tuple[float, JobReport]:
        """Drop a job. Returns the seconds until its report is published, and the report, even if the job failed."""
        start = time.monotonic()
        self.drop(name, **job)
        report = self.ending(name)
        return time.monotonic() - start, report

    def drop(self, name: str, **job: Any) -> None:
        """Drop a job."""
        submission.drop(submission.Draft(name, json.dumps(job).encode()), self.spool)

    def ending(self, name: str) -> JobReport:
        """Wait for a job's report."""
        file = self.spool.report_file(name)
        self.until(file.exists)
        return read_report(file.read_bytes())

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait for a condition. Raises BootError if the daemon exits first."""
        while not reached():
            if self._process.poll() is not None:
                last_line = self._log.read_text("utf-8", "replace").strip().rpartition("\n")[2]
                raise BootError("daemon_ended", f"the measured daemon exited: {last_line}")
            time.sleep(POLL_SECONDS)


class Memory:
    """Memory of a process and its descendants: proportional set size (PSS), so that shared pages count once."""

    def __init__(self, pid: int) -> None:
        self.samples: list[tuple[float, int]] = []
        """Monotonic seconds, and bytes."""
        self._pid = pid
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def now_bytes(self) -> int:
        """Return their current total."""
        return sum(_pss_bytes(pid) for pid in _family(self._pid))

    def peak_bytes(self, since: float) -> int:
        """Return the peak since a moment (monotonic seconds)."""
        return max([self.now_bytes(), *(size for moment, size in self.samples if moment >= since)])

    def stop(self) -> None:
        """Stop sampling."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(MEMORY_SECONDS):
            self.samples.append((time.monotonic(), self.now_bytes()))


def _family(pid: int) -> Iterator[int]:
    """The ids of a process and its descendants."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The program's name, in brackets, may contain anything; state and parent follow it.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has exited
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    waiting = [pid]
    while waiting:
        yield (one := waiting.pop())
        waiting += children.get(one, [])


def _pss_bytes(pid: int) -> int:
    """Proportional set size; 0 if the process has exited."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
