"""Sound files that ffmpeg misreads although their samples are plain. They are read as bare samples.

Programs that write into pipes cannot fill in the sizes (RF64, W64, AIFF); RIFX is WAV with the other byte order.

WAV files of unknown size are not among them: ffmpeg reads those to their end.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

CHUNKS_MAX = 1000
BODY_BYTES = 64
"""How much of a chunk is read: more than any that is looked into."""
UNKNOWN_32 = 0xFFFFFFFF
LONGEST = 1 << 62
"""Sizes beyond this mean that it is not known."""
W64_HEADER_BYTES, W64_ALIGNMENT = 24, 8
W64_RIFF = b"riff\x2e\x91\xcf\x11"
EXTENSIBLE = 0xFFFE
WAV_CODECS = {
    **{(1, 8): "u8", (1, 16): "s16", (1, 24): "s24", (1, 32): "s32", (3, 32): "f32", (3, 64): "f64"},
    **{(6, 8): "alaw", (7, 8): "mulaw"},
}
"""ffmpeg's bare formats by the tag and the bits of a sample; those of several bytes with `le` or `be`."""
AIFF_BITS = {8: "s8", 16: "s16be", 24: "s24be", 32: "s32be"}
AIFC_CODECS = {
    **{b"sowt": "s16le", b"fl32": "f32be", b"FL32": "f32be", b"fl64": "f64be", b"FL64": "f64be"},
    **{b"alaw": "alaw", b"ALAW": "alaw", b"ulaw": "mulaw", b"ULAW": "mulaw"},
}


@dataclass(frozen=True)
class Samples:
    """Bare samples, from some place to the end of the file."""

    form: str
    """ffmpeg's name for them, such as `s16be`."""
    rate_hz: int
    channels: int
    start: int
    """The first byte."""


class Extent(NamedTuple):
    """Where the samples of a file are, by what it declares."""

    start: int
    size: int


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    start: int
    size: int
    body: bytes
    """Its beginning."""


def unsized(file: Path) -> Samples | None:
    """The samples of a file that ffmpeg would misread; None for all others."""
    with file.open("rb") as content:
        head = content.read(12)
        if head[:8] == W64_RIFF:
            return _w64(content)
        if head[:4] in (b"RIFX", b"RF64", b"BW64") and head[8:] == b"WAVE":
            return _wave(content, head[:4])
        if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            return _aiff(content)
    return None


def declared(file: Path) -> Extent | None:
    """The extent of the samples of a WAV or W64 file; None for all others."""
    with file.open("rb") as content:
        head = content.read(12)
        order = ">" if head[:4] == b"RIFX" else "<"
        if head[:8] == W64_RIFF:
            chunks = {chunk.name: chunk for chunk in _w64_chunks(content)}
        elif head[:4] in (b"RIFF", b"RIFX") and head[8:] == b"WAVE":
            chunks = {chunk.name: chunk for chunk in _chunks(content, 12, order, until=b"data")}
        else:
            return None
    data = chunks.get(b"data")
    return None if data is None else Extent(data.start, data.size)


def _wave(content: BinaryIO, kind: bytes) -> Samples | None:
    order = ">" if kind == b"RIFX" else "<"
    chunks = {chunk.name: chunk for chunk in _chunks(content, 12, order, until=b"data")}
    sizes = chunks.get(b"ds64")
    is_sized = sizes is not None and len(sizes.body) >= 16 and any(sizes.body[8:16])
    if kind != b"RIFX" and is_sized:
        return None
    return _with_format(chunks.get(b"fmt "), chunks.get(b"data"), order)


def _w64(content: BinaryIO) -> Samples | None:
    chunks = {chunk.name: chunk for chunk in _w64_chunks(content)}
    data = chunks.get(b"data")
    if data is None or (0 < data.size < LONGEST and not _is_followed_by_junk(content, data)):
        return None
    return _with_format(chunks.get(b"fmt "), data, "<")


def _is_followed_by_junk(content: BinaryIO, data: _Chunk) -> bool:
    """Whether the bytes after the samples of a W64 file are no chunk, which is why ffmpeg refuses it."""
    content.seek(data.start + -(-data.size // W64_ALIGNMENT) * W64_ALIGNMENT)
    header = content.read(W64_HEADER_BYTES)
    return bool(header) and (len(header) < W64_HEADER_BYTES or not W64_HEADER_BYTES < _w64_size(header) < LONGEST)


def _w64_size(header: bytes) -> int:
    return int.from_bytes(header[16:24], "little")


def _with_format(form: _Chunk | None, data: _Chunk | None, order: str) -> Samples | None:
    """The samples of a WAV file's data."""
    if form is None or data is None or len(form.body) < 16:
        return None
    tag, channels, rate_hz, _, _, bits = struct.unpack_from(f"{order}HHIIHH", form.body)
    if tag == EXTENSIBLE and len(form.body) >= 26:
        tag = struct.unpack_from(f"{order}H", form.body, 24)[0]
    codec = WAV_CODECS.get((tag, bits))
    if codec is None or not channels or not rate_hz:
        return None
    return Samples(codec + ("be" if order == ">" else "le") * (codec[0] in "sf"), rate_hz, channels, data.start)


def _aiff(content: BinaryIO) -> Samples | None:
    chunks = {chunk.name: chunk for chunk in _chunks(content, 12, ">", until=b"SSND")}
    form, data = chunks.get(b"COMM"), chunks.get(b"SSND")
    if form is None or data is None or len(form.body) < 18 or len(data.body) < 4:
        return None
    if 8 < data.size < UNKNOWN_32 - 8:
        return None
    channels, _, bits, exponent, mantissa = struct.unpack_from(">HIHHQ", form.body)
    codec = AIFC_CODECS.get(form.body[18:22]) or AIFF_BITS.get(bits)
    rate_hz = round(mantissa * 2.0 ** (exponent - 16446)) if exponent < 16446 else 0
    if codec is None or not channels or not rate_hz:
        return None
    return Samples(codec, rate_hz, channels, data.start + 8 + struct.unpack_from(">I", data.body)[0])


def _chunks(content: BinaryIO, start: int, order: str, until: bytes) -> Iterator[_Chunk]:
    """The chunks of a RIFF or IFF file, to the one that has the samples."""
    for _ in range(CHUNKS_MAX):
        content.seek(start)
        header = content.read(8)
        if len(header) < 8:
            return
        name, size = struct.unpack(f"{order}4sI", header)
        yield _Chunk(name, start + 8, size, content.read(min(size, BODY_BYTES) if name != until else BODY_BYTES))
        if name == until:
            return
        start += 8 + size + size % 2


def _w64_chunks(content: BinaryIO) -> Iterator[_Chunk]:
    """The chunks of a Sony Wave64 file, whose sizes include their headers, to the one that has the samples."""
    start, end = 16 + W64_HEADER_BYTES, content.seek(0, os.SEEK_END)
    for _ in range(CHUNKS_MAX):
        content.seek(start)
        header = content.read(W64_HEADER_BYTES)
        if len(header) < W64_HEADER_BYTES:
            return
        name, size = header[:4], max(_w64_size(header) - W64_HEADER_BYTES, 0)
        yield _Chunk(name, start + W64_HEADER_BYTES, size, content.read(BODY_BYTES))
        if name == b"data" or size > end - start:
            return
        start += -(-(W64_HEADER_BYTES + size) // W64_ALIGNMENT) * W64_ALIGNMENT
