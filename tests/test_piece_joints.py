"""Pictures and sound go on from one piece of a stream to the next as if rendered and encoded at once."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
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

RATE_HZ = 48_000
AAC_FRAME_SAMPLES = 1024


def test_a_video_avatar_goes_on_from_piece_to_piece(checkpoint: Path, tmp_path: Path) -> None:
    side, frames, first = 128, 16, 8
    noise = np.random.default_rng(0).integers(16, 235, (frames, side * 3 // 2, side), dtype=np.uint8)
    (tmp_path / "clip").write_bytes(noise.tobytes())
    everywhere = np.ones(frames, bool)
    clip = Clip((tmp_path / "clip").open("rb"), (side, side), frames, Fraction(25), np.arange(frames), everywhere)
    boxes = np.tile(np.array([30, 20, 100, 110], np.float32), (frames, 1))
    avatar = FittedAvatar(clip, NoFace("no_face", "", ""), boxes, AvatarSettings())
    engine = Wav2LipEngine(checkpoint, torch.device("cpu"), config_key="models.gan.checkpoint", exact=True)

    def rendered(first_frame: int, count: int) -> torch.Tensor:
        speech = SpeechFeatures(np.full((80, 80), SILENCE, np.float32), count, 25, first_frame=first_frame)
        return torch.cat(list(engine.renderer(avatar, speech).render(0, count)))

    assert torch.equal(rendered(first, frames - first), rendered(0, frames)[first:])


def test_what_moves_without_speaking_goes_on_from_piece_to_piece() -> None:
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
    sound, scratch = speech_like(12, RATE_HZ), tmp_path / "scratch"
    at_once = aac.encode_part(sound, 0, 0, aac.part_end(len(sound), is_last=True), scratch)
    joined: list[bytes] = []
    joints: list[int] = []
    start = 0
    for known in (30_000, 100_000, 240_000, 265_000, 431_111, len(sound)):
        stop = aac.part_end(known, is_last=known == len(sound))
        first = max(0, (start // aac.FRAME_SAMPLES - aac.BEFORE_FRAMES) * aac.FRAME_SAMPLES)
        joined += aac.encode_part(sound[first:known], first, start, stop, scratch)
        joints, start = [*joints, stop // aac.FRAME_SAMPLES], stop
    assert len(joined) == len(at_once)
    lost, lost_at_once = (encoder_noise(frames, sound, tmp_path) for frames in (joined, at_once))
    for joint in joints[:-1]:
        assert lost[joint - 1 : joint + 10].max() < 1.1 * lost_at_once[joint - 1 : joint + 10].max()


def encoder_noise(frames: list[bytes], sound: NDArray[np.int16], folder: Path) -> NDArray[np.float64]:
    """How loud what the encoder adds is in each of its frames."""
    path = folder / "sound.aac"
    path.write_bytes(b"".join(adts_header(len(frame)) + frame for frame in frames))
    count = len(sound) // aac.FRAME_SAMPLES
    added = audio(path, RATE_HZ)[: count * aac.FRAME_SAMPLES].astype(np.float64) - sound[: count * aac.FRAME_SAMPLES]
    return np.asarray(added.reshape(count, aac.FRAME_SAMPLES).std(1))


def adts_header(frame_bytes: int) -> bytes:
    """Of AAC-LC, 48 kHz, mono, without a checksum."""
    size = frame_bytes + aac.ADTS_HEADER_BYTES
    return bytes([0xFF, 0xF1, 0x4C, 0x40 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC])
