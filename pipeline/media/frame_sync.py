"""Where a stream of frames without time stamps lost its sync: MP3 and its relatives, AAC in ADTS, AC-3 and E-AC-3.

Decoders skip what is not a frame without a word, so that all that follows is heard too early. Here the frames are
walked from header to header, to see how much sound the bytes between them may have been.
"""

from __future__ import annotations

import mmap
import re
import shutil
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

HEADER_BYTES = 8
BLOCK_BYTES = 1 << 20
TRIES_MAX = 200_000
"""How many places are looked at for a header in all, against files made to waste time: about a second."""
RECENT = 64
"""Over how many of the last frames bytes are compared with time."""
PROBED_BYTES = 64 << 10
"""A file without three frames in a row that begin here is something else."""
CONTAINERS = re.compile(
    rb"RIFF|RF64|BW64|riff|FORM|OggS|fLaC|caff|\.snd|wvpk|TTA1|#!AMR|FLV|\x1aE\xdf\xa3|0&\xb2u|\x00\x00\x01\xba|G|\.RMF"
    rb"|DSD |MAC |MP|tBaK|Creative|.{4}(?:ftyp|moov|mdat|wide|free|skip)",
    re.DOTALL,
)
"""How files begin whose frames have time stamps, or are found otherwise."""
TAGS = ((b"ID3", 10), (b"APETAGEX", 32), (b"TAG", 128), (b"LYRICSBEGIN", 0))
"""How tags begin that are no sound, with the size of their header, or of all."""
BEGINNING = re.compile(rb"ID3[\x02-\x04]|Xing|Info|VBRI")
"""What is at the beginning of an MP3 file, and so between two that were joined."""
FIRST_BYTES = 256
"""Where it is in its first frame."""


class Frame(NamedTuple):
    """A frame, by its header."""

    size_bytes: int
    seconds: float
    kind: tuple[int, ...]
    """What is the same in all frames of a stream: the codec's version, the sample rate."""


class Loss(NamedTuple):
    """A part of the file that is not frames."""

    start_seconds: float
    """Length of the frames before it."""
    seconds: float
    """How much sound it was; 0 for what was inserted between frames."""
    start_byte: int
    stop_byte: int


_MPEG_RATES_HZ = (44_100, 48_000, 32_000)
_MPEG_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by version (2 includes 2.5) and layer, for the indices from 1 on (ISO 11172-3, ISO 13818-3)."""
_MPEG_SAMPLES = {(1, 1): 384, (2, 1): 384, (1, 2): 1152, (2, 2): 1152, (1, 3): 1152, (2, 3): 576}

_ADTS_RATES_HZ = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_ADTS_SAMPLES = 1024

_AC3_RATES_HZ = (48_000, 44_100, 32_000)
_AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_SAMPLES, _AC3_BLOCK_SAMPLES = 1536, 256


def _mpeg(header: bytes) -> Frame | None:
    """MPEG audio: layer I, II or III."""
    second, third = header[1], header[2]
    divisor, layer = (4, 0, 2, 1)[second >> 3 & 3], 4 - (second >> 1 & 3)
    rate, padding = third >> 2 & 3, third >> 1 & 1
    if header[0] != 0xFF or second < 0xE0 or not divisor or layer == 4 or rate == 3 or third >> 4 in (0, 15):
        return None
    version, rate_hz = 1 if divisor == 1 else 2, _MPEG_RATES_HZ[rate] // divisor
    samples, bits_per_second = _MPEG_SAMPLES[version, layer], 1000 * _MPEG_KBPS[version, layer][(third >> 4) - 1]
    slot = 4 if layer == 1 else 1
    size = (samples // 8 // slot * bits_per_second // rate_hz + padding) * slot
    return Frame(size, samples / rate_hz, (divisor, layer, rate))


def _adts(header: bytes) -> Frame | None:
    """AAC with ADTS headers."""
    rate, size = header[2] >> 2 & 15, (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or rate >= len(_ADTS_RATES_HZ) or size < HEADER_BYTES:
        return None
    return Frame(size, (1 + (header[6] & 3)) * _ADTS_SAMPLES / _ADTS_RATES_HZ[rate], (header[1], rate))


def _ac3(header: bytes) -> Frame | None:
    """AC-3, and E-AC-3, whose further substreams take no time."""
    if header[:2] != b"\x0b\x77":
        return None
    rate, identifier = header[4] >> 6, header[5] >> 3
    if identifier > 10:
        return _eac3(header)
    step = header[4] & 63
    if rate == 3 or step >= 2 * len(_AC3_KBPS):
        return None
    bits = 1000 * _AC3_KBPS[step >> 1] * _AC3_SAMPLES // _AC3_RATES_HZ[rate]
    odd = step & 1 if rate == 1 else 0
    return Frame((bits // 16 + odd) * 2, _AC3_SAMPLES / _AC3_RATES_HZ[rate], (identifier, rate))


def _eac3(header: bytes) -> Frame | None:
    rate, blocks = header[4] >> 6, (1, 2, 3, 6)[header[4] >> 4 & 3]
    size = 2 * (1 + ((header[2] & 7) << 8 | header[3]))
    if rate == 3 or header[5] >> 3 > 16 or size < HEADER_BYTES:
        return None
    is_independent = header[2] >> 6 != 1 and not header[2] >> 3 & 7
    return Frame(size, is_independent * blocks * _AC3_BLOCK_SAMPLES / _AC3_RATES_HZ[rate], (header[5] >> 3, rate))


FORMATS = (
    (re.compile(rb"\xff[\xe2-\xff]"), _mpeg),
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), _adts),
    (re.compile(rb"\x0b\x77"), _ac3),
)
"""How a header begins, and how it is read."""


@dataclass
class _Walk:
    """A walk over the frames of a file."""

    data: mmap.mmap
    sync: re.Pattern[bytes]
    parse: Callable[[bytes], Frame | None]
    at: int = 0
    tries: int = 0

    def frame(self, at: int, like: Frame | None) -> Frame | None:
        """The frame at a place, if there is one of the same kind."""
        header = self.data[at : at + HEADER_BYTES]
        found = self.parse(header) if len(header) == HEADER_BYTES else None
        return found if found and (like is None or found.kind == like.kind) else None

    def is_certain(self) -> bool:
        """Whether three frames follow each other here."""
        at, like = self.at, None
        for _ in range(3):
            like = self.frame(at, like)
            if like is None:
                return False
            at += like.size_bytes
        return True

    def next_frame(self, at: int, like: Frame | None) -> int:
        """Where the next frame is that is followed by another one; the end of the file if there is none."""
        for match in islice(self.sync.finditer(self.data, at), TRIES_MAX - self.tries):
            self.tries += 1
            found = self.frame(match.start(), like)
            if found and self.frame(match.start() + found.size_bytes, found):
                return match.start()
        return len(self.data)

    def after_tag(self, at: int) -> int:
        """The end of a tag that begins at this place; the place itself if none does."""
        head = self.data[at : at + 32]
        for name, size in TAGS:
            if head.startswith(name):
                return min(len(self.data), at + size + _tag_bytes(name, head)) if size else len(self.data)
        return at


def _tag_bytes(name: bytes, head: bytes) -> int:
    """The size of a tag's content."""
    if name == b"ID3":
        return sum((byte & 127) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
    return int.from_bytes(head[12:16], "little") if name == b"APETAGEX" else 0


def losses(recording: Path, limit_seconds: float) -> list[Loss]:
    """What is lost in the first `limit_seconds` of a file; nothing in one of another format.

    Bytes before the first frame are no loss: they may be anything. Where all frames have one size, what is not a whole
    number of them was inserted, and so were bytes between two files that were joined.
    """
    with recording.open("rb") as file:
        if not file.read(1):
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            walk = None if CONTAINERS.match(data) else _begun(data)
            return list(_losses(walk, limit_seconds)) if walk else []


def without(recording: Path, lost: Collection[Loss], target: Path) -> Path:
    """A copy of a file without what is lost, for decoders that take noise for a header and skip the frames after it.

    The file itself if nothing is lost.
    """
    if not lost:
        return recording
    with recording.open("rb") as source, target.open("wb") as copy:
        for loss in lost:
            _copy(source, copy, loss.start_byte - source.tell())
            source.seek(loss.stop_byte)
        shutil.copyfileobj(source, copy)
    return target


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0 and (block := source.read(min(count, BLOCK_BYTES))):
        count -= target.write(block)


def _begun(data: mmap.mmap) -> _Walk | None:
    """A walk that has found the first frame; None if there is none."""
    walks = [_Walk(data, *form) for form in FORMATS]
    for walk in walks:
        walk.at = walk.next_frame(walk.after_tag(0), None)
    first = min(walks, key=lambda walk: walk.at)
    return first if first.at < first.after_tag(0) + PROBED_BYTES and first.is_certain() else None


def _losses(walk: _Walk, limit_seconds: float) -> Iterator[Loss]:
    seconds, like, recent = 0.0, None, deque[Frame](maxlen=RECENT)
    while walk.at < len(walk.data) and seconds < limit_seconds:
        frame = walk.frame(walk.at, like)
        if frame is not None:
            walk.at += frame.size_bytes
            like, seconds = frame, seconds + frame.seconds
            recent.append(frame)
            continue
        begin, start, like = walk.at, walk.after_tag(walk.at), None
        walk.at = walk.next_frame(start, None)
        if walk.tries >= TRIES_MAX:
            return
        if walk.at > start:
            joined = BEGINNING.search(walk.data, start, walk.at + FIRST_BYTES)
            lost_seconds = 0.0 if joined else _sound_seconds(walk.at - start, recent)
            yield Loss(seconds, lost_seconds, begin, walk.at)


def _sound_seconds(lost_bytes: int, recent: Collection[Frame]) -> float:
    """How long the sound of so many bytes lasted."""
    sizes, seconds = [frame.size_bytes for frame in recent], sum(frame.seconds for frame in recent)
    if max(sizes) - min(sizes) > 1:
        return lost_bytes * seconds / sum(sizes)
    # The bit rate is constant; some frames have a byte of padding.
    count = round(lost_bytes * len(sizes) / sum(sizes))
    is_whole = count * min(sizes) <= lost_bytes <= count * max(sizes)
    return count * seconds / len(sizes) if is_whole else 0.0
