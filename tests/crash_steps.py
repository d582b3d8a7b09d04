"""Crash the daemon before each change that it makes on disk, from claiming a job to publishing it.

`python -m tests.crash_steps FOLDER CHOSEN` runs the daemon once per chosen step on a fresh spool, in a process that
kills itself before that step, then runs it again to completion. It prints one JSON object per step. Steps are all calls
that change the spool, observed through the interpreter's audit events, so that lipdrop needs no hooks.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import daemon.metrics.registry  # noqa: F401 # imported here once, rather than in each child
import tests.faults  # noqa: F401
from daemon.logs import JobLogs
from daemon.spool.spool import Spool
from daemon.spool.watcher import Watcher
from daemon.supervisor import Supervisor
from pipeline.config import Config, HooksSettings, LimitsSettings, WebSettings
from pipeline.executors.threads import ThreadExecutor
from tests.cheap_daemon import cheap_specs

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.utime", "os.truncate"}
COMMAND = ("sh", "-c", 'echo "$0" >> run/hooked', "{job} {status}")
LIMITS = LimitsSettings(quiet_seconds=0.05, free_megabytes=0)
AT_ONCE = 4
"""Steps that are crashed concurrently, each on its own spool."""
HOOK = b'"webhook": "http://localhost:9/"'
OLD, NEW = b'{"text": "1 old"}', b'{"text": "2 new", "captions": true, %b}' % HOOK
BAD = b'{"text": "1", "voic": "x", %b}' % HOOK


def main(folder: Path, chosen: str) -> None:
    """Crash before each step that the regular expression `chosen` matches from its beginning."""
    Watcher.refresh = lambda self: None  # type: ignore[method-assign] # it is slow to stop
    prepare(folder / "before")
    spool = copied(folder / "steps")
    assert in_child(spool, None) == 1  # all steps without a crash; 1 because the bad job fails
    every = (spool.root / "steps").read_text().splitlines()
    steps = [(number, step) for number, step in enumerate(every) if re.match(chosen, step)]
    for first in range(0, len(steps), AT_ONCE):
        pids = [fork(lambda: crash(folder, number, step)) for number, step in steps[first : first + AT_ONCE]]  # noqa: B023
        assert [wait_for(pid) for pid in pids] == [0] * len(pids)
        for number, _ in steps[first : first + AT_ONCE]:
            print((folder / f"found-{number:03d}").read_text(), flush=True)  # noqa: T201


def crash(folder: Path, number: int, step: str) -> int:
    """Run the daemon up to a step and then again to its end; write the findings to a file."""
    spool = copied(folder / f"crash-{number:03d}")
    crashed = in_child(spool, number)
    seen = outbox(spool)
    ended = in_child(spool, None)
    found = {"step": step, "crashed": crashed, "seen": seen, "ended": ended, "files": files(spool)}
    found["hooked"] = (spool.run / "hooked").read_text().splitlines()
    found["due"] = spool.hook_ids()
    (folder / f"found-{number:03d}").write_text(json.dumps(found))
    return 0


def prepare(root: Path) -> None:
    """Create a spool with the outputs of an earlier job "a", and with a new "a" and a bad job in its inbox."""
    spool = Spool(root)
    spool.create()
    (spool.inbox / "a.json").write_bytes(OLD)
    assert in_child(spool, None) == 0
    (root / "steps").unlink()
    (spool.run / "hooked").unlink()
    (spool.inbox / "a.json").write_bytes(NEW)
    (spool.inbox / "bad.json").write_bytes(BAD)


def copied(root: Path) -> Spool:
    shutil.copytree(root.with_name("before"), root)
    return Spool(root)


def in_child(spool: Spool, crash_at: int | None) -> int:
    """Run the daemon in its own process until no work is left; return its exit code."""
    return wait_for(fork(lambda: run(spool, crash_at)))


def fork(work: Callable[[], int]) -> int:
    """Run a function in a child process, which exits with its result; return the child's process id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = work()
        finally:
            os._exit(code)
    return pid


def wait_for(pid: int) -> int:
    """Wait for a child's exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(spool: Spool, crash_at: int | None) -> int:
    logging.getLogger().handlers = [logging.FileHandler(spool.root / "log"), JobLogs(spool)]
    logging.getLogger().setLevel(logging.INFO)
    os.chdir(spool.root)
    sys.addaudithook(Steps(spool.root, crash_at))
    web, hooks = WebSettings(webhook_hosts=["http://localhost:9"]), HooksSettings(on_done=COMMAND)
    config = Config(limits=LIMITS, web=web, hooks=hooks)
    return Supervisor(config, spool, ThreadExecutor(), cheap_specs(config)).run(once=True)


class Steps:
    """Logs each step that changes the spool, and kills the process before one of them."""

    def __init__(self, root: Path, crash_at: int | None) -> None:
        self._root = str(root)
        self._crash_at = crash_at
        self._count = 0
        self._log = os.open(root / "steps", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if threading.current_thread().name.startswith("hook"):
            return  # hooks run beside the loop, so the order of their steps varies
        if event not in CHANGES and not (event == "open" and is_write(arguments)):
            return
        places = [os.fspath(place) for place in arguments[:2] if isinstance(place, (str, os.PathLike))]
        if not places or not places[0].startswith(self._root) or "/run/" in places[0] or "/ran" in places[0]:
            return
        if changes_nothing(event, places[0]):
            return
        if self._count == self._crash_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._count += 1
        step = " -> ".join(place.removeprefix(self._root + "/") for place in places if place.startswith(self._root))
        os.write(self._log, f"{event} {re.sub(r'[.0-9]+[.]part', '.part', step)}\n".encode())


def changes_nothing(event: str, place: str) -> bool:
    """Whether a folder is there already, or a file gone: a crash before this step is one before the next step."""
    return os.path.lexists(place) if event == "os.mkdir" else event == "os.remove" and not os.path.lexists(place)


def is_write(arguments: tuple[Any, ...]) -> bool:
    return isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def outbox(spool: Spool) -> dict[str, Any]:
    """The visible outputs: content of JSON files, digests of all others."""
    return {path.name: shown(path) for path in spool.outbox.iterdir()}


def shown(path: Path) -> Any:
    data = path.read_bytes()
    return json.loads(data) if path.suffix == ".json" else hashlib.sha256(data).hexdigest()


def files(spool: Spool) -> dict[str, Any]:
    """All files in the spool's folders: content of JSON files, sizes of all others."""
    return {str(path.relative_to(spool.root)): content(path) for path in sorted(everything(spool))}


def everything(spool: Spool) -> Iterator[Path]:
    for folder in (spool.inbox, spool.work, spool.outbox, spool.done, spool.failed, spool.webhooks):
        yield from (path for path in folder.rglob("*") if path.is_file())


def content(path: Path) -> Any:
    return json.loads(path.read_bytes()) if path.suffix == ".json" else path.stat().st_size


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2])
