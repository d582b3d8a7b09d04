"""Items that wait for a worker, and the order in which they are served."""

from __future__ import annotations

from dataclasses import dataclass, field

from daemon.scheduling.flow import Flow
from pipeline.messages import Item


@dataclass(frozen=True, eq=False)
class Entry:
    """An item in the backlog or with a worker."""

    flow: Flow
    item: Item
    order: tuple[int, int]
    """Number of the job, then index of the chunk or piece."""
    budget_seconds: float
    """How long the item may run. Fixed when it enters the backlog."""

    @property
    def is_suspect(self) -> bool:
        """Whether the item was running when a daemon died."""
        return self.flow.journal.is_suspect(self.item)

    @property
    def urgency(self) -> tuple[int, float, tuple[int, int]]:
        """Sort key: the job's urgency, then first chunk."""
        return (*job_urgency(self.flow), self.order)


def job_urgency(flow: Flow) -> tuple[int, float]:
    """Sort key: highest priority, then earliest deadline.

    A job's deadline is its arrival plus the length of its video. So short jobs overtake a long one, but delay it by
    no more than its own length; jobs of equal length keep their order.
    """
    return (-flow.job.priority, flow.journal.seen_seconds + flow.expected_seconds)


@dataclass
class Backlog:
    """All waiting items."""

    _entries: list[Entry] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything is waiting."""
        return bool(self._entries)

    def add(self, entry: Entry) -> None:
        """Add an item, or put an item back for a retry."""
        self._entries.append(entry)

    def remove(self, entry: Entry) -> None:
        """Remove an item that a worker has taken."""
        self._entries.remove(entry)

    def drop(self, flow: Flow) -> None:
        """Remove all items of a job."""
        self._entries = [entry for entry in self._entries if entry.flow is not flow]

    def most_urgent_first(self) -> list[Entry]:
        """Return all entries in serving order."""
        return sorted(self._entries, key=lambda entry: entry.urgency)
