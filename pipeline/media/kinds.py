"""What a file is, judged by its first bytes, never by its name."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

PICTURE_ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2"),
)
CLIP_ENDINGS = (
    *(".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".mpg", ".ogv"),
)
"""Usual endings of pictures and videos, for lists of files. What a file is, its content decides."""

HEAD_BYTES = 1024
CHUNKS_MAX = 100_000
"""Parts of a file that are walked through to see whether it is animated."""

Medium = Literal["picture", "animation", "clip", "other"]


@dataclass(frozen=True)
class Kind:
    """A file format."""

    name: str
    """For messages: `a JPEG`."""
    medium: Medium
    """animation: a picture format with several frames; clip: a video that ffmpeg reads; other: not supported."""
    parser: str = ""
    """Of a picture or animation: Pillow's name for the format, the only one whose parser then sees the file."""

    @property
    def moves(self) -> bool:
        """Whether it has several frames."""
        return self.medium in ("animation", "clip")


def identify(file: Path) -> Kind | None:
    """The kind of a file; None if nothing is known about its content. Raises OSError if it cannot be read."""
    with file.open("rb") as content:
        head = content.read(HEAD_BYTES)
        kind = next((kind for pattern, kind in SIGNATURES if pattern.match(head)), None)
        if kind is None:
            return _by_structure(head)
        refine = REFINED.get(kind.name)
        return refine(content, head, kind) if refine is not None else kind


def _picture(name: str, parser: str) -> Kind:
    return Kind(name, "picture", parser)


def _clip(name: str) -> Kind:
    return Kind(name, "clip")


def _other(name: str) -> Kind:
    return Kind(name, "other")


def _compiled(signatures: dict[bytes, Kind]) -> tuple[tuple[re.Pattern[bytes], Kind], ...]:
    return tuple((re.compile(pattern, re.DOTALL), kind) for pattern, kind in signatures.items())


TIFF, MP4, MATROSKA = _picture("a TIFF", "TIFF"), _clip("an MP4"), _clip("a Matroska video")
HEIF, AVIF = _picture("a HEIC", "HEIF"), _picture("an AVIF", "AVIF")

SIGNATURES = _compiled(
    {
        rb"\x89PNG\r\n\x1a\n": _picture("a PNG", "PNG"),
        rb"\xff\xd8\xff": _picture("a JPEG", "JPEG"),
        rb"RIFF....WEBP": _picture("a WebP", "WEBP"),
        rb"GIF8[79]a": _picture("a GIF", "GIF"),
        rb"BM....\0\0\0\0..\0\0[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0": _picture("a BMP", "BMP"),
        rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51": _picture("a JPEG 2000", "JPEG2000"),
        rb"II\*\0.{4}CR|IIU\0|IIR[OS]|MMOR|FUJIFILMCCD-RAW|FOVb|\0MRM|....ftypcrx ": _other("a camera's RAW picture"),
        rb"II[*+]\0|MM\0[*+]": TIFF,
        rb"....ftyp": MP4,
        rb"....(?:moov|mdat|wide|free|skip|pnot)": _clip("a QuickTime video"),
        rb"\x1a\x45\xdf\xa3": MATROSKA,
        rb"RIFF....AVI ": _clip("an AVI"),
        rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11": _clip("a WMV"),
        rb"FLV\x01": _clip("an FLV"),
        rb"\0\0\x01\xba": _clip("an MPEG program stream"),
        rb"\x47.{187}\x47.{187}\x47|.{4}\x47.{191}\x47.{191}\x47": _clip("an MPEG transport stream"),
        rb"OggS": _clip("an Ogg"),
        rb"\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a": _other("a JPEG XL picture"),
        rb"8BP[SB]": _other("a Photoshop document"),
        rb"\s{,64}%PDF": _other("a PDF"),
        rb"%!PS|\xc5\xd0\xd3\xc6": _other("a PostScript document"),
        rb"\0\0[\x01\x02]\0[^\0]\0": _other("an icon"),
        rb"icns": _other("an icon"),
        rb"gimp xcf": _other("a GIMP document"),
        rb"v/1\x01": _other("an OpenEXR picture"),
        rb"#\?(?:RADIANCE|RGBE)": _other("a Radiance HDR picture"),
        rb"P[1-7Ff][\s]": _other("a Netpbm picture"),
        rb"DDS ": _other("a DDS texture"),
        rb"qoif": _other("a QOI picture"),
        rb"SIMPLE  =": _other("a FITS picture"),
        rb"\x0a[\x02-\x05][\x00\x01][\x01\x02\x04\x08]": _other("a PCX picture"),
        rb"SDPX|XPDS": _other("a DPX picture"),
        rb"\x80\x2a\x5f\xd7|\xd7\x5f\x2a\x80": _other("a Cineon picture"),
        rb"\x01\xda[\0\x01][\x01\x02]\0[\x01-\x03]": _other("an SGI picture"),
        rb"\x59\xa6\x6a\x95": _other("a Sun raster picture"),
        rb"#define \w+_width ": _other("an XBM picture"),
        rb"/\* XPM \*/": _other("an XPM picture"),
        rb"II\xbc[\0\x01]": _other("a JPEG XR picture"),
        rb"BPG\xfb": _other("a BPG picture"),
        rb"FLIF": _other("a FLIF picture"),
        rb"BLENDER": _other("a Blender file"),
        rb"AT&TFORM": _other("a DjVu document"),
        rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF": _other("a Windows metafile"),
        rb"[FCZ]WS[\x01-\x32]": _other("a Flash animation"),
        rb"\.RMF": _other("a RealMedia video"),
        rb"\x06\x0e\x2b\x34\x02\x05\x01\x01": _other("an MXF video"),
        rb"YUV4MPEG2 ": _other("a YUV4MPEG2 video"),
        rb"DKIF": _other("an IVF video"),
        rb"\x1f\x07\0[\x3f\xbf]": _other("a raw DV video"),
        rb"nut/multimedia container": _other("a NUT video"),
        rb"\xb7\xd8\0\x20\x37\x49\xda\x11\xa6\x4e\0\x07\xe9\x5e\xad\x8d": _other("a recording of Windows Media Center"),
        rb"\0\0\0\0\x01\xbc\0\0\0\0..\xe1\xe2": _other("a GXF video"),
        rb"\x84\x10\xff\xff\xff\xff": _other("a RoQ video"),
        rb"\0\0\x01\xb3": _other("a bare MPEG video stream"),
        rb"\0\0(?:\0)?\x01[\x67\x27\x40\x42\x09\x06]|\x12\0\x0a[\x08-\x20]": _other("a bare video stream"),
        rb"RIFF....WAVE|RF64|ID3|fLaC|\.snd|#!AMR|wvpk|TTA1|FORM....AIF|caff|MThd": _other("a sound recording"),
        rb"\xff[\xe2\xe3\xf1-\xfb][\x10-\xef]": _other("a sound recording"),
        rb"PK(?:\x03\x04|\x05\x06)|Rar!|7z\xbc\xaf|\x1f\x8b": _other("an archive"),
        rb"#EXTM3U": _other("a playlist"),
        rb"ffconcat ": _other("an ffconcat script"),
        rb"(?:\xef\xbb\xbf)?\s*(?i:<!doctype html|<html)": _other("a web page"),
        rb"(?:\xef\xbb\xbf)?\s*<(?:.*<)?svg\b": _other("an SVG drawing"),
    }
)
"""In this order; the first that matches."""


def _by_structure(head: bytes) -> Kind | None:
    """Formats without a signature of their own."""
    if len(head) < 18 or any(head[8:10]) or head[17] & 0xC0:
        return None
    has_colours = head[1] in (0, 1) and head[2] in (2, 3, 10, 11) and head[16] in (8, 16, 24, 32)
    has_palette = head[1] == 1 and head[2] in (1, 9) and head[7] in (15, 16, 24, 32) and head[16] in (8, 16)
    return _other("a Targa picture") if has_colours or has_palette else None


def _animated(picture: Kind) -> Kind:
    return Kind(f"an animated {picture.name.rpartition(' ')[2]}", "animation", picture.parser)


def png_chunks(content: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks before a PNG's pixels: type, and the first bytes of the content."""
    at = 8
    for _ in range(CHUNKS_MAX):
        content.seek(at)
        header = content.read(16)
        if len(header) < 16 or header[4:8] == b"IDAT":
            return
        yield header[4:8], header[8:16]
        at += 12 + int.from_bytes(header[:4])


def _png(content: BinaryIO, head: bytes, kind: Kind) -> Kind:
    """Animated if it announces several frames before its pixels."""
    frames = next((int.from_bytes(data[:4]) for name, data in png_chunks(content) if name == b"acTL"), 1)
    return _animated(kind) if frames > 1 else kind


def _webp(content: BinaryIO, head: bytes, kind: Kind) -> Kind:
    return _animated(kind) if head[12:16] == b"VP8X" and len(head) > 20 and head[20] & 2 else kind


def _gif(content: BinaryIO, head: bytes, kind: Kind) -> Kind:
    """Animated if it has a second frame."""
    if len(head) < 13:
        return kind
    content.seek(13 + _colour_table_bytes(head[10]))
    frames = 0
    for _ in range(CHUNKS_MAX):
        mark = content.read(1)
        if mark == b"\x2c":
            frames += 1
            if frames > 1:
                return _animated(kind)
            content.seek(_colour_table_bytes((content.read(9) or b"\0")[-1]) + 1, os.SEEK_CUR)
        elif mark == b"\x21":
            content.seek(1, os.SEEK_CUR)
        else:
            break
        while size := content.read(1).strip(b"\0"):
            content.seek(size[0], os.SEEK_CUR)
    return kind


def _colour_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


IFD_ENTRIES_MAX = 200
REDUCED, SUB_IFDS, SAMPLE_FORMAT, DNG_VERSION = 254, 330, 339, 50706
"""TIFF tags: the subfile's type, further directories, what the numbers are, DNG's version."""
FLOATING = 3
"""The sample format of floating-point numbers."""


def _tiff(content: BinaryIO, head: bytes, kind: Kind) -> Kind:
    """A camera's RAW picture if it is a DNG, or a thumbnail with the picture in a directory of its own."""
    order = "<" if head[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", head, 2)[0] != 42 or len(head) < 8:
        return kind
    content.seek(struct.unpack_from(order + "I", head, 4)[0])
    count = content.read(2)
    size = 12 * min(int.from_bytes(count, "little" if order == "<" else "big"), IFD_ENTRIES_MAX)
    entries = content.read(size)
    rows = list(struct.iter_unpack(order + "HHII", entries[: len(entries) // 12 * 12]))
    tags = {tag: value for tag, _, _, value in rows}
    if any(_first_short(content, order, *row) == FLOATING for tag, *row in rows if tag == SAMPLE_FORMAT):
        return _other("a TIFF of floating-point numbers")
    is_thumbnail = SUB_IFDS in tags and bool(tags.get(REDUCED, 0) & (1 if order == "<" else 1 | 1 << 16))
    return _other("a camera's RAW picture") if DNG_VERSION in tags or is_thumbnail else kind


def _first_short(content: BinaryIO, order: str, _: int, count: int, value: int) -> int:
    """The first of the short numbers of a TIFF's tag, which are in the entry itself if there are one or two."""
    if count > 2:
        content.seek(value)
        return int.from_bytes(content.read(2), "little" if order == "<" else "big")
    return value & 0xFFFF if order == "<" else value >> 16


HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def _iso(content: BinaryIO, head: bytes, kind: Kind) -> Kind:
    """An AVIF or a HEIC has the boxes of an MP4, and the brands of its own."""
    brands = list(_brands(head))
    if b"avis" in brands[:1]:
        return _animated(AVIF)
    if b"avif" in brands:
        return AVIF
    return HEIF if HEIF_BRANDS & set(brands) and b"isom" not in brands[:1] else kind


def _brands(head: bytes) -> Iterator[bytes]:
    """The major brand, then the compatible ones."""
    size = min(int.from_bytes(head[:4]), len(head))
    yield head[8:12]
    yield from (head[at : at + 4] for at in range(16, size - 3, 4))


REFINED: dict[str, Callable[[BinaryIO, bytes, Kind], Kind]] = {
    "a PNG": _png,
    "a WebP": _webp,
    "a GIF": _gif,
    "a TIFF": _tiff,
    "an MP4": _iso,
}
"""Looks further into formats that have several uses."""
