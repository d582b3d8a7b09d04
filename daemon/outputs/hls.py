"""HLS: the playlists of a streamed job, which grow while it runs, and the browser player's files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from pathlib import Path

from daemon.outputs import captions
from daemon.scheduling.stream_flow import StreamFlow
from daemon.spool.layout import CAPTION_SUFFIXES, INIT, JOB_SUFFIX, PLAYER, PLAYLIST
from pipeline.errors import JobError
from pipeline.extras import SUFFIXES
from pipeline.messages import Fragment, Pack, Sentence
from pipeline.speech.cues import Cue, cues

PLAYER_FOLDER = Path(__file__).parent / "player"
ASSETS = (PLAYER_FOLDER / PLAYER, PLAYER_FOLDER / "hls.light.min.js")
MASTER, CAPTIONS_PLAYLIST = "master.m3u8", "captions.m3u8"

TARGET_SECONDS = 3
"""The longest fragment, rounded: keyframes are two seconds apart, and a tail shorter than one second is appended. In
still pictures they are at most three seconds apart."""

ANNOUNCED_SECONDS = 1.0
"""A wait that is longer is announced."""

RESERVED_SUFFIXES = (JOB_SUFFIX, ".mp4", *CAPTION_SUFFIXES, *SUFFIXES.values())


def check_name(name: str) -> None:
    """Raise JobError if the stream's folder could have the name of another job's output."""
    if name.endswith(RESERVED_SUFFIXES):
        message = f"a streamed job's name must not end with {', '.join(RESERVED_SUFFIXES)}"
        raise JobError("name", message, field="mode", hint="rename the job file")


@dataclass
class Stream:
    """The stream of one job in flight."""

    flow: StreamFlow
    shown: int = 0
    """Number of pieces shown."""
    announced_seconds: float = inf
    """When players were told that it begins; monotonic."""
    _playable: list[Pack] = field(default_factory=list)

    def has_news(self) -> bool:
        """Whether there are new pieces to show."""
        self._playable = self.flow.playable
        return len(self._playable) > self.shown

    def is_held_back(self, now: float) -> bool:
        """Whether it begins so late that players should be told when, and were not. `now`: monotonic."""
        begins = self.flow.begin_seconds
        return now + ANNOUNCED_SECONDS < begins < inf and begins != self.announced_seconds

    def mark_shown(self) -> None:
        """Record that all playable pieces are shown."""
        self.shown = len(self._playable)

    def files(self) -> dict[str, Path]:
        """The files of the new pieces, by their names in the stream."""
        new = self._playable[self.shown :]
        first = {INIT: self._playable[0].init} if new and self.shown == 0 else {}
        return first | {fragment.path.name: fragment.path for pack in new for fragment in pack.fragments}

    def staying(self) -> set[str] | None:
        """The names of the fragments that players may fetch; None: all."""
        return None

    def texts(self) -> dict[str, str]:
        """Captions and playlists, in the order to write them: the playlist that players poll comes last."""
        texts: dict[str, str] = {}
        if self._has_captions:
            texts = dict(self._captions())
            texts[CAPTIONS_PLAYLIST] = self._playlist(".vtt")
            texts[MASTER] = self._master()
        return texts | {PLAYLIST: self._playlist(".m4s")}

    @property
    def _has_captions(self) -> bool:
        return bool(self.flow.job.captions) and self.flow.has_captions

    def _playlist(self, suffix: str) -> str:
        """An HLS media playlist (RFC 8216); captions are cut at the same times as the video."""
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{TARGET_SECONDS}", "#EXT-X-MEDIA-SEQUENCE:0"]
        lines += ["#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-INDEPENDENT-SEGMENTS"]
        lines += [f"# piece {len(self._playable)} of {self.flow.count}"]  # this line and the next are for our player
        lines += ["# captions"] if self._has_captions else []
        lines += [f'#EXT-X-MAP:URI="{INIT}"'] if suffix == ".m4s" else []
        for pack in self._playable:
            for fragment in pack.fragments:
                name = fragment.path.with_suffix(suffix).name
                lines += [f"#EXTINF:{fragment.frames / self.flow.fps:.5f},", name]
        lines += ["#EXT-X-ENDLIST"] if len(self._playable) == self.flow.count else []
        return "\n".join(lines) + "\n"

    def _master(self) -> str:
        """The playlist for players that show captions."""
        segment = next(iter(self.flow.segments.values()))
        language = self.flow.job.language or self.flow.config.language
        media = f'TYPE=SUBTITLES,GROUP-ID="captions",NAME="{language}",LANGUAGE="{language}",AUTOSELECT=YES,DEFAULT=YES'
        look = f"RESOLUTION={segment.width}x{segment.height},FRAME-RATE={self.flow.fps:.3f},VIDEO-RANGE=SDR"
        codecs = _codecs(self._init().read_bytes())
        variant = f'{self._rates()},CODECS="{codecs}",{look},SUBTITLES="captions",CLOSED-CAPTIONS=NONE'
        lines = ["#EXTM3U", "#EXT-X-INDEPENDENT-SEGMENTS", f'#EXT-X-MEDIA:{media},URI="{CAPTIONS_PLAYLIST}"']
        return "\n".join([*lines, f"#EXT-X-STREAM-INF:{variant}", PLAYLIST, ""])

    def _rates(self) -> str:
        """The bit rates, measured once the stream has ended; until then one that it probably never reaches."""
        if len(self._playable) != self.flow.count:
            return f"BANDWIDTH={round(1.5 * self._bits_per_second())}"
        shown = [fragment for pack in self._playable for fragment in pack.fragments]
        segments = [(fragment.frames / self.flow.fps, 8 * fragment.path.stat().st_size) for fragment in shown]
        return f"BANDWIDTH={peak_rate(segments)},AVERAGE-BANDWIDTH={_rate(segments)}"

    def _init(self) -> Path:
        """The initialization segment."""
        return self._playable[0].init

    def _bits_per_second(self) -> float:
        """Bit rate of the first piece."""
        fragments = [fragment for pack in self._playable[:1] for fragment in pack.fragments]
        bits = 8 * sum(fragment.path.stat().st_size for fragment in fragments)
        return bits * self.flow.fps / sum(fragment.frames for fragment in fragments)

    def _captions(self) -> Iterator[tuple[str, str]]:
        """The captions of the new pieces: for each fragment, those shown during it."""
        for pack in self._playable[self.shown :]:
            sentences, frame = self.flow.sentences(pack.index), self.flow.segments[pack.index].start_frame
            for fragment in pack.fragments:
                yield self._caption(sentences, fragment, frame)
                frame += fragment.frames

    def _caption(self, sentences: Sequence[Sentence], fragment: Fragment, start: int) -> tuple[str, str]:
        """The name and the text of the captions during a fragment that begins with the frame `start`."""
        shown, fps = _cues(tuple(sentences)), self.flow.fps
        said = _between(shown, start / fps, (start + fragment.frames) / fps)
        return _caption_name(fragment), captions.webvtt(said, with_words=self.flow.job.captions == "words")


def peak_rate(segments: Sequence[tuple[float, int]]) -> int:
    """The largest bit rate of neighbouring segments, given as seconds and bits, that together last between half the
    target duration and one and a half times as long (RFC 8216, section 4.3.4.2)."""
    rates = [_rate(segments)]  # all of them, where they are shorter
    for start in range(len(segments)):
        for stop in range(start + 1, len(segments) + 1):
            seconds = sum(length for length, _ in segments[start:stop])
            if seconds > 1.5 * TARGET_SECONDS:
                break
            if seconds >= 0.5 * TARGET_SECONDS:
                rates.append(_rate(segments[start:stop]))
    return max(rates)


def _rate(segments: Sequence[tuple[float, int]]) -> int:
    return round(sum(bits for _, bits in segments) / sum(seconds for seconds, _ in segments))


@lru_cache(maxsize=8)
def _cues(sentences: tuple[Sentence, ...]) -> list[Cue]:
    """The captions of sentences. Kept, because all pieces of a recording have the same sentences."""
    return cues(sentences)


def _codecs(init: bytes) -> str:
    """The formats of a stream's two tracks as RFC 6381 names them, from its init segment."""
    profile = init.index(b"avcC") + 5
    return f"avc1.{init[profile : profile + 3].hex()},mp4a.40.2"


def _caption_name(fragment: Fragment) -> str:
    return fragment.path.with_suffix(".vtt").name


def _between(shown: list[Cue], start: float, end: float) -> list[Cue]:
    return [said for said in shown if said.start_seconds < end and said.end_seconds > start]
