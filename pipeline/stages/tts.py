"""TTS: text in, speech out, sentence by sentence, so that the time of each sentence is known.

Its workers also align recordings with their texts.
"""

from __future__ import annotations

import contextlib
import threading
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
from pipeline.media.pcm import as_int16, open_wav, resampled
from pipeline.messages import AlignItem, Phoneme, Sentence, Span, Speech, TtsItem
from pipeline.speech.lexicon import Lexicon, lexicon_for
from pipeline.speech.marks import Pauses
from pipeline.speech.reading import ReadSentence, marked, read
from pipeline.speech.voices.base import Backend, Concurrent, Describing, Preparing, Utterance
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
        found = self._voice(item.language, item.voice, item.avatar)
        chosen = self._with_lexicon(*found, item, item.language)
        pauses = Pauses(self._settings.pause_seconds)
        pauses.ask(item.lead_seconds)
        recording = _Recording(item.folder / "speech.wav", pauses, self._limit_seconds)
        with recording:
            for said in self._said(self._to_say(item, chosen), chosen.backend, item):
                recording.add(said, item.language, chosen.name)
            if not recording.sentences and not item.may_be_silent:
                message = f"{chosen.name} produced no speech from the text"
                raise JobError("no_speech", message, field="text")
            recording.end(item.pause_seconds if recording.sentences else SILENCE_SECONDS)
        return Speech(
            job=item.job,
            folder=item.folder,
            audio=recording.path,
            voice=chosen.name,
            sentences=tuple(recording.sentences),
            phonemes=write_phonemes(item.folder / "phonemes.json", recording.known_phonemes),
            span=Span(start, time.monotonic()),
            index=item.index,
        )

    def reading(self, item: TtsItem) -> tuple[str, list[ReadSentence]]:
        """The voice that would speak an item, and what it and voices for other languages would be given."""
        found = self._voice(item.language, item.voice, item.avatar)
        chosen = self._with_lexicon(*found, item, item.language)
        said = ((asked.sentence, asked.speaker.name) for asked in self._to_say(item, chosen))
        return chosen.name, [replace(one, voice=name if name != chosen.name else None) for one, name in said]

    def _voice(self, language: str, voice: str | None, avatar: str | None) -> tuple[Backend, str]:
        """The job's voice, else the avatar's, else the configured or the best one."""
        if voice is not None or avatar is None:
            return self._voices.choose(language, voice)
        return self._voices.choose(language, None, self._avatars.voices(avatar, language))

    def _to_say(self, item: TtsItem, chosen: _Speaker) -> Iterator[_ToSay]:
        """The sentences of the text, each as its voice is given it."""
        speakers: dict[str, _Speaker | None] = {item.language: chosen}

        def words_of(language: str) -> Lexicon | None:
            if item.other_languages and language not in speakers:
                speakers[language] = self._speaker_of(language, item, chosen)
            by = speakers.get(language)
            return None if by is None else by.words

        for sentence in read(item.text, item.language, chosen.words, words_of):
            by = speakers[sentence.language] or chosen
            said = marked(sentence.spoken, sentence.language, by.backend, by.words)
            yield _ToSay(replace(sentence, spoken=said), by)

    def _speaker_of(self, language: str, item: TtsItem, chosen: _Speaker) -> _Speaker | None:
        """Who says sentences in another language: the job's voice if it speaks it, else one of its sex if possible.

        None if no voice speaks it.
        """
        backend, voice = chosen.backend, chosen.voice
        if voice in backend.voices(language):
            return self._with_lexicon(backend, voice, item, language)
        sex = backend.about(voice).sex if isinstance(backend, Describing) else None
        wishes = self._avatars.voices(item.avatar, language) if item.avatar and item.voice is None else ()
        with contextlib.suppress(JobError):
            found = self._voices.choose(language, None, [*wishes, *([sex] if sex else [])])
            return self._with_lexicon(*found, item, language)
        return None

    def _with_lexicon(self, backend: Backend, voice: str, item: TtsItem, language: str) -> _Speaker:
        return _Speaker(backend, voice, lexicon_for(self._settings, language, item.lexicon))

    def _said(self, sentences: Iterable[_ToSay], main: Backend, item: TtsItem) -> Iterator[_Said]:
        """Each sentence as it is spoken, in order; services speak several at the same time."""
        others = threading.Lock()  # only the job's own voice is known to speak in several threads

        def say(asked: _ToSay) -> _Said:
            sentence, by = asked.sentence, asked.speaker
            with contextlib.nullcontext() if by.backend is main else others:
                utterance = by.backend.speak(sentence.spoken, sentence.language, by.voice, item.speed, item.folder)
            return _Said(sentence, by.name, self._heard(utterance, sentence, by.words, item.speed))

        at_once = main.concurrency if isinstance(main, Concurrent) else 1
        return map(say, sentences) if at_once == 1 else _mapped(say, sentences, at_once)

    def _heard(self, utterance: Utterance, sentence: ReadSentence, words: Lexicon, speed: float) -> Utterance:
        """An utterance with phonemes and words, if they can be found in it."""
        aligner, language = self._alignment.aligner, sentence.language
        if isinstance(aligner, ConfigError):
            return utterance
        return aligner.heard(utterance, aligner.marked(sentence.spoken, language, words), language, speed)


@dataclass(frozen=True)
class _Speaker:
    """A voice, and how it says words."""

    backend: Backend
    voice: str
    words: Lexicon

    @property
    def name(self) -> str:
        """`backend:voice`."""
        return f"{self.backend.name}:{self.voice}"


@dataclass(frozen=True)
class _ToSay:
    """A sentence and who says it."""

    sentence: ReadSentence
    speaker: _Speaker


@dataclass(frozen=True)
class _Said:
    """A sentence as it was said."""

    sentence: ReadSentence
    voice: str
    """`backend:voice`."""
    utterance: Utterance


def _mapped(speak: Callable[[_ToSay], _Said], sentences: Iterable[_ToSay], at_once: int) -> Iterator[_Said]:
    """`map` in `at_once` threads. The number of results that wait for an earlier one is bounded.

    The first error in the order of the sentences is raised, once the calls in flight have ended.
    """
    waiting: deque[Future[_Said]] = deque()
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
    _knows_phonemes: bool = True
    """Whether every sentence so far has phonemes: in one without the mouth would stay closed."""

    def __enter__(self) -> _Recording:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, said: _Said, language: str, voice: str) -> None:
        """Append a spoken sentence unless it is empty, after a pause. `language`, `voice`: the job's.

        Raises JobError if the recording becomes too long.
        """
        self._pauses.ask(said.sentence.pause_before)
        if len(said.utterance.samples) > 0:
            if self._file is None:
                self._open(said.utterance.sample_rate_hz)
            self._pause(self._pauses.take())
            self._append(said, language, voice)
        self._pauses.ask(said.sentence.pause_after)

    def _append(self, said: _Said, language: str, voice: str) -> None:
        utterance = said.utterance
        start = self._samples / self._rate_hz
        self._write(resampled(utterance.samples, utterance.sample_rate_hz, self._rate_hz))
        text, own = said.sentence.text, said.sentence.language
        self.sentences.append(
            Sentence(
                text,
                start,
                self._samples / self._rate_hz,
                tuple(word.later(start) for word in timed(text, utterance.words)),
                language=None if own == language else own,
                voice=None if said.voice == voice else said.voice,
            )
        )
        self._knows_phonemes = self._knows_phonemes and bool(utterance.phonemes)
        self.phonemes += [Phoneme(p.symbol, p.start_seconds + start, p.end_seconds + start) for p in utterance.phonemes]

    @property
    def known_phonemes(self) -> list[Phoneme]:
        """Empty unless all are known."""
        return self.phonemes if self._knows_phonemes else []

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
