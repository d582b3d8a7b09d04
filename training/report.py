"""The tables of the model card: the mouth model on held-out sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.mouth import MouthModel
from pipeline.engines.mel import COLUMNS_PER_SECOND
from training.dataset import (
    DIALECTS,
    HELD_OUT_NATURAL,
    HELD_OUT_VARIANTS,
    NATURAL,
    SpeechClip,
    held_out_clip,
    is_installed,
)
from training.measures import Scores, average, measured

LANGUAGES = ("ru", "en", "kk", "pl")
"""Polish represents every language without training data."""

NATURAL_PACES = (0.8, 0.9, 1.05)
"""Each natural voice is measured at several speeds."""
PHONEME_VOICE = "heart"
"""The natural voice that reports its phonemes. It is in the training data."""


@dataclass(frozen=True)
class Row:
    """Scores of some speech."""

    name: str
    seconds: float
    network: Scores
    """Scores of the network alone."""
    blended: Scores | None
    """Scores with the phonemes; None for a voice that reports none, whose phonemes only come from alignment."""


def rows(model: MouthModel, fps: int) -> Iterator[Row]:
    """Measure held-out sentences: each language in the held-out espeak variants, and the natural voices."""
    for language in LANGUAGES:
        voices = [f"{DIALECTS[language][0]}+{variant}" for variant in HELD_OUT_VARIANTS]
        clips = [held_out_clip(language, voice) for voice in voices]
        yield row(language, clips, model, fps, has_phonemes=True)
    known = [voice for voice in NATURAL if voice not in (PHONEME_VOICE, *HELD_OUT_NATURAL)]
    for voice in filter(is_installed, (PHONEME_VOICE, *HELD_OUT_NATURAL, *known)):
        language = NATURAL[voice].language
        clips = [held_out_clip(language, voice, pace) for pace in NATURAL_PACES]
        yield row(f"{language}: {voice}", clips, model, fps, has_phonemes=voice == PHONEME_VOICE)


def row(name: str, clips: Sequence[SpeechClip], model: MouthModel, fps: int, has_phonemes: bool) -> Row:
    """Average the scores of some clips."""
    seconds = sum(clip.mel.shape[1] for clip in clips) / COLUMNS_PER_SECOND
    network = average([scored(clip, model, fps, with_phonemes=False) for clip in clips])
    blended = average([scored(clip, model, fps, with_phonemes=True) for clip in clips]) if has_phonemes else None
    return Row(name, seconds, network, blended)


def scored(clip: SpeechClip, model: MouthModel, fps: int, with_phonemes: bool) -> Scores:
    """Score one clip; `with_phonemes` passes its phonemes to the model."""
    frames = clip.mel.shape[1] * fps // COLUMNS_PER_SECOND
    track = model.track(SpeechFeatures(clip.mel, frames, fps, clip.phonemes if with_phonemes else ()))
    return measured(track, clip.phonemes, fps)


def table(lines: Sequence[Row]) -> str:
    """Format the rows as a transposed Markdown table: one line per measure, network alone / with phonemes."""
    heading = "| | " + " | ".join(f"{line.name} ({line.seconds:.0f} s)" for line in lines) + " |"
    measures = [
        f"| {part.name.replace('_', ' ')} | " + " | ".join(_cell(line, part.name) for line in lines) + " |"
        for part in fields(Scores)
    ]
    return "\n".join([heading, "|" + " --- |" * (len(lines) + 1), *measures])


def _cell(line: Row, measure: str) -> str:
    return " / ".join(
        f"{getattr(scores, measure):.3f}" for scores in (line.network, line.blended) if scores is not None
    )
