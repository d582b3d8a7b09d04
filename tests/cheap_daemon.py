"""The real daemon and real worker processes, with cheap stages in place of the costly ones.

`python -m tests.cheap_daemon [--once] [--blind] [--defective] [--linkless] [--hasty] [ROLE=STAGE ...]` works on the
current folder's `config.yaml`.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pipeline.config import Config, load_config
from pipeline.executors.base import WorkerSpec

STAGES = {"tts": "CountedTts", "split": "CountedSplit", "lipsync": "CountedLipSync", "merge": "CountedMerge"}
NAMES = {"tts": ["tts-0"], "split": ["split-0"], "lipsync": ["gan-0", "nogan-1"], "merge": ["merge-0"]}


def cheap_specs(config: Config, **stages: str) -> list[WorkerSpec]:
    """The usual workers, on stages of `tests.faults`."""
    chosen = {**STAGES, **stages}
    return [
        WorkerSpec(name, role, f"tests.faults:{chosen[role]}", config, model=name.partition("-")[0])
        for role in chosen
        for name in NAMES[role]
    ]


def make_defective() -> None:
    """Give the daemon itself two defects: jobs with "defect" in them meet one at intake, all with captions another."""
    from daemon.scheduling import journal

    whole = journal.fingerprint

    def fingerprint(job: bytes, *rest: Any) -> str:
        return whole(job, *rest) if b"defect" not in job else str(1 // 0)

    patch("daemon.admission.fingerprint", fingerprint).start()
    patch("daemon.outputs.captions.write", lambda folder, timing: 1 // 0).start()


def make_linkless() -> None:
    """Refuse links to recordings, as the kernel does where they are another user's."""
    link = os.link

    def refused(source: Path, target: Path, *, follow_symlinks: bool = True) -> None:
        if source.parent.name == "inbox":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        link(source, target, follow_symlinks=follow_symlinks)

    patch("os.link", refused).start()


def main(arguments: list[str]) -> None:
    # Imported here: worker processes import this module again, and need none of it.
    from daemon import logs
    from daemon.spool.spool import Spool, SpoolOwned
    from daemon.spool.watcher import Watcher
    from daemon.supervisor import Supervisor
    from pipeline.executors.processes import ProcessExecutor

    logs.set_up(as_json=False)
    if "--blind" in arguments:
        Watcher.refresh = lambda self: None  # type: ignore[method-assign]
    if "--defective" in arguments:
        make_defective()
    if "--hasty" in arguments:  # a worker is not restarted after its second failed start
        patch("daemon.scheduling.worker_pool.BOOT_FAILURES_MAX", 1).start()
    if "--linkless" in arguments:
        make_linkless()
    config = load_config(None)
    stages = dict(argument.split("=") for argument in arguments if "=" in argument)
    spool = Spool(Path.cwd())
    spool.create()
    try:
        sys.exit(
            Supervisor(config, spool, ProcessExecutor(), cheap_specs(config, **stages)).run(once="--once" in arguments)
        )
    except SpoolOwned:
        sys.exit(75)


if __name__ == "__main__":
    main(sys.argv[1:])
