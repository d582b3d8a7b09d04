"""Detection of pauses, and the silence gate of Wav2Lip."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.engines import load_engine
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.foreground import foreground
from pipeline.engines.loudness import GATE_BELOW, POWER_PER_UNIT, Floats, _speaking, silences, speech_gate
from pipeline.engines.mel import COLUMNS_PER_SECOND, SILENCE
from pipeline.engines.wav2lip import Wav2LipEngine, precision
from pipeline.media.runs import runs

SECOND = COLUMNS_PER_SECOND
STEP = 16
"""Columns, 0.2 s: longer than a stop consonant."""


def levels(*parts: tuple[float, int]) -> Floats:
    """Loudness in mel units, each level for a number of columns."""
    return np.concatenate([np.full(columns, level, np.float32) for level, columns in parts])


@given(st.lists(st.floats(-0.7, 0.2), min_size=1, max_size=12))
def test_a_level_that_oscillates_around_the_threshold_is_one_silence(offsets: list[float]) -> None:
    wavering = [(-GATE_BELOW + offset, STEP) for offset in offsets]
    loudness = levels((0, SECOND), (SILENCE, SECOND), *wavering, (SILENCE, STEP), (0, SECOND))
    assert silences(loudness) == [(SECOND, len(loudness) - SECOND)]


@given(st.lists(st.floats(0.05, 2.0), min_size=1, max_size=12))
def test_speech_lasts_while_it_fades(offsets: list[float]) -> None:
    """Given sound that was loud and then stays just above the threshold."""
    fading = [(-GATE_BELOW + offset, STEP) for offset in offsets]
    loudness = levels((0, SECOND), *fading, (SILENCE, SECOND), (0, SECOND))
    assert silences(loudness) == [(len(loudness) - 2 * SECOND, len(loudness) - SECOND)]


def test_the_mouth_closes_once_for_an_oscillating_level() -> None:
    wavering = [(-GATE_BELOW + offset, STEP) for offset in (0.1, -0.1) * 10]
    loudness = levels((0, SECOND), (SILENCE, SECOND), *wavering, (0, SECOND))
    seconds = len(loudness) // SECOND
    gate = speech_gate(SpeechFeatures(np.tile(loudness, (80, 1)), 25 * seconds, 25))
    assert sum(before >= 0.5 > after for before, after in pairwise(gate)) == 1
    assert gate[:25].min() == gate[-25:].min() == 1
    assert gate[30:-30].max() == 0


@pytest.mark.parametrize(
    ("model", "settings", "gated"),
    [
        ("gan", {}, True),
        ("nogan", {}, False),
        ("studio", {}, False),
        ("gan", {"silence_gate": False}, False),
        ("studio", {"silence_gate": True}, True),
    ],
)
def test_the_mouth_rests_in_pauses_where_the_model_says_so(
    model: str, settings: dict[str, bool], gated: bool, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "lower_precision", lambda _: None)  # loads faster
    wav2lip = {"engine": "wav2lip", "checkpoint": str(checkpoint), **settings}
    config = Config.model_validate({"models": {model: wav2lip}})
    engine = load_engine(model, config, torch.device("cpu"))
    assert isinstance(engine, Wav2LipEngine)
    assert engine.gated == gated


def test_what_is_heard_all_the_time_is_in_the_background() -> None:
    """Given noise, in the middle of which a voice stands out in a few bands, with a dip of 0.1 s."""
    power = np.random.default_rng(0).chisquare(8, (80, 5 * SECOND)) / 8
    voice = np.s_[8:24, 2 * SECOND : 3 * SECOND]
    power[voice] *= 10
    power[8:24, round(2.5 * SECOND) : round(2.6 * SECOND)] /= 10
    found = np.flatnonzero(foreground((np.log10(power) / POWER_PER_UNIT).astype(np.float32))) / SECOND
    assert len(found) == pytest.approx(SECOND, abs=0.15 * SECOND)
    assert found[0] == pytest.approx(2, abs=0.1)
    assert found[-1] == pytest.approx(3, abs=0.1)


def test_a_much_quieter_voice_is_in_the_background() -> None:
    power = np.full((80, 4 * SECOND), 1e-3)
    power[8:40, :SECOND], power[8:40, 2 * SECOND : 3 * SECOND] = 10, 10 ** (1 - 3)
    found = foreground((np.log10(power) / POWER_PER_UNIT).astype(np.float32))
    assert found[10 : SECOND - 10].all()
    assert not found[SECOND + 10 :].any()


def test_a_hesitant_word_counts_near_sure_speech_only() -> None:
    sure, hesitant = np.full(20, 0.95, np.float32), np.full(5, 0.55, np.float32)
    pause, long = np.zeros(8, np.float32), np.zeros(40, np.float32)
    speaking = _speaking(np.concatenate([long, sure, pause, hesitant, long, hesitant, long]))
    assert runs(speaking) == [(39, 60), (67, 73)]
