"""Picture and sound continue from one piece of a stream to the next as if rendered and encoded as a whole."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars import Avatars, AvatarSettings, FittedAvatar
from pipeline.avatars.faces.tracking import NoFace
from pipeline.avatars.scenes import Clip
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin import BuiltinEngine
from pipeline.engines.mel import SILENCE
from pipeline.engines.wav2lip import Wav2LipEngine
from pipeline.media import aac
from tests.media import audio, speech_like, write_recording
from tests.videos import plainly

RATE_HZ = 48_000
FRAME_SAMPLES = 1024
"""Of AAC-LC."""


@pytest.mark.slow
def test_a_video_avatar_continues_from_piece_to_piece(checkpoint: Path, tmp_path: Path) -> None:
    side, frames, first = 128, 16, 8
    noise = np.random.default_rng(0).integers(16, 235, (frames, side * 3 // 2, side), dtype=np.uint8)
    (tmp_path / "clip").write_bytes(noise.tobytes())
    clip = Clip((tmp_path / "clip").open("rb"), (side, side), frames, Fraction(25), *plainly(frames))
    boxes = np.tile(np.array([30, 20, 100, 110], np.float32), (frames, 1))
    avatar = FittedAvatar(clip, NoFace("no_face", "", ""), boxes, AvatarSettings())
    engine = Wav2LipEngine(checkpoint, torch.device("cpu"), config_key="models.gan.checkpoint", exact=True)

    def rendered(first_frame: int, count: int) -> torch.Tensor:
        speech = SpeechFeatures(np.full((80, 80), SILENCE, np.float32), count, 25, first_frame=first_frame)
        return torch.cat(list(engine.renderer(avatar, speech).render(0, count)))

    assert torch.equal(rendered(first, frames - first), rendered(0, frames)[first:])


def test_idle_motion_continues_from_piece_to_piece() -> None:
    fps, frames, first = 25, 60, 40
    engine, avatar = BuiltinEngine(torch.device("cpu")), Avatars(Config()).load("presenter").fitted((128, 128))

    def rendered(first_frame: int, count: int) -> torch.Tensor:
        mel = np.full((80, 80 * count // fps), SILENCE, np.float32)
        speech = SpeechFeatures(mel, count, fps, first_frame=first_frame)
        return torch.cat(list(engine.renderer(avatar, speech).render(0, count)))

    before, after = rendered(0, frames), rendered(first, frames - first)
    assert torch.equal(before[first:], after)
    assert not torch.equal(before[0], before[first])


def test_parts_of_aac_join_as_if_encoded_at_once(tmp_path: Path) -> None:
    """Around the joints the decoded parts differ from the sound no more than an encoding of the whole by ffmpeg."""
    sound = speech_like(12, RATE_HZ)
    joined: list[bytes] = []
    joints: list[int] = []
    start = 0
    for known in (30_000, 100_000, 240_000, 265_000, 431_111, len(sound)):
        stop = aac.part_end(known, is_last=known == len(sound))
        joined += aac.Encoder().part(sound[:known], 0, start, stop)
        joints, start = [*joints, stop // FRAME_SAMPLES], stop
    assert len(joined) == -(-len(sound) // FRAME_SAMPLES)
    noise, expected = noise_of(parts_decoded(joined, tmp_path), sound), noise_of(whole_decoded(sound, tmp_path), sound)
    assert expected[1:].mean() < 0.05 * sound.std()
    assert noise[1:].mean() < 1.1 * expected[1:].mean()
    for joint in joints[:-1]:
        assert noise[joint - 1 : joint + 10].max() < 1.1 * expected[joint - 1 : joint + 10].max()


def noise_of(decoded: NDArray[np.int16], sound: NDArray[np.int16]) -> NDArray[np.float64]:
    """The encoder's noise in each of its frames: the standard deviation of the difference from the sound."""
    count = len(sound) // FRAME_SAMPLES
    added = decoded[: count * FRAME_SAMPLES].astype(np.float64) - sound[: count * FRAME_SAMPLES]
    return np.asarray(added.reshape(count, FRAME_SAMPLES).std(1))


def parts_decoded(frames: list[bytes], folder: Path) -> NDArray[np.int16]:
    path = folder / "parts.aac"
    path.write_bytes(b"".join(adts_header(len(frame)) + frame for frame in frames))
    return audio(path, RATE_HZ)


def whole_decoded(sound: NDArray[np.int16], folder: Path) -> NDArray[np.int16]:
    """The sound encoded by ffmpeg as a whole, at the same quality, and decoded."""
    source, coded = folder / "whole.wav", folder / "whole.aac"
    write_recording(source, sound, RATE_HZ)
    subprocess.run(["ffmpeg", "-v", "error", "-i", source, "-c:a", "aac", "-q:a", "2", "-f", "adts", coded], check=True)
    return audio(coded, RATE_HZ)[FRAME_SAMPLES:]  # the encoder's first frame precedes the sound


def adts_header(frame_bytes: int) -> bytes:
    """The header of a frame of AAC-LC, 48 kHz, mono, without a checksum."""
    size = frame_bytes + 7
    return bytes([0xFF, 0xF1, 0x4C, 0x40 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC])
