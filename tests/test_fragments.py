"""Fragmented MP4: what is read from a segment, and every byte that is written."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StageError
from pipeline.media import fragments
from pipeline.media.fragments import AUDIO_TRACK, KEYFRAME_FLAGS, OTHER_FLAGS, VIDEO_TRACK, Run, Sample, Video
from pipeline.media.samples import located
from tests.hls import inside, track_runs

FRAMES, GOP = 60, 25
TICKS = 3600

INIT_SHA256 = "1d008b73b98425d2916b7e5ef503fa5d2a299869307ec43c8075d8ec268d87e6"
FRAGMENT_SHA256 = "3bcefdb129dd112e1972b055510dfde4df6f54b590b67e5847e1ce01ca9464ad"
"""Of what this code wrote when ffprobe read its streams and a browser played them (`test_player.py`)."""


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segment with a keyframe every second, which ffmpeg stores in several chunks."""
    return encoded(tmp_path_factory.mktemp("segment") / "segment.mp4", FRAMES, GOP)


def encoded(path: Path, frames: int, gop: int) -> Path:
    pattern = f"testsrc=size=64x48:rate=25:duration={frames / 25}"
    options = f"-c:v libx264 -bf 0 -g {gop} -keyint_min {gop} -sc_threshold 0 -video_track_timescale 90000"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", pattern, *options.split(), path], check=True)
    return path


def packets(path: Path) -> list[dict[str, Any]]:
    """The packets of a file as ffprobe finds them."""
    argv = ["ffprobe", "-v", "error", "-show_packets", "-of", "json", str(path)]
    found: list[dict[str, Any]] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)["packets"]
    return found


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def synthetic() -> Video:
    """A video whose sample entry is made up: 320 by 240, with a decoder configuration."""
    entry = box(b"avc1", bytes(24) + struct.pack(">HH", 320, 240) + bytes(50) + box(b"avcC", b"\x01setup"))
    return Video(entry, [Sample(b"key", TICKS), Sample(b"other", TICKS, OTHER_FLAGS)])


def test_a_segments_frames_are_read_as_ffprobe_finds_them(segment: Path) -> None:
    data, expected = segment.read_bytes(), packets(segment)
    samples = fragments.read_video(segment, TICKS).samples
    assert len(samples) == FRAMES
    for sample, packet in zip(samples, expected, strict=True):
        at = int(packet["pos"])
        assert sample.data == data[at : at + int(packet["size"])]
        assert sample.ticks == TICKS
        assert sample.flags == (KEYFRAME_FLAGS if packet["flags"].startswith("K") else OTHER_FLAGS)
    assert [number for number, sample in enumerate(samples) if sample.flags == KEYFRAME_FLAGS] == [0, 25, 50]


@pytest.mark.parametrize(("frames", "gop"), [(1, 25), (3, 1)])
def test_where_no_keyframes_are_listed_every_frame_is_one(frames: int, gop: int, tmp_path: Path) -> None:
    path = encoded(tmp_path / "short.mp4", frames, gop)
    assert b"stss" not in path.read_bytes()
    flags = [sample.flags for sample in fragments.read_video(path, TICKS).samples]
    assert flags == [KEYFRAME_FLAGS] * frames


@pytest.mark.parametrize(
    ("runs", "places"),
    [
        ([(1, 3)], [100, 110, 130, 200, 240, 290, 300, 370, 450]),
        ([(1, 3), (3, 1)], [100, 110, 130, 200, 240, 290, 300]),
        ([(1, 1), (2, 2), (3, 3)], [100, 200, 220, 300, 340, 390]),
    ],
)
def test_samples_are_found_in_chunks_of_unequal_length(runs: list[tuple[int, int]], places: list[int]) -> None:
    """Three chunks, at 100, 200 and 300."""
    body = struct.pack(">2I", 0, len(runs)) + b"".join(struct.pack(">3I", *run, 1) for run in runs)
    sizes = [10 * (number + 1) for number in range(len(places))]
    stsz = struct.pack(f">{3 + len(sizes)}I", 0, 0, len(sizes), *sizes)
    table = {b"stsz": stsz, b"stco": struct.pack(">5I", 0, 3, 100, 200, 300), b"stsc": body}
    assert [at for at, _ in located(table, 1000)] == places


def test_frames_of_equal_size_are_read_from_the_table_that_names_it_once(tmp_path: Path) -> None:
    table = (
        box(b"stsd", struct.pack(">2I", 0, 1) + synthetic().entry)
        + box(b"stsz", struct.pack(">3I", 0, 4, 2))
        + box(b"stss", struct.pack(">3I", 0, 1, 1))
        + box(b"stco", struct.pack(">3I", 0, 1, 0))
        + box(b"stsc", struct.pack(">5I", 0, 1, 1, 2, 1))
    )
    path = tmp_path / "video.mp4"
    movie = box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", table)))))
    path.write_bytes(movie)
    video = fragments.read_video(path, 7)
    assert video.entry == synthetic().entry
    assert video.samples == [Sample(movie[:4], 7, KEYFRAME_FLAGS), Sample(movie[4:8], 7, OTHER_FLAGS)]


@pytest.mark.parametrize(
    ("data", "missing"),
    [(b"", "moov"), (b"\0\0", "moov"), (box(b"moov", box(b"mvhd", b"x")), "trak"), (bytes(64), "moov")],
)
def test_a_file_without_a_box_is_refused(data: bytes, missing: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.mp4"
    path.write_bytes(data)
    with pytest.raises(StageError, match=f"a segment has no {missing}") as caught:
        fragments.read_video(path, TICKS)
    assert caught.value.code == "segment"


def test_the_decoder_configuration_is_compared_between_pieces() -> None:
    assert synthetic().parameters == b"\x01setup"


def runs() -> tuple[Run, Run]:
    sound = [Sample(b"one", 1024), Sample(b"four", 1000)]
    return Run(VIDEO_TRACK, 7200, synthetic().samples), Run(AUDIO_TRACK, 3072, sound)


def test_what_is_written_never_changes() -> None:
    assert hashlib.sha256(fragments.init(synthetic())).hexdigest() == INIT_SHA256
    assert hashlib.sha256(fragments.fragment(9, *runs())).hexdigest() == FRAGMENT_SHA256


def test_a_fragment_names_its_samples(tmp_path: Path) -> None:
    data = fragments.fragment(9, *runs())
    assert list(track_runs(data)) == [(VIDEO_TRACK, 7200, 7200, 2), (AUDIO_TRACK, 3072, 2024, 2)]
    [moof] = inside(data, "moof")
    assert inside(moof, "mfhd") == [struct.pack(">2I", 0, 9)]
    offsets = [struct.unpack_from(">I", inside(traf, "trun")[0], 8)[0] for traf in inside(moof, "traf")]
    assert [data[at : at + length] for at, length in zip(offsets, (8, 7), strict=True)] == [b"keyother", b"onefour"]


def test_players_find_every_frame_at_its_time(segment: Path, tmp_path: Path) -> None:
    """ffprobe reads init segment and fragments together; the second fragment continues the first."""
    video = fragments.read_video(segment, TICKS)
    path = tmp_path / "stream.mp4"
    parts = [fragments.init(video)]
    for number, (first, stop) in enumerate([(0, 25), (25, 60)], start=1):
        parts.append(fragments.fragment(number, Run(VIDEO_TRACK, first * TICKS, video.samples[first:stop])))
    path.write_bytes(b"".join(parts))
    found = packets(path)
    assert [packet["pts"] for packet in found] == [number * TICKS for number in range(FRAMES)]
    assert [int(packet["size"]) for packet in found] == [len(sample.data) for sample in video.samples]
    argv = ["ffprobe", "-v", "error", "-show_entries", "stream=width,height,sample_rate,channels", "-of", "json"]
    streams = json.loads(subprocess.run([*argv, path], check=True, capture_output=True).stdout)["streams"]
    assert streams == [{"width": 64, "height": 48}, {"sample_rate": "48000", "channels": 1}]


def test_the_last_sound_frame_is_shown_no_longer_than_to_the_end() -> None:
    samples = fragments.sound_samples([b"a", b"b", b"c"], 1024, 4000)
    assert samples == [Sample(b"a", 1024), Sample(b"b", 1024), Sample(b"c", 928)]
    with pytest.raises(ValueError, match="zip"):
        fragments.sound_samples([b"a"], 0, 2048)
