"""The spool: the folders on disk that hold every job's state, and every rename between them.

A job is a file that moves: `inbox/NAME.json` -> `work/NAME/` -> `done/NAME.json` or `failed/NAME/`. A rename is
atomic, so after a crash at any point each job is in exactly one place.

Each topic has its module: `layout` (folders and file names), `front` (ownership), `claims`, `recordings`, `requests`
(pause, cancel), `streams` and `publishing`.
"""

from __future__ import annotations

import shutil

from daemon.spool.front import Front
from daemon.spool.publishing import Publishing
from daemon.spool.recordings import Recordings


class Spool(Front, Recordings, Publishing):
    """One spool directory, with all its operations."""

    def free_bytes(self) -> int:
        """Free space on the spool's disk."""
        return shutil.disk_usage(self.root).free
