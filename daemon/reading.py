"""How the texts of jobs are read: what `say`, `submit --dry-run` and the gateway show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.config import Config
from pipeline.executors.base import WorkerSpec
from pipeline.job import Job
from pipeline.messages import Speech, TtsItem
from pipeline.speech import sentences
from pipeline.speech.lexicon import pronunciations
from pipeline.speech.reading import ReadSentence

SENTENCES_TOGETHER = 10
"""How many sentences are read at once: of Russian, in about half a second."""


class Reader:
    """Reads and speaks texts as the daemon would, with the stage that speaks them."""

    def __init__(self, config: Config) -> None:
        from pipeline.stages.tts import TtsStage  # loads the voices

        self._config = config
        self._stage = TtsStage(WorkerSpec("tts-0", "tts", "", config))
        self._stage.setup("cpu")

    def portions(self, job: Job) -> list[str]:
        """The text of a job in parts that can be read one by one, with a sentence on each line: the texts of a stream,
        or a few sentences each."""
        assert job.text is not None
        if job.mode == "stream":
            return sentences.pieces(job.text, self.language(job))
        found = sentences.sentences(job.text, self.language(job))
        starts = range(0, len(found), SENTENCES_TOGETHER)
        return ["\n".join(found[start : start + SENTENCES_TOGETHER]) for start in starts]

    def read_portion(self, job: Job, index: int) -> tuple[str, list[ReadSentence]]:
        """The voice of a job, and its sentences as voices are given them; its text is one portion of the whole text."""
        voice, found = self._stage.reading(self._item(job, Path()))
        piece = index if job.mode == "stream" else None
        return voice, [replace(sentence, piece=piece) for sentence in found]

    def read(self, job: Job) -> tuple[str, list[ReadSentence]]:
        """The voice of a job, and its sentences as voices are given them."""
        portions = (job.model_copy(update={"text": portion}) for portion in self.portions(job))
        read = [self.read_portion(portion, index) for index, portion in enumerate(portions)]
        return read[0][0], [sentence for _, found in read for sentence in found]

    def speak(self, job: Job, folder: Path) -> Path:
        """Speak the text of a job; returns a WAV file in the folder."""
        return next(made.audio for made in self._stage.process(self._item(job, folder)) if isinstance(made, Speech))

    def language(self, job: Job) -> str:
        """The language of a job."""
        return job.language or self._config.language

    def _item(self, job: Job, folder: Path) -> TtsItem:
        assert job.text is not None
        asked = job.other_languages
        return TtsItem(
            job="reading",
            folder=folder,
            text=job.text,
            language=self.language(job),
            voice=job.voice,
            speed=job.speed,
            avatar=job.avatar or self._config.avatars.default,
            lexicon=pronunciations(job.lexicon),
            other_languages=self._config.tts.other_languages if asked is None else asked,
        )
