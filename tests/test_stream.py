"""Streams: jobs that are played while they render. Real processes, real ffmpeg, a real browser where there is one."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from daemon.outputs import player_server as play
from daemon.spool.spool import Spool
from pipeline.avatars import Avatars, AvatarSettings, FittedAvatar
from pipeline.avatars.faces.tracking import NoFace
from pipeline.avatars.scenes import Clip
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin import BuiltinEngine
from pipeline.engines.mel import SILENCE
from pipeline.engines.wav2lip import Wav2LipEngine
from pipeline.media import aac
from pipeline.speech import sentences
from tests.browser import CHROMIUM, Browser
from tests.hls import AUDIO, VIDEO, Stream, pieces_there, playlist
from tests.media import audio, speech_like, streams, write_recording
from tests.running import ROOT, RunningDaemon, until

RUSSIAN = (
    "Здравствуйте, это проверка потока. Аватар начинает говорить, пока остальное ещё готовится, "
    "и никто не ждёт конца, потому что каждая часть показывается сразу, как только она готова. "
    "Потом идёт ещё одно предложение. И ещё одно, самое последнее в этом коротком тексте."
)
THREE_PIECES = "Раз, два, три, раз, два. " + 2 * "Раз, два, три, раз, два, три, раз, два. "
SMALL = {"language": "ru", "mode": "stream", "size": "128x128"}
RATE_HZ = 48_000
COUNT_STALLS = """
self.stalls = 0;
video.addEventListener('waiting', () => {
    const end = video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0;
    stalls += video.currentTime > 0.1 && end - video.currentTime < 0.3;
});
true
"""
"""Has a page count the times that its video stops for want of more of it; a slow decoder is no such time."""
ATTEMPTS = 3
"""What else this machine does may make one stream stall, not each of so many."""
ANY_NAME = ("-allowed_extensions", "ALL")
"""Some versions of ffmpeg refuse HLS fragments for their names."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with RunningDaemon(tmp_path_factory.mktemp("stream")) as running:
        yield running.start().ready()


def begun(daemon: RunningDaemon, name: str, pieces: int = 1, **job: Any) -> Stream:
    """Drop a job and wait until some of its pieces can be played."""
    daemon.drop(name, **{"text": RUSSIAN, **SMALL, **job})
    folder = daemon.spool / "outbox" / name
    until(lambda: pieces_there(folder) >= pieces or None, f"{pieces} pieces: {daemon.log()[-2000:]}")
    return Stream(folder)


def whole(daemon: RunningDaemon, name: str, stream: Stream) -> dict[str, Any]:
    """Wait for a job's end and see that its stream is whole and was not touched; its timing JSON."""
    timing = daemon.ending(name)
    assert timing["status"] == "done", timing
    assert stream.look()
    stream.check_unchanged()
    fps = timing["video"]["fps"]
    assert stream.video_frames == timing["video"]["frames"] == sum(chunk["frames"] for chunk in timing["chunks"])
    assert stream.ends == {VIDEO: stream.video_frames * 90_000 // fps, AUDIO: stream.video_frames * RATE_HZ // fps}
    return timing


def dropped_again(daemon: RunningDaemon, name: str, **job: Any) -> dict[str, Any]:
    """Drop another job under a name that has ended; the timing JSON of the new one."""
    before = (daemon.spool / "outbox" / f"{name}.json").stat().st_ino
    daemon.drop(name, **{"text": RUSSIAN, **SMALL, **job})
    until(lambda: ended_anew(daemon, name, before), "new ending")
    return daemon.ending(name)


def ended_anew(daemon: RunningDaemon, name: str, before: int) -> bool | None:
    ending = daemon.spool / "outbox" / f"{name}.json"
    return (ending.exists() and not (daemon.spool / "work" / name).exists() and ending.stat().st_ino != before) or None


def frame_hashes(video: Path, *options: str) -> list[str]:
    """Of each decoded frame."""
    return hashes(subprocess.run(framemd5(video, *options), check=True, capture_output=True, text=True).stdout)


def framemd5(video: Path, *options: str) -> list[str]:
    return ["ffmpeg", "-v", "error", *options, "-i", str(video), "-map", "0:v", "-f", "framemd5", "-"]


def hashes(lines: str) -> list[str]:
    return [line.rpartition(",")[2] for line in lines.splitlines() if not line.startswith("#")]


@contextmanager
def followed(stream: Stream) -> Iterator[subprocess.Popen[str]]:
    """ffmpeg, which has begun to play what there is of a stream at the pace that it is watched at."""
    argv = framemd5(stream.folder / "index.m3u8", *ANY_NAME, "-re", "-live_start_index", "0")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def packets(playlist: Path) -> dict[str, list[tuple[str, str]]]:
    """The packets that ffmpeg finds in a playlist, by kind: presentation time in ticks, and in seconds."""
    entries = ("-show_entries", "packet=codec_type,pts,pts_time", "-of", "compact=p=0:nk=1")
    argv = ["ffprobe", "-v", "error", *ANY_NAME, *entries, str(playlist)]
    found: dict[str, list[tuple[str, str]]] = {}
    for line in subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split():
        kind, ticks, seconds = line.split("|")[:3]
        found.setdefault(kind, []).append((ticks, seconds))
    return found


# Text


def test_sentences_of_over_fifteen_words_are_cut_at_clauses_and_conjunctions() -> None:
    assert sentences.pieces(RUSSIAN, "ru") == [
        "Здравствуйте, это проверка потока.",
        "Аватар начинает говорить, пока остальное ещё готовится, и никто не ждёт конца,",
        "потому что каждая часть показывается сразу, как только она готова.\nПотом идёт ещё одно предложение.",
        "И ещё одно, самое последнее в этом коротком тексте.",
    ]
    long = "one two three four five six seven eight nine and ten eleven twelve thirteen fourteen fifteen sixteen more."
    assert sentences.pieces("That is the first piece of it.\n" + long, "en")[1].endswith("nine")


@pytest.mark.parametrize("language", ["ru", "en", "kk", "de"])
@given(words=st.lists(st.sampled_from(["a", "bb,", "and", "и", "және", "dd.", "—", "Ee!", "ж" * 30, "\n"]), min_size=1))
@settings(max_examples=60)
def test_pieces_hold_every_word_and_are_short(language: str, words: list[str]) -> None:
    said = " ".join(words)
    pieces = sentences.pieces(said, language)
    assert " ".join(pieces).split() == (said.split() if sentences.speakable(said) else [])
    # A mark alone, which goes with the words before it, is not worth a piece.
    spoken = [sum(sentences.speakable(word) for word in piece.split()) for piece in pieces]
    assert max(spoken, default=0) <= sentences.PIECE_WORDS_MAX
    assert max(spoken[:1], default=0) <= sentences.FIRST_WORDS_MAX


@given(words=st.lists(st.sampled_from(["a", "bb,", "and", "dd.", "—", "Ee!", "ж" * 30, "\n"]), min_size=1))
@settings(max_examples=60)
def test_pieces_of_words_are_as_full_as_they_may_be(words: list[str]) -> None:
    pieces = sentences.pieces(" ".join(words), "en")
    for number, (piece, after) in enumerate(pairwise(pieces)):
        limit = sentences.PIECE_WORDS_MAX if number else sentences.FIRST_WORDS_MAX
        assert len(piece.split()) + len(after.partition("\n")[0].split()) > limit


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("zh", "今天天气很好，我们一起去公园散步吧。"),
        ("zh", "你好。"),
        ("ja", "これはテストです。"),
        ("th", "สวัสดีครับ ยินดีที่ได้รู้จัก\n"),
    ],
)
def test_pieces_of_a_language_without_spaces_are_short_and_the_first_one_shorter(language: str, sentence: str) -> None:
    first, *others = sentences.pieces(sentence * 40, language)
    assert "".join("".join([first, *others]).split()) == "".join((sentence * 40).split())
    assert len(first) <= sentences.PIECE_CHARACTERS_MAX * sentences.FIRST_WORDS_MAX / sentences.PIECE_WORDS_MAX
    assert sentences.PIECE_CHARACTERS_MAX / 3 < max(map(len, others)) <= sentences.PIECE_CHARACTERS_MAX


# Rendering


def test_a_video_avatar_goes_on_from_piece_to_piece(checkpoint: Path, tmp_path: Path) -> None:
    side, frames, first = 128, 16, 8
    noise = np.random.default_rng(0).integers(16, 235, (frames, side * 3 // 2, side), dtype=np.uint8)
    (tmp_path / "clip").write_bytes(noise.tobytes())
    everywhere = np.ones(frames, bool)
    clip = Clip((tmp_path / "clip").open("rb"), (side, side), frames, Fraction(25), np.arange(frames), everywhere)
    boxes = np.tile(np.array([30, 20, 100, 110], np.float32), (frames, 1))
    avatar = FittedAvatar(clip, NoFace("no_face", "", ""), boxes, AvatarSettings())
    engine = Wav2LipEngine(checkpoint, torch.device("cpu"), config_key="models.gan.checkpoint", exact=True)

    def rendered(first_frame: int, count: int) -> torch.Tensor:
        speech = SpeechFeatures(np.full((80, 80), SILENCE, np.float32), count, 25, first_frame=first_frame)
        return torch.cat(list(engine.renderer(avatar, speech).render(0, count)))

    assert torch.equal(rendered(first, frames - first), rendered(0, frames)[first:])


def test_what_moves_without_speaking_goes_on_from_piece_to_piece() -> None:
    fps, frames, first = 25, 60, 40
    engine, avatar = BuiltinEngine(torch.device("cpu")), Avatars(Config()).load("presenter").fitted((128, 128))

    def rendered(first_frame: int, count: int) -> torch.Tensor:
        mel = np.full((80, 80 * count // fps), SILENCE, np.float32)
        speech = SpeechFeatures(mel, count, fps, first_frame=first_frame)
        return torch.cat(list(engine.renderer(avatar, speech).render(0, count)))

    before, after = rendered(0, frames), rendered(first, frames - first)
    assert torch.equal(before[first:], after)
    assert not torch.equal(before[0], before[first])


def test_parts_of_aac_join_as_if_encoded_at_once(tmp_path: Path) -> None:
    sound, scratch = speech_like(12, RATE_HZ), tmp_path / "scratch"
    at_once = aac.encode_part(sound, 0, 0, aac.part_end(len(sound), is_last=True), scratch)
    joined: list[bytes] = []
    joints: list[int] = []
    start = 0
    for known in (30_000, 100_000, 240_000, 265_000, 431_111, len(sound)):
        stop = aac.part_end(known, is_last=known == len(sound))
        first = max(0, (start // aac.FRAME_SAMPLES - aac.BEFORE_FRAMES) * aac.FRAME_SAMPLES)
        joined += aac.encode_part(sound[first:known], first, start, stop, scratch)
        joints, start = [*joints, stop // aac.FRAME_SAMPLES], stop
    assert len(joined) == len(at_once)
    lost, lost_at_once = (encoder_noise(frames, sound, tmp_path) for frames in (joined, at_once))
    for joint in joints[:-1]:
        assert lost[joint - 1 : joint + 10].max() < 1.1 * lost_at_once[joint - 1 : joint + 10].max()


def encoder_noise(frames: list[bytes], sound: NDArray[np.int16], folder: Path) -> NDArray[np.float64]:
    """How loud what the encoder adds is in each of its frames."""
    path = folder / "sound.aac"
    path.write_bytes(b"".join(adts_header(len(frame)) + frame for frame in frames))
    count = len(sound) // aac.FRAME_SAMPLES
    added = audio(path, RATE_HZ)[: count * aac.FRAME_SAMPLES].astype(np.float64) - sound[: count * aac.FRAME_SAMPLES]
    return np.asarray(added.reshape(count, aac.FRAME_SAMPLES).std(1))


def adts_header(frame_bytes: int) -> bytes:
    """Of AAC-LC, 48 kHz, mono, without a checksum."""
    size = frame_bytes + aac.ADTS_HEADER_BYTES
    return bytes([0xFF, 0xF1, 0x4C, 0x40 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC])


# The whole program


def test_a_stream_plays_without_a_stall_while_the_job_runs(daemon: RunningDaemon, tmp_path: Path) -> None:
    name, stream, timing, seen_live = next(filter(None, (live(daemon, f"played-{n}") for n in range(ATTEMPTS))))
    assert timing["mode"] == "stream"
    assert timing["timing"]["first_segment_seconds"] == timing["chunks"][0]["ready_seconds"]
    assert timing["timing"]["first_segment_seconds"] < timing["timing"]["total_seconds"]
    assert {chunk["model"] for chunk in timing["chunks"]} == {"gan", "nogan"}
    assert max(len(said["text"].split()) for said in timing["sentences"]) <= sentences.PIECE_WORDS_MAX

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
    # The video's sound is encoded with a bit rate: they differ by the encoder's noise.
    assert (heard - merged).std() < 0.1 * merged.std()


def live(daemon: RunningDaemon, name: str) -> tuple[str, Stream, dict[str, Any], str] | None:
    """A stream that was played while its job ran, its timing JSON, and what ffmpeg saw; None if it stalled."""
    stream = begun(daemon, name, captions=True)
    assert "#EXT-X-ENDLIST" not in playlist(stream.folder)
    assert not (daemon.spool / "outbox" / f"{name}.json").exists()
    with followed(stream) as player:
        stream.play()
        timing = whole(daemon, name, stream)
        assert player.stdout is not None
        seen = player.stdout.read()
    return (name, stream, timing, seen) if never_late(stream, timing) else None


def never_late(stream: Stream, timing: dict[str, Any]) -> bool:
    """Whether a player never had to wait, nor would have, as the daemon tells it."""
    return stream.least_ahead_seconds > 0 and all(chunk["slack_seconds"] >= 0 for chunk in timing["chunks"])


def test_ffmpeg_finds_every_packet_in_its_place(daemon: RunningDaemon) -> None:
    stream = begun(daemon, "demuxed", captions=True, text=THREE_PIECES)
    timing = whole(daemon, "demuxed", stream)
    assert len(timing["chunks"]) == 3
    for name in ("index.m3u8", "master.m3u8"):
        found = packets(stream.folder / name)
        frames, ticks = timing["video"]["frames"], 90_000 // timing["video"]["fps"]
        assert [int(pts) for pts, _ in found["video"]] == list(range(0, frames * ticks, ticks))
        assert [int(pts) for pts, _ in found["audio"]] == list(range(0, stream.ends[AUDIO], aac.FRAME_SAMPLES))
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
    cues = "".join((stream.folder / name).read_text() for name in re.findall(r"\S+\.vtt", text_of["captions.m3u8"]))
    assert "Три &amp; четыре." in cues
    assert (daemon.spool / "outbox" / "legal.vtt").exists()


def test_a_recording_is_streamed_too(daemon: RunningDaemon) -> None:
    recording = speech_like(14, RATE_HZ)
    write_recording(daemon.spool / "inbox" / "speech.wav", recording, RATE_HZ)
    for name in (f"recorded-{number}" for number in range(ATTEMPTS)):
        daemon.drop(name, audio="speech.wav", mode="stream", size="128x128")
        folder = daemon.spool / "outbox" / name
        until(lambda: pieces_there(folder) or None, "piece")  # noqa: B023
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


def test_what_a_voice_cannot_say_is_silent_unless_it_can_say_nothing(tmp_path: Path) -> None:
    """A voice that leaves words in Latin letters out."""
    write_recording(tmp_path / "speech.wav", speech_like(2))
    write_recording(tmp_path / "silence.wav", np.zeros(8000, np.int16))
    (tmp_path / "speak").write_text('#!/bin/sh\nif grep -q "[a-z]"; then cat silence.wav; else cat speech.wav; fi\n')
    (tmp_path / "speak").chmod(0o755)
    foreign = "One, two, three, four, five, six, seven, eight, nine, ten."
    russian = "Раз, два, три, раз, два, три, раз, два, три, раз."
    tts = {"backend": "command", "command": {"argv": ["./speak"]}}
    with RunningDaemon(tmp_path, tts=tts) as daemon:
        daemon.start().ready()
        stream = begun(daemon, "partly", text=f"{foreign} {russian} {foreign}", captions=True)
        timing = whole(daemon, "partly", stream)
        assert [chunk["frames"] for chunk in timing["chunks"]] == [13, pytest.approx(57, abs=2), 13]
        assert [said["text"] for said in timing["sentences"]] == [russian]
        daemon.drop("mute", text=f"{foreign} {foreign}", **SMALL)
        error = daemon.ending("mute")["error"]
        assert (error["code"], error["field"], error["stage"]) == ("no_speech", "text", "tts")
        until(lambda: not (tmp_path / "outbox" / "mute").exists() or None, "end of the stream")


@pytest.mark.parametrize("fps", [24, 30, 50])
def test_every_frame_rate_is_exact(daemon: RunningDaemon, fps: int) -> None:
    name = f"rate-{fps}"
    stream = begun(daemon, name, fps=fps, text=THREE_PIECES)
    timing = whole(daemon, name, stream)
    assert (timing["video"]["fps"], len(timing["chunks"])) == (fps, 3)


def test_wav2lip_is_streamed_too(checkpoint: Path, tmp_path: Path) -> None:
    """With both models, whose files differ in their names alone."""
    (tmp_path / "nogan").symlink_to(checkpoint)
    files = {"gan": checkpoint, "nogan": tmp_path / "nogan"}
    models = {model: {"engine": "wav2lip", "checkpoint": str(path)} for model, path in files.items()}
    with RunningDaemon(tmp_path / "spool", models=models) as daemon:
        daemon.start().ready()
        stream = begun(daemon, "speaking", text=THREE_PIECES)
        timing = whole(daemon, "speaking", stream)
        found = [(chunk["engine"], chunk["model"]) for chunk in timing["chunks"]]
        assert (len(found), set(found)) == (3, {("wav2lip", "gan"), ("wav2lip", "nogan")})
        assert frame_hashes(stream.folder / "index.m3u8", *ANY_NAME) == frame_hashes(daemon.video("speaking"))


@pytest.mark.parametrize("worker", ["gan-0", "tts-0", "split-0", "merge-0"])
def test_a_killed_worker_costs_a_wait_and_nothing_else(worker: str, daemon: RunningDaemon) -> None:
    name = f"killed-{worker}"
    stream = begun(daemon, name, text=RUSSIAN * 3)
    stream.look()
    pid = stopped_at_work(daemon, worker)
    os.kill(pid, signal.SIGKILL)
    until(lambda: daemon.worker_pid(worker) != pid or None, "another worker")
    attempts = whole(daemon, name, stream)["attempts"]
    # It may have been stopped with its result given and its work not yet done: nothing is run again then.
    role = "lipsync" if worker == "gan-0" else worker.partition("-")[0]
    assert attempts == 1 + daemon.log().count(f"job {name}: {role}: ")


def stopped_at_work(daemon: RunningDaemon, worker: str) -> int:
    """Wait until a worker is busy, and stop it before it is done; its process."""
    pid = daemon.worker_pid(worker)

    def is_busy() -> bool:
        return bool(daemon.status()["workers"][worker]["state"] == "busy")

    def told_again() -> None:
        seen = daemon.status()["monotonic_seconds"]
        until(lambda: daemon.status()["monotonic_seconds"] > seen or None, "health")

    def stopped() -> bool | None:
        if not is_busy():
            return None
        os.kill(pid, signal.SIGSTOP)
        # A round of the supervision may have looked for results just before the worker sent one, and tell of it as
        # busy once more: the round after that cannot.
        for _ in range(3):
            told_again()
        if is_busy():
            return True
        os.kill(pid, signal.SIGCONT)
        return None

    until(stopped, f"{worker} at work", pause_seconds=0.002)
    return pid


def test_a_killed_daemon_goes_on_where_it_was(tmp_path: Path) -> None:
    with RunningDaemon(tmp_path) as daemon:
        daemon.start().ready()
        dropped = time.monotonic()
        stream = begun(daemon, "resumed", pieces=2)
        stream.look()
        killed_after = time.monotonic() - dropped
        daemon.restarted()
        timing = whole(daemon, "resumed", stream)
        # What was there has not been made again: the journal knows when it was made.
        assert [chunk["ready_seconds"] < killed_after for chunk in timing["chunks"][:2]] == [True, True]
        until(lambda: not any((daemon.spool / "work").iterdir()) or None, "empty work folder")


def test_the_same_job_again_keeps_its_stream_and_another_one_replaces_it(daemon: RunningDaemon) -> None:
    short = "Раз, два, три."
    stream = begun(daemon, "again", text=short)
    whole(daemon, "again", stream)
    assert dropped_again(daemon, "again", text=short)["cached"] is True
    assert Stream(stream.folder).look()
    (stream.folder / "index.m3u8").unlink()
    assert dropped_again(daemon, "again", text=short)["cached"] is False
    assert Stream(stream.folder).look()
    assert dropped_again(daemon, "again", text=short, mode="sequential")["status"] == "done"
    assert not stream.folder.exists()


def test_a_stream_that_is_cancelled_leaves_nothing_to_play(daemon: RunningDaemon) -> None:
    stream = begun(daemon, "cancelled", text=RUSSIAN * 5)
    Spool(daemon.spool).ask_to_cancel("cancelled")
    timing = daemon.ending("cancelled")
    assert timing["error"]["code"] == "cancelled"
    assert not stream.folder.exists()


def test_a_stream_cannot_take_the_place_of_another_jobs_video(daemon: RunningDaemon) -> None:
    daemon.drop("other.mp4", **{"text": "Раз.", **SMALL})
    error = daemon.ending("other.mp4")["error"]
    assert (error["code"], error["field"]) == ("name", "mode")
    assert not (daemon.spool / "outbox" / "other.mp4").exists()


# Playing


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server for a folder."""
    with play.serve(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield play.address(server)
        server.shutdown()
        thread.join()


def answer(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    host = address.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read()


def test_only_a_streams_folder_is_served_and_only_to_this_machine(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "stream"
    folder.mkdir()
    (folder / "a.m4s").write_bytes(b"0123456789")
    with served(folder) as address:
        assert address.startswith("http://127.0.0.1:")
        assert answer(address, "/a.m4s") == (200, b"0123456789")
        later = {"If-Modified-Since": "Fri, 31 Dec 2100 23:59:59 GMT"}  # a playlist may change twice in a second
        assert answer(address, "/a.m4s", **later) == (200, b"0123456789")
        assert answer(address, "/a.m4s", Range="bytes=2-4") == (206, b"234")
        assert answer(address, "/a.m4s", Range="bytes=7-") == (206, b"789")
        assert answer(address, "/a.m4s", Range="bytes=10-")[0] == 416
        assert answer(address, "/../secret")[0] == 404
        assert answer(address, "/%2e%2e/secret")[0] == 404
        assert answer(address, "/")[0] == 404
        assert answer(address, "/a.m4s", Host="evil.example")[0] == 403


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_plays_it_while_it_renders(daemon: RunningDaemon, tmp_path: Path) -> None:
    assert any(watched(daemon, f"watched-{number}", tmp_path) for number in range(ATTEMPTS)), "it stalls each time"


def watched(daemon: RunningDaemon, name: str, folder: Path) -> bool:
    """Play a stream in a browser to its end; whether it ran before the job had ended, and never stalled."""
    argv = [sys.executable, "-m", "daemon", "play", name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Browser(folder / f"{name}-profile") as browser:
        # By one worker, and of many frames: so that rendering lasts.
        begun(daemon, name, captions=True, text=RUSSIAN + RUSSIAN[:90], size="480x480", fps=50, num_workers=1)
        server = subprocess.Popen(argv, cwd=daemon.spool, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            browser.open(address)
            until(lambda: browser.value(COUNT_STALLS), "page")
            until(lambda: (browser.value("video.currentTime") or 0) > 0 or None, "playing")
            in_time = not (daemon.spool / "outbox" / f"{name}.json").exists()
            earlier = browser.value("video.currentTime")
            until(lambda: browser.value("video.currentTime") > earlier + 1 or None, "going on")
            assert re.fullmatch(r"piece \d+ of \d+", browser.value("count.textContent"))
            until(lambda: browser.value("cues.cues.length") or None, "captions")
            until(lambda: browser.value("ended") or None, "end of the playlist")
            browser.screenshot(folder / f"{name}.png")
            until(lambda: browser.value("video.ended") or None, "end of the video")
            seconds = daemon.ending(name)["audio"]["seconds"]
            assert browser.value("video.currentTime") == pytest.approx(seconds, abs=0.1)
            assert browser.complaints == []
            assert all(url.startswith((address.rpartition("/")[0], "data:", "blob:")) for url in browser.requests)
            return in_time and browser.value("stalls") == 0
        finally:
            server.terminate()
            server.communicate(timeout=10)


def test_nothing_is_played_that_is_no_stream(daemon: RunningDaemon) -> None:
    (daemon.spool / "outbox" / "folder").mkdir()
    spool = Spool(daemon.spool)
    assert spool.stream("folder") is None
    assert spool.stream("../outbox") is None
    spool.remove_stream("folder")
    assert (daemon.spool / "outbox" / "folder").is_dir()
