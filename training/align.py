"""Phoneme times for a voice that reports none, by alignment with espeak-ng's rendering of the same text.

Dynamic time warping finds the most similar moment of espeak's sound for every moment of the voice's. It compares mel
cepstra and their changes, normalised over each utterance, so that speaker and microphone matter little. Pauses are
moved to the actual silences.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.engines.mel import SAMPLE_RATE_HZ
from pipeline.engines.torchaudio_cpu import torchaudio
from pipeline.media.runs import runs
from pipeline.messages import Phoneme

HOP_SAMPLES = 80
COLUMN_SECONDS = HOP_SAMPLES / SAMPLE_RATE_HZ
"""5 ms: the resolution of phoneme boundaries."""
WINDOW_SAMPLES = 400
BANDS, CEPSTRA = 40, 9
DELTA_COLUMNS = 4
"""Changes are differences over 20 ms to either side."""
STEPS_MAX = 3
"""espeak's sound advances at most three times as fast as the other one, and may pause."""
STEP_COST = (0.35, 0.0, 0.2, 0.6)
"""Cost of pausing, keeping pace, and advancing twice and three times as fast."""
SILENT_BELOW = 3.5
"""Sound this many powers of ten below the loudest moment is silence."""
GAP_SECONDS = 0.03
"""The shortest gap between two of espeak's phonemes that counts as a pause."""
PAUSE_SECONDS, LONG_PAUSE_SECONDS = 0.06, 0.14
"""The shortest silence that counts as a pause: where espeak also pauses, and where it does not."""
STOP_SECONDS = 0.09
"""The longest silence that is part of a stop."""
SHUT_SECONDS = 0.05
"""The shortest closure of lips or tongue. Its end is distinct; its start is sometimes missed, as it is often quiet in
one voice and voiced in the other."""
SEARCH_SECONDS = 0.12
"""How far from its warped position a pause is searched for."""

STOPS = frozenset("pbtdkgɡcqʈɖɟ")
SHUT = STOPS | frozenset("mnɲŋ")
STRESS = "ˈˌ"

Floats = NDArray[np.float64]


def log_mel(samples: NDArray[np.float32]) -> Floats:
    """Log10 mel power of 16 kHz samples, shape [1 + n // 80, 40]; a column every 5 ms."""
    spectrum = torch.stft(
        torch.from_numpy(np.asarray(samples, np.float64)),
        512,
        HOP_SAMPLES,
        WINDOW_SAMPLES,
        torch.hann_window(WINDOW_SAMPLES, dtype=torch.float64),
        return_complex=True,
    )
    return np.asarray(torch.log10(_filters() @ spectrum.abs().square() + 1e-9).T.numpy(), np.float64)


@lru_cache(maxsize=1)
def _filters() -> torch.Tensor:
    filters: torch.Tensor = torchaudio.functional.melscale_fbanks(257, 80.0, 7600.0, BANDS, SAMPLE_RATE_HZ)
    return filters.T.double()


def features(mel: Floats) -> Floats:
    """Cepstra and their changes, with mean 0 and variance 1 over the non-silent columns, shape [columns, 18]."""
    at = np.pi / BANDS * (np.arange(BANDS) + 0.5)
    cepstra = np.maximum(mel, mel.max() - 6) @ np.cos(np.outer(at, np.arange(CEPSTRA)))
    padded = np.pad(cepstra, ((DELTA_COLUMNS, DELTA_COLUMNS), (0, 0)), "edge")
    both = np.concatenate([cepstra, padded[2 * DELTA_COLUMNS :] - padded[: -2 * DELTA_COLUMNS]], 1)
    sounding = both[~silent(mel)]
    return np.asarray((both - sounding.mean(0)) / (sounding.std(0) + 1e-6), np.float64)


def silent(mel: Floats) -> NDArray[np.bool_]:
    """Whether each column is silent, [columns]."""
    loudness = np.log10(np.power(10.0, mel).mean(1))
    return np.asarray(loudness < loudness.max() - SILENT_BELOW)


def warped(sound: Floats, reference: Floats) -> NDArray[np.intp]:
    """Warp the sound to the reference, both [columns, features]: the most similar reference column for each column.

    The path never goes backwards and includes both ends.
    """
    count = len(reference)
    squares = np.square(sound).sum(1)[:, None] + np.square(reference).sum(1) - 2 * sound @ reference.T
    cost = np.sqrt(np.maximum(squares, 0) / sound.shape[1])
    total = np.full(count, np.inf)
    total[0] = cost[0, 0]
    steps = np.zeros((len(sound), count), np.int8)
    for at in range(1, len(sound)):
        ways = np.full((STEPS_MAX + 1, count), np.inf)
        for step, extra in enumerate(STEP_COST):
            ways[step, step:] = total[: count - step] + extra
        steps[at] = ways.argmin(0)
        total = ways.min(0) + cost[at]
    path = np.empty(len(sound), np.intp)
    place = count - 1 if np.isfinite(total[-1]) else int(np.argmin(total))
    for at in range(len(sound) - 1, -1, -1):
        path[at] = place
        place -= int(steps[at, place])
    return path


def aligned(
    samples: NDArray[np.float32], reference: NDArray[np.float32], phonemes: Sequence[Phoneme]
) -> tuple[Phoneme, ...]:
    """Move the phonemes of `reference` to their times in `samples`, another voice with the same text (both 16 kHz)."""
    mel = log_mel(samples)
    path = warped(features(mel), features(log_mel(reference)))
    edges = np.array([(p.start_seconds, p.end_seconds) for p in phonemes]) / COLUMN_SECONDS
    moved = np.asarray(np.searchsorted(path, edges, "left") - 0.5, np.float64)
    _set_pauses(moved, silent(mel), [p.symbol.lstrip(STRESS)[:1] in STOPS for p in phonemes])
    # Phonemes start in order and do not overlap.
    moved[:, 0] = np.maximum.accumulate(moved[:, 0])
    moved[:-1, 1] = np.minimum(moved[:-1, 1], moved[1:, 0])
    _lengthen(moved, [p.symbol.lstrip(STRESS)[:1] in SHUT for p in phonemes])
    return tuple(
        Phoneme(phoneme.symbol, float(start), float(end))
        for phoneme, (start, end) in zip(phonemes, moved * COLUMN_SECONDS, strict=True)
        if start < end
    )


def _set_pauses(edges: Floats, silent_columns: NDArray[np.bool_], stop: Sequence[bool]) -> None:
    """Move the phonemes' edges [phonemes, 2] (columns) to the silences between them; `stop`: whether each is a stop.

    A short silence is a pause only if the reference also has one there; a long one always is.
    """
    sounding = np.flatnonzero(~silent_columns)
    held = np.where(stop, STOP_SECONDS / COLUMN_SECONDS, 0.0)
    edges[0, 0], edges[-1, 1] = max(0.0, sounding[0] - held[0]), sounding[-1] + 1
    gaps = edges[1:, 0] - edges[:-1, 1] > GAP_SECONDS / COLUMN_SECONDS
    filled = np.zeros(len(gaps), bool)
    for start, end in runs(silent_columns):
        if start == 0 or end == len(silent_columns):
            continue
        middles = 0.5 * (edges[:-1, 1] + edges[1:, 0])
        distance = np.maximum(np.maximum(start - middles, middles - end), 0) * COLUMN_SECONDS
        near = np.flatnonzero(gaps & ~filled & (distance < SEARCH_SECONDS))
        seconds = (end - start) * COLUMN_SECONDS
        if seconds >= PAUSE_SECONDS and len(near):
            at = int(near[distance[near].argmin()])
        elif seconds >= LONG_PAUSE_SECONDS:
            at = int(np.abs(middles - 0.5 * (start + end)).argmin())
        else:
            continue
        filled[at] = True
        edges[at, 1], edges[at + 1, 0] = start, max(start, end - held[at + 1])
    for empty in np.flatnonzero(gaps & ~filled):
        edges[empty, 1] = edges[empty + 1, 0] = 0.5 * (edges[empty, 1] + edges[empty + 1, 0])


def _lengthen(edges: Floats, shut: Sequence[bool]) -> None:
    """Make too short closures start earlier, by up to half of the previous sound; edges [phonemes, 2]."""
    for at in 1 + np.flatnonzero(shut[1:]):
        earliest = 0.5 * (edges[at - 1, 0] + edges[at, 0])
        edges[at, 0] = min(edges[at, 0], max(earliest, edges[at, 1] - SHUT_SECONDS / COLUMN_SECONDS))
        edges[at - 1, 1] = min(edges[at - 1, 1], edges[at, 0])
