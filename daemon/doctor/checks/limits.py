"""The limits that the system sets: file events, open files, memory."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from daemon.doctor.finding import Finding, broken, ok, warning
from daemon.doctor.machine import Machine

OPEN_FILES_MIN = 1024
WORKER_BYTES = 1_000_000_000
"""Memory that a lip-sync worker on the CPU needs at least."""

IN_CREATE = 0x100
IN_CLOEXEC = 0o2000000


def check(machine: Machine) -> Iterator[Finding]:
    """Whether the system gives lipdrop what it needs."""
    yield _file_events(machine)
    yield _open_files()
    if machine.config.executor != "ray":  # then the workers are on other machines
        yield _memory(len(machine.config.workers))
    yield from _programs()


def _file_events(machine: Machine) -> Finding:
    """Whether a folder can be watched, by watching one."""
    library = ctypes.CDLL(None, use_errno=True)
    queue = library.inotify_init1(IN_CLOEXEC)
    late = "new jobs are found within two seconds instead of at once"
    if queue < 0:
        return warning(f"no inotify queue: {os.strerror(ctypes.get_errno())}; {late}", _raised("max_user_instances"))
    folder = next(path for path in (machine.spool.inbox, machine.spool.root, Path("/")) if os.access(path, os.R_OK))
    try:
        if library.inotify_add_watch(queue, os.fsencode(folder), IN_CREATE) >= 0:
            return ok("file events (inotify) work")
        number = ctypes.get_errno()
    finally:
        os.close(queue)
    fix = _raised("max_user_watches") if number == errno.ENOSPC else None
    return warning(f"no file events: {os.strerror(number)}; {late}", fix)


def _raised(limit: str) -> str:
    """The command that doubles a limit of inotify."""
    try:
        now = int(Path("/proc/sys/fs/inotify", limit).read_text())
    except (OSError, ValueError):
        now = 128
    return f"sudo sysctl fs.inotify.{limit}={2 * now}"


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return ok("any number of open files allowed")
    if soft >= OPEN_FILES_MIN:
        return ok(f"{soft} open files allowed")
    may_raise = hard == resource.RLIM_INFINITY or hard >= OPEN_FILES_MIN
    fix = f"ulimit -n {OPEN_FILES_MIN}" if may_raise else f"sudo prlimit --pid $$ --nofile={OPEN_FILES_MIN}"
    return warning(f"only {soft} open files allowed: many jobs at once may fail", fix)


def _memory(workers: int) -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    text = f"{len(os.sched_getaffinity(0))} cores, {total / 1e9:.1f} GB of memory for {workers} lip-sync workers"
    if total < workers * WORKER_BYTES:
        return warning(f"{text}: each needs about {WORKER_BYTES / 1e9:.0f} GB", "configure fewer `workers`")
    return ok(text)


def _programs() -> Iterator[Finding]:
    """util-linux ties programs to their worker and limits what untrusted files may cost."""
    missing = [name for name in ("setpriv", "prlimit") if shutil.which(name) is None]
    if missing:
        text = f"{' and '.join(missing)} not found: programs outlive a killed worker, or run without limits"
        yield broken(text, "sudo apt-get install util-linux")
