"""Where JPEG and WebP files have XMP and content credentials."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

JPEG, WEBP = "image/jpeg", "image/webp"
XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
"""How the JPEG segment begins that has an XMP packet (XMP specification, part 3)."""
PARTS_MAX = 10_000
"""Parts of a file that are looked at."""
PART_BYTES_MAX = 1 << 20
"""Size of a part that is read."""

START, SCAN = 0xD8, 0xDA
APP1, APP11 = 0xE1, 0xEB
"""JPEG's markers: start of the file, of the picture's data; segments with XMP, and with JUMBF, which C2PA uses."""


def media_type(picture: Path) -> str | None:
    """JPEG or WEBP by the first bytes of a file; None if it is neither. Raises OSError."""
    with picture.open("rb") as file:
        head = file.read(12)
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    return WEBP if head[:4] == b"RIFF" and head[8:] == b"WEBP" else None


def xmp_packet(picture: Path) -> bytes | None:
    """The XMP packet of a JPEG or WebP; None if it has none. Raises OSError."""
    for kind, data in _parts(picture):
        if kind == APP1 and data.startswith(XMP_SEGMENT):
            return data.removeprefix(XMP_SEGMENT)
        if kind == b"XMP ":
            return data
    return None


def is_signed(picture: Path) -> bool:
    """Whether a JPEG or WebP has a part for content credentials. Raises OSError."""
    return any(kind in (APP11, b"C2PA") for kind, _ in _parts(picture))


def _parts(picture: Path) -> Iterator[tuple[int | bytes, bytes]]:
    """The segments of a JPEG by their markers, or the chunks of a WebP by their names, as far as they are whole."""
    with picture.open("rb") as file:
        head = file.read(12)
        found = _chunks(file) if head[:4] == b"RIFF" else _segments(file)
        yield from islice(found, PARTS_MAX)


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    file.seek(2)
    while len(head := file.read(4)) == 4 and head[0] == 0xFF and head[1] not in (START, SCAN):
        (size,) = struct.unpack_from(">H", head, 2)
        yield head[1], file.read(max(size - 2, 0))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        start = file.tell()
        yield name, file.read(size) if size <= PART_BYTES_MAX else b""
        file.seek(start + size + size % 2)
