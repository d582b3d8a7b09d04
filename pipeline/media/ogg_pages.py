"""Pages of Ogg files with Speex or FLAC that follow lost ones: ffmpeg times their packets as if nothing was lost, and
notices only behind them. The gap belongs before them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pipeline.media.damage import Gap
from pipeline.media.frame_sync import Bytes, mapped
from pipeline.media.parts import page_end

HEADER_BYTES, CHECKSUM_AT = 27, 22
CONTINUED = 1
NEAR_SECONDS = 0.05
"""How far from the end of such a page a gap may seem to end."""
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Page(NamedTuple):
    end_seconds: float
    is_continued: bool
    number: int
    packets: int
    """How many end in it."""


def with_late_pages(recording: Path, gaps: Sequence[Gap], packet_seconds: float) -> list[Gap]:
    """The gaps of a file, each before the page that follows what was lost. `packet_seconds`: length of a packet."""
    with mapped(recording) as data:
        rate_hz = _rate_hz(data)
        late = list(_late(data, rate_hz)) if rate_hz and gaps else []
    return [_moved(gap, late, packet_seconds) for gap in gaps]


def _moved(gap: Gap, late: Sequence[_Page], packet_seconds: float) -> Gap:
    end = gap.start_seconds + gap.seconds
    page = next((page for page in late if abs(page.end_seconds - end) < NEAR_SECONDS), None)
    if page is None:
        return gap
    packets = page.packets - page.is_continued  # the beginning of the first one is lost
    return replace(gap, start_seconds=max(0.0, gap.start_seconds - packets * packet_seconds))


def _rate_hz(data: Bytes) -> int:
    """The sample rate of Speex or FLAC; 0 for all else."""
    start = HEADER_BYTES + 1
    if data[:4] != b"OggS" or len(data) < 100:
        return 0
    if data[start : start + 8] == b"Speex   ":
        return int(struct.unpack_from("<i", data, start + 36)[0])
    return int.from_bytes(data[start + 27 : start + 30]) >> 4 if data[start : start + 5] == b"\x7fFLAC" else 0


def _late(data: Bytes, rate_hz: int) -> Iterator[_Page]:
    """The pages that do not follow the one before them."""
    last = -1
    for page in _pages(data, rate_hz):
        if page.number != last + 1:
            yield page
        last = page.number


def _pages(data: Bytes, rate_hz: int) -> Iterator[_Page]:
    """The pages that are intact."""
    at = 0
    while (at := data.find(b"OggS\0", at)) >= 0:
        end = page_end(data, at)
        page = bytes(data[at:end])
        if end > len(data) or len(page) < HEADER_BYTES or _checksum(page) != page[CHECKSUM_AT : CHECKSUM_AT + 4]:
            at += 1
            continue
        flags, position, _, number = struct.unpack_from("<BqII", page, 5)
        sizes = page[HEADER_BYTES : HEADER_BYTES + page[26]]
        yield _Page(position / rate_hz, bool(flags & CONTINUED), number, sum(size < 255 for size in sizes))
        at = end


def _checksum(page: bytes) -> bytes:
    """Ogg's CRC: that of zlib with the bits of each byte, and of the result, in the other order."""
    without = page[:CHECKSUM_AT] + bytes(4) + page[CHECKSUM_AT + 4 :]
    found = zlib.crc32(without.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return struct.pack(">I", found).translate(REVERSED)
