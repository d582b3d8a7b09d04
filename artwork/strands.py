"""Hair: sheets of strands that flow between a few guides, drawn lock by lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import skia
from numpy.typing import ArrayLike, NDArray

from artwork.brushes import Shape, clipped, fill, ink, linear, mixed, moved, resampled, ribbon, spline, stroke

GUIDE_POINTS = 60
"""Points of a guide and of a strand."""
ROOT_POINTS = 6
"""How many of these points are in the shade at the roots."""


@dataclass(frozen=True)
class HairColours:
    """Hair colours, from the gaps between locks to the highlights."""

    deep: str
    dark: str
    base: str
    warm: str
    light: str
    glint: str


@dataclass(frozen=True)
class HairSheet:
    """Hair that grows from one line of roots; every strand is interpolated between the guides."""

    guides: NDArray[np.float64]
    """[guide, GUIDE_POINTS, 2]."""

    @classmethod
    def through(cls, guides: Sequence[ArrayLike]) -> HairSheet:
        """The sheet between guides given by a few points each."""
        return cls(np.stack([resampled(spline(guide), GUIDE_POINTS) for guide in guides]))

    def strands(self, across: NDArray[np.float64]) -> NDArray[np.float64]:
        """[strand, GUIDE_POINTS, 2]; `across` [strand, GUIDE_POINTS]: 0 at the first guide, 1 at the last."""
        at = np.clip(across, -0.06, 1.06) * (len(self.guides) - 1)
        below = np.clip(np.floor(at).astype(int), 0, len(self.guides) - 2)
        share = (at - below)[..., None]
        along = np.arange(GUIDE_POINTS)[None, :]
        return np.asarray(self.guides[below, along] * (1 - share) + self.guides[below + 1, along] * share)

    def strand(self, across: float) -> Shape:
        """One strand, [GUIDE_POINTS, 2]."""
        return np.asarray(self.strands(np.full((1, GUIDE_POINTS), across))[0])

    def outline(self, first: float, last: float) -> Shape:
        """The outline of the strands between two positions across the sheet, without their roots."""
        across = np.linspace(first, last, 40)[:, None] * np.ones(GUIDE_POINTS)
        lines = self.strands(across)[:, 2:]
        return np.vstack([lines[0], lines[1:, -1], lines[-1, ::-1], lines[::-1, 0]])


@dataclass(frozen=True)
class Lock:
    """A bundle of strands of a sheet that share a wave and converge at the tip."""

    sheet: HairSheet
    centre: float
    """Position across the sheet: 0 at the first guide, which is the silhouette, 1 at the last."""
    width: float
    length: float
    """How far along the guides the lock reaches, 0 to 1."""
    light: float
    """Brightness above the darkest lock, 0 to 1."""
    crown: float
    """Position of the crown's highlight along the lock, 0 to 1."""
    wave: float = 0.0
    """Amplitude of the wave in pixels."""
    waves: float = 0.0
    """Waves along a guide."""
    phase: float = 0.0
    start: float = 0.0
    """Position along the guides at which it emerges from the hair below; 0: at its roots."""

    def strands(self, within: NDArray[np.float64]) -> NDArray[np.float64]:
        """[strand, GUIDE_POINTS, 2] for positions across the lock from -1 to 1."""
        along = np.linspace(0, 1, GUIDE_POINTS)[None, :]
        gathered = np.interp(along / self.length, [0, 0.6, 0.85, 0.94, 1], [1.0, 1.0, 1.05, 0.8, 0.04])
        if self.start:
            gathered *= np.interp(along, [self.start, self.start + 0.15], [0.15, 1.0])
        lines = self.sheet.strands(self.centre + 0.5 * self.width * within[:, None] * gathered)
        swing = np.interp(along, [0, 0.32, 0.6, 1], [0, 0, 1, 1.3])
        lines[..., 0] += self.wave * swing * np.sin(2 * np.pi * self.waves * along + self.phase)
        shown = slice(round(GUIDE_POINTS * self.start), max(8, round(GUIDE_POINTS * self.length)))
        return np.stack([resampled(line[shown], GUIDE_POINTS) for line in lines])

    def crests(self) -> list[float]:
        """Positions along the lock, 0 to 1, where its waves bulge outwards and catch the light."""
        if not self.waves:
            return []
        turns = np.arange(0, 8) + 0.25 - self.phase / (2 * np.pi)
        places = (turns / self.waves - self.start) / (self.length - self.start)
        return [float(place) for place in places if 0.45 < place < 0.97]


@dataclass(frozen=True)
class Strands:
    """Single strands drawn over a part of a lock."""

    start: float
    end: float
    """`start` and `end`: the part, as positions from 0 to 1 along the lock."""
    count: int
    colours: tuple[str, str]
    """The two ends of the strands' range of colours."""
    alpha: float


def draw_hair(canvas: skia.Canvas, line: Shape, width: float, colour: int, blur: float = 0.4) -> None:
    """Draw a single hair, or a few that stick together: a stroke that tapers at both ends."""
    fill(canvas, ribbon(resampled(line, 40), (0.2, width, width * 0.9, 0.2)), colour, blur)


def draw_lock(canvas: skia.Canvas, lock: Lock, colours: HairColours, dice: np.random.Generator) -> None:
    """Draw a lock: its body, the strands on it, and the light on crown and crests."""
    shade = float(np.clip(dice.normal(0.42 + lock.light, 0.34), 0, 1.3))
    _draw_body(canvas, lock, mixed(colours.dark, colours.warm, shade), colours)
    draw_strands(canvas, lock, Strands(0.0, 1.0, 30, (colours.deep, colours.warm), 0.34), dice)
    draw_strands(canvas, lock, Strands(0.5, 1.0, 14, (colours.warm, colours.light), 0.42), dice)
    crown = Strands(lock.crown - 0.13, lock.crown + 0.18, 20, (colours.warm, colours.glint), 0.34 + lock.light)
    draw_strands(canvas, lock, crown, dice)
    for crest in lock.crests():
        glints = Strands(crest - 0.10, crest + 0.10, 12, (colours.light, colours.glint), 0.32 + lock.light * 0.6)
        draw_strands(canvas, lock, glints, dice)


def _draw_body(canvas: skia.Canvas, lock: Lock, body: str, colours: HairColours) -> None:
    """Draw the body of a lock: dark at the root and along its edges, lighter towards the tip."""
    edges = lock.strands(np.array([-1.0, 1.0]))
    outline = np.vstack([edges[0], edges[1][::-1]])
    if lock.centre > 0.2:
        fill(canvas, moved(outline, 0, 3), ink(colours.deep, 0.30), blur=6)
    root, tip = mixed(body, colours.dark, 0.6), mixed(body, colours.light, 0.55)
    ends = edges.mean(0)[[0, -1]]
    shade = linear(tuple(ends[0]), tuple(ends[1]), root, body, body, mixed(body, tip, 0.4), tip)
    fill(canvas, outline, shade, blur=0.5)
    with clipped(canvas, outline):
        if not lock.start:
            roots = np.vstack([edges[0][:ROOT_POINTS], edges[1][:ROOT_POINTS][::-1]])
            fill(canvas, roots, ink(colours.deep, 0.66), blur=10)
        for edge in edges:
            stroke(canvas, edge, 8, ink(colours.deep, 0.50), blur=4)
        for crest in lock.crests():
            _draw_crest(canvas, lock, crest, colours)


def _draw_crest(canvas: skia.Canvas, lock: Lock, crest: float, colours: HairColours) -> None:
    """Draw the soft sheen on the crest of a wave."""
    middle = lock.strands(np.array([-0.1]))[0]
    at = np.arange(GUIDE_POINTS) / GUIDE_POINTS
    piece = middle[(at > crest - 0.08) & (at < crest + 0.08)]
    if len(piece) > 3:
        sheen = ribbon(resampled(piece, 40), (1, 15, 15, 1))
        fill(canvas, sheen, ink(colours.light, 0.26 + lock.light), blur=5)


def draw_strands(canvas: skia.Canvas, lock: Lock, strands: Strands, dice: np.random.Generator) -> None:
    """Draw thin tapering strokes at random positions within a part of the lock."""
    within = np.clip(dice.normal(0, 0.5, strands.count), -0.98, 0.98)
    for line in lock.strands(within):
        start, end = np.sort(dice.uniform(strands.start, strands.end, 2))
        piece = line[max(0, int(start * GUIDE_POINTS)) : int(end * GUIDE_POINTS) + 1]
        width = float(dice.uniform(0.8, 2.4))
        colour = mixed(*strands.colours, float(dice.uniform(0, 1)))
        alpha = strands.alpha * float(dice.uniform(0.5, 1.0))
        if len(piece) >= 5:
            draw_hair(canvas, piece, width, ink(colour, alpha))
