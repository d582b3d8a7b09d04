"""Moves the landmarks of the lips' inner edges to the edges that the picture shows.

Landmarks are accurate to about a thirtieth of the mouth's width, which would leave teeth and shadow on closing lips, or
take the lips for teeth.
The edge of a lip is the strongest colour change near the landmarks; closed lips meet in the darkest line. Both are
found as the best path through a strip along the mouth (dynamic programming, as in seam carving).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

MEETING_GAP = 0.02
"""Lips closer than this, in mouth widths, count as closed: landmarks are no more accurate."""
TRACED_MOUTH_PIXELS_MIN = 8
"""In a narrower mouth edges cannot be distinguished."""
COLUMNS = np.linspace(-0.98, 0.98, 50, dtype=np.float32)
"""Where edges are searched for: -1 and 1 are the corners of the mouth."""
STEP = 0.006
"""The strip's resolution across the lips, in mouth widths."""
REACH = 24
"""Search range around the landmarks, in steps."""
SURE_SEAM, SURE_CORNER = 0.06, 0.1
"""Where closed lips meet, and the corners of open ones, are rarely further from the landmarks, in mouth widths."""
SURE_OUTWARDS, SURE_INWARDS = 0.03, 0.03
"""The same for the edges of open lips. Losing a little lip is better than including teeth."""
DARKENING = 0.5
"""How much less an edge is worth if it is darker further in: teeth are brighter than lips, and what is darker may be a
lip beside the skin, or the dark beside a tooth."""
LOWER_TEETH = 8
"""How far lower teeth show below the upper ones in most smiles, in steps."""
BETWEEN_TEETH = 0.6
"""How much less an edge is worth if it is the dark line between both rows of teeth."""
LINE_CONTRAST, TEETH_CONTRAST = 40.0, 24.0
"""Teeth are at least this much brighter than the lip: inside of such a line, and below it. In grey levels."""
TEETH_ON_LIP = 0.015
"""Leaving a strip of teeth this wide on the lower lip costs 1, in mouth widths."""
VALLEY = 4
"""Half the width of the dark line between closed lips, in steps."""
STRONG = 0.2
"""An edge is worth 1 if it has this fraction of the contrast that the best ones of most columns have."""
SLOPE_COST = 0.2
"""Cost of one step up or down between neighbouring columns."""
CORNER_HEIGHT = 0.024
"""The end of an opening is looked for this far above and below its corner, in mouth widths."""

Floats = NDArray[np.float32]


def on_lip_edges(inner: Floats, picture: NDArray[np.uint8]) -> Floats:
    """Move the contour `lips_inner` [20, 2] of a face to the edges of the lips in a picture, RGB [h, w, 3]."""
    across = inner[10] - inner[0]
    if float(np.hypot(*across)) < TRACED_MOUTH_PIXELS_MIN:
        return inner
    down = np.array([-across[1], across[0]], np.float32)
    upper, lower = inner[:11], np.concatenate([inner[10:], inner[:1]])[::-1]
    meeting = float((inner[15] - inner[5]) @ down) < MEETING_GAP * float(across @ across)
    if meeting:
        upper = lower = (upper + lower) / 2
        seam = _path(_valleys(_strip(picture, upper, down * STEP)), SURE_SEAM, SURE_SEAM)
        offsets = (seam, seam)
    else:
        offsets = _open_edges(picture, upper, lower, down)
    moved = [_moved(line, some * STEP, down) for line, some in zip((upper, lower), offsets, strict=True)]
    left, right = (moved[0][[0, 10]] + moved[1][[0, 10]]) / 2
    if not meeting:
        left, right = _end(picture, left, -across, down), _end(picture, right, across, down)
    return np.concatenate([left[None], moved[0][1:10], right[None], moved[1][9:0:-1]])


def _open_edges(picture: NDArray[np.uint8], upper: Floats, lower: Floats, down: Floats) -> tuple[Floats, Floats]:
    """How far down the edges of open lips are from the lines [11, 2] near them, in steps [columns]."""
    beneath, above = _strip(picture, upper, down * STEP), _strip(picture, lower, -down * STEP)
    # Neither edge is beyond the middle, where it would be that of the other lip.
    room = np.maximum((_heights(lower, down) - _heights(upper, down)) / (2 * STEP), 1)
    own = np.arange(-REACH, REACH + 1)[:, None] < room
    scores = _edges(above) * (1 - BETWEEN_TEETH * _teeth_beyond(above))
    return (
        _path(_edges(beneath) * own, SURE_OUTWARDS, SURE_INWARDS),
        -_path(scores * own, SURE_OUTWARDS, SURE_INWARDS, _teeth_on_lip(above)),
    )


def _end(picture: NDArray[np.uint8], corner: Floats, out: Floats, down: Floats) -> Floats:
    """Where the opening at a corner [2] of the mouth ends. `out`, `down`: one mouth width in these directions."""
    line = corner + np.linspace(-CORNER_HEIGHT, CORNER_HEIGHT, 11, dtype=np.float32)[:, None] * down
    changes = np.abs(_changes(_strip(picture, line, out * STEP).mean(1, keepdims=True))[REACH:, 0]).sum(-1)
    distances = np.arange(REACH + 1, dtype=np.float32) * STEP
    worth = changes / max(float(changes.max()), 1.0) - (distances / SURE_CORNER) ** 2
    return np.asarray(corner + distances[worth.argmax()] * out, np.float32)


def _heights(line: Floats, down: Floats) -> Floats:
    """How far down the edge of a lip [11, 2] is in each column, in mouth widths [columns]."""
    return np.asarray(np.interp(COLUMNS, _positions(line), line @ down / (down @ down)), np.float32)


def _positions(line: Floats) -> Floats:
    """Positions of the points [11, 2] of a lip's edge between the corners, -1 to 1."""
    across = line[10] - line[0]
    return np.asarray((line - line[0]) @ across / (across @ across) * 2 - 1, np.float32)


def _strip(picture: NDArray[np.uint8], line: Floats, step: Floats) -> Floats:
    """Colours [rows, columns, 3] in a strip along a line of points."""
    rows = np.arange(-REACH - VALLEY, REACH + VALLEY + 1, dtype=np.float32)
    positions = _positions(line)
    x, y = (np.interp(COLUMNS, positions, line[:, axis]) + rows[:, None] * step[axis] for axis in (0, 1))
    return cv2.remap(picture, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR).astype(np.float32)


def _changes(strip: Floats) -> Floats:
    """Colour difference between the rows before and after, [rows, columns, 3]."""
    return strip[VALLEY + 1 : -VALLEY + 1] - strip[VALLEY - 1 : -VALLEY - 1]


def _edges(strip: Floats) -> Floats:
    """How much of an edge of a lip each point is, in a strip that goes inwards, [rows, columns]."""
    changes = _changes(strip)
    return np.asarray(np.abs(changes).sum(-1) * np.where(changes.sum(-1) < 0, DARKENING, 1), np.float32)


def _teeth_beyond(strip: Floats) -> Floats:
    """How surely each point is on the dark line between both rows of teeth, in a strip that goes inwards.

    Beyond the line it is bright again before the lip begins. 0 to 1, [rows, columns].
    """
    light = strip.mean(-1)
    rows = len(light) - 2 * VALLEY
    inside = np.mean([light[VALLEY + 1 + row :][:rows] for row in range(VALLEY)], 0)
    outwards = np.concatenate([np.repeat(light[:1], 2 * LOWER_TEETH, 0), light])[VALLEY:]
    windows = np.lib.stride_tricks.sliding_window_view(outwards, LOWER_TEETH, 0)
    further, beside = np.median(windows[:rows], -1), windows[LOWER_TEETH:][:rows].max(-1)
    beyond = ((beside - further) / np.maximum(inside - further, LINE_CONTRAST)).clip(0, 1)
    return np.asarray(np.where(_changes(strip).sum(-1) < 0, 0, beyond), np.float32)


def _teeth_on_lip(strip: Floats) -> Floats:
    """What an edge at each point costs as it leaves teeth on the lip, in a strip that goes inwards, [rows, columns].

    What is as bright as teeth beyond the landmarks is light on the lip.
    """
    light = strip[VALLEY:-VALLEY].mean(-1)
    lip = np.quantile(light[:REACH], 0.75, 0)
    half = np.maximum(np.quantile(light[REACH:], 0.85) - lip, TEETH_CONTRAST) / 2
    teeth = ((light - lip) / half - 1).clip(0, 1)
    teeth[:REACH] = 0
    return np.asarray(teeth.cumsum(0) * (STEP / TEETH_ON_LIP), np.float32)


def _valleys(strip: Floats) -> Floats:
    """How much darker each point is than those above and below, [rows, columns]."""
    light = strip.sum(-1)
    around = np.minimum(light[: -2 * VALLEY], light[2 * VALLEY :])
    return np.asarray((around - light[VALLEY:-VALLEY]).clip(min=0), np.float32)


def _path(scores: Floats, before: float, after: float, cost: Floats | float = 0.0) -> Floats:
    """The best path through scores [rows, columns] from left to right: offsets from the middle row, in steps [columns].

    `before` and `after`: how far from the middle an edge is still likely, in mouth widths; `cost` [rows, columns]: what
    speaks against it.
    """
    rows = np.arange(-REACH, REACH + 1)
    strong = max(STRONG * float(np.median(scores.max(0))), 1.0)
    worth = scores / strong - ((rows * STEP / np.where(rows < 0, before, after)) ** 2)[:, None] - cost
    climbs = SLOPE_COST * (rows[:, None] - rows) ** 2
    every, total, came_from = np.arange(len(rows)), worth[:, 0], []
    for column in worth.T[1:]:
        ways = total - climbs
        came_from.append(ways.argmax(1))
        total = ways[every, came_from[-1]] + column
    path = [int(total.argmax())]
    for origins in reversed(came_from):
        path.append(int(origins[path[-1]]))
    return np.array(path[::-1], np.float32) - REACH


def _moved(line: Floats, offsets: Floats, down: Floats) -> Floats:
    """The points [11, 2] of a lip's edge, each moved down by the offset at its position, in mouth widths."""
    return np.asarray(line + np.interp(_positions(line), COLUMNS, offsets)[:, None] * down, np.float32)
