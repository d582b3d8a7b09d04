"""Measure the visible quality of the talking face: `python -m benchmarks.talking_face [PICTURE ...]`.

The built-in engine speaks held-out sentences with the avatars that come with lipdrop and with further pictures: those
given, or the portrait of the tests. Every frame is measured by its colours: pixels whose colour is not that of skin or
lips in the still picture belong to the inside of the mouth. The result is compared with the spoken phonemes, both if
the engine knows them, as with the built-in voices, and if it does not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import BUILT_IN_FOLDER, Avatar, AvatarSettings, FaceLandmarks
from pipeline.avatars.faces.tracking import Faces, NoFace, find_in_picture
from pipeline.avatars.folder import media_file, read_picture
from pipeline.avatars.scenes import Still, cut_rgb
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin import BuiltinEngine
from pipeline.engines.builtin.face_shape import FaceShape
from pipeline.engines.builtin.mouth import articulated
from pipeline.engines.builtin.mouth_motion import Pose
from pipeline.engines.builtin.visemes import phoneme_track, visemes
from pipeline.engines.mel import COLUMNS_PER_SECOND
from pipeline.messages import Phoneme
from training.dataset import DIALECTS, SpeechClip, held_out_clip, is_installed
from training.measures import correlation, flicker, is_rounded, is_spread, lag, middles, opening, pauses

FPS = 25
SIDE = 720
PICTURE_PIXELS_MAX = 50_000_000
STILL: dict[str, Any] = {"idle_motion": "off"}
"""Settings of the measured avatars."""
PORTRAIT = Path(__file__).parent.parent / "tests" / "data" / "portraits" / "astronaut.png"
VOICES = {"ru": f"{DIALECTS['ru'][0]}+f3", "en": f"{DIALECTS['en'][0]}+m4", "en, natural": "heart"}
VOICE_WITHOUT_PHONEMES = "elena"
"""A natural Russian voice that reports no phonemes, used if RHVoice is installed."""

BINS = 64
"""Colours are quantised to this many steps per channel."""
SEAM_PIXELS = 6
"""Maximum height of an opening's upper edge above the line where the lips meet."""
SHUT_PIXELS, STILL_PIXELS = 3, 3
"""Lips less than this apart look closed, and smaller movements between frames are invisible."""

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    """The visible mouth in each frame, in pixels."""

    opening: Floats
    """Height of the inside of the mouth in its middle."""
    width: Floats
    """Distance between the left and the right end of the lips."""


class MouthView:
    """Measures the mouth of one face by the colours of its still picture."""

    def __init__(self, picture: Picture, landmarks: FaceLandmarks) -> None:
        """`picture`: RGB, the frames' size."""
        middle, width = landmarks.lips_inner.mean(0), float(np.ptp(landmarks.lips_inner[:, 0]))
        left, right = (int(middle[0] + side * 0.75 * width) // 2 * 2 for side in (-1, 1))
        top, bottom = (int(row) // 2 * 2 for row in (landmarks.nose[1, 1] + 4, landmarks.jaw[10, 1]))
        self.corner, self.size = (left, top), (right - left, bottom - top)
        """Of the measured region."""
        self._box = np.s_[top:bottom, left:right]
        self._middle = np.s_[:, int(0.72 * width) : int(0.78 * width) + 1]
        seam = int(landmarks.lips_inner[[5, 15], 1].mean()) - top
        self._top = max(seam - SEAM_PIXELS, 0)
        near = picture[self._box]
        lips, skin, inside = (self._filled(contour, picture.shape) for contour in _contours(landmarks, middle))
        self._lips = _palette(near[lips & ~inside])
        self._direction, self._threshold = _discriminant(near[lips & ~inside], near[skin & ~lips])

    def opening(self, near: Picture) -> int:
        """Height of the opening in the middle of the mouth: the span of pixels without a lip colour."""
        foreign = ~self._lips[tuple((near // (256 // BINS)).reshape(-1, 3).T)].reshape(near.shape[:2])
        lips = np.any(self._lip_parts(near), 0)
        columns = zip(foreign[self._middle].T, lips[self._middle].T, strict=True)
        return int(np.median([_span(column[self._top : _last(lip)]) for column, lip in columns]))

    def width(self, near: Picture) -> int:
        """Pixels from the first to the last column of the lips."""
        columns = np.flatnonzero(self._lip_parts(near)[0].sum(0) >= 2)
        return int(np.ptp(columns)) if len(columns) else 0

    def _lip_parts(self, near: Picture) -> list[NDArray[np.bool_]]:
        """Masks of the visible lips, largest first; two if they are apart."""
        lips = (near.astype(np.float32) @ self._direction > self._threshold).astype(np.uint8)
        _, parts, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(lips, cv2.MORPH_OPEN, np.ones((3, 3))))
        areas = stats[1:, cv2.CC_STAT_AREA]
        return [parts == 1 + index for index in np.argsort(-areas) if areas[index] >= 0.2 * areas.max()]

    def _filled(self, contour: Floats, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        mask = np.zeros(shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.rint(contour).astype(np.int32)], 1)
        return np.asarray(mask[self._box] > 0)


def _last(flags: NDArray[np.bool_]) -> int:
    """Index of the last true flag."""
    rows = np.flatnonzero(flags)
    return int(rows[-1]) if len(rows) else 0


def _span(flags: NDArray[np.bool_]) -> int:
    """Length from the first to the last true flag."""
    rows = np.flatnonzero(flags)
    return int(rows[-1] - rows[0] + 1) if len(rows) else 0


def _contours(landmarks: FaceLandmarks, middle: Floats) -> tuple[Floats, Floats, Floats]:
    """Contours of the lips, of the skin around them, and of the gap between them with a margin."""
    outer, inner = landmarks.lips_outer, landmarks.lips_inner
    gap = float(np.ptp(inner[[5, 15], 1]))
    wide = inner + np.sign(inner - middle) * (2 if gap > SHUT_PIXELS else 0)
    return outer, middle + 1.6 * (outer - middle), wide


def _palette(colours: Picture) -> NDArray[np.bool_]:
    """Which colours occur, including their neighbours: [BINS, BINS, BINS]."""
    known = np.zeros((BINS,) * 3, bool)
    known[tuple((colours // (256 // BINS)).T)] = True
    for axis in range(3):
        known = known | np.roll(known, 1, axis) | np.roll(known, -1, axis)
    return known


def _discriminant(lips: Picture, skin: Picture) -> tuple[Floats, float]:
    """Fisher's discriminant: the direction that best separates colours of lips and skin, and the threshold along it."""
    some, others = lips.astype(np.float64), skin.astype(np.float64)
    spread = np.cov(some.T) + np.cov(others.T) + np.eye(3)
    direction = np.linalg.solve(spread, some.mean(0) - others.mean(0))
    return direction.astype(np.float32), float((some.mean(0) + others.mean(0)) / 2 @ direction)


@dataclass(frozen=True)
class Score:
    """The scores of one avatar and one voice."""

    closures: float
    """Fraction of m, b, p in which the lips visibly meet."""
    rounded_to_spread: float
    """Width of the mouth in rounded vowels, relative to spread ones."""
    correlation: float
    """Correlation of the visible opening with that of the phonemes, from all six mouth parameters."""
    jaw_correlation: float
    """The same with only the phonemes' jaw, shut where the lips are closed."""
    lag_frames: float
    """Delay of the visible opening."""
    still_pauses: float
    """Fraction of the frames in pauses over 200 ms in which the lips are closed and still."""
    flicker: float
    """Fraction of the opening's movement energy above 8 Hz."""
    true_flicker: float
    """The same for the phonemes' own opening."""
    changed_outside: float
    """Fraction of the pixels outside the face that change in any frame, without idle motion."""


def score(avatar: Avatar, engine: BuiltinEngine, clip: SpeechClip, *, with_phonemes: bool) -> Score:
    """Render an avatar speaking, measure its frames and compare them with the speech."""
    frames = clip.mel.shape[1] * FPS // COLUMNS_PER_SECOND
    speech = SpeechFeatures(clip.mel, frames, FPS, clip.phonemes if with_phonemes else ())
    fitted = avatar.fitted((SIDE, SIDE))
    assert isinstance(fitted.scene, Still)
    landmarks = fitted.require_landmarks()[0]
    mouth = MouthView(fitted.scene.picture, landmarks)
    openings, widths, still = [], [], None
    changed = np.zeros((SIDE, SIDE), bool)
    for batch in engine.renderer(fitted, speech).render(0, frames):
        for frame in batch.numpy():
            near = cut_rgb(frame, mouth.corner, mouth.size)
            openings.append(mouth.opening(near))
            widths.append(mouth.width(near))
            still = frame[:SIDE] if still is None else still
            changed |= frame[:SIDE] != still
    seen = Seen(np.array(openings, np.float32), np.array(widths, np.float32))
    truth = articulated(phoneme_track(clip.phonemes, frames, FPS), 1)
    return compared(seen, float(changed[_outside(landmarks)].mean()), clip.phonemes, lips_apart(truth, landmarks))


def _outside(landmarks: FaceLandmarks) -> NDArray[np.bool_]:
    """Mask of the pixels above the eyes, next to the jaw, or more than half a face below the chin: [SIDE, SIDE]."""
    jaw, eyes = landmarks.jaw, np.concatenate([landmarks.left_eye, landmarks.right_eye])
    low, high = jaw.min(0), jaw.max(0)
    width, height = high - low
    y, x = np.mgrid[:SIDE, :SIDE]
    beside = (x < low[0] - 0.15 * width) | (x > high[0] + 0.15 * width)
    return np.asarray(beside | (y < eyes[:, 1].min()) | (y > high[1] + 0.5 * height))


def compared(seen: Seen, changed_outside: float, phonemes: tuple[Phoneme, ...], true_opening: Floats) -> Score:
    """Compare the visible mouth with the spoken phonemes."""
    frames = len(seen.opening)
    middle = middles(phonemes, frames, FPS)
    inside = pauses(phonemes, frames, FPS)
    moved = np.abs(np.diff(seen.opening, prepend=seen.opening[:1]))
    calm = (seen.opening < SHUT_PIXELS) & (moved < STILL_PIXELS)
    return Score(
        closures=float(np.mean(list(_met(seen.opening, phonemes)))),
        rounded_to_spread=float(seen.width[middle(is_rounded)].mean() / seen.width[middle(is_spread)].mean()),
        correlation=correlation(seen.opening, true_opening),
        jaw_correlation=correlation(seen.opening, opening(articulated(phoneme_track(phonemes, frames, FPS), 1))),
        lag_frames=lag(seen.opening, true_opening),
        still_pauses=float(np.mean(calm[inside])),
        flicker=flicker(seen.opening, FPS),
        true_flicker=flicker(true_opening, FPS),
        changed_outside=changed_outside,
    )


def lips_apart(track: Floats, landmarks: FaceLandmarks) -> Floats:
    """How far a track [frames, 6] parts the middle of a still face's lips, in mouth widths."""
    shape = FaceShape.measure(landmarks)[1].at(np.zeros(len(track), np.intp))
    pose = Pose.of(torch.from_numpy(track), shape)
    return (pose.lift + pose.lower)[:, 0, 0].numpy()


def _met(apart: Floats, phonemes: tuple[Phoneme, ...]) -> Iterator[bool]:
    """For each m, b, p, whether the lips visibly meet in at least one of its frames."""
    for phoneme in phonemes:
        if any(viseme.closure == 1.0 for viseme, _ in visemes(phoneme.symbol)):
            first, last = int(phoneme.start_seconds * FPS), int(np.ceil(phoneme.end_seconds * FPS))
            yield bool((apart[first:last] < SHUT_PIXELS).any())


def pictures(further: list[Path]) -> Iterator[tuple[str, Avatar]]:
    """The avatars that come with lipdrop, and one for each further picture; all without idle motion."""
    for folder in sorted(path for path in BUILT_IN_FOLDER.iterdir() if path.is_dir()):
        picture = read_picture(media_file(folder), PICTURE_PIXELS_MAX)
        own = FaceLandmarks.load(folder / "landmarks.json")
        settings = AvatarSettings.load(folder / "avatar.yaml", PICTURE_PIXELS_MAX)
        yield folder.name, Avatar(picture, settings.model_copy(update=STILL), _finder(picture), own)
    for file in further:
        picture = read_picture(file, PICTURE_PIXELS_MAX)
        yield file.stem, Avatar(picture, AvatarSettings(**STILL), _finder(picture))


def _finder(picture: NDArray[np.uint8]) -> Callable[[], Faces | NoFace]:
    return lambda: find_in_picture(picture)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", type=Path, default=[PORTRAIT], help="further portraits to measure")
    options = parser.parse_args()
    engine = BuiltinEngine(torch.device("cpu"))
    names = [field.name for field in fields(Score)]
    voices = VOICES | ({"ru, natural": VOICE_WITHOUT_PHONEMES} if is_installed(VOICE_WITHOUT_PHONEMES) else {})
    print("| avatar | voice | phonemes | " + " | ".join(name.replace("_", " ") for name in names) + " |")
    print("| --- | --- | --- |" + " ---: |" * len(names))
    for name, avatar in pictures(options.pictures):
        for label, voice in voices.items():
            clip = held_out_clip(label[:2], voice)
            for with_phonemes in (False,) if voice == VOICE_WITHOUT_PHONEMES else (True, False):
                found = score(avatar, engine, clip, with_phonemes=with_phonemes)
                values = " | ".join(f"{getattr(found, field):.3f}" for field in names)
                print(f"| {name} | {label} | {'known' if with_phonemes else 'unknown'} | {values} |", flush=True)


if __name__ == "__main__":
    main()
