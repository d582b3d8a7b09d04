"""An open stream in simulated time: its flow and its journal are real, the workers and the clock are not."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import replace
from pathlib import Path

from daemon.scheduling.journal import Journal
from daemon.scheduling.make_flow import make_flow
from daemon.scheduling.open_records import Request
from daemon.scheduling.open_stream import OpenStream
from pipeline.config import Config
from pipeline.job import Job
from pipeline.messages import (
    Chunk,
    Fragment,
    Item,
    JoinItem,
    Pack,
    PackItem,
    Result,
    Segment,
    Sentence,
    Span,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
    Video,
    Word,
)
from pipeline.stages.early_pieces import short_edges

FPS = 25
WORD_SECONDS, GAP_SECONDS = 0.36, 0.04
SECONDS = {TtsItem: 0.2, SplitItem: 0.05, Chunk: 0.4, PackItem: 0.1, JoinItem: 0.5}
"""How long each kind of item takes."""


class Simulation:
    """A flow, the workers, and users who ask."""

    def __init__(self, folder: Path, **keys: object) -> None:
        self.job = Job.model_validate(
            {"text": "Hello there.", "language": "en", "mode": "stream", "keep_open": True, **keys}
        )
        self.folder = folder
        self.now = 1000.0
        self.spoken: list[str] = []
        """The texts that were given to the voice."""
        self.items: list[Item] | None = None
        """A list for those that are given to the workers; None: they are forgotten."""
        self.models: dict[int, str] = {}
        """Which model draws a text, by its index; else `gan` does."""
        self.first_frames: int | None = None
        """Length of the first of two fragments of each piece; None: there is one."""
        self.asked = 0
        self._order = itertools.count()
        self.start()

    def start(self) -> None:
        """A daemon takes the job up: the first one, or the next one after a crash."""
        journal = Journal(self.folder, "fingerprint", self.now)
        flow = make_flow("live", self.job, folder=self.folder, recordings={}, config=Config(), journal=journal)
        assert isinstance(flow, OpenStream)
        self.flow = flow
        assert flow.begin() == []
        self._running: list[tuple[float, int, Item, Result]] = []

    def ask(self, text: str | None = None, *, is_end: bool = False) -> None:
        """Ask the stream to say something, to end, or else to stop."""
        self.asked += 1
        self.flow.hear(Request(self.asked, text, is_end))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.now < until and self.flow.video is None:
            for item in self.flow.due(self.now):
                self._begin(item)
            ends = self._running[0][0] if self._running else until
            self.now = min(until, ends, self.now + max(0.001, self.flow.idle_seconds(self.now)))
            while self._running and self._running[0][0] <= self.now:
                _, _, item, result = heapq.heappop(self._running)
                self.flow.accept(result)
                self.flow.journal.end(item)

    def end(self) -> OpenStream:
        """Ask it to end, and wait for that."""
        self.ask(is_end=True)
        self.run(3600)
        assert self.flow.video is not None
        return self.flow

    @property
    def ahead_seconds(self) -> float:
        """How much can be played that was not played yet."""
        return self.flow._ahead(self.flow.state.packed_frames)

    def _begin(self, item: Item) -> None:
        if self.items is not None:
            self.items.append(item)
        self.flow.journal.begin(item, "worker")
        ends = self.now + SECONDS[type(item)]
        for result in self._results(item, Span(self.now, ends)):
            heapq.heappush(self._running, (ends, next(self._order), item, result))

    def _results(self, item: Item, span: Span) -> list[Result]:
        match item:
            case TtsItem():
                self.spoken.append(item.text)
                return [_speech(item, span)]
            case SplitItem():
                return [*_chunks(item, span, self.models.get(item.speech.index, "gan"))]
            case Chunk():
                return [rendered(item, span)]
            case PackItem():
                return [_pack(item, span, self.first_frames)]
            case JoinItem():
                return [Video("live", _written(item.folder / "video.mp4"), item.frames, FPS, 8, 8, 1, "", span)]
            case _:
                raise AssertionError(item)


def _written(path: Path, content: bytes = b"0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _speech(item: TtsItem, span: Span) -> Speech:
    step = WORD_SECONDS + GAP_SECONDS
    words = [Word(word, k * step, k * step + WORD_SECONDS) for k, word in enumerate(item.text.split())]
    said = Sentence(item.text, 0.0, words[-1].end_seconds, tuple(words))
    audio = _written(item.folder / "speech.wav")
    return Speech("live", item.folder, audio, "test:voice", (said,), span=span, index=item.index)


def _chunks(item: SplitItem, span: Span, model: str) -> list[Chunk]:
    assert item.piece is not None
    said, folder = item.speech.sentences, item.speech.folder
    frames = round(FPS * (said[-1].end_seconds + 0.2)) if said else FPS
    pcm, track, mel = (_written(folder / name) for name in ("pcm.wav", "track.wav", "mel.npy"))
    timeline = Timeline(frames * 640, frames, FPS, (), "stream", pcm, track, mel, span, span, 0, item.speech.index)
    chunk = Chunk("live", folder, item.index, None, 0, 0, model, False, None, "a", None, None, timeline)
    edges = enumerate(short_edges(0, frames, FPS), item.index)
    return [replace(chunk, index=index, start_frame=start, stop_frame=stop) for index, (start, stop) in edges]


def rendered(item: Chunk, span: Span) -> Segment:
    path = _written(item.folder / f"chunk-{item.index:03d}.mp4")
    made_by = ("gan", "builtin", "cpu", "gan-0")
    ends = (item.start_frame, item.stop_frame)
    return Segment("live", item.index, path, *ends, 8, 8, *made_by, span, 0.1, 0.1, item.timeline, item.hush_frame)


def _pack(item: PackItem, span: Span, first_frames: int | None) -> Pack:
    folder, segment = item.segment.path.parent, item.segment
    frames = segment.stop_frame - segment.start_frame
    lengths = [frames] if first_frames is None else [first_frames, frames - first_frames]
    names = (folder / f"{item.index:03d}-{number}.m4s" for number in range(len(lengths)))
    fragments = tuple(Fragment(_written(name), length) for name, length in zip(names, lengths, strict=True))
    init = _written(folder / f"init-{item.index:03d}.mp4", b"avcC\x01\x64\x00\x1f")
    return Pack("live", item.index, init, fragments, segment.stop_frame / FPS, span)
