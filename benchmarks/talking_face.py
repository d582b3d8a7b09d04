"""Measure the talking face as it is seen: `python -m benchmarks.talking_face [PICTURE ...]`.

The built-in engine speaks sentences in voices that its network never heard, on the avatars that come with lipdrop and
on any further pictures. A face mesh, which knows nothing of the engine, looks at every frame; what it sees is compared
with the phonemes that were spoken. With the phonemes told to the engine, as the built-in voices do, and without.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.avatars import BUILT_IN_FOLDER, Avatar, AvatarSettings, FaceLandmarks
from pipeline.avatars.faces import Faces, NoFace, find_in_picture
from pipeline.avatars.folder import media_file, read_picture
from pipeline.avatars.scenes import rgb
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin import BuiltinEngine
from pipeline.engines.builtin.visemes import phoneme_track, visemes
from pipeline.faces.finder import FaceFinder, Mesh
from pipeline.mel import COLUMNS_PER_SECOND
from pipeline.voices.base import Phoneme
from training.dataset import DIALECTS, Clip, held_out_clip
from training.measures import correlation, flicker, is_rounded, is_spread, lag, middles, opening, pauses

FPS = 25
SIDE = 720
LONGEST_PICTURE = 50_000_000
VOICES = {"ru": f"{DIALECTS['ru'][0]}+f3", "en": f"{DIALECTS['en'][0]}+m4", "en, natural": "heart"}

UPPER, LOWER = 13, 14
"""Mesh points in the middle of the lips' inner edges."""
CORNERS = (61, 291)
EYES = (33, 263)
SHUT = 0.2
"""Lips that are less apart than this part of the usual wide opening look closed: the mesh is no better."""
STILL = 0.06
"""A movement from frame to frame below this part of it cannot be seen."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """What the mesh sees in each frame, in distances of the eyes' outer corners."""

    opening: Floats
    width: Floats

    @classmethod
    def of(cls, meshes: list[Mesh]) -> Seen:
        """Measure the mouths of some meshes."""
        points = np.stack([mesh.points[:, :2] for mesh in meshes])
        scale = _distance(points, *EYES)
        return cls(_distance(points, UPPER, LOWER) / scale, _distance(points, *CORNERS) / scale)


@dataclass(frozen=True)
class Score:
    """One avatar and one voice."""

    closures: float
    """Part of all m, b, p in which the lips are seen to meet."""
    rounded_to_spread: float
    """Width of the mouth in rounded vowels, as part of that in spread ones."""
    correlation: float
    """Of the opening that is seen with the phonemes' own."""
    lag_frames: float
    """By how much the opening that is seen is late."""
    still_pauses: float
    """Part of the frames in pauses over 200 ms in which the lips are closed and do not move."""
    flicker: float
    """Part of the opening's movement energy above 8 Hz."""
    true_flicker: float
    """The same of the phonemes' own opening."""
    changed_outside: float
    """Part of the pixels outside the face that ever change, without idle motion."""


def score(avatar: Avatar, engine: BuiltinEngine, clip: Clip, *, told: bool) -> Score:
    """Let an avatar speak, look at it, and compare."""
    frames = clip.mel.shape[1] * FPS // COLUMNS_PER_SECOND
    speech = SpeechFeatures(clip.mel, frames, FPS, clip.phonemes if told else ())
    fitted = avatar.fitted((SIDE, SIDE))
    watcher = Watcher(fitted.require_landmarks()[0])
    for batch in engine.renderer(fitted, speech).render(0, frames):
        for frame in batch.numpy():
            watcher.look(frame)
    return compared(Seen.of(watcher.meshes), watcher.changed_outside(), clip.phonemes)


class Watcher:
    """Looks at frame after frame."""

    def __init__(self, landmarks: FaceLandmarks) -> None:
        self.meshes: list[Mesh] = []
        self._finder = FaceFinder()
        self._outside = _outside(landmarks)
        self._first: NDArray[np.uint8] | None = None
        self._changed = np.zeros((SIDE, SIDE), bool)

    def look(self, frame: NDArray[np.uint8]) -> None:
        """Take the next frame in, I420."""
        luma = frame[:SIDE]
        self._first = luma.copy() if self._first is None else self._first
        self._changed |= luma != self._first
        picture = rgb(frame)
        mesh = self._finder.follow(picture, self.meshes[-1]) if self.meshes else None
        if mesh is None:
            mesh = self._finder.mesh(picture, self._finder.detect(picture)[0])
        self.meshes.append(mesh)

    def changed_outside(self) -> float:
        """Part of the pixels outside the face that were not always the same."""
        return float(self._changed[self._outside].mean())


def _outside(landmarks: FaceLandmarks) -> NDArray[np.bool_]:
    """What is above the eyes, beside the jaw, or further below the chin than half a face: [SIDE, SIDE]."""
    jaw, eyes = landmarks.jaw, np.concatenate([landmarks.left_eye, landmarks.right_eye])
    low, high = jaw.min(0), jaw.max(0)
    width, height = high - low
    y, x = np.mgrid[:SIDE, :SIDE]
    beside = (x < low[0] - 0.15 * width) | (x > high[0] + 0.15 * width)
    return np.asarray(beside | (y < eyes[:, 1].min()) | (y > high[1] + 0.5 * height))


def compared(seen: Seen, changed_outside: float, phonemes: tuple[Phoneme, ...]) -> Score:
    """What was seen against what was spoken."""
    frames = len(seen.opening)
    truth = phoneme_track(phonemes, frames, FPS)
    rest, wide = np.quantile(seen.opening, 0.05), np.quantile(seen.opening, 0.95)
    apart = (seen.opening - rest) / (wide - rest)
    middle = middles(phonemes, frames, FPS)
    inside = pauses(phonemes, frames, FPS)
    moved = np.abs(np.diff(apart, prepend=apart[:1]))
    return Score(
        closures=float(np.mean(list(_met(apart, phonemes)))),
        rounded_to_spread=float(seen.width[middle(is_rounded)].mean() / seen.width[middle(is_spread)].mean()),
        correlation=correlation(apart, opening(truth)),
        lag_frames=lag(apart, opening(truth)),
        still_pauses=float(np.mean(((apart < SHUT) & (moved < STILL))[inside])),
        flicker=flicker(apart, FPS),
        true_flicker=flicker(opening(truth), FPS),
        changed_outside=changed_outside,
    )


def _met(apart: Floats, phonemes: tuple[Phoneme, ...]) -> Iterator[bool]:
    """For each m, b, p whether the lips are seen to meet in a frame that shows some of it."""
    for phoneme in phonemes:
        if any(viseme.closure == 1.0 for viseme, _ in visemes(phoneme.symbol)):
            first, last = int(phoneme.start_seconds * FPS), int(np.ceil(phoneme.end_seconds * FPS))
            yield bool((apart[first:last] < SHUT).any())


def _distance(points: Floats, one: int, other: int) -> Floats:
    return np.asarray(np.linalg.norm(points[:, one] - points[:, other], axis=1), np.float32)


def pictures(further: list[Path]) -> Iterator[tuple[str, Avatar]]:
    """The avatars that come with lipdrop, and one for each further picture; none of them moves by itself."""
    still = AvatarSettings(idle_motion=False)
    for folder in sorted(path for path in BUILT_IN_FOLDER.iterdir() if path.is_dir()):
        picture = read_picture(media_file(folder), LONGEST_PICTURE)
        own = FaceLandmarks.load(folder / "landmarks.json")
        yield folder.name, Avatar(picture, still, _finder(picture), own)
    for file in further:
        picture = read_picture(file, LONGEST_PICTURE)
        yield file.stem, Avatar(picture, still, _finder(picture))


def _finder(picture: NDArray[np.uint8]) -> Callable[[], Faces | NoFace]:
    return lambda: find_in_picture(picture, None)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", type=Path, help="portraits to measure too")
    options = parser.parse_args()
    engine = BuiltinEngine(torch.device("cpu"))
    names = [field.name for field in fields(Score)]
    print("| avatar | voice | phonemes | " + " | ".join(name.replace("_", " ") for name in names) + " |")
    print("| --- | --- | --- |" + " ---: |" * len(names))
    for name, avatar in pictures(options.pictures):
        for label, voice in VOICES.items():
            clip = held_out_clip(label[:2], voice)
            for told in (True, False):
                found = score(avatar, engine, clip, told=told)
                values = " | ".join(f"{getattr(found, field):.3f}" for field in names)
                print(f"| {name} | {label} | {'told' if told else 'heard'} | {values} |", flush=True)


if __name__ == "__main__":
    main()
