"""Cutting a person out of a picture: the matte says how much of each pixel is the person, 0 to 255.

MediaPipe's selfie segmentation (Apache-2.0, converted by `training/person_model.py`) finds the person coarsely. Along
its edge the matte is refined by the colours on both sides, and by a guided filter (He et al. 2013; fast: He and Sun
2015). The person's colours are then freed from the old background (Forte 2021).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import JobError

if TYPE_CHECKING:
    import onnxruntime

VERSION = 2
"""Increment it when the mattes change: cached ones of other versions are not used."""

MODEL = Path(__file__).with_name("person.onnx")
SIDE = 256
"""The model sees squares of this many pixels."""
HEAD_REACH = 1.55
"""Side of the square around the head that the model sees besides, in heights of the face's box."""
SEAM = 12
"""The square's parts that fade into the first look, as a fraction of its side."""
INNER, OUTER = 2.5, 3.5
"""How far the edge of the person may be inside and outside that of the model, in the model's pixels."""
AREA_MIN, FACE_MIN = 0.01, 0.5
"""Least share of the frame, and of the face's box, that a person fills."""
HOLE_MAX = 0.002
"""Holes of up to this share of the frame are filled."""
NOISE = 400.0
"""Squared difference of colours below which they say nothing about the edge."""
UNEVEN = 6.0
"""How much uneven colours count against what they say."""
SMOOTH = 1e-4
"""The guided filter's regularisation: squared contrast that is smoothed away."""
CLEAR, OPAQUE = 0.1, 0.93
"""Shares of the person below and above which a pixel shows nothing else."""
FLOW_SIDE, FLOW_NOISE = 320, 6.0
"""Longer side of the frames in which movement is followed, and how much a moved pixel's grey may differ."""
STEADY = 0.6
"""Share of the frame before, as it has moved, in how likely a pixel is the person, and in the matte."""
NEAR, WIDE = 1 / 120, 1 / 8
"""Radii over which the person's colours are spread, in parts of the longer side."""

Picture = NDArray[np.uint8]
"""RGB [height, width, 3]."""
Matte = NDArray[np.uint8]
"""[height, width]."""
Floats = NDArray[np.float32]
Box = NDArray[np.float32]
"""[4]: x1, y1, x2, y2."""


def find_matte(picture: Picture, face: Box | None) -> Matte:
    """The matte of the person whose face is in a box; None: of the largest person. Raises JobError if there is none."""
    likely = _likelihood(picture, face)
    return _refined(picture, _person(likely, face))


def follow(frames: Iterable[tuple[Picture, Box | None]]) -> Iterator[tuple[Picture, Matte]]:
    """The mattes of the frames of a video, given with the person's face: steady, since each continues the one before.

    Where the person is not found, what was there before is kept. Raises JobError if nobody is found in the first frame.
    """
    before: _Before | None = None
    for picture, face in frames:
        small = _small_grey(picture)
        moved = None if before is None else before.moved_to(small)
        likely = _likelihood(picture, face)
        if moved is not None:
            likely += STEADY * moved.fits * (moved.likely - likely)
        fine = _floats(_refined(picture, _person_or(likely, face, moved)))
        if moved is not None:
            fine += STEADY * moved.fits * (moved.matte - fine)
        before = _Before(small, likely, fine)
        yield picture, np.asarray(np.rint(fine), np.uint8)


class _Moved(NamedTuple):
    """What was known of the frame before, where it is now."""

    likely: Floats
    matte: Floats
    fits: Floats
    """How well each pixel's grey agrees, 0..1."""


@dataclass(frozen=True)
class _Before:
    """What is known of the frame before."""

    small: NDArray[np.uint8]
    """Grey, its longer side `FLOW_SIDE`."""
    likely: Floats
    matte: Floats
    """0..255."""

    def moved_to(self, small: NDArray[np.uint8]) -> _Moved:
        """What is known, as it has moved (optical flow: Kroeger et al. 2016)."""
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(
            small, self.small, np.zeros((*small.shape, 2), np.float32)
        )
        rows, columns = small.shape
        source = _floats(np.dstack(np.meshgrid(np.arange(columns), np.arange(rows))) + flow)
        fits = np.exp(-np.square(_sampled(_floats(self.small), source) - small) / (2 * FLOW_NOISE**2))
        size, scale = self.likely.shape[::-1], self.likely.shape[1] / columns
        # A pixel's middle is half a pixel from its corner, in both sizes.
        whole = _floats((cv2.resize(source, size, interpolation=cv2.INTER_LINEAR) + 0.5) * scale - 0.5)
        likely, matte = (_sampled(plane, whole) for plane in (self.likely, self.matte))
        return _Moved(likely, matte, _floats(cv2.resize(_floats(fits), size, interpolation=cv2.INTER_LINEAR)))


def _sampled(plane: Floats, source: Floats) -> Floats:
    """The values of a plane at points [h, w, 2]: x, y."""
    x, y = (np.ascontiguousarray(source[..., axis]) for axis in range(2))
    return _floats(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _small_grey(picture: Picture) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    scale = FLOW_SIDE / max(height, width)
    size = max(round(width * scale), 16), max(round(height * scale), 16)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _person_or(likely: Floats, face: Box | None, moved: _Moved | None) -> NDArray[np.uint8]:
    """The person's pixels; if nobody is found, those of the frame before. Raises JobError if there is none."""
    try:
        return _person(likely, face)
    except JobError:
        if moved is None:
            raise
        return (moved.matte > 127).astype(np.uint8)


def foreground(picture: Picture, matte: Matte) -> Picture:
    """The person's colours, without what the old background adds to them at the edges; spread beyond the edges."""
    image, alpha = picture.astype(np.float32), np.float32(1 / 255) * matte[..., None]
    side = max(matte.shape)
    person = behind = image
    for radius in (max(round(side * WIDE), 2), max(round(side * NEAR), 1)):
        share = _mean(alpha, radius)[..., None]
        person_mean = _mean(person * alpha, radius) / (share + 1e-5)
        behind = _mean(behind * (1 - alpha), radius) / (1 - share + 1e-5)
        person = person_mean + alpha * (image - alpha * person_mean - (1 - alpha) * behind)
        person = person.clip(0, 255)
    return np.asarray(np.rint(person), np.uint8)


@cache
def _model() -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])


def _likelihood(picture: Picture, face: Box | None) -> Floats:
    """How likely each pixel belongs to a person, 0..1: from the whole picture, and from the part around the head."""
    whole = _seen(picture)
    if face is None:
        return whole
    height, width = whole.shape
    side = int(min(HEAD_REACH * (face[3] - face[1]), height, width))
    left = int(np.clip((face[0] + face[2] - side) / 2, 0, width - side))
    top = int(np.clip((face[1] + face[3] - side) / 2, 0, height - side))
    part = (slice(top, top + side), slice(left, left + side))
    weight = np.zeros_like(whole)
    weight[part] = 1
    seam = max(side // SEAM, 1)
    inside = cv2.erode(weight, np.ones((2 * seam + 1, 2 * seam + 1)), borderValue=1)
    weight = _mean(_floats(inside), seam)
    whole[part] += (_seen(picture[part]) - whole[part]) * weight[part]
    return whole


def _seen(picture: Picture) -> Floats:
    """What the model says, looking at a picture and at its mirror image."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    model = _model()
    (first,), (second,) = (
        model.run(None, {model.get_inputs()[0].name: view[None]})[0] for view in (small, small[:, ::-1])
    )
    both = (first + second[:, ::-1])[..., 0] / 2
    return np.asarray(cv2.resize(both, (width, height), interpolation=cv2.INTER_CUBIC), np.float32).clip(0, 1)


def _person(likely: Floats, face: Box | None) -> NDArray[np.uint8]:
    """The pixels that are likely to be the person, as one whole without small holes: 0 or 1. Raises JobError."""
    mask = (likely > 0.5).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    area = mask.size
    if face is not None:
        x1, y1, x2, y2 = np.rint(face).astype(int).clip(0)
        labels_there = labels[y1:y2, x1:x2]
        counts = np.bincount(labels_there.ravel(), minlength=2)
        counts[0] = 0
        chosen, share = int(counts.argmax()), float(counts.max()) / max(labels_there.size, 1)
    else:
        chosen, share = (1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), 1.0) if len(stats) > 1 else (0, 0.0)
    if chosen == 0 or share < FACE_MIN or stats[chosen, cv2.CC_STAT_AREA] < AREA_MIN * area:
        raise no_person()
    return _filled((labels == chosen).astype(np.uint8))


def no_person() -> JobError:
    """The error for a picture without a person that can be cut out."""
    hint = "use one that shows a person before a plain background, or add your own matte.png to the avatar"
    return JobError("no_person", "no person can be told from the avatar's background", field="background", hint=hint)


def _filled(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask)
    small = stats[:, cv2.CC_STAT_AREA] < HOLE_MAX * mask.size
    small[0] = False
    return np.asarray(mask | small[labels], np.uint8)


def _refined(picture: Picture, mask: NDArray[np.uint8]) -> Matte:
    """The matte whose edge is near that of a mask."""
    unit = max(mask.shape) / SIDE
    inside = cv2.erode(mask, _disc(INNER * unit), borderValue=1).astype(np.float32)
    outside = 1 - cv2.dilate(mask, _disc(OUTER * unit)).astype(np.float32)
    guide = np.float32(1 / 255) * picture
    soft = _floats(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(unit, 0.5)))
    smooth = _guided(guide, soft, OUTER * unit, max(round(unit), 1))
    share, certainty = _by_colours(guide, inside, outside, unit)
    rough = smooth + certainty * (share - smooth)
    fine = _guided(guide, rough, max(unit, 2), 1)
    fine = ((fine - CLEAR) / (OPAQUE - CLEAR)).clip(0, 1)
    fine[inside > 0] = 1
    fine[outside > 0] = 0
    return np.asarray(np.rint(255 * fine), np.uint8)


def _disc(radius: float) -> NDArray[np.uint8]:
    side = 2 * max(round(radius), 1) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _by_colours(guide: Floats, inside: Floats, outside: Floats, unit: float) -> tuple[Floats, Floats]:
    """How much of each pixel is the person by the colours around it, and how certain that is, both 0..1."""
    radius = 2 * (INNER + OUTER) * unit
    person, person_spread, person_near = _colours(guide, inside, radius)
    behind, behind_spread, behind_near = _colours(guide, outside, radius)
    line = person - behind
    squared = (line * line).sum(-1)
    share = (((guide - behind) * line).sum(-1) / (squared + 1e-6)).clip(0, 1)
    certainty = squared / (squared + UNEVEN * (person_spread + behind_spread) + NOISE / 255**2)
    return share, certainty * (np.minimum(person_near, behind_near) > 1e-3)


def _colours(guide: Floats, where: Floats, radius: float) -> tuple[Floats, Floats, Floats]:
    """Mean and variance of the colours that are marked, around each pixel; and how many are."""
    near = _mean(where, round(radius))
    weight = where[..., None]
    mean = _mean(guide * weight, round(radius)) / (near[..., None] + 1e-6)
    squares = _mean(guide * guide * weight, round(radius)) / (near[..., None] + 1e-6)
    return mean, np.maximum(squares - mean * mean, 0).sum(-1), near


def _guided(guide: Floats, target: Floats, radius: float, shrink: int) -> Floats:
    """The target, with its edges moved to those of the guide; `shrink`: computed at so many times smaller a size."""
    height, width = target.shape
    size = (max(width // shrink, 1), max(height // shrink, 1))
    small = _floats(cv2.resize(guide, size, interpolation=cv2.INTER_AREA))
    wanted = _floats(cv2.resize(target, size, interpolation=cv2.INTER_AREA))
    reach = max(round(radius / shrink), 1)
    mean, wanted_mean = _mean(small, reach), _mean(wanted, reach)
    covariance = _mean(small * wanted[..., None], reach) - mean * wanted_mean[..., None]
    slope = _solved(_variances(small, mean, reach), covariance)
    offset = wanted_mean - (slope * mean).sum(-1)
    lines = _mean(np.dstack([slope, offset]).astype(np.float32), reach)
    full = cv2.resize(lines, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray((full[..., :3] * guide).sum(-1) + full[..., 3], np.float32).clip(0, 1)


def _variances(guide: Floats, mean: Floats, reach: int) -> list[Floats]:
    """The colours' covariances around each pixel, regularised: of red and red, red and green, ..., blue and blue."""
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    products = _mean(np.dstack([guide[..., one] * guide[..., other] for one, other in pairs]), reach)
    return [
        _floats(products[..., at] - mean[..., one] * mean[..., other] + SMOOTH * (one == other))
        for at, (one, other) in enumerate(pairs)
    ]


def _solved(matrix: list[Floats], right: Floats) -> Floats:
    """Solve a symmetric 3 x 3 system for each pixel, by its adjugate: far faster than LAPACK on many small ones."""
    a, b, c, d, e, f = matrix
    rows = ((d * f - e * e, c * e - b * f, b * e - c * d), (a * f - c * c, b * c - a * e), (a * d - b * b,))
    (aa, ab, ac), (bb, bc), (cc,) = rows
    determinant = a * aa + b * ab + c * ac
    x, y, z = (right[..., axis] / determinant for axis in range(3))
    return np.dstack([aa * x + ab * y + ac * z, ab * x + bb * y + bc * z, ac * x + bc * y + cc * z])


def _floats(values: NDArray[Any]) -> Floats:
    return np.asarray(values, np.float32)


def _mean(values: Floats, radius: int) -> Floats:
    """The mean of the square around each pixel; of each channel for itself."""
    side = 2 * radius + 1
    channels = values.reshape(*values.shape[:2], -1)
    # OpenCV takes up to four channels at once.
    parts = [
        cv2.blur(np.ascontiguousarray(channels[..., at : at + 4]), (side, side), borderType=cv2.BORDER_REFLECT)
        for at in range(0, channels.shape[-1], 4)
    ]
    return np.asarray(np.dstack(parts).reshape(values.shape if values.shape[-1:] != (1,) else values.shape[:2]))
