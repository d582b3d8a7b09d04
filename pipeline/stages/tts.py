"""TTS: text in, speech out, sentence by sentence, so that the time of each sentence is known.

Its workers also align recordings with their texts.
"""

from __future__ import annotations

import contextlib
import time
import wave
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.avatars import Avatars
from pipeline.errors import ConfigError, JobError
from pipeline.executors.base import WorkerSpec
from pipeline.media.pcm import as_int16, open_wav
from pipeline.messages import AlignItem, Phoneme, Sentence, Span, Speech, TtsItem
from pipeline.speech.lexicon import Lexicon, configured, lexicon
from pipeline.speech.marks import Pauses
from pipeline.speech.reading import ReadSentence, marked, read
from pipeline.speech.voices.base import Backend, Concurrent, Preparing, Utterance
from pipeline.speech.voices.catalogue import Voices
from pipeline.speech.words import timed
from pipeline.stages.align import Alignment, write_phonemes

SILENCE_SECONDS = 0.25
"""Length of a stream piece for which the voice produces no sound."""
SILENCE_RATE_HZ = 24_000
NUMBERS = "1. 2"
"""A text that loads a language's rules, in any language."""
ANY_WORD = "слово"
"""A text that loads what finds the stress of words."""
RESULTS_AHEAD = 2
"""How many sentences for each thread may be requested before an earlier one is spoken."""


class TtsStage:
    """Speaks the text of a job with the requested voice, or the best one available."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._config = spec.config
        self._settings = spec.config.tts
        self._limit_seconds = spec.config.limits.audio_seconds

    def setup(self, device: str) -> None:
        """Find the voices and start those of the default language, so the first job does not wait for them."""
        self._voices = Voices(self._settings, self._config.base)
        self._voices.available(self._config.language)
        self._avatars = Avatars(self._config)
        self._alignment = Alignment(self._settings, self._limit_seconds)

    def prepare(self) -> Iterator[None]:
        """Load the rules and the voice of each language that has a default, so its first job does not wait for them."""
        for language in dict.fromkeys([self._config.language, *self._settings.voices]):
            yield from (None for _ in read(NUMBERS, language))
            with contextlib.suppress(JobError):  # no voice speaks it
                backend, voice = self._voice(language, None, self._config.avatars.default)
                yield from backend.prepare(voice) if isinstance(backend, Preparing) else ()
                if language == self._config.language:  # others may never be spoken, and it takes 190 MB
                    marked(ANY_WORD, language, backend)
                    yield

    def process(self, item: TtsItem | AlignItem) -> Iterator[Speech]:
        """Speak the text into one WAV file at the voice's native rate; or align a recording with its text."""
        yield self._alignment.speech(item) if isinstance(item, AlignItem) else self._spoken(item)

    def _spoken(self, item: TtsItem) -> Speech:
        start = time.monotonic()
        item.folder.mkdir(exist_ok=True)
        backend, voice = self._voice(item.language, item.voice, item.avatar)
        recording = _Recording(item.folder / "speech.wav", Pauses(self._settings.pause_seconds), self._limit_seconds)
        with recording:
            words = lexicon((*configured(self._settings, item.language), *item.lexicon), item.language)
            for sentence, utterance in self._utterances(item, backend, voice, words):
                recording.add(sentence, utterance)
            if not recording.sentences and not item.may_be_silent:
                message = f"{_full_name(backend, voice)} produced no speech from the text"
                raise JobError("no_speech", message, field="text")
            recording.end(item.pause_seconds if recording.sentences else SILENCE_SECONDS)
        return Speech(
            job=item.job,
            folder=item.folder,
            audio=recording.path,
            voice=_full_name(backend, voice),
            sentences=tuple(recording.sentences),
            phonemes=write_phonemes(item.folder / "phonemes.json", recording.phonemes),
            span=Span(start, time.monotonic()),
            index=item.index,
        )

    def _voice(self, language: str, voice: str | None, avatar: str | None) -> tuple[Backend, str]:
        """The job's voice, else the avatar's, else the configured or the best one."""
        if voice is not None or avatar is None:
            return self._voices.choose(language, voice)
        return self._voices.choose(language, None, self._avatars.voices(avatar, language))

    def _utterances(
        self, item: TtsItem, backend: Backend, voice: str, words: Lexicon
    ) -> Iterator[tuple[ReadSentence, Utterance]]:
        """Each sentence as it is written and as it is spoken, in order; services speak several at the same time."""

        def speak(sentence: ReadSentence) -> tuple[ReadSentence, Utterance]:
            utterance = backend.speak(sentence.spoken, item.language, voice, item.speed, item.folder)
            return sentence, self._heard(utterance, sentence.spoken, item, words)

        at_once = backend.concurrency if isinstance(backend, Concurrent) else 1
        sentences = _read(item, backend, words)
        return map(speak, sentences) if at_once == 1 else _mapped(speak, sentences, at_once)

    def _heard(self, utterance: Utterance, spoken: str, item: TtsItem, words: Lexicon) -> Utterance:
        """An utterance with phonemes and words, if they can be found in it."""
        aligner = self._alignment.aligner
        if isinstance(aligner, ConfigError):
            return utterance
        return aligner.heard(utterance, aligner.marked(spoken, item.language, words), item.language, item.speed)


def _read(item: TtsItem, backend: Backend, words: Lexicon) -> Iterator[ReadSentence]:
    """The sentences of the text, as the voice is given them."""
    for sentence in read(item.text, item.language, words):
        yield replace(sentence, spoken=marked(sentence.spoken, item.language, backend, words))


def _mapped(
    speak: Callable[[ReadSentence], tuple[ReadSentence, Utterance]], sentences: Iterable[ReadSentence], at_once: int
) -> Iterator[tuple[ReadSentence, Utterance]]:
    """`map` in `at_once` threads. The number of results that wait for an earlier one is bounded.

    The first error in the order of the sentences is raised, once the calls in flight have ended.
    """
    waiting: deque[Future[tuple[ReadSentence, Utterance]]] = deque()
    threads = ThreadPoolExecutor(at_once)
    try:
        for sentence in sentences:
            waiting.append(threads.submit(speak, sentence))
            if len(waiting) > RESULTS_AHEAD * at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)


def _full_name(backend: Backend, voice: str) -> str:
    return f"{backend.name}:{voice}"


@dataclass
class _Recording:
    """A WAV file to which utterances are appended, separated by pauses."""

    path: Path
    _pauses: Pauses
    limit_seconds: float
    sentences: list[Sentence] = field(default_factory=list)
    phonemes: list[Phoneme] = field(default_factory=list)
    _file: wave.Wave_write | None = None
    _rate_hz: int = 0
    _samples: int = 0

    def __enter__(self) -> _Recording:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, read: ReadSentence, utterance: Utterance) -> None:
        """Append a spoken sentence unless it is empty, after a pause. Raises JobError if the recording becomes too
        long."""
        self._pauses.ask(read.pause_before)
        if len(utterance.samples) > 0:
            if self._file is None:
                self._open(utterance.sample_rate_hz)
            self._pause(self._pauses.take())
            self._append(read.text, utterance)
        self._pauses.ask(read.pause_after)

    def _append(self, sentence: str, utterance: Utterance) -> None:
        start = self._samples / self._rate_hz
        self._write(utterance.samples)
        words = tuple(word.later(start) for word in timed(sentence, utterance.words))
        self.sentences.append(Sentence(sentence, start, self._samples / self._rate_hz, words))
        self.phonemes += [Phoneme(p.symbol, p.start_seconds + start, p.end_seconds + start) for p in utterance.phonemes]

    def end(self, pause_seconds: float) -> None:
        """Append the final pause, unless the text asks for another."""
        if self._file is None:
            self._open(SILENCE_RATE_HZ)
        self._pause(self._pauses.take(pause_seconds))

    def _pause(self, seconds: float) -> None:
        self._write(np.zeros(round(seconds * self._rate_hz), np.float32))

    def _open(self, rate_hz: int) -> None:
        """Open the file at the rate of the first utterance; silence may have any rate."""
        self._rate_hz, self._file = rate_hz, open_wav(self.path, rate_hz)

    def _write(self, samples: NDArray[np.float32]) -> None:
        assert self._file is not None
        self._samples += len(samples)
        if self._samples > self.limit_seconds * self._rate_hz:
            raise JobError("too_long", f"the speech exceeds the limit of {self.limit_seconds} s", field="text")
        self._file.writeframes(as_int16(samples).tobytes())
