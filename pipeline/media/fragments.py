"""Fragmented MP4 for streaming (CMAF) from already encoded H.264 and AAC.

The boxes are written here, not by ffmpeg, so that the times of each fragment are exact to the tick regardless of the
fragments before it, and equal frames give equal bytes. The layouts follow ISO/IEC 14496-12, -14 and -15.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path

from pipeline.errors import StageError
from pipeline.media.aac import FRAME_SAMPLES
from pipeline.media.encoder import TIMESCALE_HZ
from pipeline.media.pcm import TRACK_RATE_HZ

VIDEO_TRACK, AUDIO_TRACK = 1, 2
KEYFRAME_FLAGS, OTHER_FLAGS = 0x02000000, 0x01010000
"""Sample flags: depends on no other sample; depends on others and is not a keyframe."""
AUDIO_SPECIFIC_CONFIG = bytes([0x11, 0x88])
"""AAC-LC, 48 kHz, mono."""
UNITY = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
"""Identity matrix: the picture is shown unchanged."""
VISUAL_ENTRY_BYTES = 86
"""Size of the fixed part of a video sample entry, before its child boxes."""


@dataclass(frozen=True)
class Sample:
    """One encoded frame of video or audio."""

    data: bytes
    ticks: int
    """Duration in units of its track's clock."""
    flags: int = KEYFRAME_FLAGS


@dataclass(frozen=True)
class Run:
    """Consecutive samples of one track."""

    track: int
    start_ticks: int
    samples: Sequence[Sample]


@dataclass(frozen=True)
class Video:
    """The contents of a video-only MP4."""

    entry: bytes
    """The sample entry: size, profile, parameter sets."""
    samples: list[Sample]

    @property
    def parameters(self) -> bytes:
        """The decoder configuration: videos with equal parameters can follow each other."""
        return _inside(self.entry[VISUAL_ENTRY_BYTES:], "avcC")


def read_video(path: Path, frame_ticks: int) -> Video:
    """Read a segment as `pipeline.media.encoder` writes it. Raises StageError if it is anything else."""
    data = path.read_bytes()
    table = _inside(data, "moov", "trak", "mdia", "minf", "stbl")
    size, count, *sizes = _numbers(_inside(table, "stsz")[4:])
    sizes = [size] * count if size else sizes
    keyframes = set(_numbers(_inside(table, "stss")[8:]))
    samples = [
        Sample(data[at : at + size], frame_ticks, KEYFRAME_FLAGS if number in keyframes else OTHER_FLAGS)
        for number, (at, size) in enumerate(zip(_offsets(table, sizes), sizes, strict=True), start=1)
    ]
    return Video(_inside(table, "stsd")[8:], samples)


def _offsets(table: bytes, sizes: Sequence[int]) -> Iterator[int]:
    """The offset of each sample in the file. Samples are grouped into chunks, and `stsc` counts them by runs of chunks.

    The chunks of a run have the same number of samples.
    """
    chunks = _numbers(_inside(table, "stco")[8:])
    runs = _numbers(_inside(table, "stsc")[8:])
    starts, counts = runs[::3], runs[1::3]
    remaining = iter(sizes)
    for first, count, end in zip(starts, counts, [*starts[1:], len(chunks) + 1], strict=True):
        for start in chunks[first - 1 : end - 1]:
            yield from accumulate(islice(remaining, count - 1), initial=start)
            next(remaining)


def _inside(data: bytes, *path: str) -> bytes:
    """The body of a nested box. Raises StageError if it is missing or empty."""
    for kind in path:
        data = next((body for found, body in _boxes(data) if found == kind.encode()), b"")
        if not data:
            raise StageError("segment", f"a segment has no {kind} box")
    return data


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += max(size, 8)


def _numbers(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 4}I", data))


def init(video: Video) -> bytes:
    """The init segment, which a player needs before the first fragment: the formats of both tracks."""
    movie = struct.pack(">4I IH 10x", 0, 0, TIMESCALE_HZ, 0, 0x10000, 0x100) + UNITY + bytes(24) + _u32(AUDIO_TRACK + 1)
    width, height = struct.unpack_from(">HH", video.entry, 32)
    tracks = (
        _track(VIDEO_TRACK, b"vide", TIMESCALE_HZ, video.entry, (width, height)),
        _track(AUDIO_TRACK, b"soun", TRACK_RATE_HZ, _aac_entry(), (0, 0)),
    )
    extends = [_full("trex", 0, struct.pack(">5I", track, 1, 0, 0, 0)) for track in (VIDEO_TRACK, AUDIO_TRACK)]
    brands = b"iso6" + _u32(0) + b"iso6cmfcmp41"
    return _box("ftyp", brands) + _box("moov", _full("mvhd", 0, movie), *tracks, _box("mvex", *extends))


def _track(number: int, kind: bytes, scale_hz: int, entry: bytes, size: tuple[int, int]) -> bytes:
    is_sound = kind == b"soun"
    place = struct.pack(">5I 8x 3H 2x", 0, 0, number, 0, 0, 0, 0, 0x100 if is_sound else 0)
    shown = place + UNITY + struct.pack(">2I", size[0] << 16, size[1] << 16)
    clock = struct.pack(">4I 2H", 0, 0, scale_hz, 0, 0x55C4, 0)
    header = _full("smhd", 0, bytes(4)) if is_sound else _full("vmhd", 1, bytes(8))
    here = _box("dinf", _full("dref", 0, _u32(1), _full("url ", 1)))
    tables = [_full("stsd", 0, _u32(1), entry), *(_full(kind, 0, _u32(0)) for kind in ("stts", "stsc", "stco"))]
    samples = _box("stbl", *tables, _full("stsz", 0, bytes(8)))
    handler = _full("hdlr", 0, bytes(4), kind, bytes(13))
    media = _box("mdia", _full("mdhd", 0, clock), handler, _box("minf", header, here, samples))
    return _box("trak", _full("tkhd", 3, shown), media)


def _aac_entry() -> bytes:
    decoder = struct.pack(">BB 3x 8x", 0x40, 0x15) + _descriptor(5, AUDIO_SPECIFIC_CONFIG)
    stream = struct.pack(">HB", AUDIO_TRACK, 0) + _descriptor(4, decoder) + _descriptor(6, b"\x02")
    sound = struct.pack(">6x H 8x HH 4x I", 1, 1, 16, TRACK_RATE_HZ << 16)
    return _box("mp4a", sound, _full("esds", 0, _descriptor(3, stream)))


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes([tag, len(body)]) + body


def fragment(number: int, *runs: Run) -> bytes:
    """One fragment from a run of each track; `number` increases from fragment to fragment."""
    size = len(_movie_fragment(number, runs, 0))
    media = b"".join(sample.data for run in runs for sample in run.samples)
    return _movie_fragment(number, runs, size + 8) + _box("mdat", media)


def _movie_fragment(number: int, runs: Sequence[Run], offset: int) -> bytes:
    """The index of a fragment; the first run's samples start `offset` bytes after the fragment does."""
    tracks = []
    for run in runs:
        tracks.append(_track_fragment(run, offset))
        offset += sum(len(sample.data) for sample in run.samples)
    return _box("moof", _full("mfhd", 0, _u32(number)), *tracks)


def _track_fragment(run: Run, offset: int) -> bytes:
    table = b"".join(struct.pack(">3I", sample.ticks, len(sample.data), sample.flags) for sample in run.samples)
    return _box(
        "traf",
        _full("tfhd", 0x020000, _u32(run.track)),  # offsets count from the start of the fragment
        _full("tfdt", 0x01000000, struct.pack(">Q", run.start_ticks)),
        _full("trun", 0x000701, struct.pack(">II", len(run.samples), offset), table),
    )


def sound_samples(frames: Sequence[bytes], start: int, end: int) -> list[Sample]:
    """AAC frames from sample `start` of the audio on; the last one lasts no longer than to sample `end`."""
    ticks = [min(FRAME_SAMPLES, end - at) for at in range(start, end, FRAME_SAMPLES)]
    return [Sample(data, length) for data, length in zip(frames, ticks, strict=True)]


def _box(kind: str, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I", 8 + len(body)) + kind.encode() + body


def _full(kind: str, version_and_flags: int, *bodies: bytes) -> bytes:
    return _box(kind, _u32(version_and_flags), *bodies)


def _u32(number: int) -> bytes:
    return struct.pack(">I", number)
