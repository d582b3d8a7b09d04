"""Where pictures and sounds have XMP and content credentials: JPEG, WebP, WAV and MP3."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

JPEG, WEBP = "image/jpeg", "image/webp"
WAV, MP3 = "audio/wav", "audio/mpeg"
PICTURES = frozenset({JPEG, WEBP})
RIFF = {b"WEBP": WEBP, b"WAVE": WAV}

XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
"""How the JPEG segment begins that has an XMP packet (XMP specification, part 3)."""
ID3_MANIFEST = b"c2pa"
"""In the ID3 frame (GEOB) that has content credentials: in its type, `application/c2pa` or longer."""
PARTS_MAX = 10_000
"""Parts of a file that are looked at."""
PART_BYTES_MAX = 1 << 20
"""Size of a part that is read."""

START, SCAN = 0xD8, 0xDA
APP1, APP11 = 0xE1, 0xEB
"""JPEG's markers: start of the file, of the picture's data; segments with XMP, and with JUMBF, which C2PA uses."""
GEOB = b"GEOB"


def media_type(file: Path) -> str | None:
    """Of a picture or a sound, by its first bytes; None if it is neither. Raises OSError."""
    with file.open("rb") as content:
        head = content.read(12)
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"ID3"):
        return MP3
    return RIFF.get(head[8:]) if head[:4] == b"RIFF" else None


def xmp_packet(picture: Path) -> bytes | None:
    """The XMP packet of a JPEG or WebP; None if it has none. Raises OSError."""
    for kind, data in _parts(picture):
        if kind == APP1 and data.startswith(XMP_SEGMENT):
            return data.removeprefix(XMP_SEGMENT)
        if kind == b"XMP ":
            return data
    return None


def is_signed(file: Path) -> bool:
    """Whether a file has a part for content credentials. Raises OSError."""
    return any(kind in (APP11, b"C2PA") or (kind == GEOB and ID3_MANIFEST in data[:100]) for kind, data in _parts(file))


def _parts(file: Path) -> Iterator[tuple[int | bytes, bytes]]:
    """Segments of a JPEG by their markers, chunks of a RIFF or frames of an ID3 tag by their names."""
    walks = {b"RIFF": _chunks, b"ID3\x03": _frames, b"ID3\x04": _frames}
    with file.open("rb") as content:
        walk = walks.get(content.read(4), _segments)
        yield from islice(walk(content), PARTS_MAX)


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    file.seek(2)
    while len(head := file.read(4)) == 4 and head[0] == 0xFF and head[1] not in (START, SCAN):
        (size,) = struct.unpack_from(">H", head, 2)
        yield head[1], file.read(max(size - 2, 0))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        start = file.tell()
        yield name, file.read(size) if size <= PART_BYTES_MAX else b""
        file.seek(start + size + size % 2)


def _frames(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Of an ID3 tag; in version 4 lengths have seven bits in each byte."""
    file.seek(3)
    version, _, _, *length = file.read(7)
    end = 10 + _synchsafe(length)
    while file.tell() + 10 < end and len(head := file.read(10)) == 10 and head[0]:
        size = _synchsafe(head[4:8]) if version == 4 else int.from_bytes(head[4:8])
        start = file.tell()
        yield head[:4], file.read(size) if size <= PART_BYTES_MAX else b""
        file.seek(start + size)


def _synchsafe(data: bytes | list[int]) -> int:
    return sum(byte << 7 * place for place, byte in enumerate(reversed(data)))
