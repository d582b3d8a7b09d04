"""Where a picture goes in the frames of a video, if it is extended to them: pure geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pipeline.messages import Preset

Cut = tuple[int, int, int, int]
"""A crop of a picture: left, top, columns, rows."""

THIRD = 1 / 3
"""Where the eyes are, in heights of the frame: the upper line of the rule of thirds."""
EYES_SLACK = 0.08
"""How far they may be from it, in heights of the frame, if the picture then reaches the edge."""
ZOOM_MAX = 1.5
"""How much a small head is enlarged beyond what the picture needs to cover the frame."""
SLIGHT = 0.02
"""A gap of less than this part of a side is not left."""
ROUNDING = 1e-6


@dataclass(frozen=True)
class Layout:
    """The place of the inner frames, which show the picture, in the outer ones, in pixels. All numbers are even."""

    size: tuple[int, int]
    """Width and height of the outer frames."""
    corner: tuple[int, int]
    """x, y of the inner frames' top left corner."""
    inner: tuple[int, int]
    """Width and height of the inner frames."""

    @property
    def is_covered(self) -> bool:
        """Whether nothing is seen around the inner frames."""
        return self.size == self.inner

    @property
    def standing(self) -> Layout:
        """The same with the inner frames at the bottom, where a person who is cut out would otherwise float."""
        return replace(self, corner=(self.corner[0], self.size[1] - self.inner[1]))

    def place(self, step: int) -> tuple[slice, slice]:
        """Rows and columns of the inner frames in a plane of the outer ones; `step`: of the plane, in pixels."""
        (x, y), (width, height) = self.corner, self.inner
        return slice(y // step, (y + height) // step), slice(x // step, (x + width) // step)

    @classmethod
    def covered(cls, size: tuple[int, int]) -> Layout:
        """The layout of a picture that covers the frames."""
        return cls(size, (0, 0), size)


@dataclass(frozen=True)
class Subject:
    """The head in a picture, in its pixels."""

    x: float
    """The middle of the face."""
    eyes: float
    """y of the eyes."""
    height: float
    """From the crown to the chin."""


@dataclass(frozen=True)
class _Rules:
    """How the frames of a preset are composed."""

    size: tuple[int, int]
    heads: tuple[float, float]
    """Least and greatest height of the head, in heights of the frame."""
    slack: float
    """How far the face may be from the middle, in widths of the frame, if the picture then reaches the edge."""


RULES = {
    Preset.VERTICAL: _Rules((1080, 1920), (0.22, 0.42), 0.04),
    Preset.SQUARE: _Rules((1080, 1080), (0.32, 0.56), 0.04),
    Preset.WIDE: _Rules((1920, 1080), (0.34, 0.56), 1 / 6),
}
"""In wide frames a face beside the middle stays there, at most on the line of the rule of thirds."""


def size_of(preset: Preset) -> tuple[int, int]:
    """Width and height of a preset's frames."""
    return RULES[preset].size


def extended(area: Cut, preset: Preset, subject: Subject | None, shown: Cut | None = None) -> tuple[Cut, Layout]:
    """The part of a picture that frames of a preset show, and where; `area`: the part that they are composed of.

    The eyes are on the upper third and the face is in the middle, as far as that leaves no narrow gap. The head has a
    good size. Without a head, all of the area is shown. `shown`: a larger part, seen where the area ends inside the
    frames.
    """
    rules = RULES[preset]
    left, top, columns, rows = area
    width, height = rules.size
    if subject is None:
        scale = min(width / columns, height / rows)
        x, y = (width - scale * columns) / 2, (height - scale * rows) / 2
    else:
        within = Subject(subject.x - left, subject.eyes - top, subject.height)
        scale = _scale(columns, rows, rules, within)
        x = _closed(width / 2 - scale * within.x, scale * columns, width, rules.slack)
        y = _closed(height * THIRD - scale * within.eyes, scale * rows, height, EYES_SLACK)
    around = area if shown is None else shown
    x, y = x - scale * (left - around[0]), y - scale * (top - around[1])
    (first_column, shown_columns), (x1, shown_width) = _visible(x, scale, around[2], width)
    (first_row, shown_rows), (y1, shown_height) = _visible(y, scale, around[3], height)
    cut = (around[0] + first_column, around[1] + first_row, shown_columns, shown_rows)
    return cut, Layout(rules.size, (x1, y1), (shown_width, shown_height))


def contained(sides: tuple[int, int], size: tuple[int, int]) -> Layout:
    """Where all of a picture goes in frames of a size, as large as possible; `sides`: its width and height."""
    scale = min(size[0] / sides[0], size[1] / sides[1])
    inner = _fitting(sides[0] * scale, size[0]), _fitting(sides[1] * scale, size[1])
    return Layout(size, ((size[0] - inner[0]) // 4 * 2, (size[1] - inner[1]) // 4 * 2), inner)


def _fitting(length: float, side: int) -> int:
    """An even length; that of the frame if hardly anything is missing."""
    return side if length >= side * (1 - SLIGHT) else max(2, 2 * round(length / 2))


def _scale(columns: int, rows: int, rules: _Rules, subject: Subject) -> float:
    """Pixels of the frame by pixels of the picture: as few as the sides and the bottom need, with a good head size."""
    (width, height), (least, most) = rules.size, rules.heads
    beside, below = width * (0.5 - rules.slack), height * (1 - THIRD - EYES_SLACK)
    reach = (beside / max(subject.x, 1), beside / max(columns - subject.x, 1), below / max(rows - subject.eyes, 1))
    low = min(least * height / subject.height, ZOOM_MAX * max(width / columns, height / rows))
    return min(max(*reach, low), max(most * height / subject.height, low))


def _closed(start: float, length: float, side: int, slack: float) -> float:
    """Where a picture begins on an axis: moved by up to `slack` sides if that closes the gap at an edge."""
    gaps = (start, side - start - length)
    moves = [
        move for gap, move in zip(gaps, (-start, gaps[1]), strict=True) if ROUNDING < gap <= slack * side + ROUNDING
    ]
    return start + min(moves, key=abs, default=0.0)


def _visible(start: float, scale: float, pixels: int, side: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """What is seen of an axis: first pixel and number in the picture, and in the frame, where both are even."""
    first = max(0, 2 * math.ceil(start / 2 - ROUNDING))
    stop = min(side, 2 * math.floor((start + scale * pixels) / 2 + ROUNDING))
    source = min(max(round((first - start) / scale), 0), pixels - 1)
    source_stop = min(max(round((stop - start) / scale), source + 1), pixels)
    return (source, source_stop - source), (first, stop - first)
