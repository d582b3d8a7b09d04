"""`lipdrop bench`: its inputs, a small complete run, and its output."""

from __future__ import annotations

import io
import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
import torch
from rich.console import Console

from daemon.bench import device_speed
from daemon.bench import measure as bench
from daemon.bench.device_speed import DeviceReport, Steps, show_device
from daemon.bench.measure import MOVE, VOICE, Extent, make_video, measure, show
from daemon.bench.seeded_weights import save_seeded_checkpoint
from daemon.bench.trial import Memory, Trial
from daemon.cli import submission
from daemon.cli.submission import Draft
from daemon.outputs.report import DoneReport
from pipeline.config import Config
from pipeline.engines.wav2lip import engine
from pipeline.engines.wav2lip.checkpoint import read_checkpoint
from pipeline.errors import BootError
from pipeline.speech.voices.catalogue import Voices
from tests.media import frames, streams
from tests.reports import done
from tests.running import in_process

FAST, SLOW = Steps(64, 5000, 6000, 9000, 8000, 700), Steps(32, 4000, None, 9000, 8000, 700)

ONE_WORKER = Config.model_validate({"workers": [{"model": "gan"}]})
"""Lip-sync workers start slowly."""
BENCH_CONFIG = bench._config

HOG = """
import subprocess, sys
held = bytearray(b"x") * (int(sys.argv[1]) << 20)
if len(sys.argv) > 2:
    child = subprocess.Popen([sys.executable, "-c", open(sys.argv[3]).read(), sys.argv[2]], stdout=subprocess.PIPE)
    child.stdout.readline()
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_the_seeded_checkpoint_is_the_one_of_the_reference_data(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    save_seeded_checkpoint(tmp_path / "seeded.pth")
    state = read_checkpoint(tmp_path / "seeded.pth", "models.gan.checkpoint").weights
    (tmp_path / "seeded.pth").unlink()
    assert list(state) == list(weights)
    assert all(torch.equal(state[name], value) for name, value in weights.items())


@pytest.mark.slow
def test_the_video_moves_slowly_and_ends_where_it_began(tmp_path: Path) -> None:
    size = (320, 180)
    make_video(tmp_path / "avatars" / "video.mp4", size)
    video = streams(tmp_path / "avatars" / "video.mp4")["video"]
    assert ((video["width"], video["height"]), video["nb_read_packets"]) == (size, "100")
    shown = frames(tmp_path / "avatars" / "video.mp4", size)
    changes = [cv2.absdiff(one, after).mean() for one, after in itertools.pairwise([*shown, shown[0]])]
    assert 0.5 < np.mean(changes) < 8
    assert changes[-1] <= max(changes[:-1])
    # After a quarter of the time the view is at its rightmost position, at half height.
    there, back = shown[25], shown[75]
    assert cv2.absdiff(there[:, : -MOVE[0]], back[:, MOVE[0] :]).mean() < 2


def test_only_workers_and_video_settings_are_the_users(tmp_path: Path) -> None:
    """Given settings with which none of its jobs could succeed."""
    asked = {
        "tts": {"backend": "espeak", "voices": {"en": "espeak:en-us"}, "command": {"argv": ["./say"]}},
        "limits": {"text_characters": 1, "audio_seconds": 1},
        "workers": [{"model": "gan", "device": "cpu"}],
        "video": {"fps": 50, "preset": "slow"},
    }
    config = Config.model_validate(asked)
    measured = bench._config(config, tmp_path, {})
    assert (measured.workers, measured.video) == (config.workers, config.video)
    backend, voice = Voices(measured.tts).choose("en", VOICE)
    assert f"{backend.name}:{voice}" == VOICE
    assert measured.limits == Config().limits


def test_memory_includes_descendants(tmp_path: Path) -> None:
    (tmp_path / "hog.py").write_text(HOG)
    argv = [sys.executable, "-c", HOG, "100", "50", str(tmp_path / "hog.py")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        memory = Memory(process.pid)
        try:
            assert 150 << 20 < memory.now_bytes() < 200 << 20
            start = time.monotonic()
            while not memory.samples:
                assert time.monotonic() < start + 30
                time.sleep(0.05)
            memory.samples.append((start - 9, 1 << 40))
            assert memory.peak_bytes(start - 9) == 1 << 40
            assert 150 << 20 < memory.peak_bytes(start) < 200 << 20
        finally:
            memory.stop()
            process.kill()
    assert memory.now_bytes() == 0


def test_a_daemon_that_cannot_start_is_reported(tmp_path: Path) -> None:
    config = Config.model_validate({"models": {"gan": {"engine": "wav2lip", "checkpoint": "none.pth"}}})
    with pytest.raises(BootError, match="checkpoint_missing"), Trial(tmp_path, config):
        pytest.fail("it must not start")


@pytest.mark.slow
def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path) -> None:
    """Given Ctrl-C while a long job runs."""
    with pytest.raises(KeyboardInterrupt), Trial(tmp_path, ONE_WORKER) as trial:
        family = psutil.Process(trial._process.pid).children(recursive=True)
        submission.drop(Draft("long", json.dumps({"text": "Milk. " * 100, "language": "en"}).encode()), trial.spool)
        while not list(trial.spool.work.iterdir()):
            time.sleep(0.05)
        raise KeyboardInterrupt
    assert len(family) >= 4
    assert not psutil.wait_procs(family, timeout=5)[1]


class Runs:
    """A trial whose runs take these seconds, each with a report of its own."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = iter(seconds)
        self.memory = self

    def run(self, name: str, **job: Any) -> tuple[float, DoneReport]:
        seconds = next(self.seconds)
        return seconds, done(size=int(seconds))

    def peak_bytes(self, since: float) -> int:
        return 5


def test_the_fastest_run_is_shown() -> None:
    """Given a slow first job, which is not measured, and two runs of each."""
    extent = Extent(sentences=1, avatars=(("presenter", "64x64"),), runs=2, batches=(), rounds=1)
    jobs = bench._jobs("builtin", Runs(90, 3, 2, 4, 5), extent, lambda _: None)  # type: ignore[arg-type]
    found = [(job.mode, job.seconds, job.all_seconds, job.timing and job.timing.video.bytes) for job in jobs]
    assert found == [("sequential", 2, (3, 2), 2), ("parallel", 4, (4, 5), 4)]


def in_one_process(*arguments: Any) -> Config:
    return BENCH_CONFIG(*arguments).model_copy(update={"executor": "threads"})


@pytest.fixture
def threads() -> Iterator[None]:
    """A measurement changes torch's number of threads, also for the tests after it."""
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
def test_a_small_run_measures_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """With daemons that start quickly, a short text, a tiny video, and a batch size that is measured quickly."""
    monkeypatch.setattr(bench, "SENTENCES", ("Oh.",))
    monkeypatch.setattr(bench, "_config", in_one_process)
    monkeypatch.setattr(bench, "make_video", partial(make_video, size=(64, 64), seconds=1))
    monkeypatch.setitem(engine.DEVICE_BATCH_FRAMES, "cpu", 1)
    extent = Extent(sentences=1, avatars=(("presenter", "64x64"),), runs=1, batches=(1,), rounds=1)
    steps: list[str] = []
    report = measure(ONE_WORKER, extent, steps.append)
    assert [speed.batch_frames for speed in report.forward.speeds] == [1]
    assert all(min(speed.plain, speed.video, speed.still) > 0 for speed in report.forward.speeds)
    assert [measured.engine for measured in report.engines] == ["builtin", "wav2lip"]
    for measured in report.engines:
        assert [job.mode for job in measured.jobs] == ["sequential", "parallel"]
        for job in measured.jobs:
            assert job.timing is not None
            assert {chunk.engine for chunk in job.timing.chunks} == {measured.engine}
            assert job.seconds >= job.timing.timing.total_seconds * 0.9
            assert job.all_seconds == (job.seconds,)
            assert job.memory_bytes > 100 << 20
    assert "wav2lip: presenter, 64x64, parallel" in steps
    assert json.loads(json.dumps(report.as_dict()))["forward"] == json.loads(json.dumps(asdict(report.forward)))
    printed = io.StringIO()
    show(report, Console(file=printed, width=200))
    assert "| presenter 64x64 | parallel" in printed.getvalue()
    assert "(ours)" in printed.getvalue()
    assert "…" not in printed.getvalue()


def test_a_device_must_be_one_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    expected = {
        "cuda:1": "torch finds 1 GPU on this machine",
        "gpu": "'gpu' is not the name of a device",
        "meta": "lipdrop runs on cpu and cuda, not on meta",
    }
    for name, message in expected.items():
        refused = in_process("bench", "--device", name, cwd=tmp_path)
        assert (refused.returncode, refused.stderr.splitlines()[-1]) == (
            2,
            f"Error: Invalid value for --device: {message}",
        )


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
def test_each_step_of_a_device_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(device_speed.BATCHES, "cpu", (1, 2))
    monkeypatch.setattr(device_speed, "ENCODED_SECONDS", 1)
    measured = in_process("bench", "--device", "cpu", "--json", cwd=tmp_path)
    assert measured.returncode == 0, measured.stderr
    report = json.loads(measured.stdout)
    assert [one["batch_frames"] for one in report["steps"]] == [1, 2]
    assert all(min(one[step] for step in ("forward", "paste", "copy", "compose")) > 0 for one in report["steps"])
    assert {one["graph"] for one in report["steps"]} == {None}
    assert report["fastest_batch_frames"] in (1, 2)
    assert report["encoders"]["libx264"] > 0
    assert report["encoders"].keys() == {"libx264", "h264_nvenc"}
    with_gpu = DeviceReport(
        "a GPU", "a CPU", "2026-01-31", "float16", 32, (FAST, SLOW), {"libx264": 300.0, "other": None}
    )
    printed = io.StringIO()
    show_device(with_gpu, Console(file=printed, width=200))
    lines = [re.sub(" +", " ", line) for line in printed.getvalue().splitlines()]
    assert "| 64 | 5000 | 6000 | 9000 | 8000 | 700 |" in lines
    assert "| 32 (ours) | 4000 | | 9000 | 8000 | 700 |" in lines
    assert "other: does not work here" in lines
    assert lines[-1] == "The fastest: `batch_frames: 64` in a model's settings"
