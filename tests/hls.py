"""A test player for streams: fetches fragments at the pace of a real player and checks every timestamp in them."""

from __future__ import annotations

import hashlib
import re
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

VIDEO, AUDIO = 1, 2
CLOCKS_HZ = {VIDEO: 90_000, AUDIO: 48_000}
POLL_SECONDS = 0.1


@dataclass
class Stream:
    """The fragments fetched from a stream's folder."""

    folder: Path
    ends: dict[int, int] = field(default_factory=lambda: {VIDEO: 0, AUDIO: 0})
    """Where each track ends so far, in ticks of its clock."""
    video_frames: int = 0
    began_seconds: float | None = None
    """When playback began, in monotonic seconds."""
    min_buffer_seconds: float = float("inf")
    """The smallest buffer ahead of the playback position."""
    _names: list[str] = field(default_factory=list)
    _digests: dict[str, str] = field(default_factory=dict)

    @property
    def buffered_seconds(self) -> float:
        """The end of the shorter track."""
        return min(self.ends[track] / hz for track, hz in CLOCKS_HZ.items())

    def poll(self) -> bool:
        """Read the playlist and every new fragment. Returns whether the stream has ended."""
        text = playlist(self.folder)
        names = re.findall(r"^\S+\.m4s$", text, re.MULTILINE)
        assert names[: len(self._names)] == self._names, "a playlist may only grow"
        for name in names[len(self._names) :]:
            self._take(name)
        self._names = names
        return "#EXT-X-ENDLIST" in text

    def _take(self, name: str) -> None:
        data = (self.folder / name).read_bytes()
        self._digests[name] = hashlib.sha256(data).hexdigest()
        runs = list(track_runs(data))
        assert [track for track, _, _, _ in runs] == [VIDEO, AUDIO]
        for track, start, ticks, samples in runs:
            assert start == self.ends[track], f"{name}: track {track} begins at {start}, not at {self.ends[track]}"
            self.ends[track] = start + ticks
            self.video_frames += samples if track == VIDEO else 0

    def play(self, seconds: float = 120) -> None:
        """Play to the end while the job runs; `min_buffer_seconds` is negative if it stalled."""
        deadline = time.monotonic() + seconds
        ended = False
        while not ended:
            assert time.monotonic() < deadline, f"no end after {seconds} s"
            now = time.monotonic()  # before reading: the fragments below may appear later
            ended = bool(playlist(self.folder)) and self.poll()
            if self._names and self.began_seconds is None:
                self.began_seconds = time.monotonic()
            if self.began_seconds is not None and not ended:
                ahead = self.began_seconds + self.buffered_seconds - now
                self.min_buffer_seconds = min(self.min_buffer_seconds, ahead)
            time.sleep(POLL_SECONDS)

    def check_unchanged(self) -> None:
        """Check that the fetched fragments have not changed."""
        for name, digest in self._digests.items():
            assert hashlib.sha256((self.folder / name).read_bytes()).hexdigest() == digest, name

    def joined(self, target: Path) -> Path:
        """The whole stream as one fragmented MP4."""
        parts = ["init.mp4", *self._names]
        target.write_bytes(b"".join((self.folder / name).read_bytes() for name in parts))
        return target


def playlist(folder: Path) -> str:
    """The stream's playlist; empty if there is none yet."""
    try:
        return (folder / "index.m3u8").read_text()
    except FileNotFoundError:
        return ""


def playable_pieces(folder: Path) -> int:
    """The number of playable pieces."""
    found = re.search(r"^# piece (\d+) of", playlist(folder), re.MULTILINE)
    return int(found[1]) if found else 0


def track_runs(fragment: bytes) -> Iterator[tuple[int, int, int, int]]:
    """For each run in a fragment: track, start and length in ticks, number of samples."""
    for traf in inside(inside(fragment, "moof")[0], "traf"):
        track = struct.unpack_from(">I", inside(traf, "tfhd")[0], 4)[0]
        start = struct.unpack_from(">Q", inside(traf, "tfdt")[0], 4)[0]
        run = inside(traf, "trun")[0]
        count = struct.unpack_from(">I", run, 4)[0]
        ticks = sum(struct.unpack_from(">I", run, 12 + 12 * index)[0] for index in range(count))
        yield track, start, ticks, count


def inside(data: bytes, kind: str) -> list[bytes]:
    """The contents of all boxes of a kind."""
    found, at = [], 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name == kind.encode():
            found.append(data[at + 8 : at + size])
        at += size
    return found
