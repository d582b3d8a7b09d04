"""The boxes of which an MP4 consists (ISO/IEC 14496-12): read, write and move them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

FILE_TYPE, MOVIE, FREE = b"ftyp", b"moov", b"free"
TO_CHUNK_OFFSETS = (b"trak", b"mdia", b"minf", b"stbl")
CHUNK_OFFSETS = {b"stco": "I", b"co64": "Q"}
"""Boxes that have positions in the file, with the type of one."""
BLOCK_BYTES = 256 << 10


def box(kind: str, *bodies: bytes) -> bytes:
    """A box with its header."""
    body = b"".join(bodies)
    return struct.pack(">I", 8 + len(body)) + kind.encode() + body


def full_box(kind: str, version_and_flags: int, *bodies: bytes) -> bytes:
    """A box that has a version and flags."""
    return box(kind, u32(version_and_flags), *bodies)


def u32(number: int) -> bytes:
    """A number as boxes have it."""
    return struct.pack(">I", number)


def spans(data: bytes | bytearray, start: int = 0, stop: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The boxes in a part of `data`: kind, and where the body begins and ends. An incomplete last one is cut."""
    at, stop = start, len(data) if stop is None else stop
    while at + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, min(at + size, stop)
        at += max(size, 8)


def find(data: bytes | bytearray, *path: bytes, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int]]:
    """Where the bodies of all boxes at a path begin and end."""
    for kind, begin, end in spans(data, start, stop):
        if kind == path[0]:
            yield from [(begin, end)] if len(path) == 1 else find(data, *path[1:], start=begin, stop=end)


# Preceded by other boxes

FIRST = box("ftyp", b"isom", u32(0x200), b"isomiso2avc1mp41iso6")
"""The first box of a video that is sent before it exists. Any number of fillers may follow."""
FILLER = box("free")
"""Players skip it."""


def following(video: Path, sent_bytes: int) -> Iterator[bytes]:
    """An MP4 without its file type, to be sent after `sent_bytes` of other boxes. Reads it block by block.

    Raises OSError, and struct.error if the file is damaged.
    """
    with video.open("rb") as file:
        moved_bytes = sent_bytes
        for kind, start, end in top_level(file):
            file.seek(start)
            if kind == FILE_TYPE:
                moved_bytes -= end - start
            elif kind == MOVIE:
                yield moved(file.read(end - start), moved_bytes)
            else:
                yield from blocks(file, end - start)


def moved(movie: bytes, by_bytes: int) -> bytes:
    """A `moov` box for a file whose media is `by_bytes` further back."""
    changed = bytearray(movie)
    for start, end in find(movie, MOVIE, *TO_CHUNK_OFFSETS):
        for kind, begin, _ in spans(movie, start, end):
            if kind in CHUNK_OFFSETS:
                count = struct.unpack_from(">I", movie, begin + 4)[0]
                layout = f">{count}{CHUNK_OFFSETS[kind]}"
                offsets = struct.unpack_from(layout, movie, begin + 8)
                struct.pack_into(layout, changed, begin + 8, *(offset + by_bytes for offset in offsets))
    return bytes(changed)


def top_level(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of a file: kind, and where the whole box begins and ends."""
    length, at = file.seek(0, 2), 0
    while at < length:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        if size == 1:
            size = struct.unpack(">Q", file.read(8))[0]
        end = at + max(size, 8) if size else length
        yield kind, at, end
        at = end


def blocks(file: BinaryIO, count: int) -> Iterator[bytes]:
    """The next `count` bytes of a file, block by block."""
    while block := file.read(min(BLOCK_BYTES, count)):
        count -= len(block)
        yield block
