"""What the workers did for a job, and when: kept in its journal, for its report."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

INTERRUPTED = "interrupted"
"""The code of a run that ended with its daemon."""

KEPT_RUNS = 200
"""How many runs of an open stream are kept."""


@dataclass
class Run:
    """One item with one worker. Times are monotonic."""

    stage: str
    """tts, align, split, lipsync, pack, sound or merge."""
    index: int
    """Number of the chunk or piece; 0 for a whole job."""
    worker: str
    start_seconds: float
    end_seconds: float | None = None
    """None while it runs."""
    code: str | None = None
    """Code of the error that ended it; None if it succeeded."""
    message: str | None = None
    node: str | None = None
    """The node of the cluster that the worker runs on; None: the daemon's machine."""


class History:
    """All runs of a job, in the order in which they began."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self._running: dict[str, Run] = {}
        """The runs that have not ended, by the key of their item."""

    def begin(self, key: str, run: Run) -> None:
        """Add a run of the item `key`."""
        self.runs.append(run)
        self._running[key] = run

    def end(self, key: str, at_seconds: float, code: str | None = None, message: str | None = None) -> None:
        """End the run of an item; without effect if it does not run."""
        run = self._running.pop(key, None)
        if run is not None:
            run.end_seconds, run.code, run.message = at_seconds, code, message

    def interrupt(self, at_seconds: float) -> None:
        """End all runs: their daemon died, and was last known to be alive at `at_seconds`."""
        for key, run in list(self._running.items()):
            self.end(key, max(at_seconds, run.start_seconds), INTERRUPTED, "the daemon died")

    @property
    def running(self) -> Collection[str]:
        """The keys of the items that run."""
        return self._running.keys()

    def forget(self) -> None:
        """Forget all but the latest runs."""
        running = list(self._running.values())
        self.runs = [run for run in self.runs[-KEPT_RUNS:] if not any(run is other for other in running)] + running

    def ended(self, now: float) -> Iterator[Run]:
        """All runs. One whose result is here, but not its worker's last message, ends now."""
        for run in self.runs:
            end_seconds = now if run.end_seconds is None else run.end_seconds
            yield replace(run, end_seconds=end_seconds)
