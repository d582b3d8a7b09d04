"""A piece of a stream as a file of its own, which begins at time 0."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pipeline.media.boxes import FILE_TYPE, FIRST, MOVIE, box, find, full_box, spans, u32
from pipeline.media.encoder import TIMESCALE_HZ
from pipeline.media.fragments import AUDIO_TRACK, VIDEO_TRACK
from pipeline.media.pcm import TRACK_RATE_HZ

CLOCKS_HZ = {VIDEO_TRACK: TIMESCALE_HZ, AUDIO_TRACK: TRACK_RATE_HZ}
FRAGMENT, TRACK_FRAGMENT, EXTENDS = b"moof", b"traf", b"mvex"
SAMPLE_BYTES = 12
"""Size of one sample's row in a run, as `fragments` writes it: ticks, bytes, flags."""


@dataclass(frozen=True)
class _TrackRun:
    """Where the times of one track in a fragment are."""

    track: int
    start_ticks: int
    start_at: int
    """Position of `start_ticks` in the fragment, 8 bytes."""
    first_at: int
    """Position of the first sample's ticks in the fragment, 4 bytes."""
    ticks: int
    """Length of all samples."""

    @property
    def start(self) -> Fraction:
        """In seconds of the stream."""
        return Fraction(self.start_ticks, CLOCKS_HZ[self.track])

    @property
    def end(self) -> Fraction:
        """In seconds of the stream."""
        return Fraction(self.start_ticks + self.ticks, CLOCKS_HZ[self.track])


def excerpt(init: bytes, fragments: Sequence[bytes]) -> bytes:
    """The file of a piece from the stream's init segment and the piece's fragments, as `fragments` writes them.

    A piece's sound begins up to 107 ms before its first frame. So that both begin at 0 and stay in step, the first
    frame is shown for that much longer.
    """
    first = {run.track: run for run in _runs(fragments[0])}
    start = min(run.start for run in first.values())
    end = max(run.end for run in _runs(fragments[-1]))
    gap_ticks = int((first[VIDEO_TRACK].start - start) * TIMESCALE_HZ)
    parts = [_shifted(fragment, start, gap_ticks if fragment is fragments[0] else 0) for fragment in fragments]
    others = [init[begin - 8 : stop] for kind, begin, stop in spans(init) if kind not in (FILE_TYPE, MOVIE)]
    return b"".join([FIRST, _with_length(init, end - start), *others, *parts])


def _runs(fragment: bytes) -> Iterator[_TrackRun]:
    for begin, stop in find(fragment, FRAGMENT, TRACK_FRAGMENT):
        at = {kind: start for kind, start, _ in spans(fragment, begin, stop)}
        track = struct.unpack_from(">I", fragment, at[b"tfhd"] + 4)[0]
        start_at, run = at[b"tfdt"] + 4, at[b"trun"]
        count = struct.unpack_from(">I", fragment, run + 4)[0]
        ticks = sum(struct.unpack_from(">I", fragment, run + 12 + SAMPLE_BYTES * index)[0] for index in range(count))
        yield _TrackRun(track, struct.unpack_from(">Q", fragment, start_at)[0], start_at, run + 12, ticks)


def _shifted(fragment: bytes, by_seconds: Fraction, gap_ticks: int) -> bytes:
    """A fragment that begins earlier. `gap_ticks`: how much earlier its first frame begins, to last longer."""
    changed = bytearray(fragment)
    for run in _runs(fragment):
        start = run.start_ticks - int(by_seconds * CLOCKS_HZ[run.track])
        if run.track == VIDEO_TRACK and gap_ticks:
            start -= gap_ticks
            ticks = struct.unpack_from(">I", fragment, run.first_at)[0]
            struct.pack_into(">I", changed, run.first_at, ticks + gap_ticks)
        struct.pack_into(">Q", changed, run.start_at, start)
    return bytes(changed)


def _with_length(init: bytes, seconds: Fraction) -> bytes:
    """The `moov` box of an init segment, with the length of all fragments: browsers show it."""
    length = full_box("mehd", 0, u32(int(seconds * TIMESCALE_HZ)))
    ((start, stop),) = find(init, MOVIE)
    parts = []
    for kind, begin, end in spans(init, start, stop):
        parts.append(box("mvex", length, init[begin:end]) if kind == EXTENDS else init[begin - 8 : end])
    return box("moov", *parts)
