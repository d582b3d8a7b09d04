"""HLS for open streams: playlists that have no end yet, and may have lost their beginning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.outputs.hls import Stream
from daemon.scheduling.open_records import Shown
from daemon.scheduling.open_stream import OpenStream
from daemon.spool.layout import INIT

TARGET_SECONDS = 1
"""The longest fragment, rounded, see `pipeline.stages.early_pieces.short_edges`. Players look for news that often."""


@dataclass
class LiveStream(Stream):
    """The stream of an open job."""

    flow: OpenStream

    def has_news(self) -> bool:
        """Whether there are new pieces to show."""
        return self.flow.state.packed > self.shown

    def mark_shown(self) -> None:
        """Record that all playable pieces are shown."""
        self.shown = self.flow.state.packed

    def files(self) -> dict[str, Path]:
        """The files of the new pieces, by their names in the stream."""
        first = {INIT: self._init()} if self.shown == 0 else {}
        return first | {new.fragment.path.name: new.fragment.path for new in self._new()}

    def staying(self) -> set[str] | None:
        """The names of the fragments that players may fetch; None: all."""
        if self.flow.job.window_seconds is None:
            return None
        paths = [kept.fragment.path for kept in (*self.flow.state.leaving, *self.flow.state.shown)]
        return {name for path in paths for name in (path.name, path.with_suffix(".vtt").name)}

    def _new(self) -> Iterator[Shown]:
        return (kept for kept in self.flow.state.shown if kept.piece >= self.shown)

    def _playlist(self, suffix: str) -> str:
        """An HLS media playlist (RFC 8216, section 6.2.2): of type EVENT if nothing is ever removed from it."""
        state = self.flow.state
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{TARGET_SECONDS}"]
        lines += [f"#EXT-X-MEDIA-SEQUENCE:{state.removed}"]
        lines += ["#EXT-X-PLAYLIST-TYPE:EVENT"] if self.flow.job.window_seconds is None else []
        lines += ["#EXT-X-INDEPENDENT-SEGMENTS", f"# piece {state.packed} of an open stream"]  # for our players
        lines += ["# captions"] if self._has_captions else []
        lines += [f'#EXT-X-MAP:URI="{INIT}"'] if suffix == ".m4s" else []
        for kept in state.shown:
            name = kept.fragment.path.with_suffix(suffix).name
            lines += [f"#EXTINF:{kept.fragment.frames / self.flow.fps:.5f},", name]
        lines += ["#EXT-X-ENDLIST"] if state.packed == self.flow.count else []
        return "\n".join(lines) + "\n"

    def _init(self) -> Path:
        assert self.flow.state.init is not None
        return self.flow.state.init

    def _bits_per_second(self) -> float:
        """Bit rate of the latest pieces."""
        latest = self.flow.state.shown[-1:]
        bits = 8 * sum(kept.fragment.path.stat().st_size for kept in latest)
        return bits * self.flow.fps / sum(kept.fragment.frames for kept in latest)

    def _captions(self) -> Iterator[tuple[str, str]]:
        """The captions of the new fragments."""
        for kept in self._new():
            yield self._caption(self.flow.sentences(kept.piece), kept.fragment, kept.start_frame)
