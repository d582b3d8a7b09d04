"""The mel spectrogram that Wav2Lip was trained with, and its windows, from which frames are generated.

Its parameters are those of the published code (Prajwal et al. 2020, after Tacotron): with any other, every checkpoint
produces nonsense. torchaudio computes the mel filters; the rest is 16 kHz arithmetic in double precision, since in
single precision the noise of loud columns would exceed the floor of -100 dB.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.engines.torchaudio_cpu import torchaudio

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 200
WINDOW_SAMPLES = 800
"""Length of the Hann window and of the Fourier transform."""

COLUMNS_PER_SECOND = SAMPLE_RATE_HZ // HOP_SAMPLES
MEL_BANDS = 80
LOWEST_HZ, HIGHEST_HZ = 55.0, 7600.0
WINDOW_COLUMNS = 16
"""Columns that one frame is generated from: 0.2 s."""

SILENCE = -4.0
"""The minimum value, which is silence; the maximum is 4."""

PRE_EMPHASIS = 0.97
AMPLITUDE_FLOOR = 1e-5
REFERENCE_DB = 20.0
RANGE_DB = 100.0
BLOCK_COLUMNS = 2048
"""Columns computed at a time, about 40 MB; the values do not depend on it."""


def mel_spectrogram(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The spectrogram [80, 1 + n // 200] of n >= 1 samples (16 kHz mono, -1..1), values -4..4.

    Column c is centred on sample 200 c; the signal is reflected at both ends.
    """
    columns = 1 + len(samples) // HOP_SAMPLES
    mel = np.empty((MEL_BANDS, columns), np.float32)
    for start in range(0, columns, BLOCK_COLUMNS):
        stop = min(start + BLOCK_COLUMNS, columns)
        mel[:, start:stop] = _columns(samples, start, stop)
    return mel


def columns_of(frame: int, fps: int) -> int:
    """The first of the 16 columns that a frame is generated from: `int(80 * frame / fps)`."""
    return COLUMNS_PER_SECOND * frame // fps


def windows(mel: NDArray[np.float32], start_frame: int, stop_frame: int, fps: int) -> NDArray[np.float32]:
    """The windows for frames [start_frame, stop_frame): [n, 80, 16], with silence past the end of the sound."""
    first = [columns_of(frame, fps) for frame in range(start_frame, stop_frame)]
    columns = np.array(first, np.int64)[:, None] + np.arange(WINDOW_COLUMNS)
    known = np.asarray(mel)[:, np.minimum(columns, mel.shape[1] - 1)]
    cut = np.where(columns < mel.shape[1], known, np.float32(SILENCE))
    return np.ascontiguousarray(cut.swapaxes(0, 1))


def _columns(samples: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float32]:
    """Columns [start, stop) of the whole spectrogram."""
    half = WINDOW_SAMPLES // 2
    emphasised = _emphasised(samples, start * HOP_SAMPLES - half, (stop - 1) * HOP_SAMPLES + half)
    spectrum = torch.stft(
        torch.from_numpy(emphasised),
        WINDOW_SAMPLES,
        HOP_SAMPLES,
        window=torch.hann_window(WINDOW_SAMPLES, dtype=torch.float64),
        center=False,
        return_complex=True,
    )
    decibels = 20 * torch.log10((_filters() @ spectrum.abs()).clamp(min=AMPLITUDE_FLOOR)) - REFERENCE_DB
    scaled = 2 * -SILENCE * (decibels + RANGE_DB) / RANGE_DB + SILENCE
    return scaled.clamp(SILENCE, -SILENCE).float().numpy()


def _emphasised(samples: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float64]:
    """Samples [start, stop) after pre-emphasis, then reflection at the ends of the sound."""
    last = len(samples) - 1
    around = np.arange(start, stop) % max(2 * last, 1)
    places = last - np.abs(around - last)
    before = np.where(places > 0, samples[places - 1], 0.0).astype(np.float64)
    emphasised: NDArray[np.float64] = samples[places] - PRE_EMPHASIS * before
    return emphasised


@lru_cache(maxsize=1)
def _filters() -> torch.Tensor:
    """The mel filters, float64 [80, 401]: Slaney's scale and norm, as librosa's default, which Wav2Lip used."""
    bins = WINDOW_SAMPLES // 2 + 1
    filters: torch.Tensor = torchaudio.functional.melscale_fbanks(
        bins, LOWEST_HZ, HIGHEST_HZ, MEL_BANDS, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"
    )
    return filters.T.double().contiguous()
