"""Video files as avatars: every kind that players support, and files that are refused."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from pipeline.avatars import Avatars
from pipeline.avatars.faces.choice import ANY
from pipeline.avatars.faces.results import Faces
from pipeline.avatars.folder import digest
from pipeline.avatars.video import VideoSource
from pipeline.config import Config
from pipeline.errors import ConfigError, JobError, StageError
from pipeline.media import clip_format, clips, ffmpeg
from pipeline.media.clips import View
from pipeline.media.pictures import Look
from tests.clips import SIDE, Affine, Picture, contours, film, portrait, swaying, write_clip
from tests.members import few, members
from tests.videos import SWAY_FRAMES, YUV, avatar_of, clip_of, errors, faces_of, refused, resized

# Kinds of videos


def turned(file: Path, quarters: int) -> Path:
    """Set an MP4's display matrix to a clockwise rotation."""
    cosine, sine = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    matrix = struct.pack(">9i", cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30)
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    before, track, after = file.read_bytes().partition(b"tkhd")
    assert upright in after[:100]
    file.write_bytes(before + track + after.replace(upright, matrix, 1))
    return file


def narrow(frames: list[Picture]) -> list[Picture]:
    """Frames for pixels twice as wide as high."""
    return resized(frames, (SIDE // 2, SIDE))


def lying(frames: list[Picture], quarters: int) -> list[Picture]:
    return [np.ascontiguousarray(np.rot90(frame, quarters)) for frame in frames]


KINDS: dict[str, Callable[[Path, list[Picture]], Path]] = {
    "turned 90": lambda path, frames: turned(write_clip(path / "a.mp4", lying(frames, 1)), 1),
    "turned 180": lambda path, frames: turned(write_clip(path / "a.mp4", lying(frames, 2)), 2),
    "turned 270": lambda path, frames: turned(write_clip(path / "a.mp4", lying(frames, 3)), 3),
    "anamorphic": lambda path, frames: write_clip(path / "a.mp4", narrow(frames), *YUV, "-vf", "setsar=2"),
    "anamorphic, turned": lambda path, frames: turned(
        write_clip(path / "a.mp4", narrow(lying(frames, 1)), *YUV, "-vf", "setsar=2"), 1
    ),
    "10-bit": lambda path, frames: write_clip(path / "a.mp4", frames, "-pix_fmt", "yuv420p10le"),
    "4:4:4": lambda path, frames: write_clip(path / "a.mkv", frames, "-pix_fmt", "yuv444p"),
    "VP9": lambda path, frames: write_clip(
        path / "a.webm", frames, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"
    ),
    "MPEG-4": lambda path, frames: write_clip(path / "a.avi", frames, "-c:v", "mpeg4", "-q:v", "2"),
}


@pytest.mark.parametrize("kind", members(KINDS, "turned 90", "10-bit", "VP9"))
def test_every_kind_of_video_is_decoded_as_in_a_player(kind: str, tmp_path: Path, portrait_faces: Faces) -> None:
    places: list[Affine | None] = [*swaying(4)]
    avatar = avatar_of(KINDS[kind](tmp_path, film(places)), tmp_path)
    assert avatar.sides == (SIDE, SIDE)
    assert errors(contours(faces_of(avatar).landmarks), places, portrait_faces).mean(1).max() < 0.03
    scene = clip_of(avatar.fitted(None))
    assert (scene.size, scene.frames, scene.rate) == ((SIDE, SIDE), 4, Fraction(25))
    luma = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) * (219 / 255) + 16 for frame in film(places)]
    for index, expected in enumerate(luma):
        assert np.abs(scene.read(index)[:SIDE] - expected).mean() < 8


@pytest.mark.parametrize("quarters", few([1, 3], 1))
def test_a_rotated_video_has_its_displayed_width(quarters: int, tmp_path: Path, portrait_faces: Faces) -> None:
    places: list[Affine | None] = [*swaying(3)]
    tall = [np.ascontiguousarray(frame[:, :200]) for frame in film(places)]
    avatar = avatar_of(turned(write_clip(tmp_path / "a.mp4", lying(tall, quarters)), quarters), tmp_path)
    assert avatar.sides == avatar.fitted(None).scene.size == (200, SIDE)
    assert errors(contours(faces_of(avatar).landmarks), places, portrait_faces).mean(1).max() < 0.02


def test_sides_may_be_odd(tmp_path: Path) -> None:
    frames = [np.ascontiguousarray(frame[:255, :253]) for frame in film(swaying(3))]
    avatar = avatar_of(write_clip(tmp_path / "a.mkv", frames, "-pix_fmt", "yuv444p"), tmp_path)
    assert avatar.sides == (253, 255)
    assert avatar.fitted(None).scene.size == (252, 254)
    assert faces_of(avatar).seen.all()


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    scene = clip_of(avatar_of(write_clip(tmp_path / "a.mp4", film(swaying(1))), tmp_path).fitted(None))
    assert scene.frames == 1
    assert (scene.shown(0, 100, 25) == 0).all()


def test_a_variable_rate_becomes_a_constant_one(tmp_path: Path) -> None:
    """Ten frames at 25 fps, then ten at 5 fps: 2.4 s in total."""
    slow = "setpts='if(lt(N,10),N,10+(N-10)*5)/25/TB'"
    file = write_clip(tmp_path / "a.mp4", film(swaying(20)), *YUV, "-vf", slow, "-vsync", "vfr")
    scene = clip_of(avatar_of(file, tmp_path).fitted(None))
    assert scene.frames / scene.rate == pytest.approx(2.4, abs=0.25)
    changes = [not np.array_equal(scene.read(n), scene.read(n + 1)) for n in range(scene.frames - 1)]
    half = round(float(scene.rate * Fraction(4, 10)))
    assert all(changes[: half - 1])
    assert sum(changes[half:]) <= 11


def test_a_video_that_ffmpeg_decodes_with_warnings_is_accepted(tmp_path: Path) -> None:
    """Given a video trimmed inside an open GOP without re-encoding."""
    open_groups = ("-bf", "3", "-g", "20", "-x264-params", "open-gop=1:bframes=3:scenecut=0")
    whole = write_clip(tmp_path / "whole.mp4", film(swaying(SWAY_FRAMES)), *YUV, *open_groups)
    trim = ["ffmpeg", "-v", "error", "-ss", "0.9", "-i", str(whole), "-c", "copy", str(tmp_path / "trimmed.mp4")]
    subprocess.run(trim, check=True)
    watch = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "trimmed.mp4"), "-f", "null", "-"]
    assert subprocess.run(watch, check=True, capture_output=True).stderr
    assert faces_of(avatar_of(tmp_path / "trimmed.mp4", tmp_path)).seen.all()


def test_much_output_on_stderr_does_not_block_reading(sway: Path) -> None:
    """More than a pipe can buffer: the statistics of each frame, six times over."""
    chatty = (
        ffmpeg.source(sway, clip_format.FORMATS)["v:0"].filter("loop", loop=5, size=SWAY_FRAMES).filter("signalstats")
    )
    chatty = chatty.filter("metadata", mode="print", file="/dev/stderr")
    assert sum(1 for _ in ffmpeg.read_frames(chatty, "gray", SIDE * SIDE, "avatar", 60)) == 6 * SWAY_FRAMES


def test_the_end_of_much_stderr_output_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program writes 20 MB of errors, and cannot write large files."""
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\nulimit -f 1000\nseq 3000000 >&2\nexit 1\n")
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    source = ffmpeg.source(tmp_path / "video.mp4", clip_format.FORMATS)
    tracemalloc.start()
    try:
        with pytest.raises(JobError, match=r"ffmpeg: 3000000$"):
            list(ffmpeg.read_frames(source, "gray", SIDE * SIDE, "avatar", 60))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_killed_ffmpeg_is_an_error_not_the_end_of_the_video(sway: Path) -> None:
    before = set(psutil.Process().children())
    frames = clips.rgb_frames(
        sway, clip_format.probe(sway, "avatar"), View(Look(), (0, 0, SIDE, SIDE), (512, 512)), seconds=9
    )
    next(frames)
    (decoder,) = set(psutil.Process().children()) - before
    assert decoder.name() == "ffmpeg"
    decoder.kill()
    with pytest.raises(StageError) as caught:
        list(frames)
    assert caught.value.code == "media_killed"


# Files that are refused


def lost_index(whole: bytes) -> bytes:
    """An MP4 without its index, which is at the end."""
    return whole[: whole.index(b"moov") - 4]


BAD: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda whole: b"",
    "noise": lambda whole: np.random.default_rng(1).bytes(20_000),
    "text": lambda whole: b"Hello, I am not a video.\n" * 100,
    "no index": lost_index,
    "half": lambda whole: whole[: len(whole) // 2],
    "one box": lambda whole: whole[:40],
    "HLS": lambda whole: b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\nsway.mp4\n#EXT-X-ENDLIST\n",
    "ffconcat": lambda whole: b"ffconcat version 1.0\nfile sway.mp4\n",
    "picture": lambda whole: cv2.imencode(".png", portrait())[1].tobytes(),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_not_a_video_is_refused(kind: str, sway: Path, tmp_path: Path) -> None:
    """The playlists refer to a video next to them: if it were opened, they would play."""
    (tmp_path / "bad.mp4").write_bytes(BAD[kind](sway.read_bytes()))
    folder = tmp_path / "avatars" / "0"
    error = refused_next_to(tmp_path / "bad.mp4", sway, folder)
    assert error.code == "media"
    assert not list(tmp_path.glob("cache/*.i420"))


def refused_next_to(file: Path, other: Path, folder: Path) -> JobError:
    folder.mkdir(parents=True)
    video = folder / "bad.mp4"
    video.hardlink_to(file)
    shutil.copy(other, folder / "sway.mp4")
    cache = Avatars(Config(base=folder.parent.parent))._cache
    with pytest.raises(JobError) as caught:
        VideoSource.open(video, digest(video), cache, Look(), pixels_max=10**7, seconds_max=10).find_faces(
            (0, 0, SIDE, SIDE), ANY
        )
    return caught.value


@pytest.mark.parametrize("part", few([0.3, 0.6, 0.95], 0.6))
def test_a_truncated_video_is_refused(part: float, sway: Path, tmp_path: Path) -> None:
    """Its index is at the start, so only frames are missing."""
    argv = ["ffmpeg", "-v", "error", "-i", str(sway), "-c", "copy", "-movflags", "+faststart", str(tmp_path / "a.mp4")]
    subprocess.run(argv, check=True)
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: int(part * len(whole))])
    assert refused(tmp_path / "cut.mp4", tmp_path).code == "media"
    kept = {"".join(file.suffixes) for file in tmp_path.glob("cache/*")}
    assert kept <= {".json", ".json.lock", ".npz.lock", ".i420.lock"}  # its header is whole


def test_a_known_video_needs_no_ffmpeg(sway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise each new worker would have to wait for ffmpeg to start."""
    folder = tmp_path / "avatars" / "anna"
    folder.mkdir(parents=True)
    shutil.copy(sway, folder)
    known = Avatars(Config(base=tmp_path)).load("anna").fitted((256, 256))
    monkeypatch.setenv("PATH", "")
    again = Avatars(Config(base=tmp_path)).load("anna").fitted((256, 256))
    assert np.array_equal(clip_of(again).read(3), clip_of(known).read(3))
    assert again.scene.size == known.scene.size
    (folder / "sway.mp4").write_bytes(sway.read_bytes()[:-1])
    with pytest.raises(ConfigError, match="is not installed"):
        Avatars(Config(base=tmp_path)).load("anna")


def test_a_file_with_sound_only_is_refused(tmp_path: Path) -> None:
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine", "-t", "1", str(tmp_path / "a.mp4")]
    subprocess.run(argv, check=True)
    error = refused(tmp_path / "a.mp4", tmp_path)
    assert (error.code, "contains no video" in error.message) == ("media", True)


def test_an_unreadable_video_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "avatars" / "anna"
    folder.mkdir(parents=True)
    (folder / "a.mp4").symlink_to("/proc/self/mem")
    with pytest.raises(JobError) as caught:
        Avatars(Config(base=tmp_path)).load("anna")
    assert (caught.value.code, caught.value.field) == ("media", "avatar")


def test_a_long_video_is_refused(sway: Path, tmp_path: Path) -> None:
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=s=64x64:r=1", "-t", "4", str(tmp_path / "a.mp4")]
    subprocess.run(argv, check=True)
    assert refused(tmp_path / "a.mp4", tmp_path, avatar_seconds=2).code == "too_long"


def test_a_video_of_unknown_length_is_read_up_to_the_limit(sway: Path, tmp_path: Path) -> None:
    argv = ["ffmpeg", "-v", "error", "-i", str(sway), "-c", "copy", "-f", "matroska", "-"]
    (tmp_path / "a.mkv").write_bytes(subprocess.run(argv, check=True, capture_output=True).stdout)
    assert clip_format.probe(tmp_path / "a.mkv", "avatar").seconds is None
    scene = clip_of(avatar_of(tmp_path / "a.mkv", tmp_path, avatar_seconds=1).fitted(None))
    assert scene.frames == 25
    assert len(scene.order) == 25


@pytest.mark.parametrize("options", [(), ("-vf", "setsar=1000")], ids=["square", "wide pixels"])
def test_a_video_of_too_many_pixels_is_refused(options: tuple[str, ...], tmp_path: Path) -> None:
    file = write_clip(tmp_path / "a.mp4", film([None]), *YUV, *options)
    limit = SIDE * SIDE * 2 if options else SIDE * SIDE - 1
    assert refused(file, tmp_path, picture_pixels=limit).code == "too_many_pixels"
