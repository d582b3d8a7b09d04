"""Measures a mouth track against the spoken phonemes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.engines.base import frame_times
from pipeline.engines.builtin.mouth import articulated
from pipeline.engines.builtin.track import Mouth
from pipeline.engines.builtin.visemes import VOWELS, phoneme_track, visemes
from pipeline.messages import Phoneme

CLOSED = 0.9
"""The lips visibly meet from this closure on."""
PAUSE_SECONDS = 0.2
PAUSE_EDGES_SECONDS = (0.09, 0.08)
"""Time allowed for closing the mouth at the start of a pause, and for opening it at the end."""
STILL = 0.03
"""Smaller openings, and smaller changes between frames, are invisible."""
FAST_HZ = 8.0
"""Mouths do not move faster: faster movement is flicker."""
SHIFT_FRAMES = 3

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scores:
    """Scores of one or more tracks."""

    closures: float
    """Fraction of m, b, p whose lips meet in at least one frame."""
    rounded: float
    """Mean lip width in rounded vowels."""
    spread: float
    """Mean lip width in spread vowels."""
    correlation: float
    """Correlation of the opening, jaw_open * (1 - closure), with the opening of the phonemes."""
    lag_frames: float
    """Delay of the opening, to a fraction of a frame."""
    still_pauses: float
    """Fraction of frames with a closed and still mouth in pauses over 200 ms, excluding the pauses' edges."""
    false_closures: float
    """Fraction of frames with the lips more than half closed in the middle of open vowels."""
    open_vowels: float
    """Mean opening in the middle of stressed open vowels."""
    sibilants: float
    """Mean opening in s, z, sh, zh."""
    flicker: float
    """Fraction of the opening's movement energy above 8 Hz."""
    true_flicker: float
    """The same for the phonemes' own opening, whose closures are sharp."""


def measured(track: Floats, phonemes: Sequence[Phoneme], fps: int) -> Scores:
    """Score a track of speech with these phonemes."""
    truth = articulated(phoneme_track(phonemes, len(track), fps), 1)
    wide, open_by = track[:, Mouth.LIP_WIDTH], opening(track)
    middle = middles(phonemes, len(track), fps)
    open_frames = middle(_is_open) & (truth[:, Mouth.CLOSURE] < 0.1)
    return Scores(
        closures=float(np.mean(met(track, phonemes, fps))),
        rounded=float(wide[middle(is_rounded)].mean()),
        spread=float(wide[middle(is_spread)].mean()),
        correlation=correlation(open_by, opening(truth)),
        lag_frames=lag(open_by, opening(truth)),
        still_pauses=float(np.mean(still(track, phonemes, fps))),
        false_closures=float(np.mean(track[open_frames, Mouth.CLOSURE] > 0.5)),
        open_vowels=float(open_by[middle(lambda symbol: "ˈ" in symbol and _is_open(symbol))].mean()),
        sibilants=float(open_by[middle(_is_sibilant)].mean()),
        flicker=flicker(open_by, fps),
        true_flicker=flicker(opening(truth), fps),
    )


def opening(mouth: Floats) -> Floats:
    """The opening of the lips, shape [times], in a track of shape [times, 6]."""
    return np.asarray(mouth[:, Mouth.JAW_OPEN] * (1 - mouth[:, Mouth.CLOSURE]), np.float32)


def average(scores: Sequence[Scores]) -> Scores:
    """The mean of each measure."""
    return Scores(**{part.name: float(np.mean([getattr(s, part.name) for s in scores])) for part in fields(Scores)})


def met(track: Floats, phonemes: Sequence[Phoneme], fps: int) -> list[bool]:
    """For each m, b, p, whether the lips meet in at least one of its frames."""
    closed = track[:, Mouth.CLOSURE] >= CLOSED
    bilabials = [p for p in phonemes if any(viseme.closure == 1.0 for viseme, _ in visemes(p.symbol))]
    return [bool(closed[int(p.start_seconds * fps) : int(np.ceil(p.end_seconds * fps))].any()) for p in bilabials]


def still(track: Floats, phonemes: Sequence[Phoneme], fps: int) -> NDArray[np.bool_]:
    """For each frame inside a pause, whether the mouth is closed and still."""
    open_by = opening(track)
    moved = np.abs(np.diff(open_by, prepend=open_by[:1]))
    calm = (track[:, Mouth.CLOSURE] >= CLOSED) & (open_by < STILL) & (moved < STILL)
    return np.asarray(calm[pauses(phonemes, len(track), fps)])


def pauses(phonemes: Sequence[Phoneme], frames: int, fps: int) -> NDArray[np.bool_]:
    """For each frame, whether it is inside a pause, excluding the pause's edges."""
    times = frame_times(frames, fps)
    inside = np.zeros(frames, bool)
    for before, after in pairwise(phonemes):
        if after.start_seconds - before.end_seconds >= PAUSE_SECONDS:
            first, last = before.end_seconds + PAUSE_EDGES_SECONDS[0], after.start_seconds - PAUSE_EDGES_SECONDS[1]
            inside |= (times >= first) & (times <= last)
    return inside


def middles(phonemes: Sequence[Phoneme], frames: int, fps: int) -> Callable[[Callable[[str], bool]], NDArray[np.bool_]]:
    """Return a function that marks the frames in the middle 60 % of all phonemes of a kind."""
    times = frame_times(frames, fps)
    starts = np.array([p.start_seconds for p in phonemes])
    ends = np.array([p.end_seconds for p in phonemes])
    at = np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)
    part = (times - starts[at]) / np.maximum(ends[at] - starts[at], 1e-6)
    central = (part > 0.2) & (part < 0.8)

    def marked(kind: Callable[[str], bool]) -> NDArray[np.bool_]:
        return np.asarray(central & np.array([kind(p.symbol) for p in phonemes])[at])

    return marked


def correlation(a: Floats, b: Floats) -> float:
    """Pearson correlation."""
    return float(np.corrcoef(a, b)[0, 1])


def lag(late: Floats, reference: Floats) -> float:
    """Delay of `late` behind the reference in frames: the peak of their cross-correlation."""
    n = len(late)
    shifts = range(-SHIFT_FRAMES, SHIFT_FRAMES + 1)
    fit = [correlation(late[max(0, s) : n + min(0, s)], reference[max(0, -s) : n + min(0, -s)]) for s in shifts]
    best = int(np.clip(np.argmax(fit), 1, len(fit) - 2))
    left, top, right = fit[best - 1 : best + 2]
    return best - SHIFT_FRAMES + 0.5 * (left - right) / (left - 2 * top + right)


def flicker(signal: Floats, fps: int) -> float:
    """Fraction of the signal's energy above 8 Hz, without its mean."""
    energy = np.square(np.abs(np.fft.rfft(signal - signal.mean())))
    return float(energy[np.fft.rfftfreq(len(signal), 1 / fps) > FAST_HZ].sum() / energy.sum())


def _vowel(symbol: str) -> tuple[float, float, bool] | None:
    """Height, backness and rounding of a simple vowel; None for diphthongs and consonants."""
    letters = [letter for letter in symbol if letter not in "ˈˌːʲ"]
    return VOWELS.get(letters[0]) if len(letters) == 1 else None


def _is_open(symbol: str) -> bool:
    vowel = _vowel(symbol)
    return vowel is not None and vowel[0] >= 0.65


def is_rounded(symbol: str) -> bool:
    """Whether a phoneme is a vowel with clearly rounded lips."""
    vowel = _vowel(symbol)
    return vowel is not None and vowel[2] and vowel[0] <= 0.45


def is_spread(symbol: str) -> bool:
    """Whether a phoneme is a vowel with clearly spread lips."""
    vowel = _vowel(symbol)
    return vowel is not None and not vowel[2] and vowel[0] <= 0.45 and vowel[1] <= 0.25


def _is_sibilant(symbol: str) -> bool:
    return symbol[:1] in tuple("szʃʒʂʐɕʑ")
