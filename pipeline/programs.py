"""Running other programs: argument lists, never a shell, never without an end, in a process group of their own.

The kernel's limits are set by `prlimit`, and the tie to the worker by `setpriv`, both of util-linux, which then turn
into the program: Python code between fork and exec would be unsafe in a process with threads. Where they are missing,
time and output are bounded all the same.
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
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

COMPLAINT_BYTES_MAX = 16 * 1024
"""What is kept of a program's standard error: its end."""

BLOCK_BYTES = 256 * 1024
CPU_GRACE_SECONDS = 5
"""Between the signal that a program may answer and the one that it cannot."""

END_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
"""A killed worker takes its programs along, which would else write to the files of the next attempt."""

HAS_PRLIMIT = shutil.which("prlimit") is not None


class OutputTooLarge(Exception):
    """A program wrote more to its standard output than it may."""


@dataclass(frozen=True)
class Limits:
    """What a program may use."""

    wall_seconds: float
    output_bytes: int = 1024 * 1024
    """Of its standard output."""
    cpu_seconds: int | None = None
    memory_bytes: int | None = None
    """Private writable memory (RLIMIT_DATA): an allocation beyond it fails."""
    file_bytes: int | None = None
    """Size of any file that it writes."""

    def argv(self) -> list[str]:
        """The command in front of a program that sets the kernel's limits."""
        asked = (
            ("cpu", resource.RLIMIT_CPU, self.cpu_seconds),
            ("data", resource.RLIMIT_DATA, self.memory_bytes),
            ("fsize", resource.RLIMIT_FSIZE, self.file_bytes),
        )
        options = [f"--{name}={_soft_and_hard(kind, value)}" for name, kind, value in asked if value is not None]
        return ["prlimit", *options, "--core=0", "--"] if options and HAS_PRLIMIT else []


def _soft_and_hard(kind: int, soft: int) -> str:
    """A limit as `prlimit` takes it, under the one that this process is under itself: nobody may raise that."""
    hard, ours = soft + (CPU_GRACE_SECONDS if kind == resource.RLIMIT_CPU else 0), resource.getrlimit(kind)[1]
    hard = hard if ours == resource.RLIM_INFINITY else min(hard, ours)
    return f"{min(soft, hard)}:{hard}"


@dataclass(frozen=True)
class Ended:
    """A program that has ended by itself, or by a limit of the kernel's."""

    returncode: int
    """Negative: the signal that ended it."""
    output: bytes
    complaint: bytes
    """The end of its standard error."""


def run(argv: Sequence[str], limits: Limits, stdin: bytes = b"") -> Ended:
    """Run a program to its end, with `stdin` as its standard input.

    Whatever is left of its process group is killed. Raises OSError when it cannot be started, TimeoutError when it
    takes too long, and OutputTooLarge.
    """
    deadline = time.monotonic() + limits.wall_seconds
    with tempfile.TemporaryFile() as question:  # a file, unlike a pipe, needs nobody to feed it
        question.write(stdin)
        question.seek(0)
        with start(argv, question, limits) as process:
            try:
                output, complaint = _listen(process, deadline, limits.output_bytes)
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise TimeoutError from None
            finally:
                kill_group(process)
    return Ended(process.returncode, output, complaint)


def start(
    argv: Sequence[str], stdin: IO[bytes] | int, limits: Limits | None = None, stderr: IO[bytes] | int = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """Start a program. Raises OSError when there is none of that name."""
    if shutil.which(argv[0]) is None:
        raise FileNotFoundError(2, "no such program", argv[0])
    limited = [*END_WITH_PARENT, *(limits.argv() if limits else []), *argv]
    return subprocess.Popen(limited, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, process_group=0)


def end_of(complaints: IO[bytes]) -> bytes:
    """A program's standard error, read until it is closed: what is kept of it."""
    kept = b""
    while block := os.read(complaints.fileno(), BLOCK_BYTES):
        kept = (kept + block)[-COMPLAINT_BYTES_MAX:]
    return kept


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a program: all of it, or the children that it left behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kill_session(leader: int) -> None:
    """End what is left of the session of a process that is gone, however deep its children were nested."""
    killed: set[int] = set()
    while left := _session(leader) - killed:  # those that were forked meanwhile are found by the next round
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or another user's by now
                os.kill(pid, signal.SIGKILL)
        killed |= left


def _session(leader: int) -> set[int]:
    """The processes of a session."""
    found = set()
    for entry in os.scandir("/proc"):
        with contextlib.suppress(ValueError, ProcessLookupError):
            if os.getsid(int(entry.name)) == leader:
                found.add(int(entry.name))
    return found


def _listen(process: subprocess.Popen[bytes], deadline: float, output_bytes: int) -> tuple[bytes, bytes]:
    """Standard output and the end of standard error, read until both are closed."""
    assert process.stdout is not None and process.stderr is not None
    output, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, output)
        selector.register(process.stderr, selectors.EVENT_READ, complaint)
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
            del complaint[:-COMPLAINT_BYTES_MAX]
            if len(output) > output_bytes:
                raise OutputTooLarge
    return bytes(output), bytes(complaint)
