"""Start programs by forking a process that has imported what they need: that saves each most of its CPU time.

A program is a module with `IMPORTED`, the modules that it needs, and `main`, which is called with its arguments.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT


class Forked:
    """A forked program, with the methods of `subprocess.Popen`. The process that forked it knows its exit code."""

    def __init__(self, parent: subprocess.Popen[bytes], pid: int) -> None:
        self._parent = parent
        self.pid = pid
        self._returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        if self._returncode is None:
            self._returncode = _answer(self._parent, pid=self.pid)
        return self._returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises subprocess.TimeoutExpired."""
        if self._returncode is None:
            ended = os.pidfd_open(self.pid)
            try:
                select.select([ended], [], [], timeout)
            finally:
                os.close(ended)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def start(program: str, folder: Path, arguments: Sequence[str], *, log: Path, output: str = os.devnull) -> Forked:
    """Start a program in a folder, with files for its standard error, which is appended to, and standard output."""
    server = _server(program)
    paths = {"folder": str(folder), "log": str(log), "output": output}
    return Forked(server, _answer(server, arguments=[*arguments], environment=environment(), **paths))


def environment() -> dict[str, str]:
    """That of a program that imports this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


@cache
def _server(program: str) -> subprocess.Popen[bytes]:
    """The process that forks; it ends with this one, since its input does."""
    argv = [sys.executable, "-m", "tests.warm_start", program]
    return subprocess.Popen(argv, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _answer(server: subprocess.Popen[bytes], **request: Any) -> Any:
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(json.dumps(request).encode() + b"\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


def serve(imported: Sequence[str]) -> list[str]:
    """Answer requests until the input ends: with a new process, or with the exit code of one if it has one.

    Returns in each new process, with its arguments.
    """
    for name in imported:
        import_module(name)
    gc.freeze()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "pid" in request:
            pid, status = os.waitpid(request["pid"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif (answer := os.fork()) == 0:
            return _become(**request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    sys.exit()


def _become(folder: str, arguments: list[str], log: str, output: str, environment: dict[str, str]) -> list[str]:
    """Take a folder, an environment and files of its own."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, file, flags in ((0, os.devnull, os.O_RDONLY), (1, output, os.O_WRONLY), (2, log, LOG_FLAGS)):
        opened = os.open(file, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    return arguments


if __name__ == "__main__":
    program = import_module(sys.argv[1])
    program.main(serve(program.IMPORTED))
