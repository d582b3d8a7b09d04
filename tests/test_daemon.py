"""The whole program with its real stages: jobs that succeed, and one that is cancelled."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from pipeline.avatars import BUILT_IN_FOLDER
from pipeline.provenance import reading
from tests.media import audio, frames, speech_like, write_recording
from tests.running import ORPHANS_SECONDS, RunningDaemon, assert_video_matches, in_process, named, until

SMALL = "64x64"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One daemon for all tests that leave it running."""
    with RunningDaemon(tmp_path_factory.mktemp("spool")).start() as running:
        yield running.ready()


@pytest.mark.parametrize("language", ["ru", "en", "kk"])
def test_a_text_becomes_a_video_and_a_timing_json(language: str, daemon: RunningDaemon) -> None:
    text = {
        "ru": "Мама мыла раму. А мы?",
        "en": "Mama bought a map. Then we waited.",
        "kk": "Сәлем! Менің атым Айгүл.",
    }[language]
    job = {} if language == "ru" else {"size": SMALL}
    daemon.drop(f"text-{language}", text=text, language=language, captions=True, metadata={"order": [7, "x"]}, **job)
    timing = daemon.ending(f"text-{language}")
    assert timing["status"] == "done"
    assert timing["audio"]["voice"].partition(":")[0] in ("espeak", "hibari", "rhvoice", "piper")
    assert timing["metadata"] == {"order": [7, "x"]}
    assert " ".join(sentence["text"] for sentence in timing["sentences"]) == text
    assert len(timing["sentences"]) == 2
    assert all(s["start_seconds"] < s["end_seconds"] <= timing["audio"]["seconds"] for s in timing["sentences"])
    assert_video_matches(daemon, timing)
    assert "00:00:00,000 -->" in (daemon.spool / "outbox" / f"text-{language}.srt").read_text("utf-8")
    assert (daemon.spool / "outbox" / f"text-{language}.vtt").read_text("utf-8").startswith("WEBVTT")


def test_the_timing_json_has_every_key_of_the_contract(daemon: RunningDaemon) -> None:
    daemon.record("keys.wav", 12)
    daemon.drop("keys", audio="keys.wav", size=SMALL)
    timing = daemon.ending("keys")
    assert set(timing) == {
        *("job", "status", "cached", "mode", "engine", "attempts", "submitted_at", "finished_at", "audio"),
        *("video", "avatar", "captions", "timing", "chunks", "sentences", "metadata"),
        *("warnings", "runs", "settings", "machine", "fingerprint", "synthetic", "provenance"),
    }
    assert set(timing["audio"]) == {"seconds", "samples", "sample_rate", "voice", "cached"}
    assert set(timing["video"]) == {"file", "codec", "frames", "fps", "width", "height", "bytes", "sha256"}
    assert set(timing["timing"]) == {
        *("total_seconds", "queued_seconds", "tts_seconds", "convert_seconds", "split_seconds", "lipsync_seconds"),
        *("merge_seconds", "first_segment_seconds", "chunk_seconds_sum", "parallelism", "real_time_factor"),
    }
    assert set(timing["chunks"][0]) == {
        *("index", "start_seconds", "end_seconds", "frames", "model", "engine", "device", "worker"),
        *("queued_seconds", "inference_seconds", "encode_seconds", "total_seconds"),
    }
    assert timing["submitted_at"] <= timing["finished_at"]
    found = reading.read(daemon.video("keys"))
    assert found.statement is not None
    assert (found.places, found.media) == (("xmp", "tags"), "unchanged")
    said = {key: getattr(found.statement, key) for key in ("digital_source_type", "software", "created")}
    assert timing["provenance"] == {"marked": True, "signed": False, **said}
    assert (said["created"], found.statement.job) == (timing["submitted_at"], "keys")
    assert timing["synthetic"] is True


@pytest.mark.parametrize("seconds", [0.3, 9.99, 10, 21.37])
def test_sound_and_picture_have_exactly_the_same_length(seconds: float, daemon: RunningDaemon) -> None:
    name = f"length-{seconds}"
    samples = daemon.record(f"{name}.wav", seconds)
    daemon.drop(name, audio=f"{name}.wav", size=SMALL)
    timing = daemon.ending(name)
    assert timing["video"]["frames"] == round(samples * 25 / 16_000)
    assert sum(chunk["frames"] for chunk in timing["chunks"]) == timing["video"]["frames"]
    assert_video_matches(daemon, timing)


@pytest.mark.parametrize("fps", [24, 30, 50])
def test_every_frame_rate_is_exact(fps: int, daemon: RunningDaemon) -> None:
    samples = daemon.record(f"fps-{fps}.wav", 10.51)
    daemon.drop(f"fps-{fps}", audio=f"fps-{fps}.wav", fps=fps, size=SMALL)
    timing = daemon.ending(f"fps-{fps}")
    assert timing["video"]["frames"] == round(samples * fps / 16_000)
    assert_video_matches(daemon, timing)


def test_the_sound_is_not_shifted_against_the_recording(daemon: RunningDaemon) -> None:
    """Across two chunks the decoded sound matches the recording to the sample.

    The recording is noise, because a voice is periodic and would also match at other shifts.
    """
    noise = np.random.default_rng(1).standard_normal(12 * 16_000)
    original = np.convolve(noise, np.ones(4), "same") * 3000
    write_recording(daemon.spool / "inbox" / "shift.wav", original.astype(np.int16))
    daemon.drop("shift", audio="shift.wav", size=SMALL)
    assert len(daemon.ending("shift")["chunks"]) == 2
    played = np.pad(audio(daemon.video("shift")).astype(float), 300)
    for start in (0, 5 * 16_000, 11 * 16_000):
        part = original[start : start + 12_000]
        scores = np.correlate(played[start : start + 12_600], part)
        assert np.argmax(scores) == 300


def test_the_mouth_moves_with_the_speech_and_rests_in_silence(daemon: RunningDaemon) -> None:
    samples = speech_like(8)
    samples[3 * 16_000 : 5 * 16_000] = 0
    write_recording(daemon.spool / "inbox" / "rest.wav", samples)
    calm = shutil.copytree(BUILT_IN_FOLDER / "presenter", daemon.spool / "avatars" / "calm")
    (calm / "avatar.yaml").write_text("idle_motion: false\ncrop: [0, 0, 1920, 1080]")
    daemon.drop("rest", audio="rest.wav", size="256x256", avatar="calm")
    daemon.ending("rest")
    pictures = frames(daemon.video("rest"), (256, 256)).astype(np.int16)
    change = np.abs(np.diff(pictures, axis=0)).max(axis=(1, 2))
    assert np.median(change[10:70]) > 20
    assert np.median(change[80:120]) < 8


def test_a_long_job_runs_in_parallel_and_a_sequential_one_does_not(daemon: RunningDaemon) -> None:
    daemon.record("modes.wav", 14)
    for mode in ("parallel", "sequential"):
        daemon.drop(f"mode-{mode}", audio="modes.wav", mode=mode, size="128x128")
        daemon.ending(f"mode-{mode}")
    parallel, sequential = daemon.endings(["mode-parallel", "mode-sequential"])
    assert {chunk["worker"] for chunk in parallel["chunks"]} == {"gan-0", "nogan-1"}
    assert [chunk["model"] for chunk in parallel["chunks"]] == ["gan", "nogan"]
    assert parallel["timing"]["parallelism"] > 1.1
    assert [chunk["model"] for chunk in sequential["chunks"]] == ["gan"]
    assert sequential["timing"]["parallelism"] == pytest.approx(1, abs=0.01)


def test_a_repeated_job_ends_at_once(daemon: RunningDaemon) -> None:
    job = {"text": "Раз, два, три.", "size": SMALL}
    daemon.drop("repeat", **job)
    first = daemon.ending("repeat")
    made = daemon.video("repeat").stat()
    daemon.drop("repeat", **job)
    again = until(lambda: ((t := daemon.ending("repeat"))["cached"] and t) or None, "cached ending")
    assert again["video"] == first["video"]
    assert again["timing"]["tts_seconds"] == 0
    assert daemon.video("repeat").stat().st_mtime_ns == made.st_mtime_ns
    daemon.drop("repeat", **{**job, "text": "Четыре."})
    other = until(lambda: ((t := daemon.ending("repeat"))["video"] != first["video"] and t) or None, "new ending")
    assert not other["cached"]


def test_a_repeated_job_is_run_again_if_what_it_refers_to_has_changed(daemon: RunningDaemon) -> None:
    folder = daemon.spool / "avatars" / "changing"
    shutil.copytree(BUILT_IN_FOLDER / "presenter", folder)
    job = {"audio": "changing.wav", "avatar": "changing", "size": SMALL}

    def sha256_of_next_ending(*, cached: bool) -> str:
        before = daemon.ending("changing")["finished_at"] if (daemon.spool / "outbox/changing.json").exists() else ""
        daemon.drop("changing", **job)
        ended = until(lambda: ((t := daemon.ending("changing"))["finished_at"] != before and t) or None, "new ending")
        assert ended["cached"] is cached
        return str(ended["video"]["sha256"])

    daemon.record("changing.wav", 0.6)
    videos = [sha256_of_next_ending(cached=False)]
    assert sha256_of_next_ending(cached=True) == videos[0]
    daemon.record("changing.wav", 0.8)
    videos.append(sha256_of_next_ending(cached=False))
    picture = cv2.imread(str(folder / "picture.png"))
    assert picture is not None
    cv2.imwrite(str(folder / "picture.png"), picture // 4 * 3)
    videos.append(sha256_of_next_ending(cached=False))
    assert len(set(videos)) == 3
    (daemon.spool / "inbox" / "changing.wav").unlink()
    assert sha256_of_next_ending(cached=True) == videos[-1]


def test_six_jobs_dropped_at_once_in_three_ways(daemon: RunningDaemon) -> None:
    outside = daemon.spool / "elsewhere"
    outside.mkdir()
    inbox = daemon.spool / "inbox"
    daemon.record("short.wav", 0.6)
    daemon.drop("warm", audio="short.wav", size=SMALL)
    daemon.ending("warm")
    before = daemon.memory_bytes()
    names = [f"many-{number:02d}" for number in range(6)]
    for number, name in enumerate(names):
        data = json.dumps({"audio": "short.wav", "size": SMALL, "metadata": {"number": number}})
        if number % 3 == 0:
            (inbox / f"{name}.json").write_text(data)
        else:
            (outside / f"{name}.json").write_text(data)
            place = (Path.rename, os.link)[number % 3 - 1]
            place(outside / f"{name}.json", inbox / f"{name}.json")
    endings = daemon.endings(names)
    assert [ending["status"] for ending in endings] == ["done"] * 6
    assert [ending["metadata"]["number"] for ending in endings] == list(range(6))
    assert daemon.memory_bytes() - before < 36 << 20


def both(processes: Iterable[psutil.Process]) -> list[psutil.Process] | None:
    """The processes if there are two of them."""
    found = list(processes)
    return found if len(found) == 2 else None


def test_a_cancelled_job_leaves_no_process_and_no_file(daemon: RunningDaemon) -> None:
    daemon.record("cancelled.wav", 60)
    daemon.drop("unwanted", audio="cancelled.wav", size="512x512")
    busy = [psutil.Process(daemon.worker_pid(worker)) for worker in ("gan-0", "nogan-1")]
    encoders = until(
        lambda: both(child for worker in busy for child in named(worker.children(), "ffmpeg")), "two encoders"
    )
    assert in_process("cancel", "unwanted", cwd=daemon.spool).returncode == 0
    assert daemon.ending("unwanted")["error"]["code"] == "cancelled"
    assert not psutil.wait_procs([*busy, *encoders], timeout=ORPHANS_SECONDS)[1]
    until(lambda: not any((daemon.spool / "work").iterdir()) or None, "clear work folder")
    assert [path.name for path in (daemon.spool / "outbox").glob("unwanted*")] == ["unwanted.json"]
    daemon.record("next.wav", 1)
    daemon.drop("next", audio="next.wav", size=SMALL)
    assert daemon.ending("next")["status"] == "done"
