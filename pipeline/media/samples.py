"""The encoded frames and sound of an MP4, as its index lists them; the file may be anybody's."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise, repeat
from pathlib import Path
from typing import BinaryIO

from pipeline.media.boxes import MOVIE, find, top_level

INDEX_BYTES_MAX = 256 << 20
"""Size of an index that is read: that of two hours at 60 fps has 5 MB."""
HANDLERS = (b"vide", b"soun")


def digest(video: Path) -> str:
    """SHA-256 of all frames, then of all sound, in the order in which they are decoded.

    It does not depend on the container: a copy without re-encoding has the same. Raises OSError; ValueError if the
    file has no index that can be read.
    """
    with video.open("rb") as file:
        movie, length = _movie(file), file.seek(0, 2)
        found, total = hashlib.sha256(), 0
        for start, size in (place for handler in HANDLERS for place in _samples(movie, handler, length)):
            file.seek(start)
            found.update(file.read(size))
            total += size
            if total > length:  # otherwise a small file could be read for days
                raise ValueError("its samples overlap")
    if not total:
        raise ValueError("its index lists no samples")  # they are listed by fragments
    return found.hexdigest()


def _movie(file: BinaryIO) -> bytes:
    try:
        start, end = next((start, end) for kind, start, end in top_level(file) if kind == MOVIE)
    except (StopIteration, struct.error):
        raise ValueError("it has no index") from None
    if end - start > INDEX_BYTES_MAX:
        raise ValueError("its index is too large")
    file.seek(start)
    return file.read(end - start)


def _samples(movie: bytes, handler: bytes, length: int) -> Iterator[tuple[int, int]]:
    """Position and size of each sample of the first track with that handler. Raises ValueError."""
    try:
        table = _table(movie, handler)
        yield from located(table, length) if table is not None else ()
    except (KeyError, IndexError, struct.error):
        raise ValueError("its index is damaged") from None


def _table(movie: bytes, handler: bytes) -> dict[bytes, bytes] | None:
    for start, end in find(movie, MOVIE, b"trak"):
        kinds = [movie[at + 8 : at + 12] for at, _ in find(movie, b"mdia", b"hdlr", start=start, stop=end)]
        if kinds == [handler]:
            path = (b"mdia", b"minf", b"stbl")
            names = (b"stsz", b"stsc", b"stco", b"co64")
            return {
                name: movie[at:stop] for name in names for at, stop in find(movie, *path, name, start=start, stop=end)
            }
    return None


def located(table: dict[bytes, bytes], length: int) -> Iterator[tuple[int, int]]:
    """Position and size of each sample by its track's tables (bodies of the boxes), in a file of that length.

    Samples are grouped into chunks, and `stsc` counts them by runs of chunks; those of a run have equally many. Raises
    KeyError, IndexError, struct.error and ValueError if the tables contradict each other or the file.
    """
    size, count = struct.unpack_from(">II", table[b"stsz"], 4)
    if count > length:
        raise ValueError("its index lists more samples than the file has bytes")
    sizes = repeat(size, count) if size else iter(numbers(table[b"stsz"][12:])[:count])
    chunks = numbers(table[b"stco"][8:]) if b"stco" in table else numbers(table[b"co64"][8:], "Q")
    for chunk, samples in zip(chunks, _counts(numbers(table[b"stsc"][8:]), len(chunks)), strict=False):
        at = chunk
        for size in islice(sizes, samples):
            if at + size > length:
                raise ValueError("it is shorter than its index says")
            yield at, size
            at += size


def _counts(runs: Sequence[int], chunks: int) -> Iterator[int]:
    """How many samples each chunk has."""
    for (first, stop), samples in zip(pairwise([*runs[::3], chunks + 1]), runs[1::3], strict=True):
        yield from repeat(samples, max(0, min(stop, chunks + 1) - first))


def numbers(data: bytes, layout: str = "I") -> tuple[int, ...]:
    """The numbers of a table."""
    size = struct.calcsize(f">{layout}")
    return struct.unpack(f">{len(data) // size}{layout}", data[: len(data) // size * size])
