"""A recording as mono PCM, whatever its tracks and channels are, and although parts of it may be damaged.

Several channels are read twice more: to see how they relate, and to mix them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StageError
from pipeline.media import ffmpeg, pcm
from pipeline.media.ffmpeg import Stream
from pipeline.media.pcm import TRACK_RATE_HZ
from pipeline.messages import PCM_RATE_HZ, Notice

FIELD = "audio"
"""The job's key that names a recording."""

BLOCK_SAMPLES = PCM_RATE_HZ // 10
"""Levels are measured over 100 ms."""
LOUD_PERCENTILE, QUIET_PERCENTILE = 95, 10
"""Of the levels of all blocks: that of the speech, and that of what is heard in its pauses."""

OPPOSITE = -0.5
"""Channels whose correlation is below this would cancel each other: one of them is inverted."""
WITH_CENTRE = ("3.", "4.", "5.", "6.", "7.")
"""How ffmpeg's names of layouts begin whose third channel is the centre."""
WITHOUT_CENTRE = frozenset({"3.0(back)", "6.0(front)", "6.1(front)"})
SIDE, SURROUND = math.sqrt(0.5), 0.5
"""Weights beside a centre channel of 1: of the left and the right one, and of all others (ITU-R BS.775)."""
LOW_FREQUENCY = {"2.1": 2, "6.1(front)": 2}
"""Index of the low-frequency channel, which carries no speech; 3 in all other layouts that have one."""

WITHOUT_TIMES = frozenset({"mp3", "aac", "ac3", "eac3", "amr", "flac"})
"""Formats of frames without time stamps that hold: what is missing is seen by the length of the file."""
GAP_SECONDS_MIN = 0.018
"""Shorter jumps of the time stamps are rounding. The shortest frame of a codec that can be lost is 20 ms long."""
GAPS_LISTED = 5

SILENT_DBFS, QUIET_DBFS = -50.0, -38.0
NOISE_DB = 12.0
"""Speech that is less than this above its pauses is hard to tell from them."""
NOISE_SECONDS_MIN = 3.0
CLIPPED_SHARE = 0.001
FULL_SCALE = 32_700


@dataclass(frozen=True)
class Sound:
    """A recording that was read."""

    samples: NDArray[np.int16]
    """At `PCM_RATE_HZ`, for the models."""
    track: NDArray[np.int16]
    """At `TRACK_RATE_HZ`, for the video."""
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class _Block:
    """100 ms of sound, or less at its end."""

    covariance: NDArray[np.float64]
    """Mean products of its channels, [channels, channels]."""
    peaks: NDArray[np.float64]
    """[channels]"""


@dataclass(frozen=True)
class _Gap:
    """A part that could not be read. Seconds of the recording."""

    start_seconds: float
    seconds: float


@dataclass(frozen=True)
class _Frames:
    """What the decoded frames of a recording say."""

    gaps: list[_Gap]
    channels: int
    layout: str
    """ffmpeg's name of the layout of the channels; empty if unknown."""


def read_own(speech: Path, folder: Path, limit_seconds: float) -> Sound:
    """Read speech that a voice of ours has written."""
    targets = _targets(folder)
    pcm.convert(pcm.source(speech, limit_seconds), targets, limit_seconds=limit_seconds)
    samples, track = map(pcm.read_wav, targets)
    return Sound(samples, track, ())


def read(recording: Path, folder: Path, limit_seconds: float) -> Sound:
    """Read the default track of a recording, at most `limit_seconds` of it. `folder`: for temporary files.

    Parts that are damaged become silence of the same length. Raises JobError if most is damaged.
    """
    sound, targets, listed = pcm.source(recording, limit_seconds), _targets(folder), folder / "frames.txt"
    list_of_frames = pcm.target(listed, sound, f="framecrc", acodec="pcm_s16le")
    damage = pcm.convert(sound, targets, list_of_frames, limit_seconds=limit_seconds)
    frames = _read_frames(listed, limit_seconds)
    if frames.channels > 1:
        pcm.convert(sound, targets, limit_seconds=limit_seconds, af=_mix(sound, frames, limit_seconds))
    gaps = frames.gaps
    samples, track = (_filled(pcm.read_wav(path), gaps, rate_hz) for path, rate_hz in targets.items())
    if damage is not None:
        seconds, missing_seconds = len(samples) / PCM_RATE_HZ, sum(gap.seconds for gap in gaps)
        if seconds - missing_seconds < max(seconds, min(_estimated_seconds(recording), limit_seconds)) / 2:
            raise ffmpeg.unreadable(FIELD, f"most of it is damaged ({damage})")
    return Sound(samples, track, (*_damage(gaps, damage), *_levels(samples)))


def _targets(folder: Path) -> dict[Path, int]:
    """The files to convert to, with their rates."""
    return {folder / "pcm.wav": PCM_RATE_HZ, folder / "track.wav": TRACK_RATE_HZ}


# Channels


def _mix(sound: Stream, frames: _Frames, limit_seconds: float) -> str:
    """ffmpeg's filter that mixes the channels of a recording."""
    shape = BLOCK_SAMPLES, frames.channels
    samples = ffmpeg.read_samples(sound, PCM_RATE_HZ, shape, FIELD, pcm.cpu_seconds(limit_seconds))
    weights = _weights([_measured(block) for block in samples], _balance(frames.channels, frames.layout))
    return "pan=mono|c0=" + "+".join(f"{weight:.6f}*c{channel}" for channel, weight in enumerate(weights))


def _measured(block: NDArray[np.int16]) -> _Block:
    values = block / 32_768
    return _Block(values.T @ values / len(values), np.abs(values).max(0))


def _balance(channels: int, layout: str) -> NDArray[np.float64]:
    """How loud each channel is meant to be in a mix. `layout`: ffmpeg's name."""
    balance = np.ones(channels)
    if layout.startswith(WITH_CENTRE) and layout not in WITHOUT_CENTRE:
        balance[:2], balance[3:] = SIDE, SURROUND
    if ".1" in layout:
        balance[LOW_FREQUENCY.get(layout, 3)] = 0
    return balance


def _weights(blocks: list[_Block], balance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weight of each channel in a mix in which speech keeps the level that it has in the loudest channel.

    Channels are not averaged: speech in one of two would lose 6 dB, and that in opposite phase would cancel itself.
    """
    if not blocks:
        return balance / len(balance)
    covariances = np.stack([block.covariance for block in blocks])
    weights = balance * _signs(covariances.sum(0))
    loudest = max(_level(covariances[:, channel, channel]) for channel in np.flatnonzero(balance))
    mixed = _level(np.einsum("i,bij,j->b", weights, covariances, weights))
    if mixed > 0:
        weights *= math.sqrt(loudest / mixed)
    peak = max(float(np.abs(weights) @ block.peaks) for block in blocks)  # no less than that of the mix
    return np.asarray(weights / max(1.0, peak))


def _level(powers: NDArray[np.float64]) -> float:
    return float(np.percentile(powers, LOUD_PERCENTILE))


def _signs(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 or -1 for each channel, so that none cancels the louder ones."""
    signs = np.zeros(len(covariance))
    for channel in np.argsort(-np.diag(covariance), kind="stable"):
        shared, power = signs @ covariance[channel], signs @ covariance @ signs
        is_opposite = shared < OPPOSITE * math.sqrt(power * covariance[channel, channel])
        signs[channel] = -1.0 if is_opposite else 1.0
    return signs


# Damage


def _read_frames(listed: Path, limit_seconds: float) -> _Frames:
    """Read ffmpeg's list of decoded frames: the stream, two times, the duration, the size and a hash of each.

    Stops beyond `limit_seconds`: in a file whose times jump back and forth, gaps could add up to any length.
    """
    gaps, scale, filled, end, channels, layout = list[_Gap](), 1.0, 0.0, None, 1, ""
    with listed.open() as lines:
        for line in lines:
            if line.startswith("#"):
                key, _, value = line.rstrip().partition(": ")
                scale = float(Fraction(value)) if key == "#tb 0" else scale
                layout = value if key == "#channel_layout_name 0" else layout
                continue
            ticks, duration, size_bytes = (int(part) for part in line.split(",")[2:5])
            if duration <= 0 or filled > limit_seconds:
                continue
            start, channels = ticks * scale, size_bytes // (duration * pcm.SAMPLE_BYTES)
            jump = 0.0 if end is None else start - end
            if jump > GAP_SECONDS_MIN:
                gaps.append(_Gap(filled, jump))
                filled += jump
            # Small jumps are kept as drift: those of some codecs go back and forth.
            end = (start if end is None or abs(jump) > GAP_SECONDS_MIN else end) + duration * scale
            filled += duration * scale
    return _Frames(gaps, channels, layout)


def _filled(samples: NDArray[np.int16], gaps: list[_Gap], rate_hz: int) -> NDArray[np.int16]:
    """The samples with silence in the gaps."""
    parts, position, filled = list[NDArray[np.int16]](), 0, 0.0
    for gap in gaps:
        start = min(len(samples), round((gap.start_seconds - filled) * rate_hz))
        parts += [samples[position:start], np.zeros(round(gap.seconds * rate_hz), np.int16)]
        position, filled = start, filled + gap.seconds
    return np.concatenate([*parts, samples[position:]])


def _estimated_seconds(recording: Path) -> float:
    """Length, by its size or header, of a file in which gaps may not be seen; else 0."""
    try:
        found = ffmpeg.probe(recording, ffmpeg.INPUT_FORMATS, codecs=ffmpeg.AUDIO_CODECS)["format"]
        return float(found["duration"]) if found["format_name"] in WITHOUT_TIMES else 0.0
    except (StageError, KeyError, ValueError):
        return 0.0


def _damage(gaps: list[_Gap], damage: str | None) -> Iterator[Notice]:
    if damage is None:
        return
    shown = ", ".join(f"{gap.start_seconds:.2f}-{gap.start_seconds + gap.seconds:.2f} s" for gap in gaps[:GAPS_LISTED])
    if len(gaps) > GAPS_LISTED:
        shown += f" and {len(gaps) - GAPS_LISTED} more"
    where = f"these parts are silent in the video: {shown}" if gaps else "parts may be missing or noisy"
    yield Notice("damaged_audio", f"the recording is damaged; {where}", "use the original file if there is one")


# Levels


def _levels(samples: NDArray[np.int16]) -> Iterator[Notice]:
    """What is wrong with the level of a recording."""
    if len(samples) < BLOCK_SAMPLES:
        return
    blocks = pcm.as_float(samples[: len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES]).reshape(-1, BLOCK_SAMPLES)
    levels = 10 * np.log10(np.square(blocks).mean(1) + 1e-10)
    loud, quiet = (float(np.percentile(levels, percent)) for percent in (LOUD_PERCENTILE, QUIET_PERCENTILE))
    if loud < SILENT_DBFS:
        hint = "is the speech in another track of the file? only the default one is used"
        yield Notice("silent_audio", f"the recording is nearly silent ({loud:.0f} dBFS)", hint)
        return
    if loud < QUIET_DBFS:
        yield Notice("quiet_audio", f"the recording is very quiet ({loud:.0f} dBFS)", "record it louder")
    if len(samples) >= NOISE_SECONDS_MIN * PCM_RATE_HZ and loud - quiet < NOISE_DB:
        message = f"the background is only {loud - quiet:.0f} dB below the speech"
        yield Notice("noisy_audio", message, "the mouth may move with noise or music")
    clipped = float(np.mean(np.abs(samples.astype(np.int32)) >= FULL_SCALE))
    if clipped > CLIPPED_SHARE:
        yield Notice("clipped_audio", f"the recording is clipped ({clipped:.1%} of it)", "record it less loudly")
