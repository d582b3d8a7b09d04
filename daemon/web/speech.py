"""Speech for clients, spoken sentence by sentence in one process of its own and encoded while it is spoken.

The gateway itself loads no voice. Texts of several clients take turns after each sentence, so a short one need not wait
for a long one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Any

from daemon.web import isolated
from daemon.web.exchange import packed
from daemon.web.problems import ProblemError
from pipeline import programs
from pipeline.config import Config
from pipeline.errors import JobError
from pipeline.job import Job
from pipeline.media.spoken_formats import TEMPO_RANGE, SpokenFormat, start_encoder
from pipeline.speech.marks import Pauses

PROGRAM = "daemon.web.speech_program"
SENTENCE_SECONDS = 60.0
"""Time for a sentence, or to load the voices, besides the time of the user's own service or program."""
TEXT_SECONDS = 600.0
"""Time for a whole text, which includes sending it to a slow client."""
SPEAKING_MAX = 16
"""How many texts are spoken at once; further ones are refused."""
SPEED_RANGE = (0.5, 2.0)
"""Speeds of the voices; beyond them the sound is stretched."""
ATTEMPTS = 2
"""At one sentence: the process may have died since the last one."""
BLOCK_BYTES = 64 << 10
SENTENCES_READ = 100
"""About how many sentences of a text are read for a client, which takes up to three seconds."""
READ_KEYS = {"text", "language", "voice", "speed", "lexicon", "other_languages", "avatar", "mode"}
"""Keys of a job on which its reading depends."""
LANGUAGES_MAX = 200
"""How many languages' voices are remembered."""


@dataclass(frozen=True)
class Text:
    """What to say and how."""

    text: str
    language: str
    voice: str | None = None
    """A name that jobs may use; None: the best one."""
    speed: float = 1.0
    language_is_guess: bool = False
    """Whether to speak another language if the voice does not speak this one."""


@dataclass(frozen=True)
class Reading:
    """How the text of a job is read."""

    voice: str
    """`backend:voice`."""
    language: str
    sentences: list[dict[str, Any]]
    """As `pipeline.speech.reading.ReadSentence`, the first ones."""
    further: int
    """How many sentences follow."""


@dataclass(frozen=True)
class _Sound:
    rate_hz: int
    samples: bytes
    """Mono, 16 bits."""


class Speech:
    """The speech process, started on first use. Used in one event loop."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._seconds = SENTENCE_SECONDS + config.tts.sentence_seconds
        # One thread: requests take turns, and the kernel kills the process when the thread that started it ends.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="speech")
        self._process: subprocess.Popen[bytes] | None = None
        self._voices: dict[str, list[str]] = {}
        self._speaking = 0

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            programs.kill_group(self._process)  # wakes the thread if it waits for an answer
        self._thread.shutdown(cancel_futures=True)
        if self._process is not None:
            _end(self._process)

    async def voices(self, language: str) -> list[str]:
        """Full names of the voices for a language, best first. Raises ProblemError."""
        if language not in self._voices:
            if len(self._voices) >= LANGUAGES_MAX:
                self._voices.clear()
            async with self._slot():
                self._voices[language], _ = await self._ask({"voices": language})
        return self._voices[language]

    async def reading(self, job: Job) -> Reading:
        """How the text of a job is read; other clients' sentences take turns with it. Raises JobError, ProblemError."""
        keys = job.model_dump(mode="json", include=READ_KEYS)
        found: dict[str, Any] = {}
        sentences: list[dict[str, Any]] = []
        async with self._slot():
            portions, _ = await self._ask({"cut": keys})
            for index, portion in enumerate(portions):
                if len(sentences) >= SENTENCES_READ:
                    break
                found, _ = await self._ask({"read": {**keys, "text": portion}, "index": index})
                sentences += found["sentences"]
        further = sum(len(portion.splitlines()) for portion in portions) - len(sentences)
        return Reading(found["voice"], found["language"], sentences, further)

    async def speak(self, text: Text, form: SpokenFormat) -> AsyncGenerator[bytes, None]:
        """Speak a text; yields the encoded sound as soon as there is some. Raises JobError and ProblemError."""
        sounds = self._sounds(text)
        first = await anext(sounds, None)
        if first is None:
            raise JobError("no_speech", "the voice produced no speech from the text", field="text")
        tempo = min(max(text.speed / _voice_speed(text), TEMPO_RANGE[0]), TEMPO_RANGE[1])
        async with aclosing(_encoded(first, sounds, form, tempo)) as encoded:
            async for block in encoded:
                yield block

    async def _sounds(self, text: Text) -> AsyncGenerator[_Sound, None]:
        """The sound of each sentence, with the pauses between them."""
        async with self._slot():
            guess = {"language": text.language, "voice": text.voice, "is_guess": text.language_is_guess}
            plan, _ = await self._ask({"plan": text.text, **guess})
            chosen = {"language": plan["language"], "voice": plan["voice"], "speed": _voice_speed(text)}
            pauses = Pauses(plan["pause_seconds"])
            for sentence in plan["sentences"]:
                said, samples = await self._ask({"say": sentence, **chosen})
                pauses.ask(said["pause_before"])
                if samples:
                    yield _Sound(said["rate_hz"], bytes(2 * round(said["rate_hz"] * pauses.take())) + samples)
                pauses.ask(said["pause_after"])

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._speaking >= SPEAKING_MAX:
            raise isolated.busy()
        self._speaking += 1
        try:
            yield
        finally:
            self._speaking -= 1

    async def _ask(self, request: dict[str, Any]) -> tuple[Any, bytes]:
        """Let the process answer a request. Raises JobError and ProblemError."""
        answer, samples = await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, request)
        return isolated.result(answer), samples

    def _exchange(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Send a request and read its answer. A process that dies or hangs is replaced."""
        for _ in range(ATTEMPTS):
            process = self._process = self._running()
            try:
                return _send(process, request, time.monotonic() + self._seconds)
            except TimeoutError:
                _end(process)
                message = f"speaking took over {self._seconds:.0f} s"
                raise ProblemError(HTTPStatus.GATEWAY_TIMEOUT, message, code="tts_timeout") from None
            except (OSError, EOFError):
                _end(process)
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "the speech process died", code="worker_died")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        if self._process is not None:
            _end(self._process)
        process = programs.start(isolated.argv(PROGRAM), subprocess.PIPE, stderr=sys.stderr.fileno())
        assert process.stdin is not None
        process.stdin.write(packed(self._config, None) + b"\n")
        return process


def _voice_speed(text: Text) -> float:
    return min(max(text.speed, SPEED_RANGE[0]), SPEED_RANGE[1])


def _send(process: subprocess.Popen[bytes], request: dict[str, Any], deadline: float) -> tuple[dict[str, Any], bytes]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    return _read_answer(process.stdout, deadline)


def _read_answer(pipe: IO[bytes], deadline: float) -> tuple[dict[str, Any], bytes]:
    """A line of JSON, and the samples after it. Raises TimeoutError, and EOFError if the process has ended."""
    data = bytearray()
    while b"\n" not in data:
        data += _block(pipe, deadline)
    line, _, samples = data.partition(b"\n")
    answer = json.loads(line)
    count = answer.pop("bytes")
    while len(samples) < count:
        samples += _block(pipe, deadline)
    return answer, bytes(samples)


def _block(pipe: IO[bytes], deadline: float) -> bytes:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
    block = os.read(pipe.fileno(), BLOCK_BYTES)
    if not block:
        raise EOFError
    return block


def _end(process: subprocess.Popen[bytes]) -> None:
    programs.kill_group(process)
    with contextlib.suppress(BrokenPipeError), process:  # closing its input may flush
        pass


async def _encoded(
    first: _Sound, rest: AsyncGenerator[_Sound, None], form: SpokenFormat, tempo: float
) -> AsyncGenerator[bytes, None]:
    """Encode sounds of one rate while they arrive."""
    loop = asyncio.get_running_loop()
    with start_encoder(first.rate_hz, form, tempo) as process:
        assert process.stdout is not None and process.stdin is not None
        reader = asyncio.StreamReader()
        output, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
        feeding = asyncio.create_task(_feed(process.stdin, first, rest))
        try:
            while block := await reader.read(BLOCK_BYTES):
                yield block
            await feeding
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)  # it must not use the pipe once that is closed
            output.close()
            programs.kill_group(process)


async def _feed(pipe: IO[bytes], first: _Sound, rest: AsyncGenerator[_Sound, None]) -> None:
    """Write all samples to an encoder, then close its input. Waits while the client reads slowly."""
    transport, protocol = await asyncio.get_running_loop().connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
    writer = asyncio.StreamWriter(transport, protocol, None, asyncio.get_running_loop())
    close = transport.abort
    try:
        async with asyncio.timeout(TEXT_SECONDS), aclosing(rest):
            writer.write(first.samples)
            await writer.drain()
            async for sound in rest:
                writer.write(sound.samples)
                await writer.drain()
        close = transport.close
    finally:
        close()
