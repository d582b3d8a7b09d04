"""Streams: jobs that are played while they render. Real processes, real ffmpeg, a real browser if there is one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.spool.spool import Spool
from tests.browser import CHROMIUM, Browser
from tests.hls import AUDIO, VIDEO, Stream, playable_pieces, playlist
from tests.media import audio, speech_like, streams, write_recording
from tests.running import ROOT, RunningDaemon, until

RUSSIAN = (
    "Здравствуйте, это проверка потока. Аватар начинает говорить, пока остальное ещё готовится, "
    "и никто не ждёт конца, потому что каждая часть показывается сразу, как только она готова. "
    "Потом идёт ещё одно предложение. И ещё одно, самое последнее в этом коротком тексте."
)
THREE_PIECES = "Раз, два, три, раз, два. " + 2 * "Раз, два, три, раз, два, три, раз, два. "
SOME_PIECES = 2 * "Да я и ты и он. "
SMALL = {"language": "ru", "mode": "stream", "size": "64x64"}
RATE_HZ = 48_000
COUNT_STALLS = """
self.stalls = 0;
video.addEventListener('waiting', () => {
    const end = video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0;
    stalls += video.currentTime > 0.1 && end - video.currentTime < 0.3;
});
true
"""
"""Makes the page count how often its video stops because the buffer is empty; a slow decoder does not count."""
ATTEMPTS = 3
"""A busy machine may make one stream stall, but not all of these."""
ANY_NAME = ("-allowed_extensions", "ALL")
"""Some versions of ffmpeg refuse HLS fragments because of their names."""
PIECE_WORDS_MAX = 15
AAC_FRAME_SAMPLES = 1024


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One daemon for all tests that leave it running."""
    with RunningDaemon(tmp_path_factory.mktemp("stream")) as running:
        yield running.start().ready()


@pytest.fixture(scope="module")
def partly_mute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A daemon whose voice is silent for Latin letters."""
    spool = tmp_path_factory.mktemp("partly-mute")
    with RunningDaemon(spool, tts=voice_of(spool, 2), executor="threads") as running:
        yield running.start().ready()


def voice_of(spool: Path, seconds: float) -> dict[str, Any]:
    """The settings of a voice that speaks as long for every Russian sentence, and is silent for Latin letters."""
    write_recording(spool / "speech.wav", speech_like(seconds))
    write_recording(spool / "silence.wav", np.zeros(8000, np.int16))
    (spool / "speak").write_text('#!/bin/sh\nif grep -q "[a-z]"; then cat silence.wav; else cat speech.wav; fi\n')
    (spool / "speak").chmod(0o755)
    return {"backend": "command", "command": {"argv": ["./speak"]}}


def begun(daemon: RunningDaemon, name: str, pieces: int = 1, **job: Any) -> Stream:
    """Drop a job and wait until some of its pieces can be played."""
    daemon.drop(name, **{"text": RUSSIAN, **SMALL, **job})
    folder = daemon.spool / "outbox" / name
    until(lambda: playable_pieces(folder) >= pieces or None, f"{pieces} pieces: {daemon.log()[-2000:]}")
    return Stream(folder)


def whole(daemon: RunningDaemon, name: str, stream: Stream) -> dict[str, Any]:
    """Wait for a job's end and check that its stream is complete and unchanged; returns the timing JSON."""
    timing = daemon.ending(name)
    assert timing["status"] == "done", timing
    assert stream.poll()
    stream.check_unchanged()
    fps = timing["video"]["fps"]
    assert stream.video_frames == timing["video"]["frames"] == sum(chunk["frames"] for chunk in timing["chunks"])
    assert stream.ends == {VIDEO: stream.video_frames * 90_000 // fps, AUDIO: stream.video_frames * RATE_HZ // fps}
    return timing


def dropped_again(daemon: RunningDaemon, name: str, **job: Any) -> dict[str, Any]:
    """Drop another job under the name of one that has ended; returns the new timing JSON."""
    before = (daemon.spool / "outbox" / f"{name}.json").stat().st_ino
    daemon.drop(name, **{"text": RUSSIAN, **SMALL, **job})
    until(lambda: ended_again(daemon, name, before), "new ending")
    return daemon.ending(name)


def ended_again(daemon: RunningDaemon, name: str, before: int) -> bool | None:
    ending = daemon.spool / "outbox" / f"{name}.json"
    return (ending.exists() and not (daemon.spool / "work" / name).exists() and ending.stat().st_ino != before) or None


def frame_hashes(video: Path, *options: str) -> list[str]:
    """A hash of each decoded frame."""
    return hashes(subprocess.run(framemd5(video, *options), check=True, capture_output=True, text=True).stdout)


def framemd5(video: Path, *options: str) -> list[str]:
    return ["ffmpeg", "-v", "error", *options, "-i", str(video), "-map", "0:v", "-f", "framemd5", "-"]


def hashes(lines: str) -> list[str]:
    return [line.rpartition(",")[2] for line in lines.splitlines() if not line.startswith("#")]


@contextmanager
def followed(stream: Stream) -> Iterator[subprocess.Popen[str]]:
    """An ffmpeg that has begun to play the stream in real time."""
    argv = framemd5(stream.folder / "index.m3u8", *ANY_NAME, "-re", "-live_start_index", "0")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def packets(playlist: Path) -> dict[str, list[tuple[str, str]]]:
    """The packets that ffmpeg finds in a playlist, by kind: presentation time in ticks and in seconds."""
    entries = ("-show_entries", "packet=codec_type,pts,pts_time", "-of", "compact=p=0:nk=1")
    argv = ["ffprobe", "-v", "error", *ANY_NAME, *entries, str(playlist)]
    found: dict[str, list[tuple[str, str]]] = {}
    for line in subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split():
        kind, ticks, seconds = line.split("|")[:3]
        found.setdefault(kind, []).append((ticks, seconds))
    return found


@pytest.mark.slow
def test_a_stream_plays_without_a_stall_while_the_job_runs(daemon: RunningDaemon, tmp_path: Path) -> None:
    name, stream, timing, seen_live = next(filter(None, (live(daemon, f"played-{n}") for n in range(ATTEMPTS))))
    assert timing["mode"] == "stream"
    assert timing["timing"]["first_segment_seconds"] == timing["chunks"][0]["ready_seconds"]
    assert timing["timing"]["first_segment_seconds"] < timing["timing"]["total_seconds"]
    assert {chunk["model"] for chunk in timing["chunks"]} == {"gan", "nogan"}
    assert max(len(said["text"].split()) for said in timing["sentences"]) <= PIECE_WORDS_MAX

    joined, video = stream.joined(tmp_path / "joined.mp4"), daemon.video(name)
    shown = frame_hashes(video)
    assert len(shown) == timing["video"]["frames"]
    assert frame_hashes(joined) == shown
    assert frame_hashes(stream.folder / "index.m3u8", *ANY_NAME) == shown
    assert hashes(seen_live) == shown
    found = streams(video)
    assert float(found["audio"]["duration"]) == pytest.approx(timing["audio"]["seconds"], abs=1e-3)
    heard, merged = (audio(path, RATE_HZ).astype(np.float64) for path in (joined, video))
    assert len(heard) == len(merged)
    # The video's sound is lossily encoded at another bit rate, so they differ by the encoder's noise.
    assert (heard - merged).std() < 0.1 * merged.std()


def live(daemon: RunningDaemon, name: str) -> tuple[str, Stream, dict[str, Any], str] | None:
    """Play a stream while its job runs: the stream, its timing JSON and ffmpeg's frame hashes; None if it stalled, or
    if the machine is so busy that it ended first."""
    stream = begun(daemon, name, captions=True)
    if "#EXT-X-ENDLIST" in playlist(stream.folder):
        return None
    assert not (daemon.spool / "outbox" / f"{name}.json").exists()
    with followed(stream) as player:
        stream.play()
        timing = whole(daemon, name, stream)
        assert player.stdout is not None
        seen = player.stdout.read()
    return (name, stream, timing, seen) if never_late(stream, timing) else None


def never_late(stream: Stream, timing: dict[str, Any]) -> bool:
    """Whether no player had to wait, by the test's clock and by the daemon's figures."""
    return stream.min_buffer_seconds > 0 and all(chunk["slack_seconds"] >= 0 for chunk in timing["chunks"])


def test_ffmpeg_finds_every_packet_in_its_place(daemon: RunningDaemon) -> None:
    stream = begun(daemon, "demuxed", captions=True, text=THREE_PIECES)
    timing = whole(daemon, "demuxed", stream)
    assert len(timing["chunks"]) > 3
    for name in ("index.m3u8", "master.m3u8"):
        found = packets(stream.folder / name)
        frames, ticks = timing["video"]["frames"], 90_000 // timing["video"]["fps"]
        assert [int(pts) for pts, _ in found["video"]] == list(range(0, frames * ticks, ticks))
        assert [int(pts) for pts, _ in found["audio"]] == list(range(0, stream.ends[AUDIO], AAC_FRAME_SAMPLES))
    captions = [float(seconds) for _, seconds in packets(stream.folder / "captions.m3u8")["subtitle"]]
    starts = [said["start_seconds"] for said in timing["sentences"]]
    assert sorted(set(captions)) == pytest.approx(starts, abs=2e-3)


def test_a_streams_playlists_are_legal(daemon: RunningDaemon) -> None:
    stream = begun(daemon, "legal", captions=True, text="Раз, два. Три & четыре. Пять.")
    lines = playlist(stream.folder).splitlines()
    assert lines[0] == "#EXTM3U"
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in lines
    assert '#EXT-X-MAP:URI="init.mp4"' in lines
    timing = whole(daemon, "legal", stream)
    text_of = {name: (stream.folder / name).read_text() for name in ("index.m3u8", "captions.m3u8", "master.m3u8")}
    seconds = [float(length) for length in re.findall(r"#EXTINF:([\d.]+),", text_of["index.m3u8"])]
    target = re.search(r"TARGETDURATION:(\d+)", text_of["index.m3u8"])
    assert target is not None
    assert max(round(length) for length in seconds) <= int(target[1])
    assert sum(seconds) == pytest.approx(timing["audio"]["seconds"], abs=1e-3)
    assert re.findall(r"#EXTINF.*", text_of["captions.m3u8"]) == re.findall(r"#EXTINF.*", text_of["index.m3u8"])
    assert 'SUBTITLES="captions"' in text_of["master.m3u8"]
    level = streams(daemon.video("legal"))["video"]["level"]
    assert f'CODECS="avc1.6400{level:02x},mp4a.40.2"' in text_of["master.m3u8"]
    assert "FRAME-RATE=25.000,VIDEO-RANGE=SDR" in text_of["master.m3u8"]
    cues = "".join((stream.folder / name).read_text() for name in re.findall(r"\S+\.vtt", text_of["captions.m3u8"]))
    assert "Три &amp; четыре." in cues
    assert (daemon.spool / "outbox" / "legal.vtt").exists()


def test_a_recording_is_streamed(daemon: RunningDaemon) -> None:
    recording = speech_like(14, RATE_HZ)
    write_recording(daemon.spool / "inbox" / "speech.wav", recording, RATE_HZ)
    for name in (f"recorded-{number}" for number in range(ATTEMPTS)):
        daemon.drop(name, audio="speech.wav", mode="stream", size="64x64")
        folder = daemon.spool / "outbox" / name
        until(lambda: playable_pieces(folder) or None, "piece")  # noqa: B023
        stream = Stream(folder)
        stream.play()
        timing = whole(daemon, name, stream)
        assert len(timing["chunks"]) >= 3
        if never_late(stream, timing):
            break
    else:
        pytest.fail("every stream stalled")
    heard = audio(daemon.video(name), RATE_HZ).astype(np.float64)
    assert np.corrcoef(heard[: len(recording)], recording)[0, 1] > 0.98


@pytest.mark.slow
def test_a_recording_with_its_text_is_streamed_with_captions(daemon: RunningDaemon) -> None:
    text = "Please bring me the paper, the pen and a small box of pins. My mother bought 5 maps for you & me."
    daemon.drop("spoken", text=text, language="en", voice="espeak:en-us+m3", size="64x64", mode="sequential")
    daemon.ending("spoken")
    write_recording(daemon.spool / "inbox" / "said.wav", audio(daemon.video("spoken"), RATE_HZ), RATE_HZ)
    daemon.drop("said", audio="said.wav", text=text, language="en", mode="stream", size="64x64", captions="words")
    timing = daemon.ending("said")
    assert (timing["audio"]["voice"], timing["warnings"]) == (None, [])
    assert timing["runs"][0]["stage"] == "align"
    assert [word["text"] for sentence in timing["sentences"] for word in sentence["words"]][-3:] == [
        "for",
        "you &",
        "me.",
    ]
    folder = daemon.spool / "outbox" / "said"
    assert 'SUBTITLES="captions"' in (folder / "master.m3u8").read_text()
    parts = [(folder / name).read_text() for name in re.findall(r"\S+\.vtt", (folder / "captions.m3u8").read_text())]
    cues = {cue for part in parts for cue in part.strip().split("\n\n")[1:]}
    assert cues == set((daemon.spool / "outbox" / "said.vtt").read_text().strip().split("\n\n")[1:])
    assert re.search(r"<c>Please</c> <00:00:00\.\d+><c>bring</c>", "".join(cues))


@pytest.mark.slow
def test_unspeakable_pieces_are_silent_but_a_job_without_speech_fails(partly_mute: RunningDaemon) -> None:
    foreign = "One, two, three, four, five, six, seven, eight, nine, ten."
    russian = "Раз, два, три, раз, два, три, раз, два, три, раз."
    stream = begun(partly_mute, "partly", text=f"{foreign} {russian} {foreign}", captions=True)
    timing = whole(partly_mute, "partly", stream)
    frames = [chunk["frames"] for chunk in timing["chunks"]]
    assert (frames[0], frames[-1], sum(frames[1:-1])) == (13, 13, pytest.approx(57, abs=2))
    assert [said["text"] for said in timing["sentences"]] == [russian]
    partly_mute.drop("mute", text=f"{foreign} {foreign}", **SMALL)
    error = partly_mute.ending("mute")["error"]
    assert (error["code"], error["field"], error["stage"]) == ("no_speech", "text", "tts")
    until(lambda: not (partly_mute.spool / "outbox" / "mute").exists() or None, "end of the stream")


@pytest.mark.slow
def test_a_killed_daemon_continues_a_stream(partly_mute: RunningDaemon) -> None:
    """Uses the previous test's daemon, to avoid starting another."""
    dropped = time.monotonic()
    stream = begun(partly_mute, "resumed", pieces=2, text=RUSSIAN)
    stream.poll()
    killed_after = time.monotonic() - dropped
    partly_mute.restarted()
    assert not (partly_mute.spool / "outbox" / "resumed.json").exists()
    timing = whole(partly_mute, "resumed", stream)
    # Existing pieces were not rendered again: the journal records when they were rendered.
    assert [chunk["ready_seconds"] < killed_after for chunk in timing["chunks"][:2]] == [True, True]
    until(lambda: not any((partly_mute.spool / "work").iterdir()) or None, "clear work folder")


@pytest.mark.parametrize("fps", [24, 30, 50])
def test_every_frame_rate_is_exact(daemon: RunningDaemon, fps: int) -> None:
    name = f"rate-{fps}"
    stream = begun(daemon, name, fps=fps, text=SOME_PIECES)
    timing = whole(daemon, name, stream)
    assert timing["video"]["fps"] == fps
    assert len(timing["chunks"]) > 1


@pytest.mark.slow
def test_wav2lip_is_streamed(checkpoint: Path, tmp_path: Path) -> None:
    """With both models, whose files differ only in name."""
    (tmp_path / "nogan").symlink_to(checkpoint)
    files = {"gan": checkpoint, "nogan": tmp_path / "nogan"}
    models = {model: {"engine": "wav2lip", "checkpoint": str(path)} for model, path in files.items()}
    (tmp_path / "spool").mkdir()
    voice = voice_of(tmp_path / "spool", 0.3)
    with RunningDaemon(tmp_path / "spool", models=models, tts=voice, executor="threads") as daemon:
        daemon.start().ready()
        stream = begun(daemon, "speaking", text=SOME_PIECES)
        timing = whole(daemon, "speaking", stream)
        found = [(chunk["engine"], chunk["model"]) for chunk in timing["chunks"]]
        assert (len(found), set(found)) == (2, {("wav2lip", "gan"), ("wav2lip", "nogan")})
        assert frame_hashes(stream.folder / "index.m3u8", *ANY_NAME) == frame_hashes(daemon.video("speaking"))


@pytest.mark.slow
def test_killed_workers_cost_a_stream_only_time(daemon: RunningDaemon) -> None:
    """One of each kind is killed while it holds an item, each earlier than those that wait for its results."""
    stream = begun(daemon, "killed", text=RUSSIAN * 2)  # long: every worker gets more items after the first piece
    stream.poll()
    for worker in ("tts-0", "split-0", "gan-0", "merge-0"):
        pid = stopped_at_work(daemon, worker)
        os.kill(pid, signal.SIGKILL)
        until(lambda: daemon.worker_pid(worker) != pid or None, "another worker")  # noqa: B023
    attempts = whole(daemon, "killed", stream)["attempts"]
    # If one was stopped after it sent its result, nothing is run again.
    retries = [daemon.log().count(f"job killed: {role}: ") for role in ("tts", "split", "lipsync", "merge")]
    assert max(retries) <= 1
    assert attempts == 1 + max(retries)


def stopped_at_work(daemon: RunningDaemon, worker: str) -> int:
    """Stop a worker, and wait until it holds an item, which it can then not complete; returns its process."""
    pid = daemon.worker_pid(worker)
    os.kill(pid, signal.SIGSTOP)

    def is_busy() -> bool | None:
        daemon.wait_for_iterations()  # a result that was in transit has been handled after this
        return daemon.status()["workers"][worker]["state"] == "busy" or None

    until(is_busy, f"{worker} at work")
    return pid


def test_the_same_job_again_keeps_its_stream_and_another_one_replaces_it(daemon: RunningDaemon) -> None:
    short = "Раз, два, три."
    stream = begun(daemon, "again", text=short)
    whole(daemon, "again", stream)
    assert dropped_again(daemon, "again", text=short)["cached"] is True
    assert Stream(stream.folder).poll()
    (stream.folder / "index.m3u8").unlink()
    assert dropped_again(daemon, "again", text=short)["cached"] is False
    assert Stream(stream.folder).poll()
    assert dropped_again(daemon, "again", text=short, mode="sequential")["status"] == "done"
    assert not stream.folder.exists()


def test_a_stream_that_is_cancelled_leaves_nothing_to_play(daemon: RunningDaemon) -> None:
    stream = begun(daemon, "cancelled", text=RUSSIAN * 5)
    Spool(daemon.spool).request_cancel("cancelled")
    timing = daemon.ending("cancelled")
    assert timing["error"]["code"] == "cancelled"
    assert not stream.folder.exists()


def test_a_stream_cannot_replace_another_jobs_video(daemon: RunningDaemon) -> None:
    daemon.drop("other.mp4", **{"text": "Раз.", **SMALL})
    error = daemon.ending("other.mp4")["error"]
    assert (error["code"], error["field"]) == ("name", "mode")
    assert not (daemon.spool / "outbox" / "other.mp4").exists()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_plays_it_while_it_renders(daemon: RunningDaemon, tmp_path: Path) -> None:
    """It waits for the second piece, since the worker that renders that is stopped."""
    pid = daemon.worker_pid("nogan-1")
    os.kill(pid, signal.SIGSTOP)
    watched(daemon, "watched", tmp_path, lambda: os.kill(pid, signal.SIGCONT), rate=4, text=THREE_PIECES)


@pytest.mark.soak
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_plays_it_without_a_stall(daemon: RunningDaemon, tmp_path: Path) -> None:
    """On an idle machine: decoding in a browser competes with rendering."""
    # One worker and many frames, so that rendering takes long enough.
    job: dict[str, Any] = {"text": RUSSIAN + RUSSIAN[:90], "size": "480x480", "fps": 50, "num_workers": 1}
    names = (f"smooth-{number}" for number in range(ATTEMPTS))
    assert any(watched(daemon, name, tmp_path, **job) == 0 for name in names), "it stalled each time"


def watched(
    daemon: RunningDaemon,
    name: str,
    folder: Path,
    resume: Callable[[], None] = lambda: None,
    *,
    rate: float = 1.0,
    **job: Any,
) -> int:
    """Play a stream in a browser to its end while it renders; returns how many times it stalled.

    `resume` is called when it has played a part of the first piece; the rest is played at `rate` times the speed.
    """
    argv = [sys.executable, "-m", "daemon", "play", name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Browser(folder / f"{name}-profile") as browser:
        begun(daemon, name, captions=True, **job)
        server = subprocess.Popen(argv, cwd=daemon.spool, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            browser.open(address)
            until(lambda: browser.value(COUNT_STALLS), "page")
            until(lambda: (browser.value("video.currentTime") or 0) > 0.2 or None, "playing")
            assert not (daemon.spool / "outbox" / f"{name}.json").exists()
            assert re.fullmatch(r"piece \d+ of \d+", browser.value("count.textContent"))
            until(lambda: browser.value("cues.cues.length") or None, "captions")
            resume()
            browser.value(f"video.playbackRate = {rate}")
            until(lambda: browser.value("ended") or None, "end of the playlist")
            browser.screenshot(folder / f"{name}.png")
            until(lambda: browser.value("video.ended") or None, "end of the video")
            seconds = daemon.ending(name)["audio"]["seconds"]
            assert browser.value("video.currentTime") == pytest.approx(seconds, abs=0.1)
            assert browser.errors == []
            assert all(url.startswith((address.rpartition("/")[0], "data:", "blob:")) for url in browser.requests)
            return int(browser.value("stalls"))
        finally:
            server.terminate()
            server.communicate(timeout=10)


def test_other_folders_are_not_played(daemon: RunningDaemon) -> None:
    (daemon.spool / "outbox" / "folder").mkdir()
    spool = Spool(daemon.spool)
    assert spool.stream("folder") is None
    assert spool.stream("../outbox") is None
    spool.remove_stream("folder")
    assert (daemon.spool / "outbox" / "folder").is_dir()
