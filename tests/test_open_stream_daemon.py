"""Streams that stay open: the real daemon and its real stages, from the command line and over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.gateway import WarmGateway
from tests.hls import AUDIO, VIDEO, Stream, playable_pieces
from tests.media import audio, streams
from tests.running import RunningDaemon, in_process, until

pytestmark = pytest.mark.slow

OPEN = {"mode": "stream", "keep_open": True, "language": "en", "size": "64x64"}
FPS, RATE_HZ = 25, 48_000
CLOSE_AFTER_SECONDS = 90.0


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    settings = {"close_after_seconds": CLOSE_AFTER_SECONDS}
    with RunningDaemon(tmp_path_factory.mktemp("open"), stream=settings) as running:
        yield running.start().ready()


def say_to(daemon: RunningDaemon, *arguments: str) -> None:
    """Run `lipdrop say-to`."""
    ended = in_process("say-to", *arguments, cwd=daemon.spool)
    assert ended.returncode == 0, ended.stderr


def until_pieces(daemon: RunningDaemon, name: str, more: int) -> None:
    """Wait until a stream has some pieces more."""
    folder = daemon.spool / "outbox" / name
    least = playable_pieces(folder) + more
    until(lambda: playable_pieces(folder) >= least or None, f"{least} pieces: {daemon.log()[-2000:]}")


def sentences(timing: dict[str, Any]) -> list[str]:
    return [said["text"] for said in timing["sentences"]]


def assert_whole(daemon: RunningDaemon, timing: dict[str, Any], stream: Stream) -> None:
    """The video is what was streamed, frame by frame; between the sentences it is silent."""
    video, frames = daemon.video(timing["job"]), timing["video"]["frames"]
    found = streams(video)
    assert stream.poll()
    assert stream.ends == {VIDEO: frames * 90_000 // FPS, AUDIO: frames * RATE_HZ // FPS}
    assert stream.video_frames == frames == int(found["video"]["nb_read_packets"])
    assert float(found["video"]["duration"]) == pytest.approx(frames / FPS, abs=1e-4)
    assert float(found["audio"]["duration"]) == pytest.approx(frames / FPS, abs=1e-4)
    sound = np.abs(audio(video, RATE_HZ).astype(np.float64))
    spoken = np.zeros(len(sound), bool)
    for said in timing["sentences"]:
        start, stop = (int(said[key] * RATE_HZ) for key in ("start_seconds", "end_seconds"))
        assert sound[start:stop].max() > 1000
        spoken[max(0, start - RATE_HZ // 10) : stop + RATE_HZ // 4] = True
    assert sound[~spoken].max() < 30


def test_texts_are_said_although_the_daemon_is_killed_and_stopped(daemon: RunningDaemon) -> None:
    daemon.drop("talk", text="Hello there.", captions=True, **OPEN)
    until_pieces(daemon, "talk", 2)
    say_to(daemon, "talk", "This was said before the crash.")
    daemon.restarted()
    say_to(daemon, "talk", "And this one while nobody listened.")
    daemon.ready()
    until_pieces(daemon, "talk", 5)
    assert daemon.stop() == 130  # it does not wait for a stream that may never end
    daemon.start().ready()
    until_pieces(daemon, "talk", 2)
    say_to(daemon, "talk", "The last sentence.", "--end")
    refused = in_process("say-to", "talk", "Too late.", cwd=daemon.spool)
    assert refused.returncode == 65
    assert "is ending" in refused.stderr
    timing = daemon.ending("talk")
    assert sentences(timing) == [
        "Hello there.",
        "This was said before the crash.",
        "And this one while nobody listened.",
        "The last sentence.",
    ]
    assert timing["mode"] == "stream"
    stream = Stream(daemon.spool / "outbox" / "talk")
    assert_whole(daemon, timing, stream)
    captions = "".join((stream.folder / name).read_text() for name in re.findall(r"\S+\.vtt", captions_of(stream)))
    assert all(said in captions for said in sentences(timing))
    assert not list((daemon.spool / "run" / "streams").glob("*/*"))


def captions_of(stream: Stream) -> str:
    return (stream.folder / "captions.m3u8").read_text()


def test_an_interrupted_avatar_can_speak_again(daemon: RunningDaemon) -> None:
    long = "One two three four five six seven eight nine ten eleven twelve. " * 8
    daemon.drop("stopped", text=long, burn_captions=True, **OPEN)
    until_pieces(daemon, "stopped", 2)
    say_to(daemon, "stopped", "--stop")
    until_pieces(daemon, "stopped", 4)
    say_to(daemon, "stopped", "Yes?", "--end")
    timing = daemon.ending("stopped")
    *begun, last = sentences(timing)
    assert last == "Yes?"
    words = " ".join(begun).split()
    assert words == long.split()[: len(words)]
    assert 0 < len(words) < len(long.split()) / 2
    assert_whole(daemon, timing, Stream(daemon.spool / "outbox" / "stopped"))


def test_the_gateway_says_more_stops_and_ends(daemon: RunningDaemon) -> None:
    with WarmGateway(daemon.spool) as gateway:
        web, job = gateway.client, "/api/jobs/web"
        assert web.put(job, json={"text": "Hello there.", **OPEN}).status_code == 202
        until_pieces(daemon, "web", 1)
        links = web.get(job).json()["links"]
        assert [links[kind] for kind in ("text", "stop", "end")] == [
            f"{job}/{kind}" for kind in ("text", "stop", "end")
        ]
        assert web.post(f"{job}/text", json={"text": "Asked over HTTP."}).status_code == 202
        refusals = [
            (web.post(f"{job}/text", json={"text": "..."}), 400, "no_speech"),
            (web.post(f"{job}/text", json={"text": "x" * 30_000}), 400, "too_long"),
            (web.post(f"{job}/text", json={"txt": "Hello"}), 400, "range"),
            (web.post("/api/jobs/nobody/text", json={"text": "Hello"}), 404, "not_found"),
        ]
        until_pieces(daemon, "web", 4)
        assert web.post(f"{job}/stop").status_code == 202
        assert web.post(f"{job}/end").status_code == 202
        refusals.append((web.post(f"{job}/text", json={"text": "Hello"}), 409, "not_open"))
        assert [(answer.status_code, answer.json()["code"]) for answer, _, _ in refusals] == [
            (status, code) for _, status, code in refusals
        ]
        assert sentences(daemon.ending("web")) == ["Hello there.", "Asked over HTTP."]
        assert "text" not in web.get(job).json()["links"]
        refused = web.post(f"{job}/text", json={"text": "Hello"})
        assert (refused.status_code, refused.json()["code"]) == (409, "not_open")


def test_only_open_streams_can_be_asked(daemon: RunningDaemon) -> None:
    for name in ("nobody", "../inbox"):
        refused = in_process("say-to", name, "Hello", cwd=daemon.spool)
        assert refused.returncode == 65
        assert "no open stream" in refused.stderr
    (daemon.spool / "inbox" / "closed.json.part").write_text("{}")
    refused = in_process("say-to", "talk", cwd=daemon.spool)
    assert refused.returncode == 2


def test_a_stream_ends_after_a_silence(daemon: RunningDaemon) -> None:
    config = daemon.spool / "config.yaml"
    config.write_text(config.read_text().replace(str(CLOSE_AFTER_SECONDS), "2.0"))
    daemon.stop()
    daemon.start().ready()
    daemon.drop("quiet", text="Hello there.", **OPEN)
    timing = daemon.ending("quiet")
    last = timing["sentences"][-1]["end_seconds"]
    assert last + 2 <= timing["video"]["frames"] / FPS < last + 20
    assert json.loads((daemon.spool / "done" / "quiet.json").read_bytes())["keep_open"]
