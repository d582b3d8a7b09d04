"""Maps phonemes to mouth shapes and blends neighbouring shapes (coarticulation).

The shapes follow the common viseme tables (Preston Blair's twelve mouths, the fourteen visemes of MPEG-4 FBA,
the fifteen of Oculus), but are derived from the phonetic class of each IPA letter: height, backness and rounding
for vowels, place and manner for consonants. So languages that are not listed here also get sensible mouths.

Neighbours blend by dominance (Cohen & Massaro, "Modeling coarticulation in synthetic visual speech", 1993):
each sound pulls every parameter towards its own target with a strength that fades with the distance in time.
Closures and tucks are the exception: half a closure is not a closure, so these take the strongest sound instead of
the average.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.engines.base import frame_times
from pipeline.engines.builtin.track import Mouth
from pipeline.messages import Phoneme

PAUSE_SECONDS = 0.16
"""A gap of at least this length closes the mouth; a shorter one only relaxes it."""
BREAK_SECONDS = 0.06
"""A gap shorter than this is ignored: the neighbours' shapes meet in it."""
LEAD_SECONDS = 0.015
"""How long before a sound the lips are in place."""
RAMP_SECONDS = 0.035
"""Time that lips take to meet or part."""
NEIGHBOURS = 5
"""Sounds on either side that influence a point in time."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Viseme:
    """Target of the mouth for one speech sound, with a weight for each parameter."""

    jaw: float
    width: float
    closure: float = 0.0
    upper: float = 0.05
    tuck: float = 0.0
    tongue: float = 0.1
    jaw_weight: float = 1.0
    width_weight: float = 1.0
    hold: float = 1.0
    """Fraction of the sound, from its start, for which a closure or tuck is held: a stop opens at its burst."""


REST = Viseme(jaw=0.0, width=0.0, closure=1.0, upper=0.0, tongue=0.0, jaw_weight=4.0, width_weight=2.0)
"""A pause: lips together."""
RELAXED = Viseme(jaw=0.07, width=0.0, upper=0.02, tongue=0.05, jaw_weight=1.5, width_weight=0.5)
"""A break too short to close the mouth."""
NEUTRAL = Viseme(jaw=0.22, width=0.0, jaw_weight=0.5, width_weight=0.3)
"""A sound of unknown class."""

# Height (0 close to 1 open) and backness (0 front to 1 back) as drawn in the IPA vowel chart.
VOWELS: dict[str, tuple[float, float, bool]] = {
    "i": (0.0, 0.0, False), "y": (0.0, 0.0, True), "ɨ": (0.1, 0.5, False), "ʉ": (0.0, 0.5, True),
    "ɯ": (0.0, 1.0, False), "u": (0.0, 1.0, True), "ɪ": (0.17, 0.2, False), "ʏ": (0.17, 0.2, True),
    "ʊ": (0.17, 0.8, True), "ᵻ": (0.17, 0.5, False), "ᵿ": (0.17, 0.6, True), "e": (0.33, 0.0, False),
    "ø": (0.33, 0.0, True), "ɘ": (0.33, 0.5, False), "ɵ": (0.33, 0.5, True), "ɤ": (0.33, 1.0, False),
    "o": (0.4, 1.0, True), "ə": (0.4, 0.5, False), "ɚ": (0.4, 0.6, False), "ɛ": (0.67, 0.0, False),
    "œ": (0.6, 0.0, True), "ɜ": (0.55, 0.5, False), "ɝ": (0.5, 0.6, False), "ɞ": (0.6, 0.5, True),
    "ʌ": (0.7, 0.8, False), "ɔ": (0.67, 1.0, True), "æ": (0.85, 0.0, False), "ɐ": (0.8, 0.5, False),
    "a": (1.0, 0.3, False), "ɶ": (0.9, 0.1, True), "ɑ": (1.0, 1.0, False), "ɒ": (0.9, 1.0, True),
}  # fmt: skip

_BILABIAL_STOP = Viseme(jaw=0.12, width=-0.05, closure=1.0, jaw_weight=1.2, width_weight=0.3, hold=0.65)
_BILABIAL_NASAL = replace(_BILABIAL_STOP, hold=0.75)
_LABIODENTAL = Viseme(jaw=0.14, width=0.05, upper=0.3, tuck=1.0, jaw_weight=1.6, width_weight=0.4, hold=0.85)
_DENTAL = Viseme(jaw=0.2, width=0.05, upper=0.15, tongue=1.0, jaw_weight=1.1, width_weight=0.3)
_ALVEOLAR = Viseme(jaw=0.2, width=0.05, upper=0.1, tongue=0.9, jaw_weight=0.8, width_weight=0.25)
_SIBILANT = Viseme(jaw=0.07, width=0.2, upper=0.55, tongue=0.35, jaw_weight=2.5, width_weight=0.6)
_HUSHING = Viseme(jaw=0.11, width=-0.5, upper=0.5, tongue=0.2, jaw_weight=2.2, width_weight=1.6)
_SOFT_HUSHING = replace(_HUSHING, width=-0.1, width_weight=0.8)
_TRILL = Viseme(jaw=0.22, width=0.0, tongue=0.7, jaw_weight=0.8, width_weight=0.25)
_RHOTIC = Viseme(jaw=0.2, width=-0.45, tongue=0.4, jaw_weight=0.9, width_weight=1.0)
_PALATAL = Viseme(jaw=0.15, width=0.45, upper=0.15, tongue=0.25, jaw_weight=0.9, width_weight=0.7)
_VELAR = Viseme(jaw=0.24, width=0.0, tongue=0.05, jaw_weight=0.5, width_weight=0.2)
_UVULAR = Viseme(jaw=0.32, width=-0.05, tongue=0.0, jaw_weight=0.5, width_weight=0.2)
_GLOTTAL = Viseme(jaw=0.32, width=0.0, tongue=0.05, jaw_weight=0.15, width_weight=0.05)
_LABIOVELAR = Viseme(jaw=0.12, width=-0.95, tongue=0.0, jaw_weight=1.4, width_weight=2.0)
_BILABIAL_FRICATIVE = Viseme(jaw=0.1, width=-0.15, closure=0.6, jaw_weight=1.4, width_weight=0.5)

CONSONANTS: dict[str, Viseme] = {
    **dict.fromkeys("pbʙ", _BILABIAL_STOP), "m": _BILABIAL_NASAL, **dict.fromkeys("ɸβ", _BILABIAL_FRICATIVE),
    **dict.fromkeys("fvɱ", _LABIODENTAL), "ʋ": replace(_LABIODENTAL, tuck=0.6),
    **dict.fromkeys("θð", _DENTAL), **dict.fromkeys("tdnlɬɮɫʈɖɳɭɺ", _ALVEOLAR),
    **dict.fromkeys("szʦʣ", _SIBILANT), **dict.fromkeys("ʃʒʂʐʧʤꭧ", _HUSHING), **dict.fromkeys("ɕʑʨʥ", _SOFT_HUSHING),
    **dict.fromkeys("rɾɽ", _TRILL), **dict.fromkeys("ɹɻ", _RHOTIC), **dict.fromkeys("jʝçɲʎcɟ", _PALATAL),
    "ʲ": replace(_PALATAL, jaw_weight=0.4), "ɥ": replace(_LABIOVELAR, width=-0.8),
    **dict.fromkeys("kgɡxɣŋɰ", _VELAR), **dict.fromkeys("qɢχʁɴʀ", _UVULAR),
    **dict.fromkeys("hɦħʕʔ", _GLOTTAL), **dict.fromkeys("wʍ", _LABIOVELAR), "ɧ": replace(_HUSHING, width=-0.7),
}  # fmt: skip

_STRESS = {"ˈ": 1.3, "ˌ": 1.1}
_UNSTRESSED = 0.85


def _vowel(height: float, backness: float, rounded: bool) -> Viseme:
    """The mouth of a vowel: higher is narrower, fronter is wider; rounding puckers high vowels more."""
    jaw = 0.15 + 0.47 * height - (0.06 if rounded else 0.0)
    front = 1.0 - backness
    width = -(0.95 - 0.5 * height) if rounded else front * (0.85 - 0.6 * height)
    upper = 0.05 if rounded else 0.05 + 0.3 * front * (1.0 - height)
    tongue = 0.05 + 0.2 * front * (1.0 - height)
    return Viseme(jaw, width, upper=upper, tongue=tongue, width_weight=1.6 if rounded else 1.0)


@dataclass(frozen=True)
class Sound:
    """A sound with its mouth target and time span."""

    start: float
    """Seconds."""
    end: float
    """Seconds."""
    viseme: Viseme


def _modified(viseme: Viseme, mark: str) -> Viseme:
    """The viseme under an IPA mark that follows its letter: palatalised, labialised or rhotic."""
    if mark == "ʲ":
        return replace(viseme, width=min(viseme.width + 0.25, 1.0), width_weight=max(viseme.width_weight, 0.5))
    if mark == "ʷ":
        return replace(viseme, width=max(viseme.width - 0.6, -1.0), width_weight=max(viseme.width_weight, 1.2))
    if mark == "˞":
        return replace(viseme, width=max(viseme.width - 0.3, -1.0))
    return viseme


@lru_cache(maxsize=4096)
def visemes(symbol: str) -> tuple[tuple[Viseme, float], ...]:
    """The mouths of one IPA symbol in order, each with its fraction of the time.

    Diphthongs and affricates have two. Empty for a symbol without a letter (a stress mark or a pause).
    """
    stress = max((_STRESS[mark] for mark in symbol if mark in _STRESS), default=_UNSTRESSED)
    parts: list[Viseme] = []
    shares: list[float] = []
    for letter in unicodedata.normalize("NFD", symbol):
        if letter in VOWELS:
            vowel = _vowel(*VOWELS[letter])
            # Open vowels keep their influence even between consonants that would close the jaw.
            parts.append(replace(vowel, jaw=vowel.jaw * stress, jaw_weight=stress * (0.8 + vowel.jaw)))
            shares.append(1.0 if shares else 1.3)
        elif letter in CONSONANTS and not (letter == "ʲ" and parts):
            parts.append(CONSONANTS[letter])
            shares.append(1.0)
        elif parts:
            parts[-1] = _modified(parts[-1], letter)
    if not parts and any(unicodedata.category(letter).startswith("L") for letter in symbol if letter not in "ˈˌː"):
        return ((NEUTRAL, 1.0),)
    total = sum(shares)
    return tuple((part, share / total) for part, share in zip(parts, shares, strict=True))


def _spoken(phonemes: Sequence[Phoneme]) -> Iterator[Sound]:
    """The mouths of the phonemes, each with its time span."""
    for phoneme in phonemes:
        start, length = phoneme.start_seconds, phoneme.end_seconds - phoneme.start_seconds
        for viseme, share in visemes(phoneme.symbol):
            yield Sound(start, start + share * length, viseme)
            start += share * length


def _with_gaps(spoken: Sequence[Sound], end_seconds: float) -> list[Sound]:
    """The sounds with rests in pauses, before the first sound and after the last one."""
    filled: list[Sound] = []
    previous_end = min(0.0, spoken[0].start) - 1.0 if spoken else -1.0
    for sound in spoken:
        gap = sound.start - previous_end
        if gap >= BREAK_SECONDS:
            filled.append(Sound(previous_end, sound.start, REST if gap >= PAUSE_SECONDS else RELAXED))
        filled.append(sound)
        previous_end = sound.end
    filled.append(Sound(previous_end, max(end_seconds, previous_end) + 1.0, REST))
    return filled


def _matrix(sounds: Sequence[Sound], *names: str) -> Floats:
    """Fields of the sounds' visemes as an array of shape [sounds, names]."""
    return np.array([[getattr(s.viseme, name) for name in names] for s in sounds], np.float32)


def _dominated(sounds: Sequence[Sound], times: NDArray[np.float64]) -> Floats:
    """Jaw, width, upper lip and tongue at the times, shape [times, 4], by dominance blending."""
    starts = np.array([s.start for s in sounds])
    ends = np.array([s.end for s in sounds])
    targets = _matrix(sounds, "jaw", "width", "upper", "tongue")
    weights = _matrix(sounds, "jaw_weight", "width_weight", "jaw_weight", "jaw_weight")
    at = np.searchsorted(starts, times, side="right") - 1
    near = np.clip(at[:, None] + np.arange(-NEIGHBOURS, NEIGHBOURS + 1), 0, len(sounds) - 1)
    centre = (0.5 * (starts + ends))[near]
    half = (0.5 * (ends - starts))[near]
    distance = times[:, None] - centre
    # Lips round well before the vowel and jaws move slowly; the tongue and the upper lip follow the sound closely.
    before = np.array([0.045, 0.075, 0.04, 0.03])
    after = np.array([0.04, 0.045, 0.04, 0.03])
    reach = 0.8 * half[..., None] + np.where(distance[..., None] < 0, before, after)
    # Clipped indices repeat the first and last sound at the edges: count each once.
    once = np.diff(near, axis=1, prepend=-1) != 0
    pull = weights[near] * np.exp(-np.square(distance[..., None] / reach)) * once[..., None]
    pull += 1e-12 * once[..., None]
    return np.asarray((pull * targets[near]).sum(1) / pull.sum(1), np.float32)


def _raise(track: Floats, times: NDArray[np.float64], start: float, stop: float, height: float) -> None:
    """Raise `track` to `height` from start to stop, with soft flanks, where it is lower."""
    low, high = np.searchsorted(times, (start - RAMP_SECONDS, stop + RAMP_SECONDS))
    outside = np.maximum(np.maximum(start - times[low:high], times[low:high] - stop), 0.0)
    bump = height * (0.5 + 0.5 * np.cos(np.pi * outside / RAMP_SECONDS))
    np.maximum(track[low:high], bump, out=track[low:high])


def _hold(sound: Sound, height: float, step: float) -> tuple[float, float, float]:
    """Start and end (seconds) of a closure or tuck, and its height."""
    start, length = sound.start, sound.viseme.hold * (sound.end - sound.start)
    if sound.viseme is REST:
        # The mouth closes softly after the last sound and opens a little before the next one.
        return start + 2 * RAMP_SECONDS, max(start + 2 * RAMP_SECONDS, start + length - 1.5 * RAMP_SECONDS), height
    if length >= step:
        return start, start + length, height
    # Shorter than a frame: held for one whole frame, the one that shows it, without leading it.
    middle = 0.5 * (sound.start + sound.end) + LEAD_SECONDS
    return middle - 0.51 * step, middle + 0.51 * step, height


def _held(sounds: Sequence[Sound], times: NDArray[np.float64], step: float, name: str) -> Floats:
    """Closure or tuck at the times, shape [times]: it reaches 1 at least once for every sound that needs it."""
    track = np.zeros(len(times), np.float32)
    previous_stop = None
    for sound in sounds:
        amount = getattr(sound.viseme, name)
        if not amount:
            previous_stop = None
            continue
        start, stop, height = _hold(sound, amount, step)
        # The lips stay closed between two sounds that both close them.
        _raise(track, times, start if previous_stop is None else min(start, previous_stop), stop, height)
        previous_stop = stop
    return track


def mouth_at(phonemes: Sequence[Phoneme], times: NDArray[np.float64]) -> Floats:
    """The mouth at evenly spaced times (seconds, ascending), shape [times, 6] in the order of `Mouth`."""
    track = np.zeros((len(times), len(Mouth)), np.float32)
    if not len(times):
        return track
    sounds = _with_gaps(list(_spoken(phonemes)), float(times[-1]))
    step = float(times[1] - times[0]) if len(times) > 1 else 0.04
    led = times + LEAD_SECONDS
    free = (Mouth.JAW_OPEN, Mouth.LIP_WIDTH, Mouth.UPPER_RAISE, Mouth.TONGUE)
    track[:, free] = _dominated(sounds, led)
    track[:, Mouth.CLOSURE] = _held(sounds, led, step, "closure")
    track[:, Mouth.LOWER_TUCK] = _held(sounds, led, step, "tuck")
    return track


def phoneme_track(phonemes: Sequence[Phoneme], frames: int, fps: int) -> Floats:
    """The mouth track of the phonemes (in time order), shape [frames, 6], sampled at the frames' centres."""
    return mouth_at(phonemes, frame_times(frames, fps))
