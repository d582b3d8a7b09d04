"""Where a stream of frames lost its sync: MP3 and its relatives, AAC in ADTS, AC-3, E-AC-3, DTS and WavPack.

Decoders skip what is not a frame without a word, so that all that follows is heard too early, or stop. Here the frames
are walked from header to header, to see how much sound the bytes between them may have been.
"""

from __future__ import annotations

import mmap
import re
import shutil
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

Bytes = bytes | mmap.mmap

BLOCK_BYTES = 1 << 20
TRIES_MAX = 200_000
"""How many places are looked at for a header in all, against files made to waste time: about a second."""
RECENT = 64
"""Over how many of the last frames bytes are compared with time."""
PROBED_BYTES = 64 << 10
"""A file without three frames in a row that begin here is something else."""
CONTAINERS = re.compile(
    rb"RIFF|RF64|BW64|riff|FORM|OggS|fLaC|caff|\.snd|TTA1|#!AMR|FLV|\x1aE\xdf\xa3|0&\xb2u|\x00\x00\x01\xba|\.RMF|DSD "
    rb"|\xfe\x7f\x01\x80|\x1f\xff\xe8\0|\xff\x1f\0\xe8|.{4}\xf8rO[\xba\xbb]|\xac[@A]"
    rb"|(?:.{4})?G.{187,191}G|MAC |MP\+|MPCK|tBaK|Creative|.{4}(?:ftyp|moov|mdat|wide|free|skip)",
    re.DOTALL,
)
"""How files begin whose frames have time stamps, or are found otherwise; and DTS in words of 14 bits or swapped bytes,
MLP and AC-4, within which headers of other formats occur by chance."""
TAGS = ((b"ID3", 10), (b"APETAGEX", 32), (b"TAG", 128), (b"LYRICSBEGIN", 0))
"""How tags begin that are no sound, with the size of their header, or of all."""
VBRI_AT = 36
"""Where this word is in a frame; `Xing` and `Info` are behind what describes the sound."""
DECLARED_SECONDS_MAX = 10.0
"""How much may be missing in one place by the number of frames that a file declares: it may be that of a longer one."""


class Frame(NamedTuple):
    """A frame, by its header."""

    size_bytes: int
    seconds: float
    kind: tuple[int, ...]
    """What is the same in all frames of a stream: the codec's version, the sample rate, the channels."""


class Loss(NamedTuple):
    """A part of the file that is not frames."""

    start_seconds: float
    """Length of the frames before it."""
    seconds: float
    """How much sound it was; 0 for what was inserted between frames, or if the frames have times of their own."""
    start_byte: int
    stop_byte: int
    is_harmless: bool
    """Whether no sound was lost: tags."""


class Joint(NamedTuple):
    """A place where a further file begins."""

    at: int


class Walked(NamedTuple):
    """What a walk over a file's frames has found."""

    losses: list[Loss]
    missing_seconds: float | None
    """How much is missing at the end, 0 if that is not known; None if nothing is, as far as the file says."""


SIZE_MIN = 8

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
MONO = 3
_MPEG_SAMPLES = {(1, 1): 384, (2, 1): 384, (1, 2): 1152, (2, 2): 1152, (1, 3): 1152, (2, 3): 576}

_ADTS_RATES_HZ = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_ADTS_SAMPLES = 1024

_AC3_RATES_HZ = (48_000, 44_100, 32_000)
_AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_SAMPLES, _AC3_BLOCK_SAMPLES = 1536, 256

_DTS_RATES_HZ = (0, 8_000, 16_000, 32_000, 0, 0, 11_025, 22_050, 44_100, 0, 0, 12_000, 24_000, 48_000, 0, 0)
_DTS_BLOCK_SAMPLES = 32
_DTS_CORE, _DTS_EXTENSION = b"\x7f\xfe\x80\x01", b"\x64\x58\x20\x25"


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
    return Frame(size, samples / rate_hz, (divisor, layer, rate, header[3] >> 6 == MONO))


def _adts(header: bytes) -> Frame | None:
    """AAC with ADTS headers."""
    rate, size = header[2] >> 2 & 15, (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or rate >= len(_ADTS_RATES_HZ) or size < SIZE_MIN:
        return None
    channels = (header[2] & 1) << 2 | header[3] >> 6
    return Frame(size, (1 + (header[6] & 3)) * _ADTS_SAMPLES / _ADTS_RATES_HZ[rate], (header[1], rate, channels))


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
    return Frame((bits // 16 + odd) * 2, _AC3_SAMPLES / _AC3_RATES_HZ[rate], (identifier, rate, header[6] >> 5))


def _eac3(header: bytes) -> Frame | None:
    rate, blocks = header[4] >> 6, (1, 2, 3, 6)[header[4] >> 4 & 3]
    size = 2 * (1 + ((header[2] & 7) << 8 | header[3]))
    if rate == 3 or header[5] >> 3 > 16 or size < SIZE_MIN:
        return None
    is_independent = header[2] >> 6 != 1 and not header[2] >> 3 & 7
    return Frame(size, is_independent * blocks * _AC3_BLOCK_SAMPLES / _AC3_RATES_HZ[rate], (header[5] >> 3, rate))


def _dts(header: bytes) -> Frame | None:
    """The core of a DTS frame, or the extension after it, which takes no time."""
    bits = int.from_bytes(header[4:12])
    if header[:4] == _DTS_EXTENSION:
        is_long = bits >> 53 & 1
        return Frame((bits >> 21 & 0xFFFFF if is_long else bits >> 29 & 0xFFFF) + 1, 0.0, ())
    rate_hz, size = _DTS_RATES_HZ[bits >> 26 & 15], (bits >> 36 & 0x3FFF) + 1
    if header[:4] != _DTS_CORE or not rate_hz or size < 96:
        return None
    return Frame(size, ((bits >> 50 & 127) + 1) * _DTS_BLOCK_SAMPLES / rate_hz, ())


def _wavpack(header: bytes) -> Frame | None:
    """A block of WavPack, which has the time of its samples."""
    size, version = int.from_bytes(header[4:8], "little") + 8, int.from_bytes(header[8:10], "little")
    if header[:4] != b"wvpk" or not 0x402 <= version <= 0x410 or not 32 <= size <= 1 << 24:
        return None
    rate = int.from_bytes(header[24:28], "little") >> 23 & 15
    return Frame(size, 0.0, (rate,))


FORMATS = (
    (re.compile(rb"\xff[\xe2-\xff]"), 8, _mpeg),
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), 8, _adts),
    (re.compile(rb"\x0b\x77"), 8, _ac3),
    (re.compile(rb"\x7f\xfe\x80\x01|\x64\x58\x20\x25"), 12, _dts),
    (re.compile(rb"wvpk"), 32, _wavpack),
)
"""How a header begins, its size, and how it is read."""


@dataclass
class _Walk:
    """A walk over the frames of a file."""

    data: Bytes
    sync: re.Pattern[bytes]
    header_bytes: int
    parse: Callable[[bytes], Frame | None]
    at: int = 0
    tries: int = 0
    seconds: float = 0.0
    """Length of the frames so far."""
    frames: int = 0

    def frame(self, at: int, like: Frame | None) -> Frame | None:
        """The frame at a place, if there is one of the same kind."""
        header = self.data[at : at + self.header_bytes]
        found = self.parse(header) if len(header) == self.header_bytes else None
        return found if found and (like is None or found.kind == like.kind) else None

    def is_certain(self, at: int) -> bool:
        """Whether three frames follow each other at a place, or the last ones of the file."""
        like = None
        for _ in range(3):
            like = self.frame(at, like)
            if like is None:
                return False
            at += like.size_bytes
            if at == len(self.data):
                break
        return True

    def next_frame(self, at: int, like: Frame | None) -> int:
        """Where the next frame is that is followed by another one, or by nothing; the end of the file if none is."""
        for place in self._headers(at, len(self.data)):
            found = self.frame(place, like)
            if found is None:
                continue
            end = place + found.size_bytes
            if end == len(self.data) or after_tag(self.data, end) > end or self.frame(end, found):
                return place
        return len(self.data)

    def begin(self) -> bool:
        """Go to the first frame near the beginning; False if there is none."""
        start = after_tag(self.data, 0)
        first = next(filter(self.is_certain, self._headers(start, start + PROBED_BYTES)), None)
        self.at = len(self.data) if first is None else first
        return first is not None

    def _headers(self, start: int, stop: int) -> Iterator[int]:
        for match in islice(self.sync.finditer(self.data, start, stop), TRIES_MAX - self.tries):
            self.tries += 1
            yield match.start()

    def step(self, frame: Frame) -> None:
        """Go over a frame."""
        self.at, self.seconds, self.frames = self.at + frame.size_bytes, self.seconds + frame.seconds, self.frames + 1

    def declared(self, at: int, frame: Frame) -> int | None:
        """How many frames an MP3 file has by the one at a place, which must be its first; None if it does not say."""
        if self.parse is not _mpeg:
            return None
        divisor, _, _, is_mono = frame.kind
        xing_at = at + 4 + ((17, 9) if divisor > 1 else (32, 17))[is_mono]
        if self.data[xing_at : xing_at + 4] in (b"Xing", b"Info"):
            flags = self.data[xing_at + 7 : xing_at + 8]
            return self._number(xing_at + 8) if flags and flags[0] & 1 else 0
        return self._number(at + VBRI_AT + 14) if self.data[at + VBRI_AT : at + VBRI_AT + 4] == b"VBRI" else None

    def _number(self, at: int) -> int:
        return int.from_bytes(self.data[at : at + 4])


def after_tag(data: Bytes, at: int) -> int:
    """The end of a tag that begins at this place; the place itself if none does."""
    head = data[at : at + 32]
    for name, size in TAGS:
        if head.startswith(name):
            return min(len(data), at + size + _tag_bytes(name, head)) if size else len(data)
    return at


def _tag_bytes(name: bytes, head: bytes) -> int:
    """The size of a tag's content."""
    if name == b"ID3":
        return sum((byte & 127) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
    return int.from_bytes(head[12:16], "little") if name == b"APETAGEX" else 0


def walked(recording: Path, limit_seconds: float) -> Walked:
    """What is lost in the first `limit_seconds` of a file; nothing in one of another format.

    Where all frames have one size, what is not a whole number of them was inserted. If a file declares how many frames
    it has, that decides.
    """
    with mapped(recording) as data:
        walk = begun(data)
        first = walk.frame(walk.at, None) if walk else None
        if walk is None or first is None:
            return Walked([], None)
        declared = walk.declared(walk.at, first)
        lost = [event for event in _events(walk, limit_seconds) if isinstance(event, Loss)]
        if walk.at < len(data):
            return Walked(lost, None)
        is_cut = walk.at > len(data)
        if not declared:
            return Walked(lost, 0.0 if is_cut else None)
        missing = (declared - walk.frames + 1) * first.seconds
        lost = lost if is_cut else _as_declared(lost, missing, len(data))
        missing -= sum(loss.seconds for loss in lost)
        return Walked(lost, missing if missing > first.seconds / 2 else 0.0 if is_cut else None)


@contextmanager
def mapped(file: Path) -> Iterator[Bytes]:
    """The bytes of a file; an empty one cannot be mapped."""
    with file.open("rb") as content:
        if not file.stat().st_size:
            yield b""
            return
        with mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def without(recording: Path, lost: Collection[Loss], target: Path) -> Path:
    """A copy of a file without what is lost, for decoders that take noise for a header and skip the frames after it.

    The file itself if nothing is lost.
    """
    if not lost:
        return recording
    with recording.open("rb") as source, target.open("wb") as copy:
        for loss in lost:
            copy_bytes(source, copy, loss.start_byte - source.tell())
            source.seek(loss.stop_byte)
        shutil.copyfileobj(source, copy)
    return target


def copy_bytes(source: BinaryIO, target: BinaryIO, count: int) -> None:
    """Copy so many bytes, or what there is, from one file's place to another's."""
    while count > 0 and (block := source.read(min(count, BLOCK_BYTES))):
        count -= target.write(block)


def begun(data: Bytes) -> _Walk | None:
    """A walk that has found the first frame; None if there is none."""
    if CONTAINERS.match(data):
        return None
    walks = [_Walk(data, *form) for form in FORMATS]
    return min((walk for walk in walks if walk.begin()), key=lambda walk: walk.at, default=None)


def joints(walk: _Walk, limit_seconds: float) -> Iterator[int]:
    """Where files begin that were joined to the one that is walked, as far as their frames show it."""
    return (event.at for event in _events(walk, limit_seconds) if isinstance(event, Joint))


def _events(walk: _Walk, limit_seconds: float) -> Iterator[Loss | Joint]:
    """What interrupts the frames. Leaves the walk where it ended."""
    last, last_at, recent = None, 0, deque[Frame](maxlen=RECENT)
    while walk.at < len(walk.data) and walk.seconds < limit_seconds:
        frame = walk.frame(walk.at, last)
        if frame is not None:
            if recent and walk.declared(walk.at, frame) is not None:  # the first frame of a further file
                yield Joint(walk.at)
            last, last_at = frame, walk.at
            walk.step(frame)
            recent.append(frame)
        elif last is None or walk.tries >= TRIES_MAX:
            return
        else:
            yield from _resynced(walk, last, last_at, recent)
            last = None


def _resynced(walk: _Walk, last: Frame, last_at: int, recent: Collection[Frame]) -> Iterator[Loss | Joint]:
    """Go to the next frame after one that no other one follows, which may itself be cut short."""
    expected, start = walk.at, after_tag(walk.data, walk.at)
    if start > expected or walk.is_certain(expected):
        walk.at = walk.next_frame(start, None)
    else:
        walk.at = walk.next_frame(last_at + 1, last)
        if walk.at == len(walk.data):
            walk.at = walk.next_frame(expected, None)
    found = walk.frame(walk.at, None)
    is_first = found is not None and walk.declared(walk.at, found) is not None
    if walk.at < expected:
        walk.seconds, walk.frames = walk.seconds - last.seconds, walk.frames - 1
        yield Loss(walk.seconds, last.seconds, last_at, walk.at, is_harmless=False)
    elif walk.at > expected:
        lost_seconds = 0.0 if is_first or found is None else _sound_seconds(walk.at - start, recent)
        yield Loss(walk.seconds, lost_seconds, expected, walk.at, is_harmless=is_first or walk.at == start)
    if found is not None and found.kind != last.kind and not is_first:
        yield Joint(walk.at)


def _sound_seconds(lost_bytes: int, recent: Collection[Frame]) -> float:
    """How long the sound of so many bytes lasted: that of a whole number of frames."""
    sizes, seconds = [frame.size_bytes for frame in recent], sum(frame.seconds for frame in recent)
    count = round(lost_bytes * len(sizes) / sum(sizes))
    # If the bit rate is constant, some frames have a byte of padding. Less than a frame may be left of a longer gap.
    is_constant = max(sizes) - min(sizes) <= 1
    is_whole = count * min(sizes) <= lost_bytes <= count * max(sizes) or lost_bytes < min(sizes)
    return count * seconds / len(sizes) if is_whole or not is_constant else 0.0


def _as_declared(losses: list[Loss], missing_seconds: float, end: int) -> list[Loss]:
    """The losses, corrected by how much is missing in all: if it is all in one place."""
    lost = [loss for loss in losses if not loss.is_harmless and loss.stop_byte < end]
    if not lost and missing_seconds <= 0:
        return [loss._replace(is_harmless=True) for loss in losses]
    if len(lost) != 1 or not 0 <= missing_seconds <= DECLARED_SECONDS_MAX:
        return losses
    return [loss._replace(seconds=missing_seconds) if loss in lost else loss for loss in losses]
