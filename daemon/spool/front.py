"""The part of a spool that quick commands work with: who owns it, what waits, what is asked for.

Separate from `spool`, so that such commands do not build the models of jobs and reports.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from daemon.spool.claims import Claims
from daemon.spool.open_streams import OpenStreams
from pipeline.errors import LipdropError
from pipeline.files import replace_file, try_lock

OWNER_WAIT_SECONDS = 1.0
"""A command that checks for an owner briefly holds the lock; a starting daemon waits this long for it."""


class SpoolOwned(LipdropError):
    """Another daemon owns this spool."""


class Front(Claims, OpenStreams):
    """Ownership, the inbox, and requests to the daemon."""

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

    def accept_config(self, digest: str) -> None:
        """Note that the daemon has found a configuration valid. `digest`: of the file. Raises OSError."""
        replace_file(self.run / "config", digest.encode())

    def has_accepted(self, digest: str) -> bool:
        """Whether that is the configuration of the latest daemon."""
        try:
            return (self.run / "config").read_text() == digest
        except (OSError, UnicodeDecodeError):
            return False
