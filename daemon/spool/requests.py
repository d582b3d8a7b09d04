"""Requests to the daemon: files that its loop checks for, so requests can be made while it is down."""

from __future__ import annotations

from pathlib import Path

from daemon.spool.layout import Layout
from pipeline.job_file import JOB_NAME


class Requests(Layout):
    """Pause, resume and cancel."""

    def pause(self) -> None:
        """Stop the intake of jobs until `resume`."""
        self._pause_file.touch()

    def resume(self) -> None:
        """Undo `pause`."""
        self._pause_file.unlink(missing_ok=True)

    def is_paused(self) -> bool:
        """Whether the intake of jobs is stopped."""
        return self._pause_file.exists()

    @property
    def _pause_file(self) -> Path:
        return self.run / "paused"

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
