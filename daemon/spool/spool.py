"""The spool: the folders on disk that hold every job's state, and every rename between them.

A job is a file that moves: `inbox/NAME.json` -> `work/NAME/` -> `done/NAME.json` or `failed/NAME/`. A rename is
atomic, so after a crash at any point each job is in exactly one place.

Each topic has its module: `layout` (folders and file names), `claims`, `recordings`, `requests` (pause, cancel),
`streams` and `publishing`.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator

from daemon.spool.claims import Claims
from daemon.spool.publishing import Publishing
from daemon.spool.recordings import Recordings
from pipeline.errors import LipdropError
from pipeline.files import try_lock

OWNER_WAIT_SECONDS = 1.0
"""A command that checks for an owner briefly holds the lock; a starting daemon waits this long for it."""


class SpoolOwned(LipdropError):
    """Another daemon owns this spool."""


class Spool(Claims, Recordings, Publishing):
    """One spool directory, with all its operations."""

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Own the spool during a block. The kernel releases the lock when the owner dies.

        Raises SpoolOwned if another daemon has it.
        """
        with (self.run / "lock").open("a") as file:
            deadline = time.monotonic() + OWNER_WAIT_SECONDS
            while not try_lock(file):
                if time.monotonic() > deadline:
                    hint = "see it with: lipdrop status; a second daemon needs a folder of its own: --spool"
                    raise SpoolOwned("owned", f"another daemon owns {self.root}", hint=hint)
                time.sleep(OWNER_WAIT_SECONDS / 20)
            yield

    def has_owner(self) -> bool:
        """Whether a daemon owns this spool now."""
        try:
            with (self.run / "lock").open() as file:
                return not try_lock(file, shared=True)
        except FileNotFoundError:
            return False

    def free_bytes(self) -> int:
        """Free space on the spool's disk."""
        return shutil.disk_usage(self.root).free
