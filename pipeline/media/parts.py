"""Where files begin within a file: behind bytes that do not belong to it, and where several were joined.

Players skip to the first header that they know. Decoders that meet the header of a second file in the middle of the
first misread its times, or stop; each file is therefore decoded on its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

from pipeline.media import frame_sync
from pipeline.media.frame_sync import Bytes, after_tag
from pipeline.media.kinds import identify

SKIPPED_BYTES_MAX = 1 << 20
"""How far into a file its header is looked for."""
SEARCHED_BYTES_MAX = 2 << 30
"""How far further files are looked for: searching takes about a second."""
PARTS_MAX = 50
"""Decoding each takes a tenth of a second; further ones stay joined."""
LOOKED_THROUGH = ("a web page", "a sound recording")
"""Kinds of files within which a recording may begin: servers put text before it, programs tags."""


class Part(NamedTuple):
    """A file within a file."""

    start: int
    stop: int


MP4_BOX = re.compile(rb".{4}(?:ftyp|styp|moov|moof|mdat|free|skip|wide|sidx|uuid|emsg|prft)", re.DOTALL)
FRAGMENT = b"moof"
OGG = b"OggS\0"
TAGGED = (b"fLaC", b"TTA1", b"MAC ", b"MPCK")
"""Formats before whose header there may be a tag."""


@dataclass(frozen=True)
class _Form:
    """How the files of a format begin."""

    mark: bytes
    """What is looked for."""
    before: int
    """How many bytes of the header precede it."""
    header: re.Pattern[bytes]

    def places(self, data: Bytes, start: int, stop: int) -> Iterator[int]:
        """Where files of this format begin."""
        at = data.find(self.mark, start + self.before, stop)
        while at >= 0:
            if self.header.match(data, at - self.before):
                yield at - self.before
            at = data.find(self.mark, at + 1, stop)

    def further(self, data: Bytes, first: int) -> Iterator[int]:
        """Where the files begin that were joined to the first one."""
        places = self.places(data, first + 1, min(len(data), SEARCHED_BYTES_MAX))
        return _groups(data, first, places) if self.mark == OGG else places


def _groups(data: Bytes, first: int, places: Iterator[int]) -> Iterator[int]:
    """The places of Ogg pages that do not follow another one directly: a file has one for each of its streams."""
    end = page_end(data, first)
    for place in places:
        if place != end:
            yield place
        end = page_end(data, place)


def page_end(data: Bytes, at: int) -> int:
    """Where an Ogg page ends, by the sizes of its segments."""
    head = data[at : at + 27 + 255]
    return at + 27 + head[26] + sum(head[27 : 27 + head[26]]) if len(head) > 26 else at


def _form(mark: bytes, header: bytes, before: int = 0) -> _Form:
    return _Form(mark, before, re.compile(header, re.DOTALL))


INITIAL_BLOCK = b"[%s]" % b"".join(re.escape(bytes([flags])) for flags in range(256) if flags & 8)
"""The second byte of a WavPack block's flags, in the first block of each moment."""

FORMS = (
    _form(OGG, rb"OggS\0[\x02\x06]\0{8}.{4}\0{4}"),
    _form(b"WAVE", rb"(?:RIFF|RF64|BW64|RIFX).{4}WAVE", 8),
    _form(b"AVI ", rb"RIFF.{4}AVI LIST", 8),
    _form(b"riff\x2e\x91\xcf\x11", rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"),
    _form(b"AIF", rb"FORM.{4}AIF[FC]", 8),
    _form(b".snd", rb"\.snd\0\0..(?:.{4})\0\0\0[\x01-\x1b]\0[\0-\x0b]..\0\0\0[\x01-\x20]"),
    _form(b"caff\0\1\0\0", rb"caff\0\x01\0\0desc"),
    _form(b"fLaC", rb"fLaC[\0\x80]\0\0\x22"),
    _form(b"wvpk", rb"wvpk...\0[\x02-\x10]\x04\0.{5}\0{4}.{5}" + INITIAL_BLOCK),
    _form(b"TTA1", rb"TTA1[\x01-\x03]\0[\x01-\x20]\0"),
    _form(b"MAC ", rb"MAC [\x5a-\xff]\x0f"),
    _form(b"tBaK", rb"tBaK\x01"),
    _form(b"MPCK", rb"MPCKSH"),
    _form(b"DSD ", rb"DSD \x1c\0{7}"),
    _form(b"Creative", rb"Creative Voice File\x1a"),
    _form(b"#!AMR", rb"#!AMR(?:-WB)?\n"),
    _form(b"\x1aE\xdf\xa3", rb"\x1aE\xdf\xa3.{1,60}?\x42\x82.(?:webm|matroska)"),
    _form(b"ftyp", rb"\0\0[\0\x01].ftyp[ -~]{4}", 4),
    _form(b"\x30\x26\xb2\x75", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c"),
    _form(b"FLV\x01", rb"FLV\x01[\x01\x04\x05]\0\0\0\x09"),
    _form(b".RMF", rb"\.RMF\0\0\0\x12"),
)
"""Formats by headers that hardly occur by chance, also within files of another format."""


def find(recording: Path, limit_seconds: float) -> list[Part]:
    """The files that a file consists of, at least one. Bytes before the first one belong to none."""
    with frame_sync.mapped(recording) as data:
        start, further = _first(recording, data, limit_seconds)
        starts = [start, *islice(further, PARTS_MAX - 1)]
        starts.append(_complete_end(data, starts[-1]))
    return [Part(*part) for part in pairwise(starts)]


def alone(recording: Path, part: Part, target: Path) -> Path:
    """A part as a file of its own; the file itself if it is all."""
    if part == (0, recording.stat().st_size):
        return recording
    with recording.open("rb") as source, target.open("wb") as copy:
        source.seek(part.start)
        frame_sync.copy_bytes(source, copy, part.stop - part.start)
    return target


def _complete_end(data: Bytes, start: int) -> int:
    """Where the last file ends: an MP4 before a fragment whose header is cut off, which ffmpeg refuses to read."""
    at = start
    while MP4_BOX.match(data, at):
        size = int.from_bytes(data[at : at + 4])
        size = int.from_bytes(data[at + 8 : at + 16]) if size == 1 else size
        if size < 8:
            break
        if at + size > len(data):
            return at if data[at + 4 : at + 8] == FRAGMENT else len(data)
        at += size
    return len(data)


def _first(recording: Path, data: Bytes, limit_seconds: float) -> tuple[int, Iterator[int]]:
    """Where the first file begins, and the places of the further ones."""
    form = next((form for form in FORMS if form.header.match(data)), None)
    if form is not None:
        return 0, form.further(data, 0)
    kind = identify(recording)
    if kind is not None and kind.name not in LOOKED_THROUGH:
        return 0, iter(())
    walk, (start, form) = frame_sync.begun(data), _first_header(data)
    if walk is not None and walk.at < start:
        return _without_tag(data, walk.at), frame_sync.joints(walk, limit_seconds)
    if form is None:
        return 0, iter(())
    return _without_tag(data, start) if form.mark in TAGGED else start, form.further(data, start)


def _without_tag(data: Bytes, start: int) -> int:
    """Where a file begins whose tag, if it has one, ends at this place."""
    return 0 if start == after_tag(data, 0) else start


def _first_header(data: Bytes) -> tuple[int, _Form | None]:
    """Where the first header is, and of which format; the end of the file if there is none."""
    end = min(len(data), SKIPPED_BYTES_MAX)
    places = ((next(form.places(data, 0, end), len(data)), form) for form in FORMS)
    start, form = min(places, key=lambda place: place[0])
    return start, form if start < len(data) else None
