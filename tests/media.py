"""Inspecting finished videos and writing recordings, for tests."""

from __future__ import annotations

import json
import struct
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.media.pcm import write_wav
from pipeline.speech.voices.catalogue import Voices


def streams(video: Path) -> dict[str, dict[str, Any]]:
    """The streams of a file by kind, packets counted."""
    argv = ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-of", "json", str(video)]
    found = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)["streams"]
    return {stream["codec_type"]: stream for stream in found}


def top_level_boxes(video: Path) -> list[str]:
    """The types of an MP4's top-level boxes, in file order."""
    data, at, found = video.read_bytes(), 0, []
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found.append(kind.decode())
        at += max(size, 8)
    return found


def frames(video: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """All frames, decoded to grey: [n, height, width]."""
    argv = ["ffmpeg", "-v", "error", "-i", str(video), "-map", "0:v", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run(argv, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0])


def audio(video: Path, rate_hz: int = 16_000) -> NDArray[np.int16]:
    """The audio as a player plays it, mono."""
    argv = ["ffmpeg", "-v", "error", "-i", str(video), "-map", "0:a", "-ac", "1", "-ar", str(rate_hz)]
    raw = subprocess.run([*argv, "-f", "s16le", "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.int16)


def speech_like(seconds: float, rate_hz: int = 16_000, seed: int = 0) -> NDArray[np.int16]:
    """Speech of exactly `round(seconds * rate)` samples, with a pause about every two seconds, over faint noise."""
    count = round(seconds * rate_hz)
    time = np.arange(count) / rate_hz
    spoken, spoken_rate_hz = _spoken()
    voice = np.interp(time * spoken_rate_hz, np.arange(len(spoken)), spoken, period=len(spoken))
    pauses = np.sin(2 * np.pi * 0.5 * time) <= -0.8
    samples = 12_000 * np.where(pauses, 0, voice) + np.random.default_rng(seed).standard_normal(count) * 20
    return np.clip(samples, -30_000, 30_000).astype(np.int16)


@cache
def _spoken() -> tuple[NDArray[np.float32], int]:
    """A sentence, and its sample rate."""
    backend, voice = Voices(Config().tts).choose("en", "espeak:en-us")
    text = "The quick brown fox jumps over the lazy dog, and seven merry pilots sail past the harbour."
    utterance = backend.speak(text, "en", voice, 1.0)
    return utterance.samples, utterance.sample_rate_hz


def write_recording(path: Path, samples: NDArray[np.int16], rate_hz: int = 16_000) -> None:
    """Write a mono WAV."""
    write_wav(path, samples, rate_hz)
