"""The daemon of `lipdrop make`: `python -m daemon.make.program SPOOL CONFIG AVATARS`.

CONFIG: the configuration file; empty: the default one. AVATARS: the folder of avatars; empty: the configured one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from daemon import logs
from daemon.cli.failures import reported
from daemon.cli.place import SPOOL_UMASK
from daemon.make.request import with_avatars
from daemon.spool.spool import Spool


def argv(spool: Path, config_file: Path | None, avatars: Path | None) -> list[str]:
    """The command line of this program. -P: do not import modules from the current folder."""
    arguments = (str(spool), *(str(path or "") for path in (config_file, avatars)))
    return [sys.executable, "-P", "-m", __name__, *arguments]


def main(spool: str, config_file: str, avatars: str) -> None:
    """Run a daemon until it is killed."""
    os.umask(SPOOL_UMASK)
    logs.set_up(as_json=False)
    sys.exit(_supervise(Path(spool), Path(config_file) if config_file else None, avatars))


def _supervise(root: Path, config_file: Path | None, avatars: str) -> int:
    # These load numpy and OpenCV.
    from daemon.scheduling.workers import worker_specs
    from daemon.supervisor import Supervisor
    from pipeline.config import load_config
    from pipeline.executors import make_executor

    config = load_config(config_file, spool=root).without_effects()
    if avatars:
        config = with_avatars(config, Path(avatars))
    executor = make_executor(config)
    specs = worker_specs(config, executor.gpu_count())
    return Supervisor(config, Spool(root), executor, specs).run()


if __name__ == "__main__":
    with reported():
        main(*sys.argv[1:])
