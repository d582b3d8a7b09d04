"""Voices over HTTP: listing and samples, spoken in a process of their own that is replaced when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from daemon.web.problems import ProblemError
from daemon.web.speech import Speech
from pipeline.config import Config
from pipeline.speech.voices.settings import VoiceSettings
from tests.gateway import RunningGateway, WarmGateway
from tests.media import streams
from tests.running import until


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    spool = tmp_path_factory.mktemp("voices") / "spool"
    spool.mkdir()
    (spool / "config.yaml").write_text("tts: {backend: espeak}")
    with WarmGateway(spool) as running:
        yield running


@pytest.fixture
def web(gateway: RunningGateway) -> httpx.Client:
    return gateway.client


def speaker(gateway: RunningGateway) -> psutil.Process | None:
    """The gateway's speech process."""
    children = psutil.Process(gateway.process.pid).children()
    return next((child for child in children if "daemon.web.speech_program" in child.cmdline()), None)


def test_voices_are_listed_with_samples(web: httpx.Client, tmp_path: Path) -> None:
    voices = web.get("/api/voices", params={"language": "de"}).json()["voices"]
    assert voices[0] == {
        "voice": "espeak:de+f2",
        "language": "de",
        "sample": "/api/voices/espeak:de%2Bf2/sample?language=de",
    }
    sample = web.get(voices[0]["sample"])
    assert (sample.status_code, sample.headers["content-type"]) == (200, "audio/mpeg")
    (tmp_path / "sample.mp3").write_bytes(sample.content)
    sound = streams(tmp_path / "sample.mp3")["audio"]
    assert sound["codec_name"] == "mp3"
    assert float(sound["duration"]) > 1
    again = web.get(voices[0]["sample"], headers={"If-None-Match": sample.headers["etag"]})
    assert again.status_code == 304


def test_by_default_the_configured_languages_are_listed(web: httpx.Client) -> None:
    voices = web.get("/api/voices").json()["voices"]
    assert list(dict.fromkeys(voice["language"] for voice in voices)) == ["ru", "en", "kk"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/voices/espeak:nobody/sample?language=en", 404, "voice"),
        ("/api/voices/espeak:de/sample?language=xx", 404, "language"),
        ("/api/voices?language=no%20language", 400, "range"),
    ],
)
def test_unknown_voices_and_languages_are_refused(web: httpx.Client, path: str, status: int, code: str) -> None:
    answer = web.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_language_without_voices_has_an_empty_list(web: httpx.Client) -> None:
    assert web.get("/api/voices?language=xx").json() == {"voices": []}


def test_a_killed_speech_process_is_replaced(web: httpx.Client, gateway: RunningGateway) -> None:
    first = web.get("/api/voices/espeak:pl+f2/sample?language=pl")
    process = speaker(gateway)
    assert first.status_code == 200 and process is not None
    process.kill()
    until(lambda: None if process.is_running() and process.status() != psutil.STATUS_ZOMBIE else True, "end of it")
    assert web.get("/api/voices/espeak:it+f2/sample?language=it").status_code == 200
    assert speaker(gateway) not in (None, process)


def test_samples_are_cached(web: httpx.Client, gateway: RunningGateway) -> None:
    url = "/api/voices/espeak:es+f2/sample?language=es"
    first = web.get(url)
    process = speaker(gateway)
    assert process is not None
    process.suspend()
    try:
        assert web.get(url, timeout=5).content == first.content
    finally:
        process.resume()


def test_the_gateway_loads_no_voice(web: httpx.Client, gateway: RunningGateway) -> None:
    web.get("/api/voices/espeak:en-us/sample?language=en")
    own = psutil.Process(gateway.process.pid)
    loaded = {Path(part.path).name for part in own.memory_maps()}
    assert not [name for name in loaded if name.startswith(("libespeak", "libtorch", "onnxruntime"))]


def test_a_process_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(psutil.Process().children())

    async def speak() -> None:
        speech = Speech(Config(tts=VoiceSettings(backend="espeak")))
        try:
            assert "espeak:de" in await speech.voices("de")
            (hanging,) = set(psutil.Process().children()) - before
            hanging.suspend()
            with monkeypatch.context() as patch, pytest.raises(ProblemError) as failure:
                patch.setattr(speech, "_seconds", 1.0)
                await speech.voices("pl")
            assert (failure.value.status, failure.value.code) == (504, "tts_timeout")
            assert not hanging.is_running()
            assert "espeak:pl" in await speech.voices("pl")
        finally:
            speech.close()

    asyncio.run(speak())
    assert set(psutil.Process().children()) <= before
