"""A recording as mono PCM, whatever its tracks and channels are, and although parts of it may be damaged.

Several channels are read twice more: to see how they relate, and to mix them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import JobError, StageError
from pipeline.media import damage, endings, ffmpeg, frame_sync, levels, parts, pcm
from pipeline.media.damage import Frames, Gap
from pipeline.media.ffmpeg import Stream
from pipeline.media.kinds import identify
from pipeline.media.levels import BLOCK_SAMPLES, LOUD_PERCENTILE
from pipeline.media.ogg_pages import with_late_pages
from pipeline.media.parts import Part
from pipeline.media.pcm import TRACK_RATE_HZ
from pipeline.media.refusals import unreadable
from pipeline.messages import PCM_RATE_HZ, Notice

FIELD = "audio"
"""The job's key that names a recording."""

OPPOSITE = -0.5
"""Channels whose correlation is below this would cancel each other: one of them is inverted."""
WITH_CENTRE = ("3.", "4.", "5.", "6.", "7.")
"""How ffmpeg's names of layouts begin whose third channel is the centre."""
WITHOUT_CENTRE = frozenset({"3.0(back)", "6.0(front)", "6.1(front)"})
SIDE, SURROUND = math.sqrt(0.5), 0.5
"""Weights beside a centre channel of 1: of the left and the right one, and of all others (ITU-R BS.775)."""
LOW_FREQUENCY = {"2.1": 2, "6.1(front)": 2}
"""Index of the low-frequency channel, which carries no speech; 3 in all other layouts that have one."""

WITHOUT_TIMES = frozenset({"mp3", "aac", "ac3", "eac3", "amr"})
"""Formats whose frames have no time stamps that hold: what is missing is also seen by the length of the file."""
LOSSLESS = frozenset({"flac", "tta", "wv"})
"""Formats of which nothing more may be found behind much damage."""

FRAMES = "frames.txt"
"""ffmpeg's list of the frames, in the folder for temporary files."""
GAVE_UP = "ffmpeg: "
"""In the message of an error that ffmpeg itself reports, not one about a limit."""
FAILED_SECONDS = 0.1
"""What is not decoded again before a frame at which ffmpeg gave up."""

UNRECOGNISED = "Invalid data found when processing input", "Failed to read frame size", "the format image2 "
"""What ffmpeg says about files that are nothing it knows."""


@dataclass(frozen=True)
class Sound:
    """A recording that was read."""

    samples: NDArray[np.int16]
    """At `PCM_RATE_HZ`, for the models."""
    track: NDArray[np.int16]
    """At `TRACK_RATE_HZ`, for the video."""
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class _Part:
    """One of the files that a recording consists of."""

    samples: NDArray[np.int16]
    track: NDArray[np.int16]
    gaps: list[Gap]
    cause: str | None
    """What ffmpeg says about its damage."""
    is_damaged: bool
    missing_seconds: float | None
    """See `endings.missing_seconds`."""
    expected_seconds: float
    """Its length, or more if parts of it may be lost unseen."""


@dataclass(frozen=True)
class _Block:
    """100 ms of sound, or less at its end."""

    covariance: NDArray[np.float64]
    """Mean products of its channels, [channels, channels]."""
    peaks: NDArray[np.float64]
    """[channels]"""


def read_own(speech: Path, limit_seconds: float) -> Sound:
    """Read speech that a voice of ours has written. Without ffmpeg, which takes 70 ms to start: viewers may wait."""
    rate_hz = pcm.wav_rate_hz(speech)
    written = pcm.as_float(pcm.read_wav(speech)[: round(limit_seconds * rate_hz)])
    samples, track = (pcm.as_int16(pcm.resampled(written, rate_hz, to_hz)) for to_hz in (PCM_RATE_HZ, TRACK_RATE_HZ))
    return Sound(samples, track, ())


def read(recording: Path, folder: Path, limit_seconds: float) -> Sound:
    """Read the default track of a recording, at most `limit_seconds` of it. `folder`: for temporary files.

    Parts that are damaged become silence of the same length. Raises JobError if most is damaged.
    """
    try:
        return _read(recording, folder, limit_seconds)
    except JobError as error:
        reason = foreign(recording, error.message)
        raise unreadable(FIELD, reason) if reason else error from None


def foreign(recording: Path, message: str) -> str | None:
    """Why a file is not a recording, if that is why ffmpeg failed with this message."""
    if not any(said in message for said in UNRECOGNISED):
        return None
    if not recording.stat().st_size:
        return "it is empty"
    kind = identify(recording)
    return f"it is {kind.name}" if kind and kind.medium != "clip" else "its format is not known"


def _read(recording: Path, folder: Path, limit_seconds: float) -> Sound:
    found, errors = parts.find(recording, limit_seconds), list[JobError]()
    read = list(_parts(recording, found, folder, limit_seconds, errors))
    if not read:
        raise errors[0]
    samples = np.concatenate([part.samples for part in read])
    gaps = list(chain.from_iterable(_later(part.gaps, start) for part, start in zip(read, _starts(read), strict=True)))
    cause = next(filter(None, (part.cause for part in read)), None)
    is_damaged = bool(errors) or any(part.is_damaged for part in read)
    if is_damaged:
        _check_most_is_left(sum(part.expected_seconds for part in read), samples, gaps, cause)
    is_cut = len(read) == len(found) and found[-1].stop < recording.stat().st_size
    missing_seconds = _longer(read[-1].missing_seconds, 0.0 if is_cut else None)
    others = list(damage.others(found[0].start, missing_seconds))
    damages = damage.notices(gaps, others) if is_damaged or others else ()
    track = np.concatenate([part.track for part in read])
    return Sound(samples, track, (*damages, *levels.notices(samples)))


def _parts(
    recording: Path, found: Sequence[Part], folder: Path, limit_seconds: float, errors: list[JobError]
) -> Iterator[_Part]:
    """Read the files that a file consists of. Adds the errors of those that cannot be read."""
    for part in found:
        try:
            alone = parts.alone(recording, part, folder / f"part{recording.suffix}")
            read = _part(alone, folder, limit_seconds)
        except JobError as error:
            errors.append(error)
            continue
        yield read
        limit_seconds -= len(read.samples) / PCM_RATE_HZ
        if limit_seconds <= 0:
            return


def _part(recording: Path, folder: Path, limit_seconds: float) -> _Part:
    losses, missing_seconds = frame_sync.walked(recording, limit_seconds)
    frames_alone = frame_sync.without(recording, losses, folder / f"frames{recording.suffix}")
    try:
        frames, cause = _decoded(frames_alone, folder, limit_seconds)
    except JobError as error:
        frames, cause = _until_failure(frames_alone, folder, limit_seconds, error)
    between = with_late_pages(recording, frames)
    gaps = damage.with_losses(between, losses)
    targets = _targets(folder).items()
    samples, track = (damage.filled(pcm.read_wav(path), gaps, rate_hz) for path, rate_hz in targets)
    is_unseen = len(between) > len(frames.gaps)
    is_damaged = cause is not None or is_unseen or not all(loss.is_harmless for loss in losses)
    heard_seconds = len(samples) / PCM_RATE_HZ
    estimated_seconds = min(_estimated_seconds(recording), limit_seconds) if is_damaged else 0.0
    if not missing_seconds and heard_seconds < limit_seconds - endings.SECONDS_MIN:
        missing_seconds = _longer(missing_seconds, endings.missing_seconds(recording, heard_seconds))
    return _Part(samples, track, gaps, cause, is_damaged, missing_seconds, max(heard_seconds, estimated_seconds))


def _decoded(recording: Path, folder: Path, limit_seconds: float) -> tuple[Frames, str | None]:
    """Write the targets, without gaps. Returns the frames, and what ffmpeg says about damage."""
    sound, targets, listed = pcm.source(recording, limit_seconds), _targets(folder), folder / FRAMES
    list_of_frames = pcm.target(listed, sound, f="framecrc", acodec="pcm_s16le")
    cause = pcm.convert(sound, targets, list_of_frames, limit_seconds=limit_seconds)
    frames = damage.read_frames(listed, limit_seconds)
    if frames.channels > 1:
        pcm.convert(sound, targets, limit_seconds=limit_seconds, af=_mix(sound, frames, limit_seconds))
    return frames, cause


def _until_failure(recording: Path, folder: Path, limit_seconds: float, error: JobError) -> tuple[Frames, str | None]:
    """Decode again, up to the damage at which ffmpeg gave up. Raises the error if there is nothing before it."""
    listed = folder / FRAMES
    seconds = damage.read_frames(listed, limit_seconds).seconds - FAILED_SECONDS if listed.exists() else 0.0
    if GAVE_UP not in error.message or seconds <= 0:
        raise error
    frames, _ = _decoded(recording, folder, seconds)
    return frames, error.message


def _longer(*lengths: float | None) -> float | None:
    return max((seconds for seconds in lengths if seconds is not None), default=None)


def _starts(read: Sequence[_Part]) -> Iterator[float]:
    """When each part begins, in seconds."""
    return accumulate((len(part.samples) / PCM_RATE_HZ for part in read[:-1]), initial=0.0)


def _later(gaps: Sequence[Gap], seconds: float) -> Iterator[Gap]:
    return (replace(gap, start_seconds=gap.start_seconds + seconds) for gap in gaps)


def _check_most_is_left(
    expected_seconds: float, samples: NDArray[np.int16], gaps: Sequence[Gap], cause: str | None
) -> None:
    """Raise JobError if most of a recording is damaged. `cause`: what ffmpeg says about it."""
    left_seconds = len(samples) / PCM_RATE_HZ - sum(gap.seconds for gap in gaps)
    if left_seconds < expected_seconds / 2:
        raise unreadable(FIELD, "most of it is damaged" + (f" ({cause})" if cause else ""))


def _estimated_seconds(recording: Path) -> float:
    """Length, by its size and header, of a file in which gaps may not be seen; else 0."""
    try:
        found = ffmpeg.probe(recording, ffmpeg.INPUT_FORMATS, codecs=ffmpeg.AUDIO_CODECS)
        name, seconds = found["format"]["format_name"], float(found["format"]["duration"])
        if name in LOSSLESS:
            return min(seconds, _shortest_seconds(found["streams"][0], recording.stat().st_size))
        return seconds if name in WITHOUT_TIMES else 0.0
    except (StageError, KeyError, ValueError, IndexError, ZeroDivisionError):
        return 0.0


def _shortest_seconds(stream: dict[str, Any], size_bytes: int) -> float:
    """How long so many bytes of a lossless codec last at least: they are no more than those of the samples."""
    bits = int(stream["bits_per_raw_sample"]) * int(stream["channels"]) * int(stream["sample_rate"])
    return 8 * size_bytes / bits


def _targets(folder: Path) -> dict[Path, int]:
    """The files to convert to, with their rates."""
    return {folder / "pcm.wav": PCM_RATE_HZ, folder / "track.wav": TRACK_RATE_HZ}


# Channels


def _mix(sound: Stream, frames: Frames, limit_seconds: float) -> str:
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
