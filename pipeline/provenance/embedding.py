"""The mark in an MP4: XMP in a `uuid` box, tags in the index. Frames and samples stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.media import samples
from pipeline.media.boxes import MOVIE, blocks, box, full_box, moved, spans, top_level, u32
from pipeline.messages import Mark
from pipeline.provenance.mark import Statement, comment, statement, xmp

XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""Of the box that has XMP in an MP4 (XMP specification, part 3)."""
TAGS, MEDIA = b"udta", b"mdat"
UTF8_TEXT = 1
"""Type of a tag's value."""


def embed(video: Path, mark: Mark) -> None:
    """Add a mark to a finished MP4 whose index comes first. Raises OSError."""
    stated = statement(mark, samples.digest(video))
    unfinished = video.with_suffix(".marked")
    with video.open("rb") as source, unfinished.open("wb") as file:
        for part in _marked(source, stated):
            file.write(part)
    unfinished.replace(video)


def _marked(source: BinaryIO, stated: Statement) -> Iterator[bytes]:
    """The parts of the marked file. All boxes before the media are small enough for the memory."""
    found = list(top_level(source))
    media_at, end = next(start for kind, start, _ in found if kind == MEDIA), found[-1][2]
    source.seek(0)
    head = source.read(media_at)
    parts = [head[start - 8 : stop] for _, start, stop in spans(head)]
    parts = [*(tagged(part, stated) if part[4:8] == MOVIE else part for part in parts), xmp_box(stated)]
    grown = sum(map(len, parts)) - media_at
    yield from (moved(part, grown) if part[4:8] == MOVIE else part for part in parts)
    source.seek(media_at)
    yield from blocks(source, end - media_at)


def marked_init(init: bytes, mark: Mark) -> bytes:
    """The init segment of a stream with a mark. The media follows bit by bit, so its digest is not known."""
    stated = statement(mark, None)
    parts = [init[start - 8 : end] for _, start, end in spans(init)]
    parts = [tagged(part, stated) if part[4:8] == MOVIE else part for part in parts]
    return b"".join([*parts, xmp_box(stated)])


def marked_fragment(fragment: bytes, mark: Mark) -> bytes:
    """A fragment of a stream with a mark: players skip boxes that they do not know."""
    return xmp_box(statement(mark, None)) + fragment


def xmp_box(stated: Statement) -> bytes:
    """A box for the top level of a file or fragment."""
    return box("uuid", XMP_UUID, xmp(stated))


def tagged(movie: bytes, stated: Statement) -> bytes:
    """A `moov` box whose tags are those of a statement, as players and ffmpeg read them (as in iTunes)."""
    children = [movie[start - 8 : end] for kind, start, end in spans(movie, 8) if kind != TAGS]
    return box("moov", *children, _tags(stated))


def _tags(stated: Statement) -> bytes:
    handler = full_box("hdlr", 0, bytes(4), b"mdirappl", bytes(9))
    values = {"\xa9too": stated.software, "\xa9day": stated.created, "\xa9cmt": comment(stated)}
    items = b"".join(_tag(name, value) for name, value in values.items() if value)
    return box("udta", full_box("meta", 0, handler, box("ilst", items)))


def _tag(name: str, value: str) -> bytes:
    data = box("data", u32(UTF8_TEXT), bytes(4), value.encode())
    return u32(8 + len(data)) + name.encode("latin-1") + data
