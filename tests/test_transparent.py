"""Transparent videos: VP9 with alpha beside the MP4, at every chunk exactly as rendered."""

from __future__ import annotations

import itertools
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from daemon.make.request import Request
from pipeline.brand.logo import PlacedLogo
from pipeline.composition.cutout import alone
from pipeline.composition.layout import Layout
from pipeline.config import Config
from pipeline.errors import ConfigError, JobError
from pipeline.executors.base import WorkerSpec
from pipeline.job import parse_job
from pipeline.media import ffmpeg
from pipeline.media.transparent import FORMS
from pipeline.messages import BrandClip, Chunk, Mark, MergeItem, Segment, Speech, SplitItem, Video
from pipeline.provenance import reading
from pipeline.stages.lipsync import LipSyncStage, _also_written
from pipeline.stages.merge import MergeStage
from pipeline.stages.split import SplitStage, _left_out
from tests.media import frames, speech_like, streams, write_recording

SIDE, FPS = 128, 24
"""At 24 frames a second, a frame is not a whole number of WebM's milliseconds."""
EDGES = [0, 11, 30]
MARK = Mark("trainedAlgorithmicMedia", "lipdrop 0.1.0", "job", "2026-11-29T12:00:00Z")


def spec(folder: Path, model: str | None = None) -> WorkerSpec:
    return WorkerSpec("worker", "test", "", Config(base=folder), model=model)


def chunk_of(folder: Path) -> Chunk:
    write_recording(folder / "in.wav", speech_like(EDGES[-1] / FPS))
    speech = Speech("job", folder, folder / "in.wav")
    size = (SIDE, SIDE)
    item = SplitItem("job", speech, FPS, "sequential", "gan", "presenter", size, background="transparent")
    [chunk] = SplitStage(spec(folder)).process(replace(item, transparent=tuple(FORMS)))
    return chunk


def shown(video: Path, pixels: str) -> NDArray[np.uint8]:
    """All planes of all frames, decoded with their alpha."""
    argv = ["ffmpeg", "-v", "error", "-c:v", "libvpx-vp9", "-i", str(video), "-vsync", "passthrough"]
    done = subprocess.run([*argv, "-f", "rawvideo", "-pix_fmt", pixels, "-"], capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Video, NDArray[np.uint8]]:
    """A job in two chunks: its WebM, what the merge says, and the frames with mattes as they were rendered."""
    folder = tmp_path_factory.mktemp("transparent")
    chunk, stage = chunk_of(folder), LipSyncStage(spec(folder, "gan"))
    stage.setup("cpu")
    pairs = enumerate(itertools.pairwise(EDGES))
    chunks = [replace(chunk, index=index, start_frame=start, stop_frame=stop) for index, (start, stop) in pairs]
    segments = [result for part in chunks for result in stage.process(part) if isinstance(result, Segment)]
    [video] = MergeStage(spec(folder)).process(MergeItem("job", folder, tuple(segments), chunk.timeline, mark=MARK))
    avatar = stage._avatars.fitted("presenter", (SIDE, SIDE), is_cut_out=True)
    rendered = np.concatenate([batch.numpy() for batch in stage._frames(chunk, avatar)])
    assert [extra.kind for extra in video.extras] == ["transparent", "prores"]
    return video.extras[0].path, video, rendered


@pytest.fixture(scope="module")
def prores(made: tuple[Path, Video, NDArray[np.uint8]]) -> Path:
    """The same job's ProRes 4444."""
    return made[1].extras[1].path


def test_the_alpha_is_that_of_the_matte(made: tuple[Path, Video, NDArray[np.uint8]]) -> None:
    file, _, rendered = made
    found = shown(file, "yuva420p").reshape(-1, SIDE * 5 // 2, SIDE)
    assert len(found) == EDGES[-1]
    alpha, wanted = found[:, SIDE * 3 // 2 :].astype(int), rendered[:, SIDE * 3 // 2 :]
    assert np.abs(alpha - wanted).mean((1, 2)).max() < 3, "every frame, also beside the joint"
    assert alpha[wanted == 0].mean() < 2
    assert alpha[wanted == 255].mean() > 252
    opaque = wanted == 255
    luma = np.abs(found[:, :SIDE].astype(int) - rendered[:, :SIDE])
    assert luma[opaque].mean() < 5


def test_frames_are_shown_at_their_times(made: tuple[Path, Video, NDArray[np.uint8]]) -> None:
    file, _, _ = made
    fields = ["-show_entries", "packet=stream_index,pts_time,flags:stream=codec_type"]
    probed = json.loads(subprocess.check_output(["ffprobe", "-v", "error", *fields, "-of", "json", file]))
    kinds = [stream["codec_type"] for stream in probed["streams"]]
    times = {
        kind: [float(packet["pts_time"]) for packet in probed["packets"] if kinds[packet["stream_index"]] == kind]
        for kind in kinds
    }
    pictures = np.array(times["video"])
    assert np.abs(pictures - pictures[0] - np.arange(EDGES[-1]) / FPS).max() < 0.0011
    assert (pictures[0], times["audio"][0]) == (0, -0.007), "Opus begins 6.5 ms before its first sample"
    assert abs(times["audio"][-1] + 0.02 - EDGES[-1] / FPS) < 0.04
    keys = [packet["flags"][0] == "K" for packet in probed["packets"] if kinds[packet["stream_index"]] == "video"]
    assert [number for number, key in enumerate(keys) if key] == EDGES[:-1]


def test_the_mp4_shows_the_person_before_grey(made: tuple[Path, Video, NDArray[np.uint8]]) -> None:
    _, video, _ = made
    grey = frames(video.path, (SIDE, SIDE))
    assert len(grey) == EDGES[-1]
    assert np.abs(grey[:, :20, :20].astype(int) - 200).max() <= 4


def test_prores_has_the_same_frames_at_the_same_times(
    prores: Path, made: tuple[Path, Video, NDArray[np.uint8]]
) -> None:
    argv = ["ffmpeg", "-v", "error", "-i", str(prores), "-vsync", "passthrough", "-pix_fmt", "yuva444p"]
    done = subprocess.run([*argv, "-f", "rawvideo", "-"], capture_output=True, check=True)
    found = np.frombuffer(done.stdout, np.uint8).reshape(-1, 4, SIDE, SIDE).astype(int)
    assert len(found) == EDGES[-1]
    rendered = made[2]
    assert np.abs(found[:, 3] - rendered[:, SIDE * 3 // 2 :]).max() <= 1
    assert np.abs(found[:, 0] - rendered[:, :SIDE]).mean() < 1
    shown = streams(prores)
    picture, sound = shown["video"], shown["audio"]
    assert (picture["codec_name"], picture["profile"], picture["codec_tag_string"]) == ("prores", "4444", "ap4h")
    assert [picture[key] for key in ("color_space", "color_transfer", "color_primaries")] == ["bt709"] * 3
    for stream in (picture, sound):
        assert float(stream["start_time"]) == 0
        assert float(stream["duration"]) == pytest.approx(EDGES[-1] / FPS, abs=1e-6)
    said = reading.read(prores).statement
    assert said is not None
    assert said.is_synthetic


def test_it_says_that_it_was_made_by_ai(made: tuple[Path, Video, NDArray[np.uint8]]) -> None:
    found = reading.read(made[0])
    assert found.statement is not None
    assert found.statement.is_synthetic


def test_in_a_larger_frame_it_is_clear_all_around() -> None:
    inner = np.full((1, 80, 32), 77, np.uint8)
    inner[:, 48:] = 255
    outer = alone(Layout((64, 48), (16, 16), (32, 32)), inner)[0]
    alpha = outer[72:]
    assert outer.shape == (120, 64)
    assert alpha[:16].max() == 0
    assert alpha[16:, :16].max() == 0
    assert alpha[30:, 28:36].min() == 255
    assert alpha[40, 16] < 128, "it fades towards the sides"
    assert outer[20:40, 20:40].min() == 77


class Kept(list[NDArray[np.uint8]]):
    """In the place of an encoder."""

    write = list.append


def test_it_has_the_logo() -> None:
    logo, kept = PlacedLogo(np.ones((8, 8, 4), np.float32), (4, 4)), Kept()
    batch = torch.zeros(1, SIDE * 5 // 2, SIDE, dtype=torch.uint8)
    [passed] = _also_written(iter([batch]), [kept], Layout.covered((SIDE, SIDE)), logo)  # type: ignore[list-item]
    assert passed is batch
    assert not passed.any(), "the MP4 gets it later"
    [[frame]] = kept
    matte = frame[SIDE * 3 // 2 :]
    assert matte[4:12, 4:12].min() == 255
    assert matte.astype(int).sum() == 64 * 255


def test_an_intro_that_it_lacks_is_named(tmp_path: Path) -> None:
    item = SplitItem("job", Speech("job", tmp_path, tmp_path / "a.wav"), FPS, "sequential", None, "presenter", None)
    clips = (BrandClip("intro", tmp_path / "a.mp4"), BrandClip("outro", tmp_path / "a.mp4"))
    [notice] = _left_out(replace(item, clips=clips, transparent=tuple(FORMS)))
    assert (notice.code, notice.message) == ("clips_left_out", "the transparent video has no intro and no outro")
    assert not list(_left_out(replace(item, clips=clips)))


def test_what_cannot_be_transparent_is_refused(tmp_path: Path) -> None:
    stream = {"text": "hi", "background": "transparent", "mode": "stream"}
    scenes = {"scenes": [{"text": "hi"}, {"text": "ho", "background": "transparent"}]}
    opaque = {"text": "hi", "extras": ["prores"]}
    for job, field in ((stream, "background"), (scenes, "scenes"), (opaque, "extras")):
        with pytest.raises(JobError) as caught:
            parse_job(json.dumps(job).encode(), Config(base=tmp_path), ["presenter"])
        assert (caught.value.code, caught.value.field) == ("background", field)


def test_an_ffmpeg_without_vp9_is_noticed_before_anything_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ffmpeg.has_vp9()
    monkeypatch.setattr(ffmpeg, "has_vp9", lambda: False)
    with pytest.raises(ConfigError) as caught:
        chunk_of(tmp_path)
    assert caught.value.code == "no_vp9"


@pytest.mark.slow
def test_make_also_saves_the_transparent_videos(tmp_path: Path) -> None:
    request = Request(tmp_path / "a.mp4", {"text": "hi", "background": "transparent"})
    assert [file.name for file in request._files()] == ["a.mp4", "a.webm"]
    request = Request(tmp_path / "a.mp4", {"text": "hi", "background": "transparent", "extras": ["prores"]})
    assert [file.name for file in request._files()] == ["a.mp4", "a.webm", "a.mov"]
