"""How fast this machine works, learnt from the jobs that it has done."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from pipeline.files import replace_file

PACE_FILE = "pace.json"
"""Name of the file in the spool's `run/`. It may be deleted: estimates are then learnt again."""

POINTS_MAX = 12
"""Measurements kept of each kind of work; older ones are forgotten, so that a change of the machine is noticed."""

KINDS_MAX = 200
"""Kinds of work that are kept; a kind is forgotten when it was not measured for longest."""

SPREAD_MIN = 1.5
"""Without measurements this far apart in size, time is taken as proportional to size."""

Measure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Point = tuple[Measure, Measure]
"""The size of a piece of work, and what it took."""

_POINTS: TypeAdapter[dict[str, list[Point]]] = TypeAdapter(dict[str, list[Point]])


class Pace:
    """Measurements of several kinds of work, and what they lead to expect of the next one."""

    def __init__(self, points: dict[str, list[Point]] | None = None) -> None:
        self._points = points or {}
        self._lines: dict[str, tuple[float, float]] = {}
        """Fitted lines, kept until the next measurement."""

    @classmethod
    def load(cls, file: Path) -> Pace:
        """Read what an earlier daemon has learnt; nothing if the file is missing or damaged."""
        try:
            return cls(_POINTS.validate_json(file.read_bytes()))
        except (OSError, ValidationError):
            return cls()

    def save(self, file: Path) -> None:
        """Replace the file. Raises OSError."""
        replace_file(file, _POINTS.dump_json(self._points))

    def measured(self, *kinds: str, size: float, cost: float) -> None:
        """Record what a piece of work took, under each of its kinds."""
        if size <= 0 or cost < 0:
            return
        for kind in kinds:
            points = self._points.pop(kind, [])
            self._points[kind] = [*points[1 - POINTS_MAX :], (round(size, 3), round(cost, 4))]
            self._lines.pop(kind, None)
        while len(self._points) > KINDS_MAX:
            self._points.pop(next(iter(self._points)))

    def expected(self, *kinds: str, size: float) -> float | None:
        """What work of this size is expected to take: by the first kind that was measured, None if none was."""
        kind = next((kind for kind in kinds if self._points.get(kind)), None)
        if kind is None:
            return None
        if kind not in self._lines:
            self._lines[kind] = fitted(self._points[kind])
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
