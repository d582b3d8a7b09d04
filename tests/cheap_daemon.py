"""The real daemon and real worker processes, with cheap stages instead of the costly ones.

`python -m tests.cheap_daemon [--once] [--blind] [--defective] [--linkless] [--hasty] [--brisk] [--patient]
[ROLE=STAGE ...]` uses the current folder's `config.yaml`. STAGE is a class of `tests.faults`, or `MODULE:CLASS`.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.executors.base import WorkerSpec

if TYPE_CHECKING:
    from pipeline.config import Config

STAGES = {"tts": "CountedTts", "split": "CountedSplit", "lipsync": "CountedLipSync", "merge": "CountedMerge"}
PRELOADED = ("pipeline.executors.worker", "tests.faults")
"""What all workers import."""
IMPORTED = (
    *("daemon.hooks", "daemon.logs", "daemon.supervisor", "daemon.metrics.registry"),
    *("pipeline.config", "pipeline.executors.processes"),
)
"""What the daemon imports, for `tests.warm_start`."""
NAMES = {"tts": ["tts-0"], "split": ["split-0"], "lipsync": ["gan-0", "nogan-1"], "merge": ["merge-0"]}


def cheap_specs(config: Config, **stages: str) -> list[WorkerSpec]:
    """The usual workers with stages of `tests.faults`, or others given as `MODULE:CLASS`."""
    chosen = {**STAGES, **stages}
    return [_cheap_spec(config, name, role, stage) for role, stage in chosen.items() for name in NAMES[role]]


def _cheap_spec(config: Config, name: str, role: str, stage: str) -> WorkerSpec:
    """A worker. Stages of `tests.faults` get no configuration: importing its classes takes half of a worker's start."""
    model = name.partition("-")[0]
    if ":" in stage:
        return WorkerSpec(name, role, stage, config, model=model)
    return WorkerSpec(name, role, f"tests.faults:{stage}", None, model=model)  # type: ignore[arg-type]


def set_constants(**values: float) -> None:
    """Change constants of the daemon, whichever of its modules defines them."""
    modules = [module for name, module in sys.modules.items() if name.startswith("daemon.")]
    for name, value in values.items():
        owners = [module for module in modules if name in vars(module)]
        assert owners, f"the daemon has no constant {name}"
        for module in owners:
            setattr(module, name, value)


def make_defective() -> None:
    """Give the daemon two defects: jobs that contain "defect" trigger one at intake, jobs with captions the other."""
    from unittest.mock import patch

    from daemon.scheduling import fingerprints

    whole = fingerprints.fingerprint

    def fingerprint(job: bytes, *rest: Any) -> str:
        return whole(job, *rest) if b"defect" not in job else str(1 // 0)

    patch("daemon.admission.fingerprint", fingerprint).start()
    patch("daemon.outputs.captions.write", lambda folder, timing: 1 // 0).start()


def make_linkless() -> None:
    """Refuse links to recordings, as the kernel does for another user's files."""
    from unittest.mock import patch

    link = os.link

    def refused(source: Path, target: Path, *, follow_symlinks: bool = True) -> None:
        if source.parent.name == "inbox":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        link(source, target, follow_symlinks=follow_symlinks)

    patch("os.link", refused).start()


def main(arguments: list[str]) -> None:
    # Imported here: worker processes import this module again but do not need these.
    from daemon import hooks, logs
    from daemon.spool.front import SpoolOwned
    from daemon.spool.spool import Spool
    from daemon.spool.watcher import Watcher
    from daemon.supervisor import Supervisor
    from pipeline.config import load_config
    from pipeline.executors import make_executor
    from pipeline.executors.processes import ProcessExecutor

    if "--blind" in arguments:
        Watcher.refresh = lambda self: None  # type: ignore[method-assign]
    if "--defective" in arguments:
        make_defective()
    if "--hasty" in arguments:  # a worker is not restarted after its second failed start
        set_constants(BOOT_FAILURES_MAX=1)
    if "--brisk" in arguments:  # the loop iterates and reports ten times as often; retries a full disk after a second
        set_constants(SCAN_SECONDS=0.2, HEALTH_SECONDS=0.0, FULL_DISK_SECONDS=1.0, WRITE_SECONDS=0.2)
        hooks.RETRY_SECONDS = (0.1, 0.1, 0.1, 0.1, 0.1)
    if "--patient" in arguments:  # the loop turns for events alone
        set_constants(SCAN_SECONDS=600.0)
    if "--linkless" in arguments:
        make_linkless()
    config = load_config(None)
    stages = dict(argument.split("=") for argument in arguments if "=" in argument)
    spool = Spool(Path.cwd())
    spool.create()
    logs.set_up(as_json=False, level=config.log.level, spool=spool)
    executor = make_executor(config) if config.executor == "ray" else ProcessExecutor(preloaded=PRELOADED)
    try:
        sys.exit(Supervisor(config, spool, executor, cheap_specs(config, **stages)).run(once="--once" in arguments))
    except SpoolOwned:
        sys.exit(75)


if __name__ == "__main__":
    main(sys.argv[1:])
