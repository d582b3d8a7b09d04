"""What the author of a job may not expect of its avatar: warnings about a face that can speak, but not at its best."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars.faces.results import Faces
from pipeline.avatars.landmarks import FaceLandmarks
from pipeline.media.clips import Cut
from pipeline.media.runs import runs
from pipeline.messages import Notice

MOUTH_PIXELS = 24
"""A narrower mouth looks soft: its teeth are a few pixels."""
SHARP_MOUTH_PIXELS = 40
"""Width of a mouth in the faces that Wav2Lip was trained with; in a smaller one the engines' details are lost."""
TURNED_DEGREES = 28.0
"""From here on the far half of the mouth is clearly narrower."""
EDGE = 0.06
"""Room around lips and chin, in face heights."""
SHARPNESS_MIN = 0.075
"""Details of a sharp face have 0.1 to 0.3 of its contrast; if it is blurred by a twentieth of its height, 0.06."""
SKIN_LIGHT_MIN = 60.0
"""Brightness of the skin, 0..255: in darker pictures teeth and tongue are hardly seen, and noise is."""
OPEN_GAP = 0.4
"""A mouth that is open this wide, in mouth widths, is closed by lips that are stretched."""
CROP_HEIGHTS = 2.0
"""A crop that is suggested reaches this many face heights to each side of its middle."""
SPANS_MAX = 8
"""More spans of time than this are not listed in a message."""


def notices(
    faces: Faces, landmarks: FaceLandmarks, area: Cut, size: tuple[int, int], rate: Fraction
) -> Iterator[Notice]:
    """Warnings about a face in frames of one size.

    `faces` and `area`, what the frames may show, are in pixels of the picture, `landmarks` in those of frames of `size`
    (width, height); `rate`: frames per second of a video.
    """
    yield from _other_faces(faces)
    yield from _small(faces, landmarks, area)
    yield from _turned(faces)
    yield from _near_the_edge(landmarks, size)
    yield from _blurred(faces)
    yield from _dark(faces)
    yield from _open(faces)
    yield from _hidden(faces, rate)


def _other_faces(faces: Faces) -> Iterator[Notice]:
    if len(faces.others):
        middles = [(box[0] + box[2]) / 2 for box in (*faces.others, faces.boxes[0])]
        number = 1 + sum(middle < middles[-1] for middle in middles[:-1])
        message = f"{len(middles)} faces are visible; number {number} from the left speaks"
        hint = f"to choose another one, set face: 1 to {len(middles)} in avatar.yaml, or crop the picture"
        yield Notice("other_faces", message, hint)


def _small(faces: Faces, landmarks: FaceLandmarks, area: Cut) -> Iterator[Notice]:
    mouth = float(np.median(np.ptp(landmarks.lips_outer[..., 0], axis=-1)))
    x1, y1, x2, y2 = _around(faces, area)
    has_room = (x2 - x1) * (y2 - y1) < 0.5 * area[2] * area[3]
    if mouth < (SHARP_MOUTH_PIXELS if has_room else MOUTH_PIXELS):
        message = f"the mouth is only {mouth:.0f} pixels wide in the video: it looks soft"
        hint = "use a larger size, or a picture in which the face is larger"
        if has_room:
            hint = f"set crop: [{x1}, {y1}, {x2}, {y2}] in avatar.yaml, which shows the face larger"
        yield Notice("face_quality", message, hint)


def _around(faces: Faces, area: Cut) -> tuple[int, int, int, int]:
    """A part of the picture that shows the face in all frames, and shoulders."""
    left, top, columns, rows = area
    low, high = faces.boxes[:, :2].min(0), faces.boxes[:, 2:].max(0)
    middle, reach = (low + high) / 2, CROP_HEIGHTS * float(np.median(faces.boxes[:, 3] - faces.boxes[:, 1]))
    reach = max(reach, float((high - low).max()) * 0.75)
    x1, y1 = np.maximum(middle - reach, (left, top)).astype(int)
    x2, y2 = np.minimum(middle + reach, (left + columns, top + rows)).astype(int)
    return int(x1), int(y1), int(x2), int(y2)


def _turned(faces: Faces) -> Iterator[Notice]:
    if faces.turned_degrees > TURNED_DEGREES:
        message = f"the face is turned {faces.turned_degrees:.0f} degrees to the side: the mouth may look distorted"
        yield Notice("face_quality", message, "use a picture taken from the front")


def _near_the_edge(landmarks: FaceLandmarks, size: tuple[int, int]) -> Iterator[Notice]:
    points = np.concatenate([landmarks.lips_outer, landmarks.jaw[:, 6:15]], axis=1)
    room = EDGE * np.ptp(landmarks.jaw[..., 1], axis=1).mean()
    outside = (points < room) | (points > np.array(size) - 1 - room)
    if outside.any((1, 2)).mean() > 0.1:
        message = "mouth or chin is at the edge of the frame, where the movement of the jaw is cut off"
        hint = "use a picture or a size with room around the face, at least below the chin"
        yield Notice("face_quality", message, hint)


def _blurred(faces: Faces) -> Iterator[Notice]:
    if faces.sharpness < SHARPNESS_MIN:
        message = "the face is blurred: the mouth will be as soft as the picture"
        yield Notice("face_quality", message, "use a sharp picture, well lit and in focus")


def _dark(faces: Faces) -> Iterator[Notice]:
    if float(np.median(faces.light)) < SKIN_LIGHT_MIN:
        message = "the face is dark: the movement of the mouth is hard to see"
        yield Notice("face_quality", message, "use a well-lit picture, or make it brighter")


def _open(faces: Faces) -> Iterator[Notice]:
    inner = faces.landmarks.lips_inner
    gaps, widths = inner[:, 15] - inner[:, 5], inner[:, 10] - inner[:, 0]
    if float(np.median(np.hypot(*gaps.T) / np.maximum(np.hypot(*widths.T), 1e-3))) > OPEN_GAP:
        message = "the mouth is wide open: where it closes, the lips are stretched"
        yield Notice("face_quality", message, "use a picture in which the mouth is closed, or smiles")


def _hidden(faces: Faces, rate: Fraction) -> Iterator[Notice]:
    hint = "use footage in which the mouth is always visible; no_face in avatar.yaml says what such frames show"
    if faces.covered.any():
        message = f"something is in front of the mouth at {_spans(faces.covered, rate)} of the avatar's video"
        yield Notice("mouth_covered", message, hint)
    if (absent := ~faces.seen & ~faces.covered).any():
        message = f"no face is visible at {_spans(absent, rate)} of the avatar's video"
        yield Notice("face_hidden", message, hint)


def _spans(flags: NDArray[np.bool_], rate: Fraction) -> str:
    """The times of frames, like 1.2-2.0 s."""
    spans = [f"{float(start / rate):.1f}-{float(stop / rate):.1f}" for start, stop in runs(flags)]
    more = f" and {len(spans) - SPANS_MAX} more spans" if len(spans) > SPANS_MAX else ""
    return ", ".join(spans[:SPANS_MAX]) + " s" + more
