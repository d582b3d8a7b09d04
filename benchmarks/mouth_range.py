"""Measure how far the mouth moves: `python -m benchmarks.mouth_range [--recordings FILE ...] [PICTURE ...]`.

A face mesh finds the lips in rendered frames, as an outsider would in any video of a person, so that the numbers can be
compared with those of people. Between thin lips of a drawing it finds them on the teeth, so the opening is also
reported as it was drawn. Lengths are relative to the distance of the eyes' centres.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.talking_face import FPS, PORTRAIT, SIDE, VOICE_WITHOUT_PHONEMES, VOICES, lips_apart, pictures
from pipeline.avatars import Avatar, FaceLandmarks
from pipeline.avatars.faces.finder import FaceFinder, Mesh
from pipeline.avatars.scenes import cut_rgb
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin import BuiltinEngine
from pipeline.engines.builtin.face_shape import FaceShape
from pipeline.engines.builtin.mouth import MouthModel
from pipeline.engines.loudness import speech_gate
from pipeline.engines.mel import COLUMNS_PER_SECOND, SAMPLE_RATE_HZ, mel_spectrogram
from pipeline.media.pcm import resampled
from pipeline.speech.voices.decode import decoded
from training.dataset import DIALECTS, held_out_clip, is_installed

LEFT_EYE, RIGHT_EYE = [33, 133], [362, 263]
"""Mesh points: the corners of the eyes on the picture's left and right."""
EYE_CORNERS = [0, 4]
"""The same in the contours of landmarks."""
UPPER_LIP, LOWER_LIP, LEFT_CORNER, RIGHT_CORNER = 13, 14, 61, 291
KAZAKH = {"kk": f"{DIALECTS['kk'][0]}+Annie"}
MOVE = 0.01
"""A change of the opening from frame to frame that counts as a movement."""
SPEECH_GATE = 0.9

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class MouthRange:
    """What a mouth does while there is speech."""

    opening_p50: float
    """Distance between the lips."""
    opening_p90: float
    opening_p98: float
    width_p2: float
    """Width of the mouth, relative to its median."""
    width_p98: float
    moves: float
    """Fraction of the frames with a movement."""
    drawn_p50: float
    """Distance between the lips as they were drawn."""
    drawn_p90: float
    drawn_p98: float

    @classmethod
    def of(cls, opening: Floats, width: Floats, drawn: Floats, speaking: NDArray[np.bool_]) -> MouthRange:
        """Summarise the measures of all frames [frames]."""
        moved = np.abs(np.diff(opening, prepend=opening[:1])) > MOVE
        openings, lips = (np.percentile(of[speaking], (50, 90, 98)) for of in (opening, drawn))
        widths = np.percentile(width[speaking], (2, 98)) / np.median(width[speaking])
        return cls(*map(float, (*openings, *widths, moved[speaking].mean(), *lips)))


def mouth_range(avatar: Avatar, engine: BuiltinEngine, mouth: MouthModel, speech: SpeechFeatures) -> MouthRange:
    """Render an avatar speaking, as far as its settings say, and measure its frames."""
    fitted = avatar.fitted((SIDE, SIDE))
    speech = replace(speech, articulation=avatar.settings.articulation)
    batches = engine.renderer(fitted, speech).render(0, speech.frames)
    sizes = np.array(list(_sizes(cut_rgb(frame, (0, 0), (SIDE, SIDE)) for batch in batches for frame in batch.numpy())))
    drawn = _drawn(mouth.track(speech), fitted.require_landmarks()[0])
    return MouthRange.of(sizes[:, 0], sizes[:, 1], drawn, speech_gate(speech) > SPEECH_GATE)


def _drawn(track: Floats, landmarks: FaceLandmarks) -> Floats:
    """Distance between the lips in the middle of the mouth in each frame."""
    mouth_width = float(FaceShape.measure(landmarks)[0].width_pixels[0])
    eyes = np.hypot(*(landmarks.right_eye[EYE_CORNERS].mean(0) - landmarks.left_eye[EYE_CORNERS].mean(0)))
    return np.asarray(lips_apart(track, landmarks) * mouth_width / eyes, np.float32)


def _sizes(frames: Iterable[Picture]) -> Iterator[tuple[float, float]]:
    """Opening and width of the mouth in each frame."""
    finder, mesh = FaceFinder(), None
    for frame in map(np.ascontiguousarray, frames):
        mesh = finder.follow(frame, mesh) if mesh else finder.mesh(frame, finder.detect(frame)[0])
        yield _lips(mesh)


def _lips(mesh: Mesh) -> tuple[float, float]:
    points = mesh.points[:, :2]
    eyes = np.hypot(*(points[RIGHT_EYE].mean(0) - points[LEFT_EYE].mean(0)))
    opening, width = points[LOWER_LIP] - points[UPPER_LIP], points[RIGHT_CORNER] - points[LEFT_CORNER]
    return float(np.hypot(*opening) / eyes), float(np.hypot(*width) / eyes)


def speeches(recordings: list[Path]) -> Iterator[tuple[str, SpeechFeatures]]:
    """Held-out sentences by the voices, told and heard, then the recordings."""
    voices = VOICES | KAZAKH | ({"ru, natural": VOICE_WITHOUT_PHONEMES} if is_installed(VOICE_WITHOUT_PHONEMES) else {})
    for label, voice in voices.items():
        clip = held_out_clip(label[:2], voice)
        if voice != VOICE_WITHOUT_PHONEMES:
            yield f"{label}, told", SpeechFeatures(clip.mel, _frames(clip.mel), FPS, clip.phonemes)
        yield f"{label}, heard", SpeechFeatures(clip.mel, _frames(clip.mel), FPS)
    for file in recordings:
        mel = np.asarray(mel_spectrogram(resampled(*decoded(file.read_bytes()), SAMPLE_RATE_HZ)), np.float32)
        yield file.stem, SpeechFeatures(mel, _frames(mel), FPS)


def _frames(mel: Floats) -> int:
    return int(mel.shape[1]) * FPS // COLUMNS_PER_SECOND


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", type=Path, default=[PORTRAIT], help="further portraits to measure")
    parser.add_argument("--recordings", nargs="*", type=Path, default=[], help="speech by people to measure with")
    options = parser.parse_args()
    torch.set_num_threads(1)
    engine, mouth = BuiltinEngine(torch.device("cpu")), MouthModel(torch.device("cpu"))
    names = [field.name.replace("_", " ") for field in fields(MouthRange)]
    print("| avatar | speech | " + " | ".join(names) + " |")
    print("| --- | --- |" + " ---: |" * len(names))
    known = list(speeches(options.recordings))
    for name, avatar in pictures(options.pictures):
        for label, speech in known:
            found = mouth_range(avatar, engine, mouth, speech)
            values = " | ".join(f"{getattr(found, field.name):.2f}" for field in fields(MouthRange))
            print(f"| {name} | {label} | {values} |", flush=True)


if __name__ == "__main__":
    main()
