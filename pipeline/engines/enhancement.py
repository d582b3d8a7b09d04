"""A speaker's voice without what is heard behind it: noise, music, breaths, other people's voices.

The network is Hush (Weya AI), which follows DeepFilterNet 3 (Schröter et al. 2023): it finds gains for 32 bands of the
sound, and a complex filter over five frames for the lower part of its spectrum.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.engines.mel import mel_spectrogram
from pipeline.media import pcm

if TYPE_CHECKING:
    import onnxruntime

NETWORK = Path(__file__).with_name("voice.onnx")

HOP, WINDOW = 160, 320
"""Samples at 16 kHz, from frame to frame and in each."""
FRAMES_PER_SECOND = 100
BLOCK_HOPS, WARM_UP_HOPS = 30 * FRAMES_PER_SECOND, 4 * FRAMES_PER_SECOND
"""Hops that are looked at together, which bounds the memory; and how many before them the network hears first."""
BAND_WIDTHS = (*(2,) * 20, 3, 6, 7, 7, 8, 8, 10, 12, 12, 14, 16, 18)
"""Bins of each band, as wide as a listener's critical bands and two bins at least."""
BAND_STARTS = tuple(accumulate(BAND_WIDTHS[:-1], initial=0))
FILTERED_BINS, FILTER_FRAMES = 64, 5
"""The lower part of the spectrum, up to 3.2 kHz, is filtered over so many frames."""
FORGET_SECONDS = 1.0
"""Levels are relative to their mean over this time."""
LEVEL_SCALE_DB = 40.0
LEVELS_FIRST_DB, SIZES_FIRST = (-60.0, -90.0), (1e-3, 1e-4)
"""What these means are at first, in the lowest and in the highest band or bin."""

Floats = NDArray[np.float32]
Complexes = NDArray[np.complex64]


def voice_mel(wav: Path) -> Floats:
    """The mel spectrogram [80, columns] of the voice in a 16 kHz mono WAV file."""
    return mel_spectrogram(enhanced(pcm.map_wav(wav)))


def enhanced(samples: NDArray[np.int16]) -> Floats:
    """The voice in samples [n] at 16 kHz, at any level: [n], -1 to 1."""
    peak = max(1, int(samples.max(initial=0)), -int(samples.min(initial=0)))
    hops = -(-len(samples) // HOP)
    voice = np.empty(hops * HOP, np.float32)
    for start in range(0, hops, BLOCK_HOPS):
        stop, first = min(start + BLOCK_HOPS, hops), max(0, start - WARM_UP_HOPS)
        # Frame k is hop k and the one before it, so the last hop needs one frame more.
        heard = _cut(samples, (first - 1) * HOP, (stop + 1) * HOP)
        sound = _sound(_voice(_spectrum(np.asarray(heard / np.float32(2 * peak), np.float32))))
        voice[start * HOP : stop * HOP] = sound[(start - first + 1) * HOP : (stop - first + 1) * HOP]
    return voice[: len(samples)] * np.float32(2 * peak / (pcm.INT16_MAX + 1))


def _cut(samples: NDArray[np.int16], start: int, stop: int) -> NDArray[np.int16]:
    """Samples [start, stop), with silence outside the sound."""
    inside = samples[max(start, 0) : stop]
    before = max(-start, 0)
    return np.pad(inside, (before, stop - start - before - len(inside)))


def _spectrum(heard: Floats) -> Complexes:
    """The spectrum [frames, bins] of samples [(frames + 1) * HOP]."""
    frames = np.lib.stride_tricks.sliding_window_view(heard, WINDOW)[::HOP]
    return np.asarray(np.fft.rfft(frames * _window()) / WINDOW, np.complex64)


def _sound(spectrum: Complexes) -> Floats:
    """The samples [(frames + 1) * HOP] of a spectrum [frames, bins]; of the first and last hop only a part."""
    frames = np.fft.irfft(spectrum * WINDOW) * _window()
    sound = np.zeros((len(frames) + 1, HOP))
    sound[:-1] += frames[:, :HOP]
    sound[1:] += frames[:, HOP:]
    return np.asarray(sound.reshape(-1), np.float32)


def _voice(spectrum: Complexes) -> Complexes:
    """The spectrum [frames, bins] of the voice alone."""
    bands = np.add.reduceat(np.square(np.abs(spectrum)), BAND_STARTS, 1) / BAND_WIDTHS
    levels_db = 10 * np.log10(bands + 1e-10)
    levels = (levels_db - _usual(levels_db, LEVELS_FIRST_DB)) / LEVEL_SCALE_DB
    low = spectrum[:, :FILTERED_BINS]
    low_levels = np.asarray(low / np.sqrt(_usual(np.abs(low), SIZES_FIRST)), np.complex64)
    gains, taps = _found(levels, low_levels)
    voice = spectrum * np.repeat(gains, BAND_WIDTHS, 1)
    before = np.concatenate([np.zeros((FILTER_FRAMES - 1, FILTERED_BINS), np.complex64), low])
    voice[:, :FILTERED_BINS] = sum(before[k : k + len(low)] * taps[..., k] for k in range(FILTER_FRAMES))
    return voice


def _usual(values: Floats, first: tuple[float, float]) -> Floats:
    """The exponentially weighted mean of values [frames, n] up to each frame. `first`: of the lowest and highest n."""
    kept = float(np.exp(-1 / (FORGET_SECONDS * FRAMES_PER_SECOND)))
    mean, means = np.linspace(*first, values.shape[1]), np.empty_like(values)
    for now, value in zip(means, values, strict=True):
        mean = now[...] = kept * mean + (1 - kept) * value
    return means


@cache
def _window() -> NDArray[np.float64]:
    """Vorbis' window [WINDOW]: its square and that of the next frame add up to one."""
    return np.asarray(np.sin(np.pi / 2 * np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW) ** 2))


def _found(levels: Floats, low: Complexes) -> tuple[Floats, Complexes]:
    """Gains [frames, bands] and taps [frames, bins, frames of the filter] for relative levels and the low bins."""
    inputs = {"levels": levels[None, None], "bins": np.stack([low.real, low.imag])[None]}
    gains, taps = _network().run(None, {name: np.asarray(of, np.float32) for name, of in inputs.items()})
    parts = taps.reshape(len(levels), FILTERED_BINS, FILTER_FRAMES, 2)
    return gains[0, 0], parts[..., 0] + 1j * parts[..., 1]


@cache
def _network() -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(NETWORK, options, providers=["CPUExecutionProvider"])
