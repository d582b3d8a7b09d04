"""Requests to the daemon: files that its loop checks for, so requests can be made while it is down.

It watches the folder of the requests to cancel, and acts on whatever arrives there at once.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from daemon.spool.layout import Layout
from pipeline.job_file import JOB_NAME


class Requests(Layout):
    """Pause, resume and cancel."""

    def pause(self) -> None:
        """Stop the intake of jobs until `resume`."""
        self._pause_file.touch()
        self._ring()

    def resume(self) -> None:
        """Undo `pause`."""
        self._pause_file.unlink(missing_ok=True)
        self._ring()

    def is_paused(self) -> bool:
        """Whether the intake of jobs is stopped."""
        return self._pause_file.exists()

    @property
    def _pause_file(self) -> Path:
        return self.run / "paused"

    def _ring(self) -> None:
        """Make a running daemon look for requests now; without this, it does so after two seconds."""
        bell = self.cancels / ".ring"
        with contextlib.suppress(OSError):
            bell.touch()
            bell.unlink(missing_ok=True)

    def request_cancel(self, name: str) -> None:
        """Request the cancellation of a job."""
        (self.cancels / name).touch()

    def cancel_requests(self) -> list[str]:
        """The names of the jobs to cancel."""
        try:
            return sorted(entry.name for entry in self.cancels.iterdir() if JOB_NAME.match(entry.name))
        except FileNotFoundError:
            return []

    def remove_cancel_request(self, name: str) -> None:
        """Remove the request to cancel a job that has ended or does not exist."""
        (self.cancels / name).unlink(missing_ok=True)
