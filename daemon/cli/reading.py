"""How the texts of jobs are read: what `say` and `submit --dry-run` show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from pipeline.config import Config
from pipeline.executors.base import WorkerSpec
from pipeline.job import Job
from pipeline.messages import Speech, TtsItem
from pipeline.speech.lexicon import pronunciations
from pipeline.speech.reading import ReadSentence


class Reader:
    """Reads and speaks texts as the daemon would, with the stage that speaks them."""

    def __init__(self, config: Config) -> None:
        from pipeline.stages.tts import TtsStage  # loads the voices

        self._config = config
        self._stage = TtsStage(WorkerSpec("tts-0", "tts", "", config))
        self._stage.setup("cpu")

    def read(self, job: Job) -> tuple[str, list[ReadSentence]]:
        """The voice of a job, and its sentences as voices are given them."""
        return self._stage.reading(self._item(job, Path()))

    def speak(self, job: Job, folder: Path) -> Path:
        """Speak the text of a job; returns a WAV file in the folder."""
        return next(made.audio for made in self._stage.process(self._item(job, folder)) if isinstance(made, Speech))

    def _item(self, job: Job, folder: Path) -> TtsItem:
        assert job.text is not None
        asked = job.other_languages
        return TtsItem(
            job="reading",
            folder=folder,
            text=job.text,
            language=job.language or self._config.language,
            voice=job.voice,
            speed=job.speed,
            avatar=job.avatar or self._config.avatars.default,
            lexicon=pronunciations(job.lexicon),
            other_languages=self._config.tts.other_languages if asked is None else asked,
        )


def lines_of(sentences: Iterable[ReadSentence], language: str) -> Iterator[str]:
    """Sentences as they are written; below, where it differs, what the voice is given; and pauses that the text asks
    for. `language` is the text's."""
    for number, sentence in enumerate(sentences, start=1):
        own = f" ({sentence.language})" if sentence.language != language else ""
        yield from _pause_line(sentence.pause_before)
        yield f"  {number:>3}  {sentence.text}{click.style(own, dim=True)}"
        if sentence.spoken != sentence.text:
            yield f"    {click.style('=', dim=True)}  {sentence.spoken}"
        yield from _pause_line(sentence.pause_after)


def _pause_line(seconds: float | None) -> Iterator[str]:
    if seconds is not None:
        yield click.style(f"       {seconds:g} s of silence", dim=True)
