"""Start programs by forking a process that has imported what they need: that saves each most of its CPU time.

A program is a module with `IMPORTED`, the modules that it needs, and `main`, which is called with its arguments. All
test processes of a run share the process that forks.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FOLDER, OWNER = "LIPDROP_TEST_FOLDER", "LIPDROP_TEST_OWNER"
"""Environment variables: where the sockets are, and the process with which those that fork end."""
LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT


class Forked:
    """A forked program, with the methods of `subprocess.Popen`. The process that forked it knows its exit code."""

    def __init__(self, program: str, pid: int) -> None:
        self._program = program
        self.pid = pid
        self._returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        if self._returncode is None:
            self._returncode = _answer(self._program, pid=self.pid)
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
    paths = {"folder": str(folder), "log": str(log), "output": output}
    return Forked(program, _answer(program, arguments=[*arguments], environment=environment(), **paths))


def environment() -> dict[str, str]:
    """That of a program that imports this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


def share() -> None:
    """Let the processes that this one starts use what it uses; all of it ends with this process."""
    os.environ[FOLDER] = tempfile.mkdtemp()
    os.environ[OWNER] = str(os.getpid())


def unshare() -> None:
    """Remove what sharing took."""
    shutil.rmtree(os.environ[FOLDER])


@cache
def _address(program: str) -> str:
    """The socket of the process that forks a program; it is started first if no other test process has done so."""
    path = Path(os.environ[FOLDER], program)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
                listener.listen(128)
                argv = [sys.executable, "-m", "tests.warm_start", program, str(listener.fileno()), os.environ[OWNER]]
                subprocess.Popen(argv, cwd=ROOT, env=environment(), pass_fds=[listener.fileno()])
    return str(path)


def _answer(program: str, **request: Any) -> Any:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(_address(program))
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as answer:
            return json.loads(answer.readline())


def serve(imported: Sequence[str], listener: socket.socket, owner: int) -> list[str]:
    """Answer requests until a process ends: with a new process, or with the exit code of one if it has one.

    Returns in each new process, with its arguments.
    """
    for name in imported:
        import_module(name)
    gc.freeze()
    ended = os.pidfd_open(owner)
    while ended not in select.select([listener.fileno(), ended], [], [])[0]:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:
            request = json.loads(stream.readline())
            if "pid" in request:
                pid, status = os.waitpid(request["pid"], os.WNOHANG)
                answer = os.waitstatus_to_exitcode(status) if pid else None
            elif (answer := os.fork()) == 0:
                break
            stream.write(json.dumps(answer).encode() + b"\n")
    else:
        sys.exit()
    listener.close()
    os.close(ended)
    return _become(**request)


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
    program.main(serve(program.IMPORTED, socket.socket(fileno=int(sys.argv[2])), int(sys.argv[3])))
