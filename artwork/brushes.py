"""Brushes for drawing in code: smooth curves, soft-edged fills, tapering strokes, gradients and clips.

A shape is an array [n, 2] of points, close enough together to be joined by straight lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import skia
from numpy.typing import ArrayLike, NDArray

Shape = NDArray[np.float64]
"""[n, 2]: x, y."""

MULTIPLY = skia.BlendMode.kMultiply
SCREEN = skia.BlendMode.kScreen
SOFT_LIGHT = skia.BlendMode.kSoftLight
NORMAL = skia.BlendMode.kSrcOver

_STEPS = 14
"""Points per segment between two knots of a spline."""


def spline(knots: ArrayLike, *, closed: bool = False) -> Shape:
    """A smooth curve through all knots (centripetal Catmull-Rom, which does not loop or overshoot)."""
    points = np.asarray(knots, np.float64)
    if closed:
        padded = np.vstack([points[-1:], points, points[:2]])
    else:
        padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    segments = [_segment(*padded[start : start + 4]) for start in range(len(padded) - 3)]
    return np.vstack(segments if closed else [*segments, points[-1:]])


def _segment(before: Shape, start: Shape, end: Shape, after: Shape) -> Shape:
    pairs = ((before, start), (start, end), (end, after))
    spans = [max(float(np.hypot(*(b - a))) ** 0.5, 1e-6) for a, b in pairs]
    t0, t1, t2, t3 = np.cumsum([0.0, *spans])
    t = np.linspace(t1, t2, _STEPS, endpoint=False)[:, None]
    a1 = (t1 - t) / (t1 - t0) * before + (t - t0) / (t1 - t0) * start
    a2 = (t2 - t) / (t2 - t1) * start + (t - t1) / (t2 - t1) * end
    a3 = (t3 - t) / (t3 - t2) * end + (t - t2) / (t3 - t2) * after
    b1 = (t2 - t) / (t2 - t0) * a1 + (t - t0) / (t2 - t0) * a2
    b2 = (t3 - t) / (t3 - t1) * a2 + (t - t1) / (t3 - t1) * a3
    return np.asarray((t2 - t) / (t2 - t1) * b1 + (t - t1) / (t2 - t1) * b2)


def resampled(shape: Shape, count: int) -> Shape:
    """Resample an open curve to `count` equidistant points."""
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(shape, axis=0).T))])
    at = np.linspace(0.0, travelled[-1], count)
    return np.column_stack([np.interp(at, travelled, shape[:, axis]) for axis in (0, 1)])


def moved(shape: Shape, x: float, y: float) -> Shape:
    """Shift a shape, or a single point, by x and y."""
    return np.asarray(shape + np.array([x, y]))


def ellipse(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0.0) -> Shape:
    """An ellipse, turned clockwise by `degrees`."""
    angle = np.linspace(0.0, 2 * np.pi, 72, endpoint=False)
    across, down = radius_x * np.cos(angle), radius_y * np.sin(angle)
    turn = np.radians(degrees)
    return moved(
        np.column_stack([across * np.cos(turn) - down * np.sin(turn), across * np.sin(turn) + down * np.cos(turn)]),
        x,
        y,
    )


def ribbon(line: Shape, widths: Sequence[float]) -> Shape:
    """The outline of a stroke along `line`; its width is interpolated between the equidistant `widths`."""
    tangent = np.gradient(line, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    half = np.interp(np.linspace(0, 1, len(line)), np.linspace(0, 1, len(widths)), widths)[:, None] / 2
    return np.vstack([line + normal * half, (line - normal * half)[::-1]])


def ribbon_at(knots: ArrayLike, widths: Sequence[float]) -> Shape:
    """A tapering stroke along the spline through `knots`."""
    return ribbon(resampled(spline(knots), 60), widths)


def ink(colour: str, alpha: float = 1.0) -> int:
    """A Skia colour from "#RRGGBB"."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return int(skia.Color(red, green, blue, round(255 * alpha)))


def mixed(colour: str, other: str, share: float) -> str:
    """Blend `colour` and `other`; `share` is the weight of `other`."""
    pairs = ((int(colour[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in pairs)


def linear(start: tuple[float, float], end: tuple[float, float], *colours: str | int) -> skia.Shader:
    """A gradient along a line through equidistant colours ("#RRGGBB", or made by `ink`)."""
    inks = [ink(colour) if isinstance(colour, str) else colour for colour in colours]
    return skia.GradientShader.MakeLinear([skia.Point(*start), skia.Point(*end)], inks, None)


def radial(centre: tuple[float, float], radius: float, colours: Sequence[int], stops: Sequence[float]) -> skia.Shader:
    """A gradient around a point; `colours` are made by `ink`."""
    return skia.GradientShader.MakeRadial(skia.Point(*centre), radius, list(colours), list(stops))


def _path(shape: Shape, *, closed: bool = True) -> skia.Path:
    """The shape as a Skia path."""
    return skia.Path.Polygon([skia.Point(float(x), float(y)) for x, y in shape], closed)


def _paint(colour: int | skia.Shader, blur: float, mode: skia.BlendMode) -> skia.Paint:
    paint = skia.Paint(AntiAlias=True, BlendMode=mode)
    if isinstance(colour, int):
        paint.setColor(colour)
    else:
        paint.setShader(colour)
    if blur:
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
    return paint


def fill(
    canvas: skia.Canvas,
    shape: Shape,
    colour: int | skia.Shader,
    blur: float = 0.0,
    mode: skia.BlendMode = NORMAL,
) -> None:
    """Fill a shape; `blur` is the softness of its edge in pixels (one sigma)."""
    canvas.drawPath(_path(shape), _paint(colour, blur, mode))


def stroke(canvas: skia.Canvas, line: Shape, width: float, colour: int | skia.Shader, blur: float = 0.0) -> None:
    """Draw an open line."""
    paint = _paint(colour, blur, NORMAL)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(width)
    paint.setStrokeCap(skia.Paint.kRound_Cap)
    canvas.drawPath(_path(line, closed=False), paint)


@contextmanager
def clipped(canvas: skia.Canvas, shape: Shape) -> Iterator[None]:
    """Restrict drawing to the inside of a shape."""
    canvas.save()
    canvas.clipPath(_path(shape), doAntiAlias=True)
    try:
        yield
    finally:
        canvas.restore()


@contextmanager
def soft_layer(canvas: skia.Canvas, shape: Shape, blur: float) -> Iterator[None]:
    """Draw into a layer that is then masked by a shape with a soft edge."""
    canvas.saveLayer()
    try:
        yield
    finally:
        canvas.saveLayer(paint=skia.Paint(BlendMode=skia.BlendMode.kDstIn))
        fill(canvas, shape, ink("#000000"), blur)
        canvas.restore()
        canvas.restore()
