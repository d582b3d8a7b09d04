"""When jobs are expected to end: what is left of them is played through the workers, as the scheduler would do it."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count

from daemon.scheduling.estimates import Left


@dataclass(frozen=True, order=True)
class Queued:
    """A job that has not ended. The most urgent one is the least."""

    urgency: tuple[int, float]
    """As `backlog.job_urgency` has it."""
    name: str
    left: Left | None = field(compare=False)
    """None if too little is known."""


@dataclass(order=True)
class _Course:
    """A job on its way through the workers."""

    job: Queued
    left: Left = field(compare=False)
    chunks: deque[float] = field(compare=False)
    """Seconds of those that no worker has yet."""
    rendering: int = field(default=0, compare=False)
    """Chunks that workers have."""
    waits_for_voice: bool = field(default=False, compare=False)
    is_spoken: bool = field(default=False, compare=False)
    is_cut: bool = field(default=False, compare=False)


class Forecast:
    """Plays jobs through the workers. Time is in seconds from now."""

    def __init__(self, *, speakers: int, renderers: int, places: int) -> None:
        """`speakers`, `renderers`: numbers of workers; `places`: how many jobs may be in flight."""
        self._speakers, self._renderers, self._places = speakers, renderers, places
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._in_flight: list[_Course] = []
        """The most urgent one first."""
        self._waiting: deque[Queued] = deque()
        self._ends: dict[str, float | None] = {}

    def ends(self, in_flight: Iterable[Queued], waiting: Iterable[Queued]) -> dict[str, float | None]:
        """Expected time until the end of each job; None for those of which too little is known.

        `waiting`: in the order in which they are taken up.
        """
        for job in in_flight:
            self._take_up(job)
        self._waiting.extend(waiting)
        self._fill_places()
        self._give_work()
        while self._events:
            self._now, _, happens = heappop(self._events)
            happens()
            if not self._events or self._events[0][0] > self._now:  # all that happens now has happened
                self._fill_places()
                self._give_work()
        return self._ends

    def _after(self, seconds: float, happens: Callable[[], None]) -> None:
        heappush(self._events, (self._now + seconds, next(self._numbers), happens))

    def _fill_places(self) -> None:
        while self._waiting and len(self._in_flight) < self._places:
            self._take_up(self._waiting.popleft())

    def _take_up(self, job: Queued) -> None:
        self._ends[job.name] = None
        left = job.left
        if left is None:
            self._places = max(1, self._places - 1)  # it keeps its own for an unknown time
            return
        course = _Course(job, left, deque(left.chunks_seconds))
        insort(self._in_flight, course)
        for _ in range(min(left.chunks_running, len(course.chunks))):
            self._render(course)
        course.waits_for_voice = left.speak_seconds > 0
        if left.is_speaking:
            self._speak(course)
        elif not course.waits_for_voice:
            self._after(0.0, partial(self._spoken, course))
        if left.in_pieces:
            self._after(left.prepare_seconds, partial(self._cut, course))

    def _give_work(self) -> None:
        """Give the most urgent work to workers that are free. What has begun is not interrupted."""
        for course in self._in_flight:
            if self._speakers > 0 and course.waits_for_voice:
                self._speak(course)
            while self._renderers > 0 and course.is_cut and course.chunks and course.rendering < course.left.lanes:
                self._render(course)

    def _speak(self, course: _Course) -> None:
        course.waits_for_voice = False
        self._speakers -= 1

        def ended() -> None:
            self._speakers += 1
            self._spoken(course)

        self._after(course.left.speak_seconds, ended)

    def _spoken(self, course: _Course) -> None:
        course.is_spoken = True
        if course.left.in_pieces:
            self._end_if_rendered(course)
        else:
            self._after(course.left.prepare_seconds, partial(self._cut, course))

    def _cut(self, course: _Course) -> None:
        course.is_cut = True
        self._end_if_rendered(course)

    def _render(self, course: _Course) -> None:
        course.rendering += 1
        self._renderers -= 1

        def ended() -> None:
            course.rendering -= 1
            self._renderers += 1
            self._end_if_rendered(course)

        self._after(course.chunks.popleft(), ended)

    def _end_if_rendered(self, course: _Course) -> None:
        if course.is_spoken and course.is_cut and not course.chunks and not course.rendering:
            self._after(course.left.finish_seconds, partial(self._end, course))

    def _end(self, course: _Course) -> None:
        self._ends[course.job.name] = round(self._now, 1)
        self._in_flight.remove(course)
