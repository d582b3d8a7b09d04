"""Requests to the daemon: files that its loop looks for, so that they can be made while it is down."""

from __future__ import annotations

from pathlib import Path

from daemon.spool.layout import Layout
from pipeline.job_file import JOB_NAME


class Requests(Layout):
    """Pause, resume and cancel."""

    def pause(self) -> None:
        """Request that no jobs are taken in until `resume`."""
        self._pause_file.touch()

    def resume(self) -> None:
        """Withdraw `pause`."""
        self._pause_file.unlink(missing_ok=True)

    def is_paused(self) -> bool:
        """Whether no jobs may be taken in."""
        return self._pause_file.exists()

    @property
    def _pause_file(self) -> Path:
        return self.run / "paused"

    def ask_to_cancel(self, name: str) -> None:
        """Request that a job is cancelled."""
        (self.cancels / name).touch()

    def cancel_requests(self) -> list[str]:
        """The names of the jobs to cancel."""
        try:
            return sorted(entry.name for entry in self.cancels.iterdir() if JOB_NAME.match(entry.name))
        except FileNotFoundError:
            return []

    def forget_cancelling(self, name: str) -> None:
        """Remove the request to cancel a job: it has ended, or there is no such job."""
        (self.cancels / name).unlink(missing_ok=True)
