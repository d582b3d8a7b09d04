"""Measures a face in every frame of a clip, including the mouth movements that must be undone.

A still picture is a clip of one frame. Lengths are in mouth widths: the distance of the corners of the closed mouth.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import FaceLandmarks
from pipeline.avatars.scenes import Indices

GAP_NOISE, MOVING_NOISE = 0.03, 0.05
"""Typical error of landmarks, in mouth widths: for closed lips, and for a face from frame to frame."""
OPEN_FRINGE = 0.025
"""Width, summed over both sides, beyond an opening's edges that may still be blurred teeth or shadow."""
SMILE_GAP = 0.25
"""If the lips of a face at rest are further apart, its jaw is down."""
JAW_BY_GAP, CORNERS_BY_GAP, MIDDLE_BY_GAP = 0.6, 0.2, 0.5
"""For each unit of the further gap, closed lips raise the chin and the corners of the mouth by so much and meet so
much above the middle of the gap."""
CHEEK_DEPTH = 0.92
"""Narrowing lips pull on the skin down to this fraction of the way to the chin."""
LINE_TERMS, GAP_TERMS = 6, 3
"""Terms of the polynomials for the line of the lips and for their gap: enough for a Cupid's bow, too few for noise."""
REST_FRAMES = 30
"""The face at rest is estimated from about this many frames on either side."""
ASIDE_NOISE, ASIDE_MAX = 0.06, 0.25
"""How far the middle of the lips may be off that of the corners in a face from the front, and in one that is turned
aside, in mouth widths."""
OPENING_ASIDE = 0.6
"""The middle of an opening is this fraction as far aside: more would look lopsided."""
EYES_PER_MOUTH, MOVES_MIN, MOVES_MAX = 1.27, 0.8, 1.1
"""Distance of the eyes of a face that moves by the amounts of `Pose`, and limits for other faces' movement."""
REST_GAP = 0.02
"""Frames with a smaller gap between the lips dominate this estimate."""

Floats = NDArray[np.float32]
Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class FaceFrame:
    """The face's own coordinates in each frame of a clip.

    The origin is between the corners of the mouth at rest, x points towards the picture's right corner, y towards the
    chin. The frame is fixed to the eyes and the nose, so it does not depend on the face's rotation, size and mouth.
    """

    centre: Floats
    """[n, 2]: x, y in pixels."""
    right: Floats
    """[n, 2]: unit vector along the mouth."""
    width_pixels: Floats
    """[n]: pixels of one mouth width."""

    @property
    def axes(self) -> Floats:
        """[n, 2, 2]: the frame's x and y axes as rows, in pixels."""
        down = np.stack([-self.right[:, 1], self.right[:, 0]], 1)
        return np.stack([self.right, down], 1)

    def at(self, clip_frames: Indices) -> FaceFrame:
        """The coordinates in some frames of the clip [m]."""
        return FaceFrame(self.centre[clip_frames], self.right[clip_frames], self.width_pixels[clip_frames])

    def to_face(self, points: Array) -> Floats:
        """Pixels [n, points, 2] to face coordinates."""
        offset = points - self.centre[:, None]
        return _floats(offset @ self.axes.swapaxes(1, 2) / self.width_pixels[:, None, None])

    def to_pixels(self, points: Array) -> Floats:
        """Face coordinates [points, 2] or [n, points, 2] to pixels [n, points, 2]."""
        return _floats(points @ self.axes * self.width_pixels[:, None, None] + self.centre[:, None])


@dataclass(frozen=True)
class FaceShape:
    """Sizes of a face, float32 tensors [n, 1, 1] with one entry for each frame of the clip."""

    own_seam: torch.Tensor
    """[n, terms, 1, 1]: coefficients for `lip_line` of the middle line between the picture's lips."""
    own_gap: torch.Tensor
    """[n, terms, 1, 1]: coefficients for `lip_gap` of the distance between them; 0 if the picture's lips meet."""
    seam: torch.Tensor
    """[n, terms, 1, 1]: coefficients for `lip_line` of the line where closed lips meet."""
    own_width: torch.Tensor
    """Distance between the picture's mouth corners; 1 at rest."""
    own_drop: torch.Tensor
    """How much further down the picture's chin is than at rest."""
    upper_lip: torch.Tensor
    lower_lip: torch.Tensor
    middle: torch.Tensor
    """Height of the seam in the middle of the mouth, below the corners."""
    skew: torch.Tensor
    """How far the middle of an opening is aside, as the nearer half of a turned mouth is wider: see `centred`."""
    nose: torch.Tensor
    """From the seam up to the base of the nose."""
    chin: torch.Tensor
    """From the seam down to the chin at rest."""
    half_width: torch.Tensor
    """From the middle of the face to the widest point of the jaw."""
    cheek: torch.Tensor
    """Half the width of the largest ellipse around the mouth that stays inside the jaw."""
    moves: torch.Tensor
    """How far the jaw moves in mouth widths, relative to other faces: by the size of the face, not of its smile."""

    @classmethod
    def measure(cls, landmarks: FaceLandmarks) -> tuple[FaceFrame, FaceShape]:
        """Measure a face: contours [points, 2] of a still picture, or [n, points, 2] of a clip's frames."""
        face = _in_frames(landmarks)
        nearness = 1 / (REST_GAP + _gap(face)) ** 2
        frame, speaking = _settled(_rigid_frame(face, nearness), face, nearness)
        lips, outer = frame.to_face(face.lips_inner), frame.to_face(face.lips_outer)
        own_seam, own_gap = _fitted_lips(lips)
        seam = _at_rest(own_seam, nearness)
        own_seam = seam + speaking[:, None] * (own_seam - seam)
        agape = (_at_rest(own_gap[:, :1], nearness)[:, 0] - SMILE_GAP).clip(min=0)
        seam = seam - agape[:, None] * (CORNERS_BY_GAP, 0, MIDDLE_BY_GAP - CORNERS_BY_GAP, *[0] * (LINE_TERMS - 1))
        middle = seam[:, 0] + seam[:, 2]
        jaw = frame.to_face(face.jaw)
        chin_at_rest = _at_rest(jaw[:, 10, 1:], nearness)[:, 0] - JAW_BY_GAP * agape
        usual_jaw = np.median(jaw, 0)
        lines = {"own_seam": own_seam, "own_gap": own_gap, "seam": seam}
        sizes = {
            "own_width": 1 + speaking * np.clip(lips[:, 10, 0] - lips[:, 0, 0] - 1, -0.5, 1),
            "own_drop": speaking * _drop(jaw, nearness).clip(-0.1, 0.4) + JAW_BY_GAP * agape,
            "upper_lip": np.clip(lips[:, 5, 1] - outer[:, 5, 1], 0.06, 0.3),
            "lower_lip": np.clip(outer[:, 15, 1] - lips[:, 15, 1], 0.08, 0.35),
            "middle": middle,
            "skew": _skew(lips[:, [5, 15], 0].mean(1)),
            "nose": np.maximum(middle - frame.to_face(face.nose)[:, 1, 1], 0.25),
            "chin": np.maximum(chin_at_rest - middle, 0.5),
            "half_width": np.full(len(jaw), max(np.abs(usual_jaw[:, 0]).max(), 1.0)),
            "cheek": np.full(len(jaw), _cheek(usual_jaw - (0, np.median(middle)))),
            "moves": np.full(len(jaw), _moves(frame, face)),
        }
        return frame, cls(**{name: _tensor(value) for name, value in (lines | sizes).items()})

    def to(self, device: torch.device) -> FaceShape:
        """Copy to a device."""
        return replace(self, **{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def at(self, clip_frames: Indices) -> FaceShape:
        """The sizes in some frames of the clip [m]."""
        index = torch.from_numpy(clip_frames)
        return replace(self, **{field.name: getattr(self, field.name)[index] for field in fields(self)})


def lip_line(coefficients: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """Height of a lip line [n, terms, 1, 1] at s [n, h, w], where -1 and 1 are the corners."""
    first, slope, *curve = coefficients.unbind(1)
    total = curve[-1]
    for coefficient in reversed(curve[:-1]):
        total = total * s + coefficient
    return total * (1 - s * s) + slope * s + first


def lip_gap(coefficients: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """Distance between the lips at s [n, h, w], where -1 and 1 are the corners; an opening ends bluntly there."""
    first, *others = coefficients.flip(1).unbind(1)
    total = first
    for coefficient in others:
        total = total * s + coefficient
    return (total * (1 - s * s).sqrt()).clamp(min=0)


def centred(s: torch.Tensor, skew: torch.Tensor) -> torch.Tensor:
    """Where points s of a turned mouth are in one from the front; -1 and 1 are the corners.

    Of the farther half less is seen the nearer to the corner.
    """
    return s - (1 - s * s).clamp(min=0) * (skew + skew.abs() * s)


def _floats(values: NDArray[Any]) -> Floats:
    return np.asarray(values, np.float32)


def _tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(_floats(values))[..., None, None]


def _in_frames(landmarks: FaceLandmarks) -> FaceLandmarks:
    """The landmarks with a leading axis for the clip's frames."""
    contours = {field.name: np.asarray(getattr(landmarks, field.name), np.float32) for field in fields(landmarks)}
    return replace(landmarks, **{name: points.reshape(-1, *points.shape[-2:]) for name, points in contours.items()})


def _gap(face: FaceLandmarks) -> Array:
    """Distance between the lips in the middle, roughly in mouth widths. [n]."""
    inner = face.lips_inner
    width = np.hypot(*(inner[:, 10] - inner[:, 0]).T)
    return np.asarray(np.hypot(*(inner[:, 15] - inner[:, 5]).T) / np.maximum(width, 1e-6))


def _at_rest(values: Array, nearness: Array) -> Array:
    """Slowly changing values [n, k], estimated for closed lips: a running mean dominated by closed frames."""
    weighted = np.column_stack([values * nearness[:, None], nearness])
    reach = 3 * REST_FRAMES
    sums = cv2.GaussianBlur(weighted, (1, 2 * reach + 1), 0, sigmaY=REST_FRAMES, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(sums[:, :-1] / sums[:, -1:])


def _rigid_frame(face: FaceLandmarks, nearness: Array) -> FaceFrame:
    """The frame of the mouth at rest, from eyes and nose. Points are complex numbers: rotation is multiplication."""
    left, right = _complex(face.lips_inner[:, 0]), _complex(face.lips_inner[:, 10])
    eyes = _complex(face.right_eye.mean(1)) - _complex(face.left_eye.mean(1))
    eyes = np.where(np.abs(eyes) < 1, right - left, eyes)
    nose = _complex(face.nose.mean(1))
    mouth = np.stack([right - left, (left + right) / 2 - nose], 1) / eyes[:, None]
    rest = _at_rest(np.column_stack([mouth.real, mouth.imag]), nearness)
    across, below = (rest[:, :2] + 1j * rest[:, 2:]).T * eyes
    # Horizontally the frame follows the mouth itself: its corners are located better than nose and eyes.
    direction = across / np.abs(across)
    moved = (nose + below - (left + right) / 2) / direction
    centre = (left + right) / 2 + 1j * moved.imag * direction
    return FaceFrame(_real(centre), _real(direction), _floats(np.abs(across)))


def _settled(frame: FaceFrame, face: FaceLandmarks, nearness: Array) -> tuple[FaceFrame, Array]:
    """The frame, fixed to the mouth while it rests; and how certain it is that the mouth moves, 0 to 1 [n].

    A resting mouth is best left unchanged: the movement of its landmarks is noise.
    """
    corners = frame.to_face(face.lips_inner[:, [0, 10]])
    height, width = corners[..., 1].mean(1), corners[:, 1, 0] - corners[:, 0, 0]
    drop = _drop(frame.to_face(face.jaw), nearness)
    signs = np.abs(np.stack([height, width - 1, drop, _gap(face)])).max(0)
    speaking = _surely(signs, MOVING_NOISE)
    down = frame.axes[:, 1] * ((1 - speaking) * height * frame.width_pixels)[:, None]
    return replace(frame, centre=_floats(frame.centre + down)), speaking


def _surely(amounts: Array, noise: float) -> Array:
    """0 for amounts up to half the noise, 1 from 1.5 times the noise on."""
    t = np.clip(amounts / noise - 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _drop(jaw: Floats, nearness: Array) -> Array:
    """How much further down the chin is than at rest, for jaws [n, 21, 2] in the face's frame."""
    lowest = jaw[:, 9:12, 1].mean(1, keepdims=True)
    return np.asarray((lowest - _at_rest(lowest, nearness))[:, 0])


def _complex(points: Array) -> NDArray[np.complex128]:
    return np.asarray(points[:, 0] + 1j * points[:, 1])


def _real(points: NDArray[np.complex128]) -> Floats:
    return _floats(np.stack([points.real, points.imag], 1))


def _fitted_lips(lips: Floats) -> tuple[Array, Array]:
    """Coefficients of the middle line and of the gap of lips [n, 20, 2].

    With s = -1 and 1 at the corners, the line is a straight line plus (1 - s^2) times a polynomial in s; the gap is the
    square root of 1 - s^2 times another polynomial. Both are fitted together to all points by least squares.
    """
    left, right = lips[:, :1], lips[:, 10:11]
    points = np.concatenate([lips[:, 1:10], lips[:, 11:]], 1)
    side = np.repeat([-0.5, 0.5], 9)
    width = np.maximum(right - left, 1e-3)[..., 0]
    s = (2 * (points[..., 0] - left[..., 0]) / width - 1).clip(-1, 1)[..., None]
    first, slope = (left + right)[..., 1] / 2, (right - left)[..., 1] / 2
    line, gap = (1 - s**2) * s ** np.arange(LINE_TERMS), side[:, None] * np.sqrt(1 - s**2) * s ** np.arange(GAP_TERMS)
    terms = np.concatenate([line, gap], -1).astype(np.float64)
    fitted = (np.linalg.pinv(terms) @ (points[..., 1] - first - slope * s[..., 0])[..., None])[..., 0]
    return np.column_stack([first, slope, fitted[:, :LINE_TERMS]]), _certain_gap(fitted[:, LINE_TERMS:])


def _certain_gap(gap: Array) -> Array:
    """Zero where lips count as closed, slightly widened where they are open, with a smooth transition."""
    return np.asarray((gap + OPEN_FRINGE * (np.arange(GAP_TERMS) == 0)) * _surely(gap[:, :1], GAP_NOISE))


def _skew(aside: Array) -> Array:
    """The skew of lips whose middle is so far to the right of that of the corners, in mouth widths. [n]."""
    s = 2 * OPENING_ASIDE * (aside * _surely(np.abs(aside), ASIDE_NOISE)).clip(-ASIDE_MAX, ASIDE_MAX)
    return np.asarray(s / ((1 - s * s) * (1 + np.abs(s))))


def _moves(frame: FaceFrame, face: FaceLandmarks) -> float:
    """How far a face's jaw moves in mouth widths: in proportion to the distance of the eyes."""
    across = frame.to_face(face.right_eye).mean(1) - frame.to_face(face.left_eye).mean(1)
    return float(np.clip(np.median(np.hypot(*across.T)) / EYES_PER_MOUTH, MOVES_MIN, MOVES_MAX))


def _cheek(jaw: Array) -> float:
    """Half the width of an ellipse that ends above the chin and touches a jaw [21, 2], seen from the mouth."""
    deep = jaw[:, 1] / (CHEEK_DEPTH * jaw[10, 1])
    beside = (deep > 0) & (deep < 0.9)
    reach = np.abs(jaw[beside, 0]) / np.sqrt(1 - deep[beside] ** 2)
    return float(np.clip(reach.min(initial=1.2), 0.75, 1.2))
