"""Items that wait for a worker, and the order in which they are served."""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from daemon.scheduling import stages
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


_Waiting = tuple[tuple[int, float, tuple[int, int], int], Entry]
"""An item in its place: its urgency, and when it was added."""


class Backlog:
    """All waiting items, kept in order. With thousands of them, sorting would take longer than serving."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, list[_Waiting]] = defaultdict(list)
        """The items of each role, in serving order."""
        self._of_flows: defaultdict[int, dict[Entry, _Waiting]] = defaultdict(dict)
        """The items of each flow, by its identity."""
        self._numbers = itertools.count()

    def __bool__(self) -> bool:
        """Whether anything is waiting."""
        return any(self._queues.values())

    @property
    def roles(self) -> list[str]:
        """The roles for which items wait."""
        return [role for role, queue in self._queues.items() if queue]

    def add(self, entry: Entry) -> None:
        """Add an item, or put an item back for a retry."""
        waiting = ((*entry.urgency, next(self._numbers)), entry)
        insort(self._queues[stages.role(entry.item)], waiting)
        self._of_flows[id(entry.flow)][entry] = waiting

    def remove(self, entry: Entry) -> None:
        """Remove an item that a worker has taken."""
        entries = self._of_flows[id(entry.flow)]
        waiting = entries.pop(entry)
        if not entries:
            del self._of_flows[id(entry.flow)]
        queue = self._queues[stages.role(entry.item)]
        del queue[bisect_left(queue, waiting)]

    def drop(self, flow: Flow) -> None:
        """Remove all items of a job."""
        for entry in list(self._of_flows.get(id(flow), ())):
            self.remove(entry)

    def reorder(self, flow: Flow) -> None:
        """Put the items of a job in their places again if its urgency may have changed."""
        entries = self._of_flows.get(id(flow))
        if entries and next(iter(entries.values()))[0][:2] != job_urgency(flow):
            for entry in list(entries):
                self.remove(entry)
                self.add(entry)

    def most_urgent_first(self, role: str) -> Iterator[Entry]:
        """The items of a role in serving order; they may be removed meanwhile."""
        return (entry for _, entry in list(self._queues[role]))
