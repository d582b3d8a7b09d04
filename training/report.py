"""The table of the model card: the mouth model on voices and sentences that it never heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.mouth import MouthModel
from pipeline.mel import COLUMNS_PER_SECOND
from training.dataset import DIALECTS, HELD_OUT_VARIANTS, SpeechClip, held_out_clip
from training.measures import Scores, average, measured

LANGUAGES = ("ru", "en", "kk", "pl")
"""Polish stands for every language that was not trained with."""

NATURAL_PACES = (0.8, 0.9, 1.05)
"""There is one natural voice only: it is heard at several speeds."""


@dataclass(frozen=True)
class Row:
    """Some speech and its scores."""

    name: str
    seconds: float
    heard: Scores
    """Of the network alone."""
    told: Scores
    """With the phonemes."""


def rows(model: MouthModel, fps: int) -> Iterator[Row]:
    """Each language in all held-out voices, and the neural voice with held-out sentences."""
    for language in LANGUAGES:
        voices = [f"{DIALECTS[language][0]}+{variant}" for variant in HELD_OUT_VARIANTS]
        clips = [held_out_clip(language, voice) for voice in voices]
        yield row(f"{language}: {', '.join(HELD_OUT_VARIANTS)}", clips, model, fps)
    yield row("en: hibari's heart", [held_out_clip("en", "heart", pace) for pace in NATURAL_PACES], model, fps)


def row(name: str, clips: Sequence[SpeechClip], model: MouthModel, fps: int) -> Row:
    """The mean scores of some clips."""
    heard = [scored(clip, model, fps, told=False) for clip in clips]
    told = [scored(clip, model, fps, told=True) for clip in clips]
    return Row(name, sum(clip.mel.shape[1] for clip in clips) / COLUMNS_PER_SECOND, average(heard), average(told))


def scored(clip: SpeechClip, model: MouthModel, fps: int, told: bool) -> Scores:
    """The scores of one clip, with its phonemes told to the model or without."""
    frames = clip.mel.shape[1] * fps // COLUMNS_PER_SECOND
    track = model.track(SpeechFeatures(clip.mel, frames, fps, clip.phonemes if told else ()))
    return measured(track, clip.phonemes, fps)


def table(lines: Sequence[Row]) -> str:
    """The rows as a Markdown table, turned so that every measure is a line; network alone / with phonemes."""
    heading = "| | " + " | ".join(f"{line.name} ({line.seconds:.0f} s)" for line in lines) + " |"
    pairs = [(asdict(line.heard), asdict(line.told)) for line in lines]
    measures = [
        f"| {name.replace('_', ' ')} | "
        + " | ".join(f"{heard[name]:.3f} / {told[name]:.3f}" for heard, told in pairs)
        + " |"
        for name in pairs[0][0]
    ]
    return "\n".join([heading, "|" + " --- |" * (len(lines) + 1), *measures])
