"""What the daemon counts. These classes import no metrics library, so that its loop does not need one."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.outputs.report import JobReport

EXIT_REASONS = ("crash", "deadline", "start", "cancel", "lost")
EXIT_HELP = (
    "Reasons: crash, deadline (it hung), start (it could not start), cancel (a job was cancelled), "
    "lost (its node or its cluster was)."
)
HOOK_RESULTS = ("ok", "retried", "given_up")


@dataclass(frozen=True)
class WorkerExit:
    """A worker ended and is restarted."""

    worker: str
    reason: str
    """crash, deadline, start, cancel or lost."""


@dataclass(frozen=True)
class HookRan:
    """The command `hooks.on_done` ended."""

    result: str
    """ok, retried (it failed and runs again) or given_up."""


Observation = JobReport | WorkerExit | HookRan
"""A job that ended is observed as its report."""
