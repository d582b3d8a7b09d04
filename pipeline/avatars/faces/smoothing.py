"""Removes the jitter from a face that was followed through a video."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STILL_POINTS = (33, 133, 362, 263, 6, 168, 129, 358, 2)
"""Mesh points of eyes and nose, which do not move when the face speaks."""
HEAD_SMOOTH_FRAMES, FEATURE_SMOOTH_FRAMES = 2.0, 1.0
"""Sigmas of the smoothing windows: for the movement of the head, and for that of the features within it."""
LIGHT_SMOOTH_FRAMES = 2.0
"""The same for the light on the face."""
JUMP = 0.1
"""If a point moves by this part of the face's height from one frame to the next, there is a cut between them."""

GROWTH = 0.09
"""The same for the logarithm of its size."""

Floats = NDArray[np.float32]


def smoothed(points: Floats, frames: NDArray[np.intp], cuts: NDArray[np.bool_]) -> Floats:
    """Smooth meshes [n, 468, 3] of the frames [n]: the movement of the head, and of the features within it.

    `cuts` [n]: whether a new shot begins. The windows are centred, so nothing lags, and do not reach across cuts.
    """
    starts = 1 + np.flatnonzero((np.diff(frames) > 1) | cuts[1:] | jumps(points))
    return np.concatenate([_smoothed_shot(shot) for shot in np.split(points, starts)])


def smooth_light(light: Floats, cuts: NDArray[np.bool_]) -> Floats:
    """Remove the flicker from the light on a face [n], shot by shot; `cuts` [n]: whether a frame begins a new shot."""
    shots = np.split(light.astype(np.complex128), 1 + np.flatnonzero(cuts[1:]))
    return np.concatenate([_blurred(shot, LIGHT_SMOOTH_FRAMES).real for shot in shots]).clip(0).astype(np.float32)


def jumps(points: Floats) -> NDArray[np.bool_]:
    """Whether there is a cut between consecutive meshes [n, 468, 3]: [n - 1]."""
    heights = np.ptp(points[1:, :, 1], axis=1)
    moved = np.linalg.norm(np.diff(points[..., :2], axis=0), axis=2).max(1)
    sizes = points[:, STILL_POINTS, :2].std(1).mean(1)
    grown = np.abs(np.diff(np.log(np.maximum(sizes, 1e-3))))
    return np.asarray((moved > JUMP * heights) | (grown > GROWTH))


def _smoothed_shot(points: Floats) -> Floats:
    """Smooth one shot. Points are complex numbers in the plane: points = middle + turn * features."""
    flat = points[..., 0] + 1j * points[..., 1]
    still = flat[:, STILL_POINTS]
    middle = still.mean(1)
    reference = still.mean(0) - still.mean()
    turn = ((still - middle[:, None]) * reference.conj()).sum(1) / (np.abs(reference) ** 2).sum()
    features = (flat - middle[:, None]) / turn[:, None]
    smooth = _blurred(middle, HEAD_SMOOTH_FRAMES)[:, None] + _blurred(turn, HEAD_SMOOTH_FRAMES)[:, None] * _blurred(
        features, FEATURE_SMOOTH_FRAMES
    )
    return np.stack([smooth.real, smooth.imag, points[..., 2]], -1).astype(np.float32)


def _blurred(values: NDArray[np.complex128], sigma_frames: float) -> NDArray[np.complex128]:
    """Gaussian blur along the first axis (frames); at both ends the movement is extrapolated."""
    reach = round(3 * sigma_frames)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_frames) ** 2)
    padded = np.pad(values, [(reach, reach), *[(0, 0)] * (values.ndim - 1)], "reflect", reflect_type="odd")
    shifted = (weight * padded[at : at + len(values)] for at, weight in enumerate(window / window.sum()))
    return np.asarray(sum(shifted))
