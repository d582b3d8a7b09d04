"""Whether a recording ends before the length that it declares: it was not downloaded or copied to its end."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import StageError
from pipeline.media import ffmpeg, unsized
from pipeline.media.frame_sync import Bytes, mapped
from pipeline.media.parts import page_end

SECONDS_MIN = 0.1
"""What is shorter may be rounding, or silence that a decoder leaves out."""
UNKNOWN_MIN = 0x7F00_0000
"""Programs that cannot know a size of 32 bits write about as much as they can."""
LAST_PAGE_BYTES = 1 << 17
"""An Ogg page takes less than half as much."""
LAST_PAGE = 4
"""In the flags of an Ogg page. What follows another one was pages."""
SEGMENT = b"\x18\x53\x80\x67"
BOXES_MAX = 100_000

DECLARING = re.compile(rb"fLaC|wvpk|TTA1|\.snd|FORM|MAC |RF64|BW64")
"""How files begin whose headers have the length of their sound, and nothing else."""


def missing_seconds(recording: Path, heard_seconds: float) -> float | None:
    """How much is missing at the end, 0 if that is not known; None if nothing is, as far as the file says."""
    with mapped(recording) as data:
        if DECLARING.match(data):
            missing = _probed_seconds(recording) - heard_seconds
        elif data[:4] in (b"RIFF", b"RIFX", b"riff"):
            missing = _missing_share(recording, len(data)) * heard_seconds
        elif any(ends_early(data) for form, ends_early in CUT if form.match(data)):
            declared = _probed_seconds(recording) if _declares_length(data) else 0.0
            if not declared:
                return 0.0
            missing = declared - heard_seconds
        else:
            return None
    return missing if missing > SECONDS_MIN else None


def _declares_length(data: Bytes) -> bool:
    """Whether the header has the length of the sound: that of a Matroska file may, and of an MP4 without fragments."""
    return bool(MATROSKA.match(data)) or (bool(BOXES.match(data)) and data.find(FRAGMENT) < 0)


def _probed_seconds(recording: Path) -> float:
    """The declared length of the first track with sound; 0 if there is none."""
    try:
        found = ffmpeg.probe(recording, ffmpeg.INPUT_FORMATS, codecs=ffmpeg.AUDIO_CODECS)
        streams, whole = found["streams"], found["format"].get("duration", 0.0)
    except (StageError, KeyError):
        return 0.0
    lengths = [float(stream.get("duration", whole)) for stream in streams if stream.get("codec_type") == "audio"]
    return lengths[0] if lengths else 0.0


def _missing_share(recording: Path, size: int) -> float:
    """How much of the samples of a WAV or W64 file is missing, compared with what there is."""
    found = unsized.declared(recording)
    if found is None or not 0 < found.size < UNKNOWN_MIN or size <= found.start:
        return 0.0
    return (found.start + found.size - size) / (size - found.start)


def _boxes_end_early(data: Bytes) -> bool:
    """Of an MP4, by its outermost boxes."""
    at = 0
    for _ in range(BOXES_MAX):
        head = data[at : at + 16]
        if len(head) < 16:
            break
        size = struct.unpack_from(">I", head)[0]
        size = struct.unpack_from(">Q", head, 8)[0] if size == 1 else size
        if size < 8:  # 0: to the end of the file
            break
        at += size
    return at > len(data)


def _chunks_end_early(data: Bytes) -> bool:
    """Of a CAF."""
    at = 8
    for _ in range(BOXES_MAX):
        head = data[at : at + 12]
        if len(head) < 12:
            break
        size = struct.unpack_from(">q", head, 4)[0]
        if size < 0:  # to the end of the file
            break
        at += 12 + size
    return at > len(data)


def _segment_ends_early(data: Bytes) -> bool:
    """Of a Matroska file, whose size may be unknown."""
    at = data.find(SEGMENT, 0, LAST_PAGE_BYTES)
    first = data[at + 4 : at + 5] if at >= 0 else b""
    if not first or not first[0]:
        return False
    length = 9 - first[0].bit_length()
    size = int.from_bytes(data[at + 4 : at + 4 + length]) & ((1 << 7 * length) - 1)
    is_known = size != (1 << 7 * length) - 1
    return is_known and at + 4 + length + size > len(data)


def _page_ends_early(data: Bytes) -> bool:
    """Of an Ogg."""
    at = data.rfind(b"OggS\0", max(0, len(data) - LAST_PAGE_BYTES))
    if at < 0:
        return False
    end = page_end(data, at)
    return len(data) - at < 27 or end > len(data) or (end < len(data) and not data[at + 5] & LAST_PAGE)


MATROSKA = re.compile(rb"\x1aE\xdf\xa3")
BOXES, FRAGMENT = re.compile(rb".{4}(?:ftyp|moov|mdat|wide|free|skip)", re.DOTALL), b"moof"
CUT: tuple[tuple[re.Pattern[bytes], Callable[[Bytes], bool]], ...] = (
    (BOXES, _boxes_end_early),
    (MATROSKA, _segment_ends_early),
    (re.compile(rb"OggS"), _page_ends_early),
    (re.compile(rb"caff"), _chunks_end_early),
)
"""How files begin whose parts have sizes, and whether the last part is longer than what there is of it."""
