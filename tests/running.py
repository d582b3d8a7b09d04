"""A real daemon for tests: started by its command line, watched from outside like a user would."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import yaml

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
BOOT_SECONDS = 120
JOB_SECONDS = 150
ORPHANS_SECONDS = 10
"""After this long nothing is left of what was killed; 2 s are promised, but a machine with more to do may need more."""


def lipdrop(*arguments: str | Path, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        _argv(*arguments),
        cwd=cwd,
        env=_environment(),
        input=stdin.decode("utf-8", "surrogateescape"),
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def _argv(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "daemon", *map(str, arguments)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


def until(found: Callable[[], T | None], what: str, seconds: float = JOB_SECONDS, *, pause_seconds: float = 0.05) -> T:
    """Wait until something is found."""
    deadline = time.monotonic() + seconds
    while (value := found()) is None:
        assert time.monotonic() < deadline, f"no {what} after {seconds} s"
        time.sleep(pause_seconds)
    return value


class RunningDaemon:
    """A daemon on a spool of its own."""

    program: tuple[str, ...] = ("daemon", "run")
    """Module and arguments."""
    prefix: tuple[str, ...] = ()
    """A command that turns into the program."""

    def __init__(self, spool: Path, **settings: Any) -> None:
        self.spool = spool
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}
        spool.mkdir(exist_ok=True)
        (spool / "config.yaml").write_text(yaml.safe_dump({"spool": ".", **settings}))

    def start(self, *arguments: str) -> Self:
        """Start it; its log goes to `log` in the spool."""
        with (self.spool / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", *self.program, *arguments],
                cwd=self.spool,
                env=_environment() | self.environment,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        return self

    def ready(self) -> Self:
        """Wait until all workers are ready."""
        try:
            until(lambda: self._is_ok() or None, "ready daemon", BOOT_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.status()}; {self.log()[-3000:]}") from None
        return self

    def _is_ok(self) -> bool:
        """Whether this daemon is well, not one before it that was killed."""
        assert self.process is not None
        code = self.process.poll()
        assert code is None, f"it has ended with {code}"
        status = self.status()
        return (status.get("state"), status.get("pid")) == ("ok", self.process.pid)

    def status(self) -> dict[str, Any]:
        """The daemon's health file; empty while there is none."""
        try:
            status: dict[str, Any] = json.loads((self.spool / "run" / "health.json").read_bytes())
        except FileNotFoundError:
            return {}
        return status

    def log(self) -> str:
        """What it has logged."""
        return (self.spool / "log").read_text("utf-8", "replace")

    def drop(self, name: str, **job: Any) -> None:
        """Write a job into the inbox."""
        (self.spool / "inbox").mkdir(exist_ok=True)
        (self.spool / "inbox" / f"{name}.json").write_text(json.dumps(job), "utf-8")

    def drop_many(self, count: int, **job: Any) -> list[str]:
        """Write many jobs into the inbox; their names."""
        names = [f"many-{number:05d}" for number in range(count)]
        for name in names:
            self.drop(name, **job)
        return names

    def ending(self, name: str, seconds: float = JOB_SECONDS) -> dict[str, Any]:
        """Wait for a job's timing JSON."""
        path = self.spool / "outbox" / f"{name}.json"
        timing: dict[str, Any] = json.loads(until(lambda: _bytes(path), f"{path}: {self.log()[-3000:]}", seconds))
        return timing

    def endings(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Wait for several jobs."""
        return [self.ending(name) for name in names]

    def video(self, name: str) -> Path:
        """A job's video."""
        return self.spool / "outbox" / f"{name}.mp4"

    def worker_pid(self, name: str) -> int:
        """The process of a worker that is running."""
        pid: int = until(lambda: self.status()["workers"][name]["pid"], f"process of {name}")
        return pid

    def family(self) -> list[psutil.Process]:
        """The daemon and all processes below it."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def memory_bytes(self) -> int:
        """Memory of the daemon and all processes below it that belongs to no program's file."""
        return sum(_own_bytes(process) for process in self.family())

    def resources(self) -> dict[str, int]:
        """What the daemon and all processes below it hold."""
        return {
            "descriptors": sum(process.num_fds() for process in self.family()),
            "shared": len(list(Path("/dev/shm").iterdir())),
            "memory": self.memory_bytes(),
        }

    def restarted(self, *arguments: str, orphans_seconds: float = ORPHANS_SECONDS) -> Self:
        """Kill it as a crash does, see that its workers are gone soon too, and start it again."""
        family = self.family()
        self.stop(signal.SIGKILL)
        assert not psutil.wait_procs(family, timeout=orphans_seconds)[1]
        return self.start(*arguments)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


class CheapDaemon(RunningDaemon):
    """The same daemon with real processes and cheap stages."""

    program = ("tests.cheap_daemon",)

    def ran(self) -> list[str]:
        """What its stages have run: `JOB STAGE [INDEX]`."""
        path = self.spool / "ran"
        return path.read_text().splitlines() if path.exists() else []


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _own_bytes(process: psutil.Process) -> int:
    """Without libraries, whose share grows whenever a stranger that has loaded them too ends."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def named(processes: Iterable[psutil.Process], name: str) -> Iterator[psutil.Process]:
    """Those of some processes that run a program; any may end meanwhile."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == name:
                yield process
