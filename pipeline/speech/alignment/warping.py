"""Dynamic time warping of one sound to another, in bounded memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.media.runs import runs

STEP_COSTS = (0.35, 0.0, 0.2, 0.6)
"""Cost of pausing in the reference, keeping pace, and advancing twice and three times as fast."""
STEPS_MAX = len(STEP_COSTS) - 1
OTHER_SOUND_COST = 1.15
"""In a gap of the reference any sound costs no more than this: silence may be filled with noise or other speech. Sounds
that match cost 0.6 to 0.95, so a gap is never better; random ones cost 1.4."""
SKIP_COST = 0.22
"""Cost of skipping a column between two gaps: more than is saved where it is said, less than it costs to hurry past."""
BLOCK_ROWS = 4096
"""Rows whose steps are kept at a time. Those before are computed again, from the costs at the start of their block."""

BLOCK_COSTS = 128
"""Rows whose costs are computed at once if the window is the whole reference: a product of matrices."""
_NONE = slice(0, 0)

Floats = NDArray[np.float32]
Steps = NDArray[np.int32]


def warped(
    sound: Floats, reference: Floats, *, width: int | None = None, gaps: NDArray[np.bool_] | None = None
) -> NDArray[np.intp]:
    """Warp the sound to the reference, both [columns, features]: the most similar reference column for each column.

    The path never goes backwards. It begins at the start of the reference and ends at its end if that can be reached.
    `width`: only so many columns of the reference are considered, around the best one so far. `gaps`: the columns of
    the reference in which anything may be heard, for any time.
    """
    lattice = _Lattice(sound, reference, width, gaps)
    firsts = np.zeros(len(sound), np.intp)
    total = lattice.start()
    block_totals, steps = [total], []
    for row in range(1, len(sound)):
        firsts[row] = lattice.window(int(firsts[row - 1]), total)
        total, step = lattice.advance(row, firsts, total)
        steps.append(step)
        if row % BLOCK_ROWS == 0:
            block_totals, steps = [*block_totals, total], []
    path = np.empty(len(sound), np.intp)
    path[-1] = lattice.end(int(firsts[-1]), total)
    for block in reversed(range(len(block_totals))):
        first_row, last_row = block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, len(sound) - 1)
        if block + 1 < len(block_totals):
            steps = lattice.steps(first_row, last_row, firsts, block_totals[block])
        for row in range(last_row, first_row, -1):
            path[row - 1] = path[row] - steps[row - first_row - 1][path[row] - firsts[row]]
    return path


def path_costs(sound: Floats, reference: Floats, path: NDArray[np.intp]) -> Floats:
    """The difference of each column from that which the path leads to, shape [columns]."""
    return np.asarray(np.sqrt(np.square(sound - reference[path]).mean(1)), np.float32)


def step_costs(path: NDArray[np.intp]) -> Floats:
    """The costs of the pace of a path without gaps, shape [columns]."""
    steps = np.diff(path, prepend=path[:1] - 1)
    return np.asarray(np.take(STEP_COSTS, np.clip(steps, 0, STEPS_MAX)), np.float32)


class _Lattice:
    """The costs of all paths. A row is a column of the sound; its window is a range of columns of the reference."""

    def __init__(self, sound: Floats, reference: Floats, width: int | None, gaps: NDArray[np.bool_] | None) -> None:
        self._sound, self._reference = sound, reference
        self._squares = np.square(reference).sum(1)
        self._width = min(width or len(reference), len(reference))
        known = np.zeros(len(reference), bool) if gaps is None else gaps
        self._limits = np.where(known, np.float32(OTHER_SOUND_COST), np.float32(np.inf))
        self._pauses = np.where(known, np.float32(0), np.float32(STEP_COSTS[0]))
        self._skips = _skips(known)
        self._before = np.full(2 * self._width + STEPS_MAX, np.inf, np.float32)
        self._known = _NONE, np.zeros((0, 0), np.float32)

    def start(self) -> Floats:
        """The costs of the first row: the path begins at the start of the reference."""
        total = np.full(self._width, np.inf, np.float32)
        total[0] = self._costs(0, 0)[0]
        return total

    def window(self, before: int, total: Floats) -> int:
        """The first column of the next row's window, given that of this row: around its best column."""
        centred = before + int(total.argmin()) - self._width // 2
        return min(max(before, centred), len(self._reference) - self._width)

    def advance(self, row: int, firsts: NDArray[np.intp], total: Floats) -> tuple[Floats, Steps]:
        """The costs of a row from those of the row before, and how far the best path to each column has advanced.

        Costs are relative to the lowest one of their row, so that they stay exact in long sounds.
        """
        first, width = int(firsts[row]), self._width
        self._before[STEPS_MAX : STEPS_MAX + width] = total
        shift = first - int(firsts[row - 1])
        before = self._before[shift : shift + width + STEPS_MAX]
        best = before[STEPS_MAX:] + self._pauses[first : first + width]
        steps = np.zeros(width, np.int32)
        for step in range(1, STEPS_MAX + 1):
            way = before[STEPS_MAX - step : STEPS_MAX - step + width] + np.float32(STEP_COSTS[step])
            steps[way < best] = step
            np.minimum(best, way, out=best)
        self._skip(row, firsts, total, best, steps)
        best += self._costs(row, first)
        return best - best.min(), steps

    def _skip(self, row: int, firsts: NDArray[np.intp], total: Floats, best: Floats, steps: Steps) -> None:
        """Skip from the end of each gap to the start of the next, where that is better."""
        if not len(self._skips):
            return
        sources, targets = self._skips[:, 0] - firsts[row - 1], self._skips[:, 1] - firsts[row]
        in_window = (sources >= 0) & (sources < self._width) & (targets >= 0) & (targets < self._width)
        sources, targets, lengths = sources[in_window], targets[in_window], np.diff(self._skips[in_window])[:, 0]
        ways = total[sources] + np.float32(SKIP_COST) * lengths.astype(np.float32)
        better = ways < best[targets]
        best[targets[better]], steps[targets[better]] = ways[better], lengths[better]

    def steps(self, first_row: int, last_row: int, firsts: NDArray[np.intp], total: Floats) -> list[Steps]:
        """The steps of the rows after the first one, whose costs are `total`."""
        found = []
        for row in range(first_row + 1, last_row + 1):
            total, step = self.advance(row, firsts, total)
            found.append(step)
        return found

    def end(self, first: int, total: Floats) -> int:
        """The column at which the path ends."""
        last = len(self._reference) - 1 - first
        is_reached = last < self._width and np.isfinite(total[last])
        return first + (last if is_reached else int(total.argmin()))

    def _costs(self, row: int, first: int) -> Floats:
        """How different a row is from each column of its window."""
        window = slice(first, first + self._width)
        if self._width < len(self._reference):
            return np.asarray(self._differences(slice(row, row + 1), window)[0])
        start = row - row % BLOCK_COSTS
        block = slice(start, start + BLOCK_COSTS)
        if self._known[0] != block:
            self._known = block, self._differences(block, window)
        return np.asarray(self._known[1][row - start])

    def _differences(self, rows: slice, columns: slice) -> Floats:
        """How different rows are from columns, [rows, columns]."""
        own, others = self._sound[rows], self._reference[columns]
        squares = np.square(own).sum(1)[:, None] + self._squares[columns] - 2 * (own @ others.T)
        costs = np.sqrt(np.maximum(squares, 0) / np.float32(own.shape[1]))
        return np.asarray(np.minimum(costs, self._limits[columns]), np.float32)


def _skips(gaps: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The last column of each gap and the first one of the next, shape [skips, 2]."""
    found = runs(gaps)
    return np.array([(stop - 1, start) for (_, stop), (start, _) in pairwise(found)], np.intp).reshape(-1, 2)
