"""The exit codes of the commands. Scripts rely on them."""

from __future__ import annotations

from daemon.spool.front import SpoolOwned
from pipeline.errors import BootError, ConfigError, JobError, JobErrors, LipdropError, StageError

EXIT_JOB_FAILED = 1
EXIT_UNHEALTHY = 1
EXIT_USAGE = 2
EXIT_BAD_JOB = 65
EXIT_NO_DAEMON = 69
EXIT_BOOT = 70
EXIT_IO = 74
EXIT_OWNED = 75
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130

EXIT_CODES: dict[type[LipdropError], int] = {
    JobError: EXIT_BAD_JOB,
    JobErrors: EXIT_BAD_JOB,
    SpoolOwned: EXIT_OWNED,
    ConfigError: EXIT_CONFIG,
    BootError: EXIT_BOOT,
    StageError: EXIT_IO,
}
"""The exit code of each expected error. An OSError exits with EXIT_IO (EX_IOERR)."""
