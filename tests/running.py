"""A real daemon for tests: started from its command line and observed from outside, as a user would."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar
from unittest.mock import patch

import psutil
import yaml

from daemon.cli.main import main
from daemon.spool.requests import Requests
from tests import warm_start
from tests.media import speech_like, streams, write_recording
from tests.warm_start import environment

T = TypeVar("T")
ROOT = warm_start.ROOT
BOOT_SECONDS = 300
JOB_SECONDS = 300
ORPHANS_SECONDS = 60
"""Killed processes have exited after this time; 2 s are promised, but a busy machine may need longer."""

BRIEF_WAITS = {"limits": {"quiet_seconds": 0.5, "free_megabytes": 1}}
"""Settings of a daemon that quickly treats a file as complete."""

ONE_WORKER = {"workers": [{"model": "gan"}]}
"""Settings of a daemon with one lip-sync worker, which takes a quarter less CPU time to start."""

ONE_PROCESS = {"executor": "threads", **ONE_WORKER}
"""Settings of a daemon that takes half the CPU time to start, for tests that do not need worker processes."""

REAL_TTS = "tts=pipeline.stages.tts:TtsStage"
"""Argument that gives a cheap daemon the real TTS stage."""


def lipdrop(*arguments: str | Path, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run a command in a separate process and wait for it to exit."""
    return subprocess.run(
        _argv(*arguments),
        cwd=cwd,
        env=environment(),
        input=stdin.decode("utf-8", "surrogateescape"),
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def _argv(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "daemon", *map(str, arguments)]


def in_process(*arguments: str | Path, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run a command in the test process: the same output and exit code without 0.7 s of imports.

    Not for `run`, which starts workers and handles signals.
    """
    argv = ["lipdrop", *map(str, arguments)]
    out, err, code = io.StringIO(), io.StringIO(), 0
    umask = os.umask(0o022)
    os.umask(umask)
    with contextlib.ExitStack() as stack:
        stack.callback(os.umask, umask)
        stack.enter_context(contextlib.chdir(cwd))
        stack.enter_context(patch.object(sys, "argv", argv))
        stack.enter_context(patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8")))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


def until(found: Callable[[], T | None], what: str, seconds: float = JOB_SECONDS, *, pause_seconds: float = 0.05) -> T:
    """Wait until `found` returns something; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while (value := found()) is None:
        assert time.monotonic() < deadline, f"no {what} after {seconds} s"
        time.sleep(pause_seconds)
    return value


class RunningDaemon:
    """A daemon on its own spool."""

    program: tuple[str, ...] = ("daemon", "run")
    """Module and arguments."""
    warm_program = "tests.warm_daemon"
    """The same for `warm_start`."""
    prefix: tuple[str, ...] = ()
    """A command that wraps the program."""

    def __init__(self, spool: Path, **settings: Any) -> None:
        self.spool = spool
        self.settings = settings
        self.process: subprocess.Popen[bytes] | warm_start.Forked | None = None
        self.environment: dict[str, str] = {}
        spool.mkdir(exist_ok=True)
        (spool / "config.yaml").write_text(yaml.safe_dump({"spool": ".", **settings}))

    def start(self, *arguments: str) -> Self:
        """Start the daemon; it logs to `log` in the spool. It is forked if that makes no difference."""
        if self._may_be_forked and not (self.prefix or self.environment):
            self.process = warm_start.start(self.warm_program, self.spool, arguments, log=self.spool / "log")
            return self
        with (self.spool / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", *self.program, *arguments],
                cwd=self.spool,
                env=environment() | self.environment,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        return self

    @property
    def _may_be_forked(self) -> bool:
        """With threads, all that it imports is in one process."""
        return self.settings.get("executor") == "threads"

    def ready(self) -> Self:
        """Wait until all workers are ready."""
        try:
            until(lambda: self._is_ok() or None, "ready daemon", BOOT_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.status()}; {self.log()[-3000:]}") from None
        return self

    def _is_ok(self) -> bool:
        """Whether this daemon is healthy; the file may still be a killed daemon's."""
        assert self.process is not None
        code = self.process.poll()
        assert code is None, f"it exited with {code}"
        status = self.status()
        return (status.get("state"), status.get("pid")) == ("ok", self.process.pid)

    def status(self) -> dict[str, Any]:
        """The daemon's health file; empty if there is none."""
        try:
            status: dict[str, Any] = json.loads((self.spool / "run" / "health.json").read_bytes())
        except FileNotFoundError:
            return {}
        return status

    def wait_for_iterations(self, count: int = 3) -> None:
        """Wait until the supervision loop has written its health file `count` times.

        It does so once per iteration, after intake. The first iteration may be past intake at the time of the call, the
        second acts on everything done before the call, and the third write shows that it is complete. A request that
        changes nothing wakes a loop that waits for events.
        """
        requests = Requests(self.spool)
        for _ in range(count):
            seen = self.status()["monotonic_seconds"]
            requests.pause() if requests.is_paused() else requests.resume()
            until(lambda: self.status()["monotonic_seconds"] > seen or None, "iteration of the loop")  # noqa: B023

    def log(self) -> str:
        """Everything logged so far."""
        return (self.spool / "log").read_text("utf-8", "replace")

    def drop(self, name: str, **job: Any) -> None:
        """Write a job into the inbox."""
        (self.spool / "inbox").mkdir(exist_ok=True)
        (self.spool / "inbox" / f"{name}.json").write_text(json.dumps(job), "utf-8")

    def record(self, name: str, seconds: float) -> int:
        """Put a recording into the inbox; returns its number of samples (16 kHz)."""
        samples = speech_like(seconds)
        write_recording(self.spool / "inbox" / name, samples)
        return len(samples)

    def drop_many(self, count: int, **job: Any) -> list[str]:
        """Write many equal jobs into the inbox; returns their names."""
        names = [f"many-{number:05d}" for number in range(count)]
        for name in names:
            self.drop(name, **job)
        return names

    def ending(self, name: str, seconds: float = JOB_SECONDS) -> dict[str, Any]:
        """Wait for a job's timing JSON. Fails at once if the daemon has exited without writing it."""
        path = self.spool / "outbox" / f"{name}.json"

        def found() -> bytes | None:
            code = None if self.process is None else self.process.poll()
            data = _bytes(path)  # read after the poll: an exiting daemon may still have written it
            assert data is not None or code is None, f"no {path}: exit code {code}; {self.log()[-3000:]}"
            return data

        try:
            timing: dict[str, Any] = json.loads(until(found, str(path), seconds))
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.log()[-3000:]}") from None
        return timing

    def endings(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Wait for several jobs."""
        return [self.ending(name) for name in names]

    def video(self, name: str) -> Path:
        """A job's video."""
        return self.spool / "outbox" / f"{name}.mp4"

    def worker_pid(self, name: str) -> int:
        """The process of a worker; waits until it runs."""
        pid: int = until(lambda: self.status()["workers"][name]["pid"], f"process of {name}")
        return pid

    def family(self) -> list[psutil.Process]:
        """The daemon and all its descendants."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def memory_bytes(self) -> int:
        """Anonymous and shared memory of the daemon and its descendants."""
        return sum(own_bytes(process) for process in self.family())

    def resources(self) -> dict[str, int]:
        """Descriptors, shared memory segments and bytes of memory of the daemon and its descendants."""
        return {
            "descriptors": sum(process.num_fds() for process in self.family()),
            "shared": len(list(Path("/dev/shm").iterdir())),
            "memory": self.memory_bytes(),
        }

    def restarted(self, *arguments: str, orphans_seconds: float = ORPHANS_SECONDS) -> Self:
        """Kill the daemon with its workers still running, check that they die with it, and start it again."""
        family = self.family()
        self.stop(signal.SIGKILL)
        assert not psutil.wait_procs(family, timeout=orphans_seconds)[1]
        return self.start(*arguments)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = 60) -> int:
        """Send a signal and wait for the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


class CheapDaemon(RunningDaemon):
    """The same daemon and real processes with cheap stages."""

    program = ("tests.cheap_daemon",)
    warm_program = "tests.cheap_daemon"

    @property
    def _may_be_forked(self) -> bool:
        return True

    def ran(self) -> list[str]:
        """The items its stages have run: `JOB STAGE [INDEX]`."""
        path = self.spool / "ran"
        return path.read_text().splitlines() if path.exists() else []

    def until_ran(self, item: str) -> None:
        """Wait until an item has begun."""
        until(lambda: item in self.ran() or None, item)

    def statuses(self, names: Sequence[str]) -> Counter[str]:
        """Wait for several jobs and count how they ended."""
        return Counter(ending["status"] for ending in self.endings(names))

    def until_work_is_clear(self) -> None:
        """Wait until no job has a work folder, which is removed after its JSON is published, and the report says so."""
        until(lambda: not any((self.spool / "work").iterdir()) or None, "clear work folder")
        if self.process is not None and self.process.poll() is None:
            until(lambda: not self.status().get("jobs") or None, "report without jobs")


def exits(pid: int) -> bool:
    """Whether a process has exited, or does within a moment; a zombie has, although nobody has waited for it yet."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        deadline = time.monotonic() + ORPHANS_SECONDS
        while process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
    return True


def assert_video_matches(daemon: RunningDaemon, timing: dict[str, Any]) -> None:
    """Check that the timing JSON matches the video file, and that sound and picture have the same length."""
    reported, found = timing["video"], streams(daemon.video(timing["job"]))
    assert set(found) == {"video", "audio"}
    assert int(found["video"]["nb_read_packets"]) == reported["frames"]
    assert (found["video"]["width"], found["video"]["height"]) == (reported["width"], reported["height"])
    assert daemon.video(timing["job"]).stat().st_size == reported["bytes"]
    length = reported["frames"] / reported["fps"]
    assert abs(timing["audio"]["samples"] / 16_000 - length) < 0.001
    assert abs(float(found["video"]["duration"]) - length) < 0.001
    assert abs(float(found["audio"]["duration"]) - length) < 0.001


def frames_hash(video: Path) -> str:
    """Hash of the decoded frames."""
    argv = ["ffmpeg", "-v", "error", "-i", str(video), "-map", "0:v", "-f", "hash", "-hash", "sha256", "-"]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def drop_with_time(daemon: RunningDaemon, name: str, text: str, ns: int) -> None:
    """Drop a job whose file has the modification time `ns`, in nanoseconds."""
    made = daemon.spool / f"{name}.json"
    made.write_text(json.dumps({"text": text}))
    os.utime(made, ns=(0, ns))
    made.rename(daemon.spool / "inbox" / made.name)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def own_bytes(process: psutil.Process) -> int:
    """Memory without libraries: a process's share of them grows when an unrelated process that maps them exits."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def named(processes: Iterable[psutil.Process], name: str) -> Iterator[psutil.Process]:
    """The processes that run the program `name`; any of them may exit during the search."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == name:
                yield process
