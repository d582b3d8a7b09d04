"""MP4 boxes: every position in a file is moved, whichever box has it."""

from __future__ import annotations

import struct
from pathlib import Path

from pipeline.media.boxes import FILLER, FIRST, box, following, full_box, moved, u32

PATH = ("stbl", "minf", "mdia", "trak")


def track(*tables: bytes) -> bytes:
    """A track that has only these tables."""
    found = b"".join(tables)
    for kind in PATH:
        found = box(kind, box("free", b"other"), found)
    return found


def movie(*offsets: int, by: int = 0) -> bytes:
    """A `moov` box with two tracks, which have positions of both sizes."""
    places = [offset + by for offset in offsets]
    short = full_box("stco", 0, u32(len(places)), struct.pack(f">{len(places)}I", *places))
    long = full_box("co64", 0, u32(len(places)), struct.pack(f">{len(places)}Q", *places))
    return box("moov", full_box("mvhd", 0, bytes(96)), track(full_box("stsz", 0, bytes(8)), short), track(long))


def test_positions_of_both_sizes_are_moved_and_nothing_else() -> None:
    assert moved(movie(1000, 70_000), 345) == movie(1000, 70_000, by=345)
    assert moved(movie(1000), -45) == movie(1000, by=-45)


def test_a_file_follows_other_boxes(tmp_path: Path) -> None:
    first, media = box("ftyp", b"isom", u32(0)), box("mdat", bytes(range(256)) * 4000)
    index = movie(len(first) + 8)
    (tmp_path / "a.mp4").write_bytes(first + index + FILLER + media)
    sent = FIRST + 3 * FILLER
    parts = list(following(tmp_path / "a.mp4", len(sent)))
    assert b"".join(parts) == movie(len(first) + 8, by=len(sent) - len(first)) + FILLER + media
    assert max(map(len, parts)) < len(media) / 3


def test_long_boxes_and_boxes_without_a_size_are_copied(tmp_path: Path) -> None:
    first, long = box("ftyp", b"isom"), struct.pack(">I4sQ", 1, b"mdat", 16 + 5) + b"media"
    endless = struct.pack(">I4s", 0, b"mdat") + bytes(100)
    (tmp_path / "a.mp4").write_bytes(first + long + endless)
    assert b"".join(following(tmp_path / "a.mp4", len(first))) == long + endless
