"""Fragmented MP4 for streaming from already encoded H.264 and AAC.

The boxes are written here, not by ffmpeg, so that the times of each fragment are exact to the tick regardless of the
fragments before it, and equal frames give equal bytes. The layouts follow ISO/IEC 14496-12, -14 and -15.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StageError
from pipeline.media.aac import FRAME_SAMPLES
from pipeline.media.boxes import box, full_box, spans, u32
from pipeline.media.encoder import TIMESCALE_HZ
from pipeline.media.pcm import TRACK_RATE_HZ
from pipeline.media.samples import located, numbers

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
    tables = {name.encode(): _inside(table, name) for name in ("stsz", "stsc", "stco")}
    places = list(located(tables, len(data)))
    keyframes = _keyframes(table, len(places))
    samples = [
        Sample(data[at : at + size], frame_ticks, KEYFRAME_FLAGS if number in keyframes else OTHER_FLAGS)
        for number, (at, size) in enumerate(places, start=1)
    ]
    return Video(_inside(table, "stsd")[8:], samples)


def _keyframes(table: bytes, frames: int) -> set[int]:
    """The numbers of the keyframes, from 1 on. They are listed unless all are, as in a segment of one frame."""
    if all(kind != b"stss" for kind, _, _ in spans(table)):
        return set(range(1, frames + 1))
    return set(numbers(_inside(table, "stss")[8:]))


def _inside(data: bytes, *path: str) -> bytes:
    """The body of a nested box. Raises StageError if it is missing or empty."""
    for kind in path:
        data = next((data[start:end] for found, start, end in spans(data) if found == kind.encode()), b"")
        if not data:
            raise StageError("segment", f"a segment has no {kind} box")
    return data


def init(video: Video) -> bytes:
    """The init segment, which a player needs before the first fragment: the formats of both tracks."""
    movie = struct.pack(">4I IH 10x", 0, 0, TIMESCALE_HZ, 0, 0x10000, 0x100) + UNITY + bytes(24) + u32(AUDIO_TRACK + 1)
    width, height = struct.unpack_from(">HH", video.entry, 32)
    tracks = (
        _track(VIDEO_TRACK, b"vide", TIMESCALE_HZ, video.entry, (width, height)),
        _track(AUDIO_TRACK, b"soun", TRACK_RATE_HZ, _aac_entry(), (0, 0)),
    )
    extends = [full_box("trex", 0, struct.pack(">5I", track, 1, 0, 0, 0)) for track in (VIDEO_TRACK, AUDIO_TRACK)]
    brands = b"iso6" + u32(0) + b"iso6mp41"
    return box("ftyp", brands) + box("moov", full_box("mvhd", 0, movie), *tracks, box("mvex", *extends))


def _track(number: int, kind: bytes, scale_hz: int, entry: bytes, size: tuple[int, int]) -> bytes:
    is_sound = kind == b"soun"
    place = struct.pack(">5I 8x 3H 2x", 0, 0, number, 0, 0, 0, 0, 0x100 if is_sound else 0)
    shown = place + UNITY + struct.pack(">2I", size[0] << 16, size[1] << 16)
    clock = struct.pack(">4I 2H", 0, 0, scale_hz, 0, 0x55C4, 0)
    header = full_box("smhd", 0, bytes(4)) if is_sound else full_box("vmhd", 1, bytes(8))
    here = box("dinf", full_box("dref", 0, u32(1), full_box("url ", 1)))
    tables = [full_box("stsd", 0, u32(1), entry), *(full_box(kind, 0, u32(0)) for kind in ("stts", "stsc", "stco"))]
    samples = box("stbl", *tables, full_box("stsz", 0, bytes(8)))
    handler = full_box("hdlr", 0, bytes(4), kind, bytes(13))
    media = box("mdia", full_box("mdhd", 0, clock), handler, box("minf", header, here, samples))
    return box("trak", full_box("tkhd", 3, shown), media)


def _aac_entry() -> bytes:
    decoder = struct.pack(">BB 3x 8x", 0x40, 0x15) + _descriptor(5, AUDIO_SPECIFIC_CONFIG)
    stream = struct.pack(">HB", AUDIO_TRACK, 0) + _descriptor(4, decoder) + _descriptor(6, b"\x02")
    sound = struct.pack(">6x H 8x HH 4x I", 1, 1, 16, TRACK_RATE_HZ << 16)
    return box("mp4a", sound, full_box("esds", 0, _descriptor(3, stream)))


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes([tag, len(body)]) + body


def fragment(number: int, *runs: Run) -> bytes:
    """One fragment from a run of each track; `number` increases from fragment to fragment."""
    size = len(_movie_fragment(number, runs, 0))
    media = b"".join(sample.data for run in runs for sample in run.samples)
    return _movie_fragment(number, runs, size + 8) + box("mdat", media)


def _movie_fragment(number: int, runs: Sequence[Run], offset: int) -> bytes:
    """The index of a fragment; the first run's samples start `offset` bytes after the fragment does."""
    tracks = []
    for run in runs:
        tracks.append(_track_fragment(run, offset))
        offset += sum(len(sample.data) for sample in run.samples)
    return box("moof", full_box("mfhd", 0, u32(number)), *tracks)


def _track_fragment(run: Run, offset: int) -> bytes:
    table = b"".join(struct.pack(">3I", sample.ticks, len(sample.data), sample.flags) for sample in run.samples)
    return box(
        "traf",
        full_box("tfhd", 0x020000, u32(run.track)),  # offsets count from the start of the fragment
        full_box("tfdt", 0x01000000, struct.pack(">Q", run.start_ticks)),
        full_box("trun", 0x000701, struct.pack(">II", len(run.samples), offset), table),
    )


def sound_samples(frames: Sequence[bytes], start: int, end: int) -> list[Sample]:
    """AAC frames from sample `start` of the audio on; the last one lasts no longer than to sample `end`."""
    ticks = [min(FRAME_SAMPLES, end - at) for at in range(start, end, FRAME_SAMPLES)]
    return [Sample(data, length) for data, length in zip(frames, ticks, strict=True)]
