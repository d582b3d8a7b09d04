"""Pages of Ogg files that follow lost ones, and that ffmpeg times as if nothing was lost.

Gaps before those with Speex or FLAC are noticed only behind them, gaps before the last page not at all.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pipeline.media.damage import GAP_SECONDS_MIN, Frames, Gap
from pipeline.media.frame_sync import Bytes, mapped
from pipeline.media.parts import page_end

HEADER_BYTES, CHECKSUM_AT = 27, 22
STREAM = slice(14, 18)
"""Its serial number."""
CONTINUED, LAST = 1, 4
NEAR_SECONDS = 0.05
"""How far from the end of such a page a gap may seem to end."""
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


OPUS_RATE_HZ = 48_000
"""The clock of all Opus files."""


class _Page(NamedTuple):
    end_seconds: float
    is_continued: bool
    is_last: bool
    number: int
    packets: int
    """How many end in it."""


def with_late_pages(recording: Path, frames: Frames) -> list[Gap]:
    """The gaps of a file, each before the page that follows what was lost."""
    with mapped(recording) as data:
        late_hz = _late_rate_hz(data) if frames.gaps else 0
        late = list(_late(data, late_hz)) if late_hz else []
        lost = _lost_before_last_page(data, frames.seconds)
    gaps = [_moved(gap, late, frames.frame_seconds) for gap in frames.gaps]
    return gaps if lost is None else sorted([*gaps, lost], key=lambda gap: gap.start_seconds)


def _lost_before_last_page(data: Bytes, seconds: float) -> Gap | None:
    """What is missing before a last page: ffmpeg adds its sound to that of the page before. `seconds`: of all sound."""
    rate_hz = _rate_hz(data)
    end = _end_seconds(data, rate_hz) if rate_hz else None
    if end is None or end - seconds <= GAP_SECONDS_MIN:
        return None
    earlier, last = deque(_pages(data, rate_hz), maxlen=2)
    return Gap(earlier.end_seconds, end - seconds) if last.number != earlier.number + 1 else None


def _end_seconds(data: Bytes, rate_hz: int) -> float | None:
    """When the last page ends, if there is one that says that it is the last."""
    tail = _pages(data, rate_hz, max(0, data.rfind(b"OggS\0")))
    return next((page.end_seconds for page in tail if page.is_last), None)


def _moved(gap: Gap, late: Sequence[_Page], packet_seconds: float) -> Gap:
    end = gap.start_seconds + gap.seconds
    page = next((page for page in late if abs(page.end_seconds - end) < NEAR_SECONDS), None)
    if page is None:
        return gap
    packets = page.packets - page.is_continued  # the beginning of the first one is lost
    return replace(gap, start_seconds=max(0.0, gap.start_seconds - packets * packet_seconds))


def _rate_hz(data: Bytes) -> int:
    """The rate of the clock that the pages of an Ogg file use; 0 for all else, and for other codecs."""
    packet = _first_packet(data)
    if packet[:7] == b"\x01vorbis":
        return int(struct.unpack_from("<I", packet, 12)[0])
    return OPUS_RATE_HZ if packet[:8] == b"OpusHead" else _late_rate_hz(data)


def _late_rate_hz(data: Bytes) -> int:
    """The sample rate of Speex or FLAC; 0 for all else."""
    packet = _first_packet(data)
    if packet[:8] == b"Speex   ":
        return int(struct.unpack_from("<i", packet, 36)[0])
    return int.from_bytes(packet[27:30]) >> 4 if packet[:5] == b"\x7fFLAC" else 0


def _first_packet(data: Bytes) -> bytes:
    """The beginning of an Ogg file's first packet, which names the codec; empty for all else."""
    start = HEADER_BYTES + 1
    return bytes(data[start:100]) if data[:4] == b"OggS" and len(data) >= 100 else b""


def _late(data: Bytes, rate_hz: int) -> Iterator[_Page]:
    """The pages that do not follow the one before them."""
    last = -1
    for page in _pages(data, rate_hz):
        if page.number != last + 1:
            yield page
        last = page.number


def _pages(data: Bytes, rate_hz: int, at: int = 0) -> Iterator[_Page]:
    """The pages that are intact, from a place on, and belong to the first stream."""
    stream = data[STREAM]
    while (at := data.find(b"OggS\0", at)) >= 0:
        end = page_end(data, at)
        page = bytes(data[at:end])
        if end > len(data) or len(page) < HEADER_BYTES or _checksum(page) != page[CHECKSUM_AT : CHECKSUM_AT + 4]:
            at += 1
            continue
        at = end
        if page[STREAM] != stream:
            continue
        flags, position, _, number = struct.unpack_from("<BqII", page, 5)
        sizes = page[HEADER_BYTES : HEADER_BYTES + page[26]]
        yield _Page(
            position / rate_hz, bool(flags & CONTINUED), bool(flags & LAST), number, sum(size < 255 for size in sizes)
        )
        at = end


def _checksum(page: bytes) -> bytes:
    """Ogg's CRC: that of zlib with the bits of each byte, and of the result, in the other order."""
    without = page[:CHECKSUM_AT] + bytes(4) + page[CHECKSUM_AT + 4 :]
    found = zlib.crc32(without.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return struct.pack(">I", found).translate(REVERSED)
