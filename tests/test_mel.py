"""The mel spectrogram compared with the official implementation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.engines import mel as module
from pipeline.engines.mel import BLOCK_COLUMNS, HOP_SAMPLES, MEL_BANDS, SILENCE, columns_of, mel_spectrogram, windows
from pipeline.media.pcm import as_float, read_wav
from tests.media import speech_like
from tests.seeded_weights import WAV2LIP_DATA

SECOND = 16_000


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    return as_float(read_wav(WAV2LIP_DATA / "speech_16k.wav"))


def noise(samples: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(samples).astype(np.float32) * np.float32(0.1)


def test_it_equals_the_official_one(speech: NDArray[np.float32]) -> None:
    expected = np.load(WAV2LIP_DATA / "mel_spectrogram.npz")["mel"]
    mel = mel_spectrogram(speech)
    assert mel.dtype == np.float32
    assert mel.shape == expected.shape
    assert np.abs(mel - expected).max() < 1e-3


@pytest.mark.parametrize("block", [1, 7, 100, 320])
def test_it_does_not_depend_on_the_blocks(
    block: int, speech: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = mel_spectrogram(speech)
    monkeypatch.setattr(module, "BLOCK_COLUMNS", block)
    assert np.array_equal(mel_spectrogram(speech), whole)


def test_a_cut_changes_only_the_columns_near_it(speech: NDArray[np.float32]) -> None:
    whole, half = mel_spectrogram(speech), mel_spectrogram(speech[: 100 * HOP_SAMPLES])
    assert np.array_equal(whole[:, :98], half[:, :98])
    assert not np.array_equal(whole[:, 98:101], half[:, 98:])


@pytest.mark.parametrize("columns", [BLOCK_COLUMNS - 1, BLOCK_COLUMNS, BLOCK_COLUMNS + 1, 2 * BLOCK_COLUMNS])
def test_the_last_block_is_whole(columns: int) -> None:
    mel = mel_spectrogram(noise((columns - 1) * HOP_SAMPLES + 199))
    assert mel.shape == (MEL_BANDS, columns)
    assert np.isfinite(mel).all()
    assert mel[:, -1].max() > -2


@pytest.mark.parametrize(
    ("samples", "least", "most"),
    [
        (np.zeros(SECOND), -4, -4),
        (np.full(SECOND, 0.5), -4, 0),
        (np.clip(speech_like(1) / 3000, -1, 1), -4, 4),
        (np.sign(np.sin(np.arange(SECOND) * 0.1)), -4, 4),
        (np.zeros(1), -4, -4),
        (np.ones(3), -4, 4),
        (np.ones(401), -4, 4),
    ],
    ids=["silence", "DC", "clipped", "square", "one sample", "three samples", "half a window"],
)
def test_unusual_sounds_stay_in_range(samples: NDArray[np.float64], least: float, most: float) -> None:
    mel = mel_spectrogram(samples.astype(np.float32))
    assert np.isfinite(mel).all()
    assert least <= mel.min() <= mel.max() <= most


@pytest.mark.slow
def test_five_minutes_take_little_memory() -> None:
    code = (
        "import resource, numpy as np\n"
        "from pipeline.engines.mel import mel_spectrogram\n"
        "samples = np.full(300 * 16000, 0.1, np.float32)\n"
        "mel_spectrogram(samples[:500000])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "mel_spectrogram(samples)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    root = Path(__file__).parent.parent
    ended = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    assert int(ended.stdout) < 100 * 1024


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_columns_are_the_official_ones(fps: int) -> None:
    assert [columns_of(frame, fps) for frame in range(5000)] == [int(80 * frame / fps) for frame in range(5000)]


def test_windows_are_cut_from_the_columns() -> None:
    mel = np.arange(MEL_BANDS * 50, dtype=np.float32).reshape(MEL_BANDS, 50)
    cut = windows(mel, 3, 8, 25)
    assert cut.dtype == np.float32
    assert cut.shape == (5, 80, 16)
    for frame, window in zip(range(3, 8), cut, strict=True):
        assert np.array_equal(window, mel[:, int(3.2 * frame) :][:, :16])


def test_windows_past_the_end_are_silent() -> None:
    [within, across, beyond] = windows(np.ones((MEL_BANDS, 20), np.float32), 1, 12, 25)[[0, 1, 10]]
    assert (within == 1).all()
    assert (across[:, :14] == 1).all()
    assert (across[:, 14:] == SILENCE).all()
    assert (beyond == SILENCE).all()


def test_windows_of_no_frames() -> None:
    assert windows(np.ones((MEL_BANDS, 20), np.float32), 3, 3, 25).shape == (0, 80, 16)
