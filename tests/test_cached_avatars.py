"""Cached results depend on content and settings, and never come from a file that changed while it was read."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from itertools import islice
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from pipeline.avatars import Avatar, Avatars, library, video
from pipeline.avatars.faces import tracking
from pipeline.avatars.faces.results import Faces
from pipeline.avatars.folder import digest, read_picture
from pipeline.avatars.scenes import Clip
from pipeline.config import AvatarsSettings, Config, LimitsSettings
from pipeline.errors import JobError, StageError
from pipeline.media import clips
from pipeline.media.pictures import Look
from tests.cache_processes import DEADLINE_SECONDS, SPAWN, exit_codes, names
from tests.clips import FILE, Picture, film, portrait, swaying, write_clip
from tests.members import members, slow
from tests.pictures import picture_of
from tests.running import until

FRAMES, OTHER_FRAMES = 4, 3
"""Frames of the clips: tracking a face is slow."""


def avatar_of(spool: Path, name: str, settings: str = "", **limits: int) -> Avatar:
    (spool / "avatars" / name / "avatar.yaml").write_text(settings)
    return Avatars(Config(base=spool, limits=LimitsSettings(**limits))).load(name)


def clip_of(avatar: Avatar) -> Clip:
    scene = avatar.fitted(None).scene
    assert isinstance(scene, Clip)
    return scene


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", film(swaying(FRAMES)))


@pytest.fixture(scope="module")
def other_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "other.mp4", film(swaying(OTHER_FRAMES)))


@pytest.fixture
def anna(tmp_path: Path, clip: Path) -> Path:
    """The folder of a video avatar."""
    folder = tmp_path / "avatars" / "anna"
    folder.mkdir(parents=True)
    shutil.copy(clip, folder / "anna.mp4")
    return folder


def test_equal_videos_share_one_entry(anna: Path, tmp_path: Path) -> None:
    avatar_of(tmp_path, "anna").fitted(None)
    before = names(tmp_path / "cache")
    assert {name.rpartition(".")[2] for name in before} == {"json", "npz", "i420"}
    (tmp_path / "avatars" / "berta").mkdir()
    (anna / "anna.mp4").rename(tmp_path / "avatars" / "berta" / "b.mp4")
    avatar_of(tmp_path, "berta", "pads: [0, 20, 0, 0]\nno_face: passthrough").fitted(None)
    assert names(tmp_path / "cache") == before


@pytest.mark.parametrize(
    ("settings", "limits", "more"),
    [
        ("face_box: [80, 60, 180, 190]", {}, {"npz"}),
        slow("crop: [10, 0, 512, 512]", {}, {"npz", "i420"}),
        ("size: 128x128", {}, {"i420"}),
        slow("", {"avatar_seconds": 1}, {"npz", "i420"}),
    ],
)
def test_settings_that_matter_make_another_entry(
    settings: str, limits: dict[str, int], more: set[str], anna: Path, tmp_path: Path
) -> None:
    avatar_of(tmp_path, "anna").fitted(None)
    before = names(tmp_path / "cache")
    avatar_of(tmp_path, "anna", settings, **limits).fitted(None)
    assert {name.rpartition(".")[2] for name in names(tmp_path / "cache") - before} == more


def test_entries_of_other_versions_are_not_used(anna: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    avatar_of(tmp_path, "anna").fitted(None)
    before = names(tmp_path / "cache")
    for module in (video, tracking):
        monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    avatar_of(tmp_path, "anna").fitted(None)
    assert {name.rpartition(".")[2] for name in names(tmp_path / "cache") - before} == {"json", "npz", "i420"}


def test_a_changed_video_makes_another_entry(anna: Path, other_clip: Path, tmp_path: Path) -> None:
    avatars = Avatars(Config(base=tmp_path))
    assert clip_of(avatars.load("anna")).frames == FRAMES
    shutil.copy(other_clip, anna / "anna.mp4")
    assert clip_of(avatars.load("anna")).frames == OTHER_FRAMES
    assert len(names(tmp_path / "cache")) == 6


def overwritten_after(count: int, file: Path, data: bytes, read: Callable[..., Iterator[Picture]]) -> Any:
    """A reader of frames that overwrites the file in place after yielding `count` of them."""

    def reader(*arguments: Any, **options: Any) -> Iterator[Picture]:
        frames = read(*arguments, **options)
        yield from islice(frames, count)
        file.write_bytes(data)
        yield from frames

    return reader


@pytest.mark.slow
@pytest.mark.parametrize("count", members([0, 1], 1))
@pytest.mark.parametrize("reader", ["rgb_frames", "i420_frames"])
def test_a_video_overwritten_while_being_read_is_read_again(
    reader: str, count: int, anna: Path, other_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames read are cached for neither video."""
    file, avatars = anna / "anna.mp4", Avatars(Config(base=anna.parents[1]))
    one, other = file.read_bytes(), other_clip.read_bytes()
    avatar = avatars.load("anna")
    with monkeypatch.context() as patch, pytest.raises(StageError) as caught:
        patch.setattr(clips, reader, overwritten_after(count, file, other, getattr(clips, reader)))
        avatar.fitted(None)
    assert caught.value.code == "avatar_changed"
    for data, frames in ((other, OTHER_FRAMES), (one, FRAMES)):
        file.write_bytes(data)
        again = avatars.load("anna")
        assert isinstance(again.faces, Faces)
        assert (len(again.faces.seen), clip_of(again).frames) == (frames, frames)


def test_a_video_still_being_copied_is_not_refused(anna: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A truncated video is the job's fault only once it no longer changes."""
    file, avatars = anna / "anna.mp4", Avatars(Config(base=tmp_path))
    avatar = avatars.load("anna")
    reader = overwritten_after(0, file, file.read_bytes()[:1000], clips.rgb_frames)
    with monkeypatch.context() as patch, pytest.raises(StageError):
        patch.setattr(clips, "rgb_frames", reader)
        avatar.fitted(None)
    with pytest.raises(JobError) as caught:
        avatars.load("anna")
    assert caught.value.code == "media"


def test_a_picture_overwritten_while_being_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "avatars" / "anna").mkdir(parents=True)
    picture = tmp_path / "avatars" / "anna" / "a.png"
    picture.write_bytes(FILE.read_bytes())

    def overwritten(file: Path, pixels_max: int, look: Look) -> Picture:
        Image.fromarray(portrait()[:400, :400]).save(file)
        return read_picture(file, pixels_max, look)

    avatars = Avatars(Config(base=tmp_path))
    with monkeypatch.context() as patch, pytest.raises(StageError) as caught:
        patch.setattr(library, "read_picture", overwritten)
        avatars.load("anna")
    assert caught.value.code == "avatar_changed"
    assert avatars.load("anna").sides == (400, 400)


def test_another_video_with_the_same_mtime_makes_another_entry(anna: Path, other_clip: Path, tmp_path: Path) -> None:
    """For example after unpacking an archive or a copy that preserves times."""
    file, avatars = anna / "anna.mp4", Avatars(Config(base=tmp_path))
    assert clip_of(avatars.load("anna")).frames == FRAMES
    time_ns = file.stat().st_mtime_ns
    other = Path(shutil.copy(other_clip, tmp_path))
    os.utime(other, ns=(time_ns, time_ns))
    other.rename(file)
    assert clip_of(avatars.load("anna")).frames == OTHER_FRAMES


def test_a_file_overwritten_with_the_same_size_and_mtime_is_another(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"1")
    before, time_ns = digest(file), file.stat().st_mtime_ns
    file.write_bytes(b"2")
    os.utime(file, ns=(time_ns, time_ns))
    assert digest(file) != before


def test_a_picture_is_decoded_and_searched_once(tmp_path: Path) -> None:
    folder = tmp_path / "avatars" / "astronaut"
    folder.mkdir(parents=True)
    (folder / "a.png").hardlink_to(FILE)
    first = avatar_of(tmp_path, "astronaut")
    first_faces = first.faces
    kept = {name: (tmp_path / "cache" / name).stat().st_ino for name in names(tmp_path / "cache")}
    assert sorted(Path(name).suffix for name in kept) == [".npy", ".npz"]
    second = avatar_of(tmp_path, "astronaut")
    second_faces = second.faces
    assert {name: (tmp_path / "cache" / name).stat().st_ino for name in names(tmp_path / "cache")} == kept
    assert isinstance(first_faces, Faces)
    assert isinstance(second_faces, Faces)
    assert np.array_equal(first_faces.boxes, second_faces.boxes)
    assert np.array_equal(picture_of(first), picture_of(second))


def prepare(spool: Path, barrier: Barrier) -> None:
    """Load the avatar like a worker that gets a chunk."""
    barrier.wait(DEADLINE_SECONDS)
    assert clip_of(Avatars(Config(base=spool)).load("anna")).frames == FRAMES


@pytest.mark.slow
def test_workers_prepare_a_video_together(anna: Path, tmp_path: Path, processes: list[BaseProcess]) -> None:
    barrier = SPAWN.Barrier(2)
    processes += [SPAWN.Process(target=prepare, args=(tmp_path, barrier)) for _ in range(2)]
    assert exit_codes(processes) == [0] * len(processes)
    assert len(names(tmp_path / "cache")) == 3


def prepare_large(spool: Path) -> None:
    clip_of(avatar_of(spool, "anna", "size: 1080x1080"))


@pytest.mark.slow
def test_a_worker_killed_while_decoding_leaves_no_partial_video(
    anna: Path, tmp_path: Path, processes: list[BaseProcess]
) -> None:
    """The clip is long, so that decoding can be interrupted, and shows no face, since face search is slow."""
    write_clip(anna / "anna.mp4", film([None] * 60))
    worker = SPAWN.Process(target=prepare_large, args=(tmp_path,))
    processes.append(worker)
    worker.start()
    assert worker.pid is not None
    until(lambda: next(tmp_path.glob("cache/*.i420.part"), None), "half a video", DEADLINE_SECONDS, pause_seconds=0.002)
    os.kill(worker.pid, signal.SIGSTOP)
    programs = psutil.Process(worker.pid).children()
    worker.kill()
    psutil.wait_procs(programs, DEADLINE_SECONDS)
    worker.join(DEADLINE_SECONDS)
    assert not list(tmp_path.glob("cache/*.i420"))
    scene = clip_of(avatar_of(tmp_path, "anna", "size: 1080x1080"))
    assert scene.frames == 60
    assert not list(tmp_path.glob("cache/*.part"))


def test_a_tiny_cache_does_not_change_the_video(anna: Path, tmp_path: Path) -> None:
    """The cache only fits the larger frames, yet both sizes work."""
    config = Config(base=tmp_path, avatars=AvatarsSettings(cache_bytes=FRAMES * 192 * 128 + 1))
    large, small = (Avatars(config).load("anna").fitted(size).scene for size in ((128, 128), (64, 64)))
    assert isinstance(large, Clip)
    assert isinstance(small, Clip)
    assert large.read(FRAMES - 1).shape == (192, 128)
    assert small.read(FRAMES - 1).shape == (96, 64)


def test_a_video_larger_than_the_cache_is_refused(anna: Path, tmp_path: Path) -> None:
    avatars = Avatars(Config(base=tmp_path, avatars=AvatarsSettings(cache_bytes=FRAMES * 192 * 128 - 1)))
    with pytest.raises(JobError) as caught:
        avatars.load("anna").fitted((128, 128))
    assert (caught.value.code, caught.value.field) == ("too_large", "avatar")
    assert not list((tmp_path / "cache").glob("*.part"))
