"""Speech services at work: several sentences at a time, and secrets that stay secret."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Config
from pipeline.errors import StageError
from pipeline.executors.base import WorkerSpec
from pipeline.messages import TtsItem
from pipeline.speech.voices.base import Utterance
from pipeline.stages.tts import TtsStage
from tests.running import BRIEF_WAITS, ONE_PROCESS, RunningDaemon
from tests.test_voices import Service, answer, wav

TEXT = " ".join(f"Sentence number {'x' * number}." for number in range(1, 13))
SECRET = "s3cret-value-of-a-key"


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.server.shutdown()
    running.server.server_close()


class Choir:
    """A back end that waits until `concurrency` sentences are being spoken, then ends them in reverse order."""

    name = "choir"

    def __init__(self, concurrency: int, wrong: str = "") -> None:
        self.concurrency = concurrency
        self.most = 0
        self._wrong = wrong
        self._at_once = 0
        self._changed = threading.Condition()
        self._left = 0
        self._together = threading.Barrier(concurrency)

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        with self._changed:
            self._at_once += 1
            self.most = max(self.most, self._at_once)
        self._together.wait(10)
        with self._changed:
            self._at_once -= 1
            self._left += 1
            self._changed.notify_all()
            if self._wrong and self._wrong in text:
                self._changed.wait_for(lambda: self._left >= self.concurrency, 10)
                self._together.abort()  # too few sentences are left to wait for each other
                raise StageError("tts_failed", text)
        return Utterance(np.full(100 * len(text), len(text) / 100, np.float32), 8_000)


def spoken(backend: Choir, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, list[str]]:
    """The sound and the sentences."""
    stage = TtsStage(WorkerSpec("tts-0", "test", "", Config()))
    monkeypatch.setattr(stage, "_voice", lambda *_: (backend, "a"))
    monkeypatch.setattr(stage, "_heard", lambda utterance, *_: utterance)
    [speech] = stage.process(TtsItem("a", folder, TEXT, "en", None, 1.0))
    return speech.audio.read_bytes(), [sentence.text for sentence in speech.sentences]


def test_the_result_does_not_depend_on_the_concurrency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, together = Choir(1), Choir(4)
    first, second = (spoken(backend, tmp_path, monkeypatch) for backend in (alone, together))
    assert first == second
    assert len(first[1]) == 12
    assert (alone.most, together.most) == (1, 4)


def test_the_first_error_in_the_order_of_the_text_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StageError, match="Sentence number xxx"):
        spoken(Choir(4, wrong="xxx"), tmp_path, monkeypatch)


@pytest.mark.slow
def test_a_secret_is_written_nowhere(service: Service, tmp_path: Path) -> None:
    """Given one job that is spoken and one whose request is refused."""
    service.answers = [answer(200, wav()), answer(401, SECRET.encode())]
    http = {"url": f"{service.url}?voice=x", "key": "TTS_KEY", "headers": {"Authorization": "Bearer {key}"}}
    settings = {"tts": {"backend": "http", "http": http}, "log": {"level": "debug"}}
    daemon = RunningDaemon(tmp_path / "spool", **BRIEF_WAITS, **ONE_PROCESS, **settings)
    daemon.environment = {"TTS_KEY": SECRET}
    daemon.drop("a", text="Hello.", language="en", size="64x64")
    with daemon:
        daemon.start()
        assert daemon.ending("a")["status"] == "done"
        daemon.drop("b", text="Hello again.", language="en", size="64x64")
        assert daemon.ending("b")["error"]["code"] == "tts_http_status"
        daemon.wait_for_iterations()
    assert [headers["Authorization"] for headers in service.headers] == [f"Bearer {SECRET}"] * len(service.headers)
    files = [file for file in daemon.spool.rglob("*") if file.is_file()]
    assert {"log", "health.json", "a.json", "b.json"} <= {file.name for file in files}
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []
