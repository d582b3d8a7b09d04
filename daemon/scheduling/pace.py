"""How fast this machine works, learnt from the jobs that it has done.

What is learnt has two parts: how the time of each kind of work depends on its size, which changes slowly, and how much
slower than that the machine is at present, because it has other things to do: the last few jobs show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from pipeline.files import replace_file

PACE_FILE = "pace.json"
"""Name of the file in the spool's `run/`. It may be deleted: estimates are then learnt again."""

POINTS_MAX = 12
"""Measurements kept of each kind of work; older ones are forgotten, so that a change of the machine is noticed."""

KINDS_MAX = 200
"""Kinds of work that are kept; a kind is forgotten when it was not measured for longest."""

SPREAD_MIN = 1.5
"""Without measurements this far apart in size, time is taken as proportional to size."""

FOLLOWED = 0.4
"""How much of the way to the pace of the last job the expected pace goes, on a logarithmic scale."""

OUTLIER = 3.0
"""A job that took longer than so many times what was expected, or less than its inverse, counts as if it had not."""

Measure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Point = tuple[Measure, Measure]
"""The size of a piece of work, and what it took."""


@dataclass(frozen=True)
class Work:
    """A piece of work that was done."""

    kinds: Sequence[str]
    """From the most specific to the most general."""
    size: float
    seconds: float


class Learnt(BaseModel):
    """The content of the file."""

    slowdown: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    points: dict[str, list[Point]] = Field(default_factory=dict)
    """Of each kind of work; times are divided by the slowdown at the time."""


class Pace:
    """Measurements of several kinds of work, and what they lead to expect of the next one."""

    def __init__(self, learnt: Learnt | None = None) -> None:
        self._learnt = learnt or Learnt()
        self._lines: dict[str, tuple[float, float]] = {}
        """Fitted lines, kept until the next measurement."""

    @classmethod
    def load(cls, file: Path) -> Pace:
        """Read what an earlier daemon has learnt; nothing if the file is missing or damaged."""
        try:
            return cls(Learnt.model_validate_json(file.read_bytes()))
        except (OSError, ValidationError):
            return cls()

    def save(self, file: Path) -> None:
        """Replace the file. Raises OSError."""
        replace_file(file, self._learnt.model_dump_json().encode())

    def worked(self, job: Sequence[Work]) -> None:
        """Record what the pieces of work of a job took.

        Only kinds that are known as exactly as that show how busy the machine is: another avatar may just take longer.
        """
        expected = [(work.seconds, self.expected_seconds(work.kinds[0], size=work.size)) for work in job]
        known = [(seconds, usual) for seconds, usual in expected if usual]
        if known:
            ratio = sum(seconds for seconds, _ in known) / sum(usual for _, usual in known)
            self._learnt.slowdown *= max(1 / OUTLIER, min(ratio, OUTLIER)) ** FOLLOWED
        for work in job:
            self.measured(*work.kinds, size=work.size, cost=work.seconds / self._learnt.slowdown)

    def measured(self, *kinds: str, size: float, cost: float) -> None:
        """Record a measurement that does not depend on how busy the machine is, under each of its kinds."""
        if size <= 0 or cost < 0:
            return
        known = self._learnt.points
        for kind in kinds:
            points = known.pop(kind, [])
            known[kind] = [*points[1 - POINTS_MAX :], (round(size, 3), round(cost, 4))]
            self._lines.pop(kind, None)
        while len(known) > KINDS_MAX:
            known.pop(next(iter(known)))

    def expected_seconds(self, *kinds: str, size: float) -> float | None:
        """How long work of this size is expected to take at present; None if nothing is known of its kinds."""
        usual = self.expected(*kinds, size=size)
        return None if usual is None else usual * self._learnt.slowdown

    def expected(self, *kinds: str, size: float) -> float | None:
        """What is expected for this size by the first kind that was measured, whatever else the machine does.

        None if nothing is known of its kinds.
        """
        kind = next((kind for kind in kinds if self._learnt.points.get(kind)), None)
        if kind is None:
            return None
        if kind not in self._lines:
            self._lines[kind] = fitted(self._learnt.points[kind])
        fixed, rate = self._lines[kind]
        return fixed + rate * size


def fitted(points: Sequence[Point]) -> tuple[float, float]:
    """A fixed cost and a cost per unit of size. Medians, so that single slow jobs do not count.

    Theil-Sen's line: its slope is the median of the slopes between all pairs of points.
    """
    proportional = (0.0, median(cost / size for size, cost in points))
    sizes = [size for size, _ in points]
    if max(sizes) < SPREAD_MIN * min(sizes):
        return proportional
    slopes = [(two[1] - one[1]) / (two[0] - one[0]) for one, two in combinations(points, 2) if one[0] != two[0]]
    rate = max(0.0, median(slopes))
    fixed = median(cost - rate * size for size, cost in points)
    return (fixed, rate) if fixed >= 0 else proportional
