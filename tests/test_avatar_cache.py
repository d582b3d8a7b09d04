"""What is worked out about avatars, kept for all processes: built once, whatever happens to the builder."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
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
from pipeline.avatars.cache import SECONDS_PER_DAY, Cache
from pipeline.avatars.faces import tracking as faces
from pipeline.avatars.faces.tracking import Faces
from pipeline.avatars.folder import read_picture
from pipeline.avatars.scenes import Clip
from pipeline.config import AvatarsSettings, Config, LimitsSettings
from pipeline.errors import JobError, StageError
from pipeline.media import clips
from tests.clips import FILE, Picture, film, portrait, swaying, write_clip
from tests.running import until

SPAWN = multiprocessing.get_context("spawn")
DEADLINE_SECONDS = 180


def content(data: bytes) -> Callable[[Path], None]:
    """A builder of a file that holds this."""

    def build(path: Path) -> None:
        path.write_bytes(data)

    return build


def read(cache: Cache, name: str, build: Callable[[Path], None]) -> bytes:
    with cache.open(name, build) as file:
        return file.read()


def names(folder: Path) -> set[str]:
    """What is kept: locks are no content."""
    return {file.name for file in folder.iterdir() if file.suffix != ".lock"}


@pytest.fixture
def processes() -> Iterator[list[BaseProcess]]:
    """Processes that are ended with the test."""
    started: list[BaseProcess] = []
    yield started
    for process in started:
        process.kill()
        process.join(DEADLINE_SECONDS)


def exit_codes(processes: list[BaseProcess]) -> list[int | None]:
    """Start them all, and wait for their ends."""
    for process in processes:
        process.start()
    for process in processes:
        process.join(DEADLINE_SECONDS)
    return [process.exitcode for process in processes]


# Several processes


def build_noted(folder: Path) -> Callable[[Path], None]:
    """A builder that takes a while and leaves a line for each time that it runs."""

    def build(path: Path) -> None:
        with (folder / "builds").open("a") as log:
            log.write(f"{os.getpid()}\n")
        with path.open("wb") as file:
            for _ in range(10):
                file.write(bytes(1000))
                time.sleep(0.02)

    return build


def ask(folder: Path, barrier: Barrier) -> None:
    barrier.wait(DEADLINE_SECONDS)
    assert len(read(Cache(folder / "cache", 10**6), "a.bin", build_noted(folder))) == 10_000


def test_who_asks_at_the_same_time_waits_for_one_builder(tmp_path: Path, processes: list[BaseProcess]) -> None:
    barrier = SPAWN.Barrier(3)
    processes += [SPAWN.Process(target=ask, args=(tmp_path, barrier)) for _ in range(3)]
    assert exit_codes(processes) == [0] * len(processes)
    assert len((tmp_path / "builds").read_text().splitlines()) == 1


def build_and_stay(folder: Path, name: str) -> None:
    """Half a file, and no end until there is a file `go`."""

    def build(path: Path) -> None:
        path.write_bytes(b"half")
        (folder / "half").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
        path.write_bytes(b"whole")

    assert read(Cache(folder / "cache", 10**6), name, build) == b"whole"


@pytest.fixture
def builder(tmp_path: Path, processes: list[BaseProcess]) -> BaseProcess:
    """A process in the middle of building `a.bin`."""
    process = SPAWN.Process(target=build_and_stay, args=(tmp_path, "a.bin"))
    processes.append(process)
    process.start()
    until(lambda: (tmp_path / "half").exists() or None, "half a file", DEADLINE_SECONDS)
    return process


def test_when_the_builder_is_killed_the_next_one_builds(tmp_path: Path, builder: BaseProcess) -> None:
    builder.kill()
    builder.join(DEADLINE_SECONDS)
    assert names(tmp_path / "cache") == {"a.bin.part"}
    assert read(Cache(tmp_path / "cache", 10**6), "a.bin", content(bytes(7))) == bytes(7)
    assert names(tmp_path / "cache") == {"a.bin"}


def test_what_a_killed_builder_leaves_goes_with_the_next_file(tmp_path: Path, builder: BaseProcess) -> None:
    builder.kill()
    builder.join(DEADLINE_SECONDS)
    read(Cache(tmp_path / "cache", 10**6), "b.bin", content(bytes(7)))
    assert names(tmp_path / "cache") == {"b.bin"}


def test_what_is_being_built_is_left_alone(tmp_path: Path, builder: BaseProcess) -> None:
    read(Cache(tmp_path / "cache", 0), "b.bin", content(bytes(7)))
    assert names(tmp_path / "cache") == {"a.bin.part", "b.bin"}
    (tmp_path / "go").touch()
    builder.join(DEADLINE_SECONDS)
    assert builder.exitcode == 0
    assert read(Cache(tmp_path / "cache", 0), "a.bin", content(bytes(7))) == b"whole"


def ask_in_a_tight_cache(folder: Path, barrier: Barrier, seed: int) -> None:
    """Each file drives out the others, all the time."""
    cache, order = Cache(folder / "cache", 1500), np.random.default_rng(seed).integers(0, 4, 150)
    barrier.wait(DEADLINE_SECONDS)
    for which in order.tolist():
        data = bytes([which]) * 1000
        assert read(cache, f"{which}.bin", content(data)) == data


def test_a_cache_that_is_far_too_small_still_gives_what_is_asked(tmp_path: Path, processes: list[BaseProcess]) -> None:
    barrier = SPAWN.Barrier(2)
    processes += [SPAWN.Process(target=ask_in_a_tight_cache, args=(tmp_path, barrier, seed)) for seed in range(2)]
    assert exit_codes(processes) == [0] * len(processes)
    assert all(name.endswith(".bin") for name in names(tmp_path / "cache"))


# Its size


def test_what_was_not_used_for_the_longest_time_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 3000)
    for age, name in enumerate("abc"):
        read(cache, name, content(bytes(1000)))
        os.utime(tmp_path / name, ns=(age, age))
    read(cache, "a", content(bytes(0)))
    read(cache, "d", content(bytes(1000)))
    assert names(tmp_path) == {"a", "c", "d"}
    read(cache, "e", content(bytes(2500)))
    assert names(tmp_path) == {"e"}


def test_what_was_not_used_for_so_long_is_forgotten(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 3000)
    cache.remove_unused(30)
    for days, name in ((31, "old"), (29, "new"), (40, "used")):
        read(cache, name, content(b"kept"))
        used_at = time.time() - days * SECONDS_PER_DAY
        os.utime(tmp_path / "cache" / name, (used_at, used_at))
    read(cache, "used", content(b""))
    cache.remove_unused(30)
    assert names(tmp_path / "cache") == {"new", "used"}


def test_the_newest_stays_even_if_it_is_too_large(tmp_path: Path) -> None:
    assert len(read(Cache(tmp_path, 10), "a", content(bytes(1000)))) == 1000
    assert names(tmp_path) == {"a"}


def test_who_reads_a_file_keeps_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10)
    with cache.open("a", content(b"a" * 100)) as file:
        read(cache, "b", content(bytes(100)))
        assert names(tmp_path) == {"b"}
        assert file.read() == b"a" * 100


# What goes wrong


def test_a_failed_build_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise JobError("media", "broken", field="avatar")

    for _ in range(2):
        with pytest.raises(JobError):
            Cache(tmp_path, 1000).open("a", fail)
        assert names(tmp_path) == set()
    assert read(Cache(tmp_path, 1000), "a", content(bytes(3))) == bytes(3)


def refused(folder: Path, build: Callable[[Path], None], code: str = "cache") -> None:
    with pytest.raises(StageError) as caught:
        Cache(folder, 1000).open("a", build)
    assert caught.value.code == code
    assert str(folder) in caught.value.message
    assert caught.value.hint


def test_a_cache_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "cache", content(bytes(1)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refused(tmp_path, content(bytes(1)))


def test_what_may_be_read_but_not_marked_as_used_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a file that belongs to another user."""

    def utime(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    (tmp_path / "a").write_bytes(b"kept")
    monkeypatch.setattr(os, "utime", utime)
    assert read(Cache(tmp_path, 1000), "a", content(b"made")) == b"kept"


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    refused(tmp_path, lambda path: content(b"a")(Path("/dev/full")), "disk_full")
    assert names(tmp_path) == set()


# Avatars


def avatar_of(spool: Path, name: str, settings: str = "", **limits: int) -> Avatar:
    (spool / "avatars" / name / "avatar.yaml").write_text(settings)
    return Avatars(Config(base=spool, limits=LimitsSettings(**limits))).load(name)


def clip_of(avatar: Avatar) -> Clip:
    scene = avatar.fitted(None).scene
    assert isinstance(scene, Clip)
    return scene


@pytest.fixture
def anna(tmp_path: Path) -> Path:
    """The folder of a video avatar."""
    folder = tmp_path / "avatars" / "anna"
    folder.mkdir(parents=True)
    write_clip(folder / "anna.mp4", film(swaying(30)))
    return folder


def test_equal_videos_are_looked_at_once(anna: Path, tmp_path: Path) -> None:
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
        ("crop: [10, 0, 512, 512]", {}, {"npz", "i420"}),
        ("size: 128x128", {}, {"i420"}),
        ("", {"avatar_seconds": 1}, {"npz", "i420"}),
    ],
)
def test_other_settings_are_another_entry(
    settings: str, limits: dict[str, int], more: set[str], anna: Path, tmp_path: Path
) -> None:
    avatar_of(tmp_path, "anna").fitted(None)
    before = names(tmp_path / "cache")
    avatar_of(tmp_path, "anna", settings, **limits).fitted(None)
    assert {name.rpartition(".")[2] for name in names(tmp_path / "cache") - before} == more


def test_what_an_earlier_version_has_kept_is_not_used(
    anna: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    avatar_of(tmp_path, "anna").fitted(None)
    before = names(tmp_path / "cache")
    for module in (video, faces):
        monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    avatar_of(tmp_path, "anna").fitted(None)
    assert {name.rpartition(".")[2] for name in names(tmp_path / "cache") - before} == {"json", "npz", "i420"}


def test_a_changed_video_is_another_entry(anna: Path, tmp_path: Path) -> None:
    avatars = Avatars(Config(base=tmp_path))
    assert clip_of(avatars.load("anna")).frames == 30
    write_clip(anna / "anna.mp4", film(swaying(20)))
    assert clip_of(avatars.load("anna")).frames == 20
    assert len(names(tmp_path / "cache")) == 6


def overwritten_after(count: int, file: Path, data: bytes, read: Callable[..., Iterator[Picture]]) -> Any:
    """A reader of frames that overwrites the file, in place, when it has given some of them."""

    def reader(*arguments: Any, **options: Any) -> Iterator[Picture]:
        frames = read(*arguments, **options)
        yield from islice(frames, count)
        file.write_bytes(data)
        yield from frames

    return reader


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("reader", ["rgb_frames", "i420_frames"])
def test_a_video_that_is_overwritten_while_it_is_read_is_read_again(
    reader: str, count: int, anna: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of it is not kept as either video's."""
    file, avatars = anna / "anna.mp4", Avatars(Config(base=tmp_path))
    one, other = file.read_bytes(), write_clip(tmp_path / "other.mp4", film(swaying(20))).read_bytes()
    avatar = avatars.load("anna")
    with monkeypatch.context() as patch, pytest.raises(StageError) as caught:
        patch.setattr(clips, reader, overwritten_after(count, file, other, getattr(clips, reader)))
        avatar.fitted(None)
    assert caught.value.code == "avatar_changed"
    for data, frames in ((other, 20), (one, 30)):
        file.write_bytes(data)
        again = avatars.load("anna")
        assert isinstance(again.faces, Faces)
        assert (len(again.faces.seen), clip_of(again).frames) == (frames, frames)


def test_a_video_that_is_being_copied_is_not_yet_refused(
    anna: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of one is the job's fault only if nothing changes any more."""
    file, avatars = anna / "anna.mp4", Avatars(Config(base=tmp_path))
    avatar = avatars.load("anna")
    reader = overwritten_after(0, file, file.read_bytes()[:1000], clips.rgb_frames)
    with monkeypatch.context() as patch, pytest.raises(StageError):
        patch.setattr(clips, "rgb_frames", reader)
        avatar.fitted(None)
    with pytest.raises(JobError) as caught:
        avatars.load("anna")
    assert caught.value.code == "media"


def test_a_picture_that_is_overwritten_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "avatars" / "anna").mkdir(parents=True)
    picture = tmp_path / "avatars" / "anna" / "a.png"
    picture.write_bytes(FILE.read_bytes())

    def overwritten(file: Path, pixels_max: int) -> Picture:
        Image.fromarray(portrait()[:400, :400]).save(file)
        return read_picture(file, pixels_max)

    avatars = Avatars(Config(base=tmp_path))
    with monkeypatch.context() as patch, pytest.raises(StageError) as caught:
        patch.setattr(library, "read_picture", overwritten)
        avatars.load("anna")
    assert caught.value.code == "avatar_changed"
    assert avatars.load("anna").sides == (400, 400)


def test_another_video_of_the_same_time_is_another_entry(anna: Path, tmp_path: Path) -> None:
    """As archives and copies that keep the time leave them."""
    file, avatars = anna / "anna.mp4", Avatars(Config(base=tmp_path))
    assert clip_of(avatars.load("anna")).frames == 30
    other, time_ns = write_clip(tmp_path / "other.mp4", film(swaying(20))), file.stat().st_mtime_ns
    os.utime(other, ns=(time_ns, time_ns))
    other.rename(file)
    assert clip_of(avatars.load("anna")).frames == 20


def test_a_picture_is_looked_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "avatars" / "astronaut"
    folder.mkdir(parents=True)
    (folder / "a.png").hardlink_to(FILE)
    first = avatar_of(tmp_path, "astronaut").faces
    [kept] = [tmp_path / "cache" / name for name in names(tmp_path / "cache")]
    inode = kept.stat().st_ino
    second = avatar_of(tmp_path, "astronaut").faces
    assert kept.stat().st_ino == inode
    assert isinstance(first, Faces)
    assert isinstance(second, Faces)
    assert np.array_equal(first.boxes, second.boxes)


def prepare(spool: Path, barrier: Barrier) -> None:
    """As a worker does that gets a chunk."""
    barrier.wait(DEADLINE_SECONDS)
    assert clip_of(Avatars(Config(base=spool)).load("anna")).frames == 30


def test_workers_prepare_a_video_together(anna: Path, tmp_path: Path, processes: list[BaseProcess]) -> None:
    barrier = SPAWN.Barrier(2)
    processes += [SPAWN.Process(target=prepare, args=(tmp_path, barrier)) for _ in range(2)]
    assert exit_codes(processes) == [0] * len(processes)
    assert len(names(tmp_path / "cache")) == 3


def prepare_large(spool: Path) -> None:
    clip_of(avatar_of(spool, "anna", "size: 1080x1080"))


def test_a_worker_killed_while_it_decodes_leaves_no_half_video(
    anna: Path, tmp_path: Path, processes: list[BaseProcess]
) -> None:
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
    assert scene.frames == 30
    assert not list(tmp_path.glob("cache/*.part"))


def test_a_tiny_cache_makes_no_difference_to_the_video(anna: Path, tmp_path: Path) -> None:
    """Given room for the larger frames alone, then both are shown."""
    config = Config(base=tmp_path, avatars=AvatarsSettings(cache_bytes=30 * 192 * 128 + 1))
    large, small = (Avatars(config).load("anna").fitted(size).scene for size in ((128, 128), (64, 64)))
    assert isinstance(large, Clip)
    assert isinstance(small, Clip)
    assert large.read(29).shape == (192, 128)
    assert small.read(29).shape == (96, 64)


def test_a_video_whose_frames_take_more_than_the_cache_is_refused(anna: Path, tmp_path: Path) -> None:
    avatars = Avatars(Config(base=tmp_path, avatars=AvatarsSettings(cache_bytes=30 * 192 * 128 - 1)))
    with pytest.raises(JobError) as caught:
        avatars.load("anna").fitted((128, 128))
    assert (caught.value.code, caught.value.field) == ("too_large", "avatar")
    assert not list((tmp_path / "cache").glob("*.part"))
