"""Running other programs: argument lists, never a shell, always with a timeout, each in its own process group.

`prlimit` sets the kernel's limits and `setpriv` ties the program to the worker, both from util-linux. Each then
executes the program in its place: Python code between fork and exec would be unsafe in a process with threads. Without
them, time and output are still limited.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

STDERR_BYTES_MAX = 16 * 1024
"""How much of a program's standard error is kept, from its end."""

BLOCK_BYTES = 256 * 1024
CPU_GRACE_SECONDS = 5
"""CPU time between SIGXCPU, which a program can handle, and SIGKILL."""

END_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
"""Prefix that makes the kernel kill a program when its worker dies: it would write to the files of the next attempt."""

HAS_PRLIMIT = shutil.which("prlimit") is not None


class OutputTooLarge(Exception):
    """A program exceeded the limit of its standard output."""


@dataclass(frozen=True)
class Limits:
    """Resource limits of a program."""

    wall_seconds: float
    output_bytes: int = 1024 * 1024
    """Size of its standard output."""
    cpu_seconds: int | None = None
    memory_bytes: int | None = None
    """Private writable memory (RLIMIT_DATA): an allocation beyond it fails."""
    file_bytes: int | None = None
    """Size of any file that it writes."""

    def argv(self) -> list[str]:
        """The command prefix that sets the kernel's limits; empty if there are none to set."""
        limits = (
            ("cpu", resource.RLIMIT_CPU, self.cpu_seconds),
            ("data", resource.RLIMIT_DATA, self.memory_bytes),
            ("fsize", resource.RLIMIT_FSIZE, self.file_bytes),
        )
        options = [f"--{name}={_soft_and_hard(kind, value)}" for name, kind, value in limits if value is not None]
        return ["prlimit", *options, "--core=0", "--"] if options and HAS_PRLIMIT else []


def _soft_and_hard(kind: int, soft: int) -> str:
    """A limit in the format of `prlimit`, at most this process's own hard limit, which cannot be raised."""
    hard, own = soft + (CPU_GRACE_SECONDS if kind == resource.RLIMIT_CPU else 0), resource.getrlimit(kind)[1]
    hard = hard if own == resource.RLIM_INFINITY else min(hard, own)
    return f"{min(soft, hard)}:{hard}"


@dataclass(frozen=True)
class Ended:
    """The result of a program that exited by itself or was killed by the kernel's limits."""

    returncode: int
    """Negative: the signal that killed it."""
    output: bytes
    errors: bytes
    """The end of its standard error."""


def run(argv: Sequence[str], limits: Limits, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Ended:
    """Run a program until it exits, with `stdin` as its standard input, then kill the rest of its process group.

    `environment`: None is this process's own. Raises OSError if it cannot be started, TimeoutError if it exceeds
    `wall_seconds`, and OutputTooLarge.
    """
    deadline = time.monotonic() + limits.wall_seconds
    with tempfile.TemporaryFile() as file:  # a file needs no thread to feed it, unlike a pipe
        file.write(stdin)
        file.seek(0)
        with start(argv, file, limits, environment=environment) as process:
            try:
                output, errors = _read(process, deadline, limits.output_bytes)
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise TimeoutError from None
            finally:
                kill_group(process)
    return Ended(process.returncode, output, errors)


@dataclass(frozen=True)
class Running:
    """A program whose standard output is being read."""

    process: subprocess.Popen[bytes]
    errors: Future[bytes]
    late: threading.Event

    @property
    def stdout(self) -> IO[bytes]:
        """Its standard output."""
        assert self.process.stdout is not None
        return self.process.stdout

    def end(self) -> Ended:
        """Wait until it exits. Raises TimeoutError if it was killed because it exceeded `wall_seconds`."""
        self.process.wait()
        if self.late.is_set():
            raise TimeoutError
        return Ended(self.process.returncode, b"", self.errors.result())


@contextlib.contextmanager
def running(argv: Sequence[str], limits: Limits, environment: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Run a program while its standard output is read, as much of it as is wanted, then kill its process group.

    Raises OSError if it cannot be started.
    """
    with (
        start(argv, subprocess.DEVNULL, limits, environment=environment) as process,
        ThreadPoolExecutor(max_workers=1) as reader,
    ):
        assert process.stderr is not None
        # Read on a separate thread: a program blocks once its stderr pipe is full.
        errors, late = reader.submit(read_errors, process.stderr), threading.Event()

        def kill() -> None:
            late.set()
            kill_group(process)

        timer = threading.Timer(limits.wall_seconds, kill)
        try:
            timer.start()
            yield Running(process, errors, late)
        finally:
            timer.cancel()
            kill_group(process)


def start(
    argv: Sequence[str],
    stdin: IO[bytes] | int,
    limits: Limits | None = None,
    stderr: IO[bytes] | int = subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program. Raises OSError if it does not exist."""
    if shutil.which(argv[0]) is None:
        raise FileNotFoundError(2, "no such program", argv[0])
    limited = [*END_WITH_PARENT, *(limits.argv() if limits else []), *argv]
    return subprocess.Popen(
        limited, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=environment, process_group=0
    )


def start_surviving(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program that outlives this process, in a process group of its own.

    Its standard input ends when this process does. Raises OSError if it does not exist.
    """
    return subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    )


def read_errors(stderr: IO[bytes]) -> bytes:
    """Read a program's standard error until it is closed, and return the end of it."""
    kept = b""
    while block := os.read(stderr.fileno(), BLOCK_BYTES):
        kept = (kept + block)[-STDERR_BYTES_MAX:]
    return kept


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and the children it left behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_session(leader: int) -> None:
    """Kill all remaining processes of the session of a process that has exited, however deeply nested."""
    killed: set[int] = set()
    while left := _session(leader) - killed:  # the next round finds processes forked during this one
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it exited, and its PID may be reused
                os.kill(pid, signal.SIGKILL)
        killed |= left


def _session(leader: int) -> set[int]:
    """The PIDs of a session."""
    found = set()
    for entry in os.scandir("/proc"):
        with contextlib.suppress(ValueError, ProcessLookupError):
            if os.getsid(int(entry.name)) == leader:
                found.add(int(entry.name))
    return found


def _read(process: subprocess.Popen[bytes], deadline: float, output_bytes: int) -> tuple[bytes, bytes]:
    """Read standard output and standard error until both are closed; only the end of the latter is kept."""
    assert process.stdout is not None and process.stderr is not None
    output, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, output)
        selector.register(process.stderr, selectors.EVENT_READ, errors)
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                block = os.read(key.fd, BLOCK_BYTES)
                key.data.extend(block)
                if not block:
                    selector.unregister(key.fileobj)
            del errors[:-STDERR_BYTES_MAX]
            if len(output) > output_bytes:
                raise OutputTooLarge
    return bytes(output), bytes(errors)
