"""OpenAI's API, used with OpenAI's own Python package on a real gateway with a real daemon."""

from __future__ import annotations

import base64
import json
import sys
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from daemon.web.openai_api import guessed_language
from daemon.web.tokens import Tokens
from pipeline.speech.voices.http import Openai
from pipeline.speech.voices.settings import OpenaiSettings
from tests.gateway import RunningGateway, Studio, WarmGateway
from tests.lazy import lazily
from tests.media import streams
from tests.running import until

if TYPE_CHECKING:
    import openai
    from openai import OpenAI
    from openai.types import Video
else:
    openai = lazily("openai")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the videos API is deprecated by its vendor

PORTRAIT = Path(__file__).parent / "data" / "portraits" / "astronaut.png"
Samples = NDArray[np.int16]
SMALL: Any = "64x64"
SENTENCES = "Hello there. This is the second sentence. And this is the third one."

BLOCKING = """
import pathlib, sys, time, wave
text, path = sys.argv[1:]
pathlib.Path("begun").touch()
while not pathlib.Path("release").exists():
    time.sleep(0.05)
with wave.open(path, "wb") as file:
    file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
    file.writeframes((b"\\x00\\x20" * 20 + b"\\x00\\xe0" * 20) * 100)
"""
"""A speech program that speaks half a second once it is released."""


def client_of(gateway: RunningGateway, key: str = "unused") -> OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=120)


@pytest.fixture(scope="module")
def gateway(studio: Studio) -> RunningGateway:
    return studio.gateway


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[OpenAI]:
    with client_of(gateway) as found:
        yield found


@pytest.fixture(scope="module")
def made(client: OpenAI) -> Video:
    """A completed video of a portrait."""
    with PORTRAIT.open("rb") as portrait:
        return client.videos.create_and_poll(
            prompt="Hello.", model="sora-2", seconds="4", size=SMALL, input_reference=portrait
        )


# Speech


@pytest.mark.parametrize(
    ("form", "codec"), [("mp3", "mp3"), ("opus", "opus"), ("aac", "aac"), ("flac", "flac"), ("wav", "pcm_s16le")]
)
def test_speech_has_the_format_that_was_asked_for(client: OpenAI, tmp_path: Path, form: Any, codec: str) -> None:
    answer = client.audio.speech.create(model="tts-1", voice="nova", input="Hello there.", response_format=form)
    path = tmp_path / f"speech.{form}"
    answer.write_to_file(path)
    sound = streams(path)["audio"]
    assert (sound["codec_name"], sound["channels"]) == (codec, 1)
    assert sound["sample_rate"] == ("48000" if form == "opus" else "24000")


def pcm(client: OpenAI, text: str, **options: Any) -> Samples:
    """Spoken samples at 24 kHz."""
    arguments = {"model": "lipdrop", "voice": "alloy", "response_format": "pcm", **options}
    return np.frombuffer(client.audio.speech.create(input=text, **arguments).read(), "<i2")


def has_length_of(one: Samples, other: Samples) -> bool:
    """espeak varies each time, by about a hundredth."""
    return abs(len(one) / len(other) - 1) < 0.04


def test_pcm_is_24_khz_and_speed_changes_its_length(client: OpenAI) -> None:
    normal = pcm(client, SENTENCES)
    assert 3 < len(normal) / 24_000 < 10
    assert np.abs(normal).max() > 3000
    assert 1.6 < len(normal) / len(pcm(client, SENTENCES, speed=2.0)) < 2.4
    assert 3 < len(normal) / len(pcm(client, SENTENCES, speed=4.0)) < 5
    assert 3 < len(pcm(client, SENTENCES, speed=0.25)) / len(normal) < 5


def test_wav_is_readable_by_others(client: OpenAI, tmp_path: Path) -> None:
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello.", response_format="wav")
    answer.write_to_file(tmp_path / "a.wav")
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)


def test_openai_s_names_and_lipdrop_s_names_are_voices(client: OpenAI) -> None:
    best, same = (pcm(client, SENTENCES, voice=voice) for voice in ("alloy", "espeak:en-us+f2"))
    assert has_length_of(best, same)
    assert not has_length_of(best, pcm(client, SENTENCES, voice={"id": "espeak:en-us+fast"}))
    german = pcm(client, "Guten Tag", voice="espeak:de")  # a voice decides the language, unless it is given
    assert has_length_of(german, pcm(client, "Guten Tag", voice="espeak:de", extra_body={"language": "de"}))
    with pytest.raises(openai.BadRequestError):
        pcm(client, "Guten Tag", voice="espeak:de", extra_body={"language": "en"})


def test_speech_is_streamed_while_it_is_spoken(client: OpenAI) -> None:
    arguments: dict[str, Any] = {"model": "tts-1", "voice": "alloy", "input": SENTENCES, "response_format": "pcm"}
    with client.audio.speech.with_streaming_response.create(**arguments) as answer:
        assert answer.headers["content-type"] == "audio/pcm"
        assert "content-length" not in answer.headers
        streamed = b"".join(answer.iter_bytes())
    assert has_length_of(np.frombuffer(streamed, "<i2"), pcm(client, SENTENCES))


def test_speech_can_be_sent_as_events(gateway: RunningGateway, client: OpenAI) -> None:
    body = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": SENTENCES, "response_format": "pcm"}
    answer = gateway.client.post("/v1/audio/speech", json={**body, "stream_format": "sse"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert events[-1]["type"] == "speech.audio.done"
    assert has_length_of(np.frombuffer(sound, "<i2"), pcm(client, SENTENCES))


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"voice": "nobody"}, "voice", "voice"),
        ({"input": ""}, "input", "range"),
        ({"input": "?!"}, "input", "no_speech"),
        ({"input": "a" * 4097}, "input", "range"),
        ({"response_format": "ogg"}, "response_format", "range"),
        ({"speed": 5.0}, "speed", "range"),
        ({"extra_body": {"language": "xx"}}, "language", "language"),
    ],
)
def test_bad_speech_requests_are_explained(client: OpenAI, changes: dict[str, Any], param: str, code: str) -> None:
    arguments = {"model": "tts-1", "voice": "alloy", "input": "Hello.", **changes}
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.speech.create(**arguments)
    assert (refused.value.param, refused.value.code, refused.value.type) == (param, code, "invalid_request_error")
    assert refused.value.body is not None and refused.value.body["message"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "configured", "language"),
    [
        ("Hello", "ru", "en"),
        ("Привет", "ru", "ru"),
        ("Привет", "en", "ru"),
        ("Сәлем, әлем", "ru", "kk"),
        ("Guten Tag", "de", "de"),
        ("Добрий день", "uk", "uk"),
        ("42", "kk", "kk"),
    ],
)
def test_the_language_is_guessed_from_the_letters(text: str, configured: str, language: str) -> None:
    assert guessed_language(text, configured) == language


@pytest.mark.slow
def test_too_many_texts_at_once_are_refused_and_none_is_lost(tmp_path: Path) -> None:
    (tmp_path / "speak.py").write_text(BLOCKING)
    argv = [sys.executable, str(tmp_path / "speak.py"), "{text}", "{output}"]
    (tmp_path / "config.yaml").write_text(json.dumps({"tts": {"backend": "command", "command": {"argv": argv}}}))
    with WarmGateway(tmp_path) as gateway, client_of(gateway) as client:
        with ThreadPoolExecutor(max_workers=17) as threads:
            answers = [threads.submit(pcm, client, "Hello.") for _ in range(17)]
            refused = until(lambda: next((answer for answer in answers if answer.done()), None), "refusal").exception()
            assert isinstance(refused, openai.RateLimitError)
            assert int(refused.response.headers["retry-after"]) > 0
            assert gateway.client.get("/api/health").status_code == 200
            (tmp_path / "release").touch()
        assert sorted(answer.exception() is None for answer in answers) == [False] + [True] * 16
        assert len(pcm(client, "Hello.")) > 10_000


# Models


def test_models_are_listed(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert {"lipdrop", "tts-1", "sora-2"} <= set(names)
    assert client.models.retrieve("lipdrop").owned_by == "lipdrop"
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("gpt-5")
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.audio.speech.create(model="gpt-5", voice="alloy", input="Hello.")
    assert len(pcm(client, "Hello.", model="gpt-4o-mini-tts-2025-12-15"))


# Videos


def test_a_portrait_speaks_the_prompt(client: OpenAI, made: Video, gateway: RunningGateway) -> None:
    assert (made.status, made.progress, made.error) == ("completed", 100, None)
    assert (made.object, made.model, made.prompt, made.size) == ("video", "sora-2", "Hello.", "64x64")
    assert made.completed_at is not None and made.created_at <= made.completed_at <= time.time() + 1
    assert made.seconds == "1"
    timing = gateway.client.get(f"/api/jobs/{made.id}").json()["report"]
    assert timing["audio"]["voice"].startswith("espeak:en")
    assert client.videos.retrieve(made.id) == made


def test_a_video_can_be_downloaded(client: OpenAI, made: Video, tmp_path: Path) -> None:
    client.videos.download_content(made.id).write_to_file(tmp_path / "a.mp4")
    found = streams(tmp_path / "a.mp4")
    assert (found["video"]["width"], found["video"]["height"]) == (64, 64)
    assert set(found) == {"video", "audio"}
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.download_content(made.id, variant="spritesheet")
    assert refused.value.param == "variant"


def test_jobs_keys_can_be_given_too(client: OpenAI, gateway: RunningGateway) -> None:
    extra = {"language": "ru", "captions": True, "avatar": "host", "fps": 25, "voice": "nova"}
    found = client.videos.create_and_poll(prompt="Hello.", size=SMALL, extra_body=extra)
    assert found.status == "completed"
    report = gateway.client.get(f"/api/jobs/{found.id}").json()
    assert report["report"]["audio"]["voice"].startswith("espeak:ru")
    assert "vtt" in report["links"]


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"size": "720"}, "size", "range"),
        ({"prompt": ""}, "prompt", "missing"),
        ({"prompt": "?!"}, "prompt", "no_speech"),
        ({"extra_body": {"langage": "en"}}, "langage", "unknown_field"),
        ({"extra_body": {"speed": '1, "captions": true'}}, "speed", "type"),
        ({"input_reference": b"not a picture"}, "avatar", "media"),
    ],
)
def test_bad_videos_are_refused(client: OpenAI, changes: dict[str, Any], param: str, code: str) -> None:
    if isinstance(changes.get("input_reference"), bytes):
        changes = {"input_reference": ("a.png", changes["input_reference"])}
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.create(**{"prompt": "Hello.", **changes})
    assert (refused.value.param, refused.value.code) == (param, code)


def test_a_portrait_is_never_fetched_from_elsewhere(gateway: RunningGateway) -> None:
    body = {"prompt": "Hello.", "input_reference": {"image_url": "http://localhost/a.png"}}
    for answer in (
        gateway.client.post("/v1/videos", json=body),
        gateway.client.post("/v1/videos", data={"prompt": "Hello.", "input_reference[image_url]": "http://localhost"}),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (400, "input_reference", "type")


def test_unknown_videos_are_not_found(client: OpenAI, gateway: RunningGateway) -> None:
    for video_id in ("video_1", "video_" + "0" * 24, "../../etc/passwd"):
        with pytest.raises(openai.NotFoundError) as refused:
            client.videos.retrieve(video_id)
        assert refused.value.code == "not_found"
    gateway.client.put("/api/jobs/not-a-video", json={"text": "hello", "size": "64x64"})
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve("not-a-video")
    with pytest.raises(openai.NotFoundError):
        client.videos.delete("not-a-video")


def test_a_video_that_fails_says_why(client: OpenAI) -> None:
    found = client.videos.create_and_poll(prompt="Hello.", size=SMALL, extra_body={"voice": "nobody"})
    assert (found.status, found.error and found.error.code) == ("failed", "voice")
    with pytest.raises(openai.NotFoundError):
        client.videos.download_content(found.id)


def test_a_deleted_video_is_gone(client: OpenAI, gateway: RunningGateway) -> None:
    found = client.videos.create_and_poll(prompt="Hello.", size=SMALL, extra_body={"captions": True})
    outbox = gateway.spool / "outbox"
    assert len([path for path in outbox.iterdir() if path.name.startswith(found.id)]) == 4
    deleted = client.videos.delete(found.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (found.id, True, "video.deleted")
    assert not [path for path in outbox.iterdir() if path.name.startswith(found.id)]
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(found.id)


# Without a daemon


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[RunningGateway]:
    with WarmGateway(tmp_path / "spool", queued_jobs=7) as running:
        yield running


def test_videos_are_listed_page_by_page(lone: RunningGateway) -> None:
    lone.client.put("/api/jobs/not-a-video", json={"text": "hello"})
    with client_of(lone) as client:
        ids = [client.videos.create(prompt=f"Number {number}").id for number in range(5)]
        page = client.videos.list(limit=2)
        assert [video.id for video in page.data] == ids[:2:-1]
        assert (page.has_more, page.last_id) == (True, ids[3])
        assert [video.id for video in client.videos.list(limit=2)] == ids[::-1]
        assert [video.id for video in client.videos.list(limit=3, order="asc")] == ids
        assert [video.prompt for video in client.videos.list(after=ids[1])] == ["Number 0"]
        assert {video.status for video in client.videos.list()} == {"queued"}


def test_a_waiting_video_can_be_cancelled(lone: RunningGateway) -> None:
    with client_of(lone) as client:
        found = client.videos.create(prompt="Hello.", size="720x1280")
        assert (found.status, found.progress, found.size, found.seconds) == ("queued", 0, "720x1280", "0")
        assert client.videos.delete(found.id).deleted
    assert (lone.spool / "run" / "cancel" / found.id).exists()


def test_a_full_queue_and_a_missing_token_have_openai_s_errors(tmp_path: Path) -> None:
    token = Tokens(tmp_path / "tokens").add("someone")
    with WarmGateway(tmp_path, queued_jobs=1, tokens="tokens") as gateway:
        with client_of(gateway, "wrong") as client, pytest.raises(openai.AuthenticationError) as refused:
            client.videos.list()
        assert refused.value.code == "invalid_api_key"
        with client_of(gateway, token) as client:
            client.videos.create(prompt="Hello.")
            with pytest.raises(openai.RateLimitError) as full:
                client.videos.create(prompt="Hello.")
            assert (full.value.code, full.value.type) == ("queue_full", "rate_limit_error")
            assert int(full.value.response.headers["retry-after"]) > 0


def test_lipdrop_speaks_through_its_own_api(gateway: RunningGateway) -> None:
    backend = Openai(OpenaiSettings(url=f"{gateway.url}/v1"))
    utterance = backend.speak("Hello there.", "en", backend.voices("en")[0], 1.0)
    assert 0.5 < len(utterance.samples) / utterance.sample_rate_hz < 3
