"""Runs of the command `hooks.on_done` that are due: files that are left before a job is published, removed after a run.

Unlike webhooks they stay within the daemon: only it may write the folder.
"""

from __future__ import annotations

import hashlib
import time

from pydantic import BaseModel, ConfigDict

from daemon.outputs.report import DoneReport, JobReport, json_bytes
from daemon.spool.layout import JOB, TIMING, Layout
from pipeline.files import write_file

SUFFIX = ".json"


class Hook(BaseModel):
    """The content of `hooks/ID.json`: one run that is due."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    """Identifies the job's end; the same if it is reported again after a crash."""
    job: str
    status: str
    """done or failed."""
    code: str
    """The error code of a failed job; else empty."""
    report: str
    """The timing JSON."""
    attempts: int = 0
    """Runs that failed."""
    left_at: float
    """When the job ended, seconds since the epoch: runs that are due take turns in this order."""
    next_at: float = 0.0
    """When to try next, seconds since the epoch: attempts go on after a reboot."""

    @property
    def is_refused(self) -> bool:
        """Whether the outbox has the outputs of another job of that name."""
        return self.code == "conflict"


class Hooks(Layout):
    """The folder `hooks/`."""

    def hook(self, name: str, report: JobReport) -> Hook | None:
        """The run about the end of a job in flight; None if its file has been moved: then the run was left before."""
        try:
            inode = (self.folder(name) / JOB).stat().st_ino
        except FileNotFoundError:
            return None
        # The inode differs for each claim of a file, and is the same after a crash.
        key = f"{name} {report.submitted_at} {inode}"
        return Hook(
            id=f"run_{hashlib.sha256(key.encode()).hexdigest()[:32]}",
            job=name,
            status=report.status,
            code="" if isinstance(report, DoneReport) else report.error.code,
            report=json_bytes(report).decode(),
            left_at=time.time(),
        )

    def leave_hook(self, hook: Hook) -> None:
        """Keep a run durably until it has succeeded. Raises OSError."""
        self.hooks.mkdir(mode=0o750, exist_ok=True)
        write_file(self.hooks / f"{hook.id}{SUFFIX}", hook.model_dump_json().encode())

    def remove_hook(self, hook_id: str) -> None:
        """Remove a run that has succeeded or was given up."""
        (self.hooks / f"{hook_id}{SUFFIX}").unlink(missing_ok=True)

    def hook_ids(self) -> list[str]:
        """The ids of the runs that are due now or later."""
        try:
            names = [entry.name for entry in self.hooks.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX) and name[0] != ".")

    def read_hook(self, hook_id: str) -> Hook:
        """One of these runs. Raises OSError and ValidationError."""
        return Hook.model_validate_json((self.hooks / f"{hook_id}{SUFFIX}").read_bytes())

    def may_run(self, hook: Hook) -> bool:
        """Whether the job's end is visible: its timing JSON is in the outbox."""
        return not (self.folder(hook.job) / TIMING).exists()
