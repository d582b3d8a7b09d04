"""The table of the model card: the mouth model on sentences that it never heard."""

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
"""Polish stands for every language that was not trained with."""

NATURAL_PACES = (0.8, 0.9, 1.05)
"""Each natural voice is heard at several speeds."""
TELLING = "heart"
"""The natural voice that tells its phonemes. It was trained with."""


@dataclass(frozen=True)
class Row:
    """Some speech and its scores."""

    name: str
    seconds: float
    heard: Scores
    """Of the network alone."""
    told: Scores | None
    """With the phonemes; None where the voice tells none and they are only known by alignment."""


def rows(model: MouthModel, fps: int) -> Iterator[Row]:
    """Held-out sentences: each language in all held-out variants of espeak, and the natural voices."""
    for language in LANGUAGES:
        voices = [f"{DIALECTS[language][0]}+{variant}" for variant in HELD_OUT_VARIANTS]
        clips = [held_out_clip(language, voice) for voice in voices]
        yield row(language, clips, model, fps, telling=True)
    known = [voice for voice in NATURAL if voice not in (TELLING, *HELD_OUT_NATURAL)]
    for voice in filter(is_installed, (TELLING, *HELD_OUT_NATURAL, *known)):
        language = NATURAL[voice].language
        clips = [held_out_clip(language, voice, pace) for pace in NATURAL_PACES]
        yield row(f"{language}: {voice}", clips, model, fps, telling=voice == TELLING)


def row(name: str, clips: Sequence[SpeechClip], model: MouthModel, fps: int, telling: bool) -> Row:
    """The mean scores of some clips."""
    seconds = sum(clip.mel.shape[1] for clip in clips) / COLUMNS_PER_SECOND
    heard = average([scored(clip, model, fps, told=False) for clip in clips])
    told = average([scored(clip, model, fps, told=True) for clip in clips]) if telling else None
    return Row(name, seconds, heard, told)


def scored(clip: SpeechClip, model: MouthModel, fps: int, told: bool) -> Scores:
    """The scores of one clip, with its phonemes told to the model or without."""
    frames = clip.mel.shape[1] * fps // COLUMNS_PER_SECOND
    track = model.track(SpeechFeatures(clip.mel, frames, fps, clip.phonemes if told else ()))
    return measured(track, clip.phonemes, fps)


def table(lines: Sequence[Row]) -> str:
    """The rows as a Markdown table, turned so that every measure is a line; network alone / with phonemes."""
    heading = "| | " + " | ".join(f"{line.name} ({line.seconds:.0f} s)" for line in lines) + " |"
    measures = [
        f"| {part.name.replace('_', ' ')} | " + " | ".join(_cell(line, part.name) for line in lines) + " |"
        for part in fields(Scores)
    ]
    return "\n".join([heading, "|" + " --- |" * (len(lines) + 1), *measures])


def _cell(line: Row, measure: str) -> str:
    return " / ".join(f"{getattr(scores, measure):.3f}" for scores in (line.heard, line.told) if scores is not None)
