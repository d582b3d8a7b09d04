"""The program that speaks for the gateway: `python -m daemon.web.speech_program`.

The first line of its standard input is the configuration. Each line after it is a request, which it answers with a
line of JSON; if that has `bytes`, as many bytes of samples follow.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from daemon.reading import Reader
from daemon.web.exchange import answered, unpacked
from pipeline.config import Config
from pipeline.job import Job
from pipeline.media.pcm import as_int16
from pipeline.speech.lexicon import lexicon_for
from pipeline.speech.reading import marked, read_sentence
from pipeline.speech.sentences import sentences
from pipeline.speech.voices.catalogue import Voices


class Speaker:
    """Speaks with the voices of a configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._voices: Voices | None = None
        self.samples = b""
        """What the last request spoke: mono, 16 bits."""

    def handle(self, request: dict[str, Any]) -> Any:
        """List voices (`voices`), plan a text (`plan`), speak one sentence (`say`), or show how a job's text is read
        (`cut`, `read`). Raises LipdropError."""
        self.samples = b""
        if "cut" in request:
            return self._reader.portions(_job(request["cut"]))
        if "read" in request:
            return self._read(request)
        if self._voices is None:
            self._voices = Voices(self._config.tts, self._config.base)
        if "voices" in request:
            return self._voices.available(request["voices"])
        if "plan" in request:
            return self._plan(self._voices, request)
        return self._say(self._voices, request)

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self._config)

    def _read(self, request: dict[str, Any]) -> dict[str, Any]:
        """How a portion of a job's text is read; the job has that portion alone."""
        job = _job(request["read"])
        voice, found = self._reader.read_portion(job, request["index"])
        return {"voice": voice, "language": self._reader.language(job), "sentences": [asdict(one) for one in found]}

    def _plan(self, voices: Voices, request: dict[str, Any]) -> dict[str, Any]:
        """The sentences of a text, and the language in which its voice speaks them."""
        voice, first = request["voice"], request["language"]
        language = first if voice is None else self._language(voices, voice, first, is_guess=request["is_guess"])
        backend, name = voices.choose(language, voice)
        return {
            "language": language,
            "voice": f"{backend.name}:{name}",
            "sentences": sentences(request["plan"], language),
            "pause_seconds": self._config.tts.pause_seconds,
        }

    def _language(self, voices: Voices, voice: str, first: str, *, is_guess: bool) -> str:
        """A language that a voice speaks; `first`, if it is not a guess or if no other is found."""
        for language in self._languages(voice, first) if is_guess else ():
            speaking = voices.available(language)
            if any(voice in (name, name.partition(":")[2]) for name in speaking):
                return language
        return first

    def _languages(self, voice: str, first: str) -> Iterator[str]:
        """Languages to try: espeak names its voices after them."""
        yield from dict.fromkeys([first, *self._config.languages, voice.rpartition(":")[2]])

    def _say(self, voices: Voices, request: dict[str, Any]) -> dict[str, Any]:
        language = request["language"]
        backend, voice = voices.choose(language, request["voice"])
        with tempfile.TemporaryDirectory(prefix="lipdrop-") as scratch:
            words = lexicon_for(self._config.tts, language)
            sentence = read_sentence(request["say"], language, words)
            said = marked(sentence.spoken, language, backend, words)
            utterance = backend.speak(said, language, voice, request["speed"], Path(scratch))
        self.samples = as_int16(utterance.samples).tobytes()
        pauses = {"pause_before": sentence.pause_before, "pause_after": sentence.pause_after}
        return {"rate_hz": utterance.sample_rate_hz, **pauses}


def _job(keys: dict[str, Any]) -> Job:
    """A job that the gateway has checked."""
    return Job.model_validate_json(json.dumps(keys))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    config, _ = unpacked(requests.readline())
    speaker = Speaker(config)
    for line in requests:
        request = json.loads(line)
        answer = answered(lambda request=request: speaker.handle(request))  # type: ignore[misc]
        answers.write(json.dumps({**answer, "bytes": len(speaker.samples)}).encode() + b"\n" + speaker.samples)
        answers.flush()


if __name__ == "__main__":
    # Libraries may write to standard output.
    own = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, own)
