"""Reading the playlists of streams, as `daemon.outputs.hls` writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon.spool.layout import PLAYLIST

COUNTS = re.compile(r"^# piece ([0-9]+) of (?:([0-9]+)|an open stream)$", re.MULTILINE)
FRAGMENT = re.compile(r"^([0-9]+)-[0-9]+\.m4s$", re.MULTILINE)
"""A fragment in a playlist, named by its piece."""


@dataclass(frozen=True)
class Playlist:
    """What can be played of a stream."""

    playable: int
    count: int | None
    """Number of pieces of the whole stream; None for one that stays open."""
    fragments: Sequence[tuple[int, str]]
    """Each with its piece."""


def read_playlist(folder: Path) -> Playlist | None:
    """The playlist in a stream's folder; None if nothing can be played yet."""
    try:
        text = (folder / PLAYLIST).read_text("utf-8")
    except OSError:
        return None
    counts = COUNTS.search(text)
    fragments = [(int(found[1]), found[0]) for found in FRAGMENT.finditer(text)]
    if counts is None:
        return None
    return Playlist(int(counts[1]), int(counts[2]) if counts[2] else None, fragments)
