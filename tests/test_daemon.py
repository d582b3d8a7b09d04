"""The whole program with its real stages, by its command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from pipeline.avatars import BUILT_IN_FOLDER
from tests.media import audio, frames, speech_like, streams, write_recording
from tests.running import ORPHANS_SECONDS, RunningDaemon, lipdrop, named, until

RUSSIAN = "Мама мыла раму. Потом папа пил какао, а мы молчали."
SMALL = "128x128"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """One daemon for the tests that leave it alive."""
    with RunningDaemon(tmp_path_factory.mktemp("spool")).start() as running:
        yield running.ready()


@pytest.fixture
def own_daemon(tmp_path: Path) -> Iterator[RunningDaemon]:
    """A daemon for one test, not started yet."""
    with RunningDaemon(tmp_path / "spool") as running:
        yield running


def record(daemon: RunningDaemon, name: str, seconds: float) -> int:
    """Put a recording into the inbox; returns its samples."""
    samples = speech_like(seconds)
    write_recording(daemon.spool / "inbox" / name, samples)
    return len(samples)


# A job that goes well


@pytest.mark.parametrize("language", ["ru", "en", "kk"])
def test_a_text_becomes_a_video_and_a_timing_json(language: str, daemon: RunningDaemon) -> None:
    text = {"ru": RUSSIAN, "en": "Mama bought a map. Then we waited.", "kk": "Сәлем! Менің атым Айгүл."}[language]
    daemon.drop(f"text-{language}", text=text, language=language, captions=True, metadata={"order": [7, "x"]})
    timing = daemon.ending(f"text-{language}")
    assert timing["status"] == "done"
    assert timing["audio"]["voice"].partition(":")[0] in ("espeak", "hibari", "rhvoice", "piper")
    assert timing["metadata"] == {"order": [7, "x"]}
    assert [sentence["text"] for sentence in timing["sentences"]] == text.replace("! ", "!|").replace(". ", ".|").split(
        "|"
    )
    assert all(s["start_seconds"] < s["end_seconds"] <= timing["audio"]["seconds"] for s in timing["sentences"])
    assert_video_is_as_told(daemon, timing)
    assert "00:00:00,000 -->" in (daemon.spool / "outbox" / f"text-{language}.srt").read_text("utf-8")
    assert (daemon.spool / "outbox" / f"text-{language}.vtt").read_text("utf-8").startswith("WEBVTT")


def assert_video_is_as_told(daemon: RunningDaemon, timing: dict[str, Any]) -> None:
    """The timing JSON's figures are those of the file, and sound and picture have the same length."""
    told, found = timing["video"], streams(daemon.video(timing["job"]))
    assert set(found) == {"video", "audio"}
    assert int(found["video"]["nb_read_packets"]) == told["frames"]
    assert (found["video"]["width"], found["video"]["height"]) == (told["width"], told["height"])
    assert daemon.video(timing["job"]).stat().st_size == told["bytes"]
    length = told["frames"] / told["fps"]
    assert abs(timing["audio"]["samples"] / 16_000 - length) < 0.001
    assert abs(float(found["video"]["duration"]) - length) < 0.001
    assert abs(float(found["audio"]["duration"]) - length) < 0.001


def test_the_timing_json_has_every_key_of_the_contract(daemon: RunningDaemon) -> None:
    record(daemon, "keys.wav", 12)
    daemon.drop("keys", audio="keys.wav", size=SMALL)
    timing = daemon.ending("keys")
    assert set(timing) == {
        *("job", "status", "cached", "mode", "engine", "attempts", "submitted_at", "finished_at", "audio"),
        *("video", "avatar", "captions", "timing", "chunks", "sentences", "metadata"),
    }
    assert set(timing["audio"]) == {"seconds", "samples", "sample_rate", "voice", "cached"}
    assert set(timing["video"]) == {"file", "frames", "fps", "width", "height", "bytes", "sha256"}
    assert set(timing["timing"]) == {
        *("total_seconds", "queued_seconds", "tts_seconds", "convert_seconds", "split_seconds", "lipsync_seconds"),
        *("merge_seconds", "first_segment_seconds", "chunk_seconds_sum", "parallelism", "real_time_factor"),
    }
    assert set(timing["chunks"][0]) == {
        *("index", "start_seconds", "end_seconds", "frames", "model", "engine", "device", "worker"),
        *("queued_seconds", "inference_seconds", "encode_seconds", "total_seconds"),
    }
    assert timing["submitted_at"] <= timing["finished_at"]


@pytest.mark.parametrize("seconds", [0.3, 9.99, 10, 31.37, 95])
def test_sound_and_picture_have_exactly_the_same_length(seconds: float, daemon: RunningDaemon) -> None:
    name = f"length-{seconds}"
    samples = record(daemon, f"{name}.wav", seconds)
    daemon.drop(name, audio=f"{name}.wav", size=SMALL)
    timing = daemon.ending(name)
    assert timing["video"]["frames"] == round(samples * 25 / 16_000)
    assert sum(chunk["frames"] for chunk in timing["chunks"]) == timing["video"]["frames"]
    assert_video_is_as_told(daemon, timing)


@pytest.mark.parametrize("fps", [24, 30, 50])
def test_every_frame_rate_is_exact(fps: int, daemon: RunningDaemon) -> None:
    samples = record(daemon, f"fps-{fps}.wav", 10.51)
    daemon.drop(f"fps-{fps}", audio=f"fps-{fps}.wav", fps=fps, size=SMALL)
    timing = daemon.ending(f"fps-{fps}")
    assert timing["video"]["frames"] == round(samples * fps / 16_000)
    assert_video_is_as_told(daemon, timing)


def test_the_sound_is_not_shifted_against_the_recording(daemon: RunningDaemon) -> None:
    """Across two chunks the sound that a player plays is the recording, to the sample.

    Noise, because a voice repeats itself and would match at other shifts too.
    """
    noise = np.random.default_rng(1).standard_normal(12 * 16_000)
    original = np.convolve(noise, np.ones(4), "same") * 3000
    write_recording(daemon.spool / "inbox" / "shift.wav", original.astype(np.int16))
    daemon.drop("shift", audio="shift.wav", size=SMALL)
    assert len(daemon.ending("shift")["chunks"]) == 2
    played = audio(daemon.video("shift")).astype(float)
    for start in (0, 5 * 16_000, 11 * 16_000):
        part = original[start : start + 12_000]
        shifts = range(-300, 301)
        scores = [float(part @ np.roll(played, -shift)[start : start + 12_000]) for shift in shifts]
        assert shifts[int(np.argmax(scores))] == 0


def test_the_mouth_moves_with_the_speech_and_rests_in_silence(daemon: RunningDaemon) -> None:
    samples = speech_like(8)
    samples[3 * 16_000 : 5 * 16_000] = 0
    write_recording(daemon.spool / "inbox" / "rest.wav", samples)
    calm = shutil.copytree(BUILT_IN_FOLDER / "presenter", daemon.spool / "avatars" / "calm")
    (calm / "avatar.yaml").write_text("idle_motion: false")
    daemon.drop("rest", audio="rest.wav", size="512x512", avatar="calm")
    daemon.ending("rest")
    pictures = frames(daemon.video("rest"), (512, 512)).astype(np.int16)
    change = np.abs(np.diff(pictures, axis=0)).max(axis=(1, 2))
    assert np.median(change[10:70]) > 20
    assert np.median(change[80:120]) < 8


def test_a_long_job_runs_in_parallel_and_a_sequential_one_does_not(daemon: RunningDaemon) -> None:
    record(daemon, "modes.wav", 24)
    for mode in ("parallel", "sequential"):
        daemon.drop(f"mode-{mode}", audio="modes.wav", mode=mode)
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


def test_twenty_jobs_dropped_at_once_in_three_ways(daemon: RunningDaemon) -> None:
    outside = daemon.spool / "elsewhere"
    outside.mkdir()
    inbox = daemon.spool / "inbox"
    record(daemon, "short.wav", 0.6)
    daemon.drop("warm", audio="short.wav", size=SMALL)
    daemon.ending("warm")
    before = daemon.memory_bytes()
    names = [f"many-{number:02d}" for number in range(20)]
    for number, name in enumerate(names):
        data = json.dumps({"audio": "short.wav", "size": SMALL, "metadata": {"number": number}})
        if number % 3 == 0:
            (inbox / f"{name}.json").write_text(data)
        else:
            (outside / f"{name}.json").write_text(data)
            place = (Path.rename, os.link)[number % 3 - 1]
            place(outside / f"{name}.json", inbox / f"{name}.json")
    endings = daemon.endings(names)
    assert [ending["status"] for ending in endings] == ["done"] * 20
    assert [ending["metadata"]["number"] for ending in endings] == list(range(20))
    assert daemon.memory_bytes() - before < 60 << 20


# Bad surroundings; `test_hostile_daemon.py` has the bad input


def test_an_unreachable_tts_service_is_told(own_daemon: RunningDaemon) -> None:
    own_daemon = RunningDaemon(
        own_daemon.spool, tts={"backend": "http", "http": {"url": "http://127.0.0.1:9/tts", "retries": 0}}
    )
    with own_daemon.start():
        own_daemon.drop("service", text="Привет")
        error = own_daemon.ending("service")["error"]
    assert (error["code"], error["stage"]) == ("tts_unreachable", "tts")
    assert error["hint"]


def test_a_missing_checkpoint_ends_with_78(own_daemon: RunningDaemon) -> None:
    settings = {"models": {"gan": {"engine": "wav2lip", "checkpoint": "models/gan.pt"}}}
    spool = RunningDaemon(own_daemon.spool, **settings).spool
    ended = lipdrop("run", "--once", cwd=spool)
    assert ended.returncode == 78
    assert "models.gan.checkpoint" in ended.stderr
    assert str(spool / "models" / "gan.pt") in ended.stderr


def test_a_checkpoint_that_is_none_ends_with_78(own_daemon: RunningDaemon) -> None:
    settings = {"models": {"gan": {"engine": "wav2lip", "checkpoint": "gan.pt"}}}
    spool = RunningDaemon(own_daemon.spool, **settings, workers=[{"model": "gan"}]).spool
    (spool / "gan.pt").write_bytes(b"no weights")
    ended = lipdrop("run", "--once", cwd=spool)
    assert ended.returncode == 78
    assert "models.gan.checkpoint" in ended.stderr


def test_an_unknown_default_avatar_ends_with_78(own_daemon: RunningDaemon) -> None:
    spool = RunningDaemon(own_daemon.spool, avatars={"default": "nobody"}).spool
    ended = lipdrop("run", "--once", cwd=spool)
    assert ended.returncode == 78
    assert "nobody" in ended.stderr


# Death and restart


@pytest.mark.soak
def test_killed_workers_cost_nothing_but_time(own_daemon: RunningDaemon) -> None:
    """Every worker is killed idle, then the lip-sync workers busy: all jobs end well, none twice."""
    own_daemon.start().ready()
    for worker in ("tts-0", "split-0", "gan-0", "nogan-1", "merge-0"):
        os.kill(own_daemon.worker_pid(worker), signal.SIGKILL)
    record(own_daemon, "long.wav", 40)
    names = [f"job-{number}" for number in range(4)]
    for name in names:
        own_daemon.drop(name, audio="long.wav", size="256x256")
    until(lambda: "lipsync" in own_daemon.status()["jobs"].values() or None, "job in lip-sync")
    for worker in ("gan-0", "nogan-1"):
        os.kill(own_daemon.worker_pid(worker), signal.SIGKILL)
    endings = own_daemon.endings(names)
    assert [ending["status"] for ending in endings] == ["done"] * 4
    assert max(ending["attempts"] for ending in endings) == 2
    for ending in endings:
        assert_video_is_as_told(own_daemon, ending)
    assert own_daemon.log().count(": done in") == 4


def test_a_killed_daemon_leaves_no_process_and_loses_no_job(own_daemon: RunningDaemon) -> None:
    own_daemon.start().ready()
    record(own_daemon, "long.wav", 40)
    own_daemon.drop("spoken", text=RUSSIAN * 12)
    own_daemon.drop("recorded", audio="long.wav")
    work = own_daemon.spool / "work" / "spoken"
    until(lambda: "chunk-000.mp4" in finished(work) or None, "finished chunk")
    family = own_daemon.family()
    assert own_daemon.stop(signal.SIGKILL) == -signal.SIGKILL
    assert not psutil.wait_procs(family, timeout=ORPHANS_SECONDS)[1]
    made = {name: (work / name).stat().st_mtime_ns for name in finished(work)}
    assert {"speech.wav", "mel.npy", "track.wav", "chunk-000.mp4"} <= set(made)
    own_daemon.start()
    until(lambda: "started" in own_daemon.log().partition("job spoken: resumed")[2] or None, "job resumed")
    assert {name: (work / name).stat().st_mtime_ns for name in made} == made
    for ending in own_daemon.endings(["spoken", "recorded"]):
        assert ending["status"] == "done"
        assert_video_is_as_told(own_daemon, ending)
    assert own_daemon.ending("spoken")["sentences"]


def finished(work: Path) -> set[str]:
    """The files in a job's work folder that its journal vouches for."""
    journal = work / "journal"
    text = journal.read_text() if journal.exists() else ""
    whole = text[: text.rfind("\n") + 1]  # the last line may be half written
    lines = [json.loads(line) for line in whole.splitlines() if line]
    return {Path(file).name for line in lines for file in line.get("files", {})}


def test_the_first_sigterm_drains(own_daemon: RunningDaemon) -> None:
    own_daemon.start().ready()
    record(own_daemon, "long.wav", 20)
    own_daemon.drop("in-flight", audio="long.wav", size=SMALL)
    until(lambda: own_daemon.status()["jobs"] or None, "job in flight")
    assert own_daemon.process is not None
    own_daemon.process.send_signal(signal.SIGTERM)
    until(lambda: own_daemon.status().get("state") in ("draining", "stopped") or None, "draining daemon")
    own_daemon.drop("too-late", audio="long.wav")
    assert own_daemon.process.wait(60) == 0
    assert own_daemon.ending("in-flight")["status"] == "done"
    assert (own_daemon.spool / "inbox" / "too-late.json").exists()


def test_the_second_sigterm_stops_now_and_the_next_start_takes_up(own_daemon: RunningDaemon) -> None:
    own_daemon.start().ready()
    record(own_daemon, "long.wav", 60)
    own_daemon.drop("stopped", audio="long.wav")
    until(lambda: "lipsync" in own_daemon.status()["jobs"].values() or None, "job in lip-sync")
    family = own_daemon.family()
    assert own_daemon.process is not None
    own_daemon.process.send_signal(signal.SIGTERM)
    until(lambda: own_daemon.status().get("state") == "draining" or None, "draining daemon")
    asked = time.monotonic()
    assert own_daemon.stop() == 130
    assert time.monotonic() - asked < 10
    assert not psutil.wait_procs(family, timeout=ORPHANS_SECONDS)[1]
    assert own_daemon.start("--once").ending("stopped")["status"] == "done"


def both(processes: Iterable[psutil.Process]) -> list[psutil.Process] | None:
    """The processes, once there are two of them."""
    found = list(processes)
    return found if len(found) == 2 else None


def test_a_cancelled_job_leaves_no_process_and_no_file(own_daemon: RunningDaemon) -> None:
    own_daemon.start().ready()
    record(own_daemon, "long.wav", 180)
    own_daemon.drop("unwanted", audio="long.wav", size="1024x1024")
    encoders = until(lambda: both(named(own_daemon.family(), "ffmpeg")), "two encoders")
    busy = [psutil.Process(own_daemon.worker_pid(worker)) for worker in ("gan-0", "nogan-1")]
    assert lipdrop("cancel", "unwanted", cwd=own_daemon.spool).returncode == 0
    assert own_daemon.ending("unwanted")["error"]["code"] == "cancelled"
    assert not psutil.wait_procs([*busy, *encoders], timeout=ORPHANS_SECONDS)[1]
    until(lambda: not any((own_daemon.spool / "work").iterdir()) or None, "clear work folder")
    assert [path.name for path in (own_daemon.spool / "outbox").iterdir()] == ["unwanted.json"]
    record(own_daemon, "short.wav", 1)
    own_daemon.drop("next", audio="short.wav", size=SMALL)
    assert own_daemon.ending("next")["status"] == "done"


@pytest.mark.parametrize("end", ["cancel", "kill"])
def test_what_a_speech_command_forks_ends_with_its_worker(end: str, own_daemon: RunningDaemon) -> None:
    """A shell script is killed with its worker; the programs that it runs are not its worker's children."""
    script, pids = own_daemon.spool / "speak", own_daemon.spool / "pids"
    script.write_text(f"#!/bin/sh\n(sleep 600 & echo $! >>{pids}; wait) &\nwait\n")
    script.chmod(0o755)
    speaks = RunningDaemon(own_daemon.spool, tts={"backend": "command", "command": {"argv": [str(script)]}})
    with speaks.start().ready():
        speaks.drop("forks", text="Привет")
        forked = psutil.Process(int(until(lambda: (pids.exists() and pids.read_text()) or None, "fork of the command")))
        if end == "cancel":
            assert lipdrop("cancel", "forks", cwd=speaks.spool).returncode == 0
            assert speaks.ending("forks")["error"]["code"] == "cancelled"
        else:
            os.kill(speaks.worker_pid("tts-0"), signal.SIGKILL)
        assert not psutil.wait_procs([forked], timeout=ORPHANS_SECONDS)[1]


@pytest.mark.parametrize("tts", ["command", "piper"])
def test_a_speech_program_that_is_killed_leaves_no_file(tts: str, own_daemon: RunningDaemon, tmp_path: Path) -> None:
    spool, temporary = own_daemon.spool, tmp_path / "tmp"
    temporary.mkdir()
    (spool / "speak").write_text(f'#!/bin/sh\necho "$@" >{spool}/arguments\nsleep 600\n')
    (spool / "speak").chmod(0o755)
    (spool / "anna.onnx").touch()
    (spool / "anna.onnx.json").write_text('{"language": {"code": "ru"}}')
    command = {"argv": ["./speak", "--output_file", "{output}"]}
    piper = {"folder": ".", "command": "./speak"}
    speaks = RunningDaemon(spool, tts={"backend": tts, "command": command, "piper": piper})
    speaks.environment["TMPDIR"] = str(temporary)
    with speaks.start().ready():
        speaks.drop("killed", text="Привет")
        arguments = until(
            lambda: ((spool / "arguments").exists() and (spool / "arguments").read_text()) or None, "speech"
        )
        assert Path(arguments.partition("--output_file ")[2].split()[0]).is_relative_to(spool / "work" / "killed")
        os.kill(speaks.worker_pid("tts-0"), signal.SIGKILL)
        assert lipdrop("cancel", "killed", cwd=spool).returncode == 0
        assert speaks.ending("killed")["error"]["code"] == "cancelled"
        until(lambda: not any((spool / "work").iterdir()) or None, "clear work folder")
        assert not list(temporary.glob("lipdrop-*"))


# The command line


def test_once_works_off_the_inbox_and_tells_failures(own_daemon: RunningDaemon) -> None:
    own_daemon.drop("good", text="Привет", size=SMALL)
    own_daemon.start("--once", "--log-json")
    assert own_daemon.process is not None
    assert own_daemon.process.wait(90) == 0
    records = [json.loads(line) for line in own_daemon.log().splitlines()]
    assert {"time", "level", "worker", "logger", "message"} == set(records[0])
    assert any("job good: done" in record["message"] for record in records)
    own_daemon.drop("bad", text="")
    own_daemon.start("--once")
    assert own_daemon.process.wait(90) == 1


def test_everything_can_run_in_one_process_for_debugging(own_daemon: RunningDaemon) -> None:
    alone = RunningDaemon(own_daemon.spool, executor="threads")
    alone.drop("debug", text="Привет", size=SMALL)
    with alone.start("--once"):
        assert alone.ending("debug")["status"] == "done"
        assert alone.process is not None
        assert alone.process.wait(60) == 0


def test_a_second_daemon_ends_with_75(daemon: RunningDaemon) -> None:
    ended = lipdrop("run", "--once", cwd=daemon.spool)
    assert ended.returncode == 75
    assert "another daemon" in ended.stderr


def test_submit_and_wait(daemon: RunningDaemon, tmp_path: Path) -> None:
    (tmp_path / "batch.jsonl").write_text(
        "".join(json.dumps({"text": text, "size": SMALL}) + "\n" for text in ("Один.", "Два."))
    )
    ended = lipdrop("submit", "--wait", tmp_path / "batch.jsonl", cwd=daemon.spool)
    assert ended.returncode == 0, ended.stderr
    assert sorted(ended.stdout.split()) == [str(daemon.video(f"batch-000{number}")) for number in (1, 2)]
    assert all(Path(line).exists() for line in ended.stdout.split())


def test_submit_refuses_a_bad_job_and_drops_nothing(daemon: RunningDaemon) -> None:
    lines = b'{"text": "good"}\n{"text": "bad", "speed": 99}\n'
    (daemon.spool / "mixed.jsonl").write_bytes(lines)
    ended = lipdrop("submit", "mixed.jsonl", cwd=daemon.spool)
    assert ended.returncode == 65
    assert "speed" in ended.stderr
    assert not (daemon.spool / "work" / "mixed-0001").exists()
    assert not (daemon.spool / "outbox" / "mixed-0001.json").exists()


def test_submit_works_while_the_daemon_is_down_but_cannot_wait(tmp_path: Path) -> None:
    dropped = lipdrop("submit", "-", "--spool", tmp_path, cwd=tmp_path, stdin='{"text": "Привет"}'.encode())
    assert dropped.returncode == 0, dropped.stderr
    assert (tmp_path / "inbox" / f"{dropped.stdout.strip()}.json").exists()
    assert lipdrop("submit", "-", "--wait", "--spool", tmp_path, cwd=tmp_path, stdin=b'{"text": "a"}').returncode == 69


def test_status_tells_how_things_stand(daemon: RunningDaemon, tmp_path: Path) -> None:
    told = json.loads(lipdrop("status", "--json", cwd=daemon.spool).stdout)
    assert told["daemon"] == "ok"
    assert set(told["workers"]) == {"tts-0", "split-0", "gan-0", "nogan-1", "merge-0"}
    record(daemon, "asked.wav", 0.5)
    daemon.drop("asked", audio="asked.wav", size=SMALL)
    daemon.ending("asked")
    assert json.loads(lipdrop("status", "asked", "--json", cwd=daemon.spool).stdout)["state"] == "done"
    assert lipdrop("status", "unheard-of", cwd=daemon.spool).returncode == 2
    assert "down" in lipdrop("status", "--spool", tmp_path, cwd=tmp_path).stdout


def test_voices_are_listed(tmp_path: Path) -> None:
    assert "espeak:kk" in lipdrop("voices", "--language", "kk", cwd=tmp_path).stdout


@pytest.mark.parametrize("command", [[], ["run"], ["submit"], ["status"], ["cancel"], ["retry"], ["pause"], ["health"]])
def test_every_command_explains_itself(command: list[str], tmp_path: Path) -> None:
    shown = lipdrop(*command, "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert "Usage:" in shown.stdout


def test_the_watcher_survives_a_new_inbox(own_daemon: RunningDaemon) -> None:
    own_daemon.start().ready()
    (own_daemon.spool / "inbox").rmdir()
    time.sleep(0.5)
    own_daemon.drop("after", text="Привет", size=SMALL)
    assert own_daemon.ending("after")["status"] == "done"
