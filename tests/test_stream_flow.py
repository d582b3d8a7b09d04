"""The order in which a stream's pieces are processed, with simulated workers."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Container
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.scheduling import stages
from daemon.scheduling.journal import Journal
from daemon.scheduling.make_flow import make_flow
from daemon.scheduling.pacing import NOTICE_SECONDS
from daemon.scheduling.recording_stream import RecordingStream
from daemon.scheduling.stream_flow import StreamFlow
from daemon.scheduling.text_stream import PIECES_AHEAD, TextStream
from pipeline.config import Config
from pipeline.job import Job
from pipeline.messages import (
    Chunk,
    Fragment,
    Item,
    MergeItem,
    Pack,
    PackItem,
    Piece,
    Result,
    Segment,
    Sentence,
    Span,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
)

FPS = 25
SENTENCE = "Six words are in this sentence."
SECONDS_PER_WORD = 0.35
SILENT_SECONDS = 0.5
HEARD_LATE_SECONDS = 0.1
"""How much earlier than its picture a piece's sound ends."""


@dataclass
class Machine:
    """Runs a flow's items in simulated time, with one worker for each stage and two for lip-sync."""

    flow: StreamFlow
    render: float
    """Seconds per second of video."""
    speak: float = 0.1
    """Seconds per second of speech."""
    start: float = 0.0
    spoken: list[tuple[int, int]] = field(default_factory=list)
    """The pieces in the order in which they were spoken, each with the number of pieces already rendered."""
    mute: Container[int] = ()
    """The pieces that contain no speech."""
    must_speak: list[int] = field(default_factory=list)
    """The pieces that must not be silent."""

    def run(self) -> None:
        """Run until all pieces are packed."""
        workers = {"tts": [self.start], "split": [self.start], "merge": [self.start], "lipsync": [self.start] * 2}
        order = itertools.count()
        waiting = [(self.start, next(order), item) for item in self.flow.begin()]
        ending: list[tuple[float, int, Result]] = []
        while waiting or ending:
            if waiting and (not ending or waiting[0][0] <= ending[0][0]):
                due, _, item = heapq.heappop(waiting)
                free = workers[stages.role(item)]
                free.sort()
                begun = max(due, free[0])
                free[0] = begun + self._seconds(item)
                heapq.heappush(ending, (free[0], next(order), self._result(item, Span(begun, free[0]))))
            else:
                now, _, result = heapq.heappop(ending)
                items = [item for item in self.flow.accept(result) if not isinstance(item, MergeItem)]
                for item in items:
                    heapq.heappush(waiting, (now, next(order), item))

    def _seconds(self, item: Item) -> float:
        match item:
            case TtsItem():
                return self.speak * _length(item.text)
            case Chunk():
                return self.render * (item.stop_frame - item.start_frame) / FPS
            case _:
                return 0.03

    def _result(self, item: Item, span: Span) -> Result:
        folder = self.flow.folder
        match item:
            case TtsItem():
                self.spoken.append((item.index, len(self.flow.segments)))
                self.must_speak += [] if item.may_be_silent else [item.index]
                said = () if item.index in self.mute else (Sentence(item.text, 0, _length(item.text)),)
                return Speech("job", folder, folder / "speech.wav", sentences=said, span=span, index=item.index)
            case SplitItem():
                return _chunk(item, span)
            case Chunk():
                return _segment(item, span)
            case PackItem():
                segment = item.segment
                late = 0 if item.is_last else HEARD_LATE_SECONDS
                fragments = (Fragment(folder / "0.m4s", segment.stop_frame - segment.start_frame),)
                return Pack("job", item.index, folder, fragments, segment.stop_frame / FPS - late, span)
            case _:
                raise AssertionError(item)


def _length(said: str) -> float:
    return SECONDS_PER_WORD * len(said.split())


def _chunk(item: SplitItem, span: Span) -> Chunk:
    assert item.piece is not None
    said = item.speech.sentences
    frames = round(FPS * (_length(said[0].text) if said else SILENT_SECONDS))
    first, file = item.piece.first_frame, item.speech.folder / "file"
    timeline = Timeline(frames * 640, frames, FPS, (), "stream", file, file, file, span, span, first)
    ends = (first, first + frames)
    return Chunk("job", file, item.piece.index, item.piece.count, *ends, "gan", True, None, "a", None, None, timeline)


def _segment(item: Chunk, span: Span) -> Segment:
    ends, seconds = (item.start_frame, item.stop_frame), span.seconds
    made_by = ("gan", "builtin", "cpu", "gan-0")
    return Segment("job", item.index, item.folder, *ends, 8, 8, *made_by, span, seconds, seconds, item.timeline)


def flow(folder: Path, text: str) -> TextStream:
    journal = Journal(folder, "fingerprint", 0.0)
    job = Job(text=text, language="en", mode="stream")
    made = make_flow("job", job, folder=folder, recording=None, config=Config(), journal=journal)
    assert isinstance(made, TextStream)
    return made


def slacks(flow: StreamFlow) -> list[float]:
    return [flow.needed_seconds(index) - flow.ready_seconds(index) for index in range(1, len(flow.texts))]


def test_a_fast_stream_starts_with_its_first_piece(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 12))
    Machine(stream, render=0.2).run()
    assert stream.begin_seconds == stream.packs[0].span.end_seconds
    assert min(slacks(stream)) > NOTICE_SECONDS


@given(render=st.floats(0.1, 6), speak=st.floats(0.05, 0.3), first_words=st.integers(1, 10))
def test_a_stream_does_not_stall_however_slow_its_workers_are(
    tmp_path_factory: pytest.TempPathFactory, render: float, speak: float, first_words: int
) -> None:
    words = " ".join(["word"] * first_words)
    stream = flow(tmp_path_factory.mktemp("flow"), f"{words}. " + "One two three four five six seven, " * 16 + "end.")
    Machine(stream, render, speak).run()
    assert stream.begin_seconds >= stream.packs[0].span.end_seconds
    assert min(slacks(stream)) > 0.9 * NOTICE_SECONDS


def test_a_late_second_piece_is_reported_as_a_stall(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 12))
    Machine(stream, render=0.2).run()
    stream.packs[1] = replace(stream.packs[1], span=Span(0, 30))
    assert stream.begin_seconds == stream.packs[0].span.end_seconds
    assert slacks(stream)[0] < -20


def test_nothing_is_playable_before_playing_may_start(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 12))
    now = time.monotonic()
    Machine(stream, render=0.2, start=now + 3600).run()
    assert stream.playable == []
    del stream.packs[1], stream.chunks[1]
    assert stream.begin_seconds == inf


def test_speech_does_not_run_far_ahead_and_every_piece_is_spoken_once(tmp_path: Path) -> None:
    stream = flow(
        tmp_path, "\n".join(f"Sentence number {number} has more words than two of them fit." for number in range(20))
    )
    assert len(stream.texts) >= 20
    assert [item.index for item in stream.begin()] == [0, 1]
    machine = Machine(stream, render=0.5)
    machine.run()
    assert [index for index, _ in machine.spoken] == list(range(len(stream.texts)))
    assert max(index - rendered for index, rendered in machine.spoken) < PIECES_AHEAD
    assert len(stream.packs) == len(stream.texts)


@pytest.mark.parametrize("mute", [{0}, {2, 3}, set(range(11)), {11}])
def test_pieces_without_speech_are_silent_but_one_piece_must_speak(mute: set[int], tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 23))
    assert len(stream.texts) == 12
    machine = Machine(stream, render=0.5, mute=mute)
    machine.run()
    assert [index for index, _ in machine.spoken] == list(range(12))
    assert machine.must_speak == ([11] if len(mute) == 11 else [])
    assert stream.speech is not None
    assert len(stream.speech.sentences) == 12 - len(mute)
    assert [stream.sentences(index) for index in mute] == [[] for _ in mute]


def test_a_stream_of_one_piece_must_speak(tmp_path: Path) -> None:
    [item] = flow(tmp_path, SENTENCE).begin()
    assert isinstance(item, TtsItem)
    assert not item.may_be_silent


def recording(folder: Path) -> RecordingStream:
    journal = Journal(folder, "fingerprint", 0.0)
    job = Job(audio="speech.mp3", mode="stream")
    made = make_flow("job", job, folder=folder, recording=folder / "recording", config=Config(), journal=journal)
    assert isinstance(made, RecordingStream)
    return made


def test_a_recording_is_split_as_a_whole_and_its_chunks_are_the_pieces(tmp_path: Path) -> None:
    stream = recording(tmp_path)
    [split] = stream.begin()
    assert isinstance(split, SplitItem)
    assert split.piece is None
    assert (stream.count, stream.texts, stream.begin_seconds) == (None, (), inf)
    first, second = (_recorded_chunk(split, index) for index in range(2))
    assert stream.accept(first) == []
    assert stream.accept(second) == [first, second]
    assert stream.count == 2


def test_a_recorded_piece_is_packed_once_the_one_before_it_is_rendered(tmp_path: Path) -> None:
    stream = recording(tmp_path)
    [split] = stream.begin()
    assert isinstance(split, SplitItem)
    first, second = (_recorded_chunk(split, index) for index in range(2))
    stream.accept(first)
    stream.accept(second)
    assert stream.accept(_segment(second, Span(1, 2))) == []
    packs = stream.accept(_segment(first, Span(1, 3)))
    assert [(item.index, item.is_last) for item in packs if isinstance(item, PackItem)] == [(0, False), (1, True)]
    machine = Machine(stream, render=1)
    merged = [item for pack in packs for item in stream.accept(machine._result(pack, Span(3, 4)))]
    assert [type(item) for item in merged] == [MergeItem]
    assert len(stream.playable) == 2
    assert stream.begin_seconds == 4


def _recorded_chunk(item: SplitItem, index: int) -> Chunk:
    return replace(_chunk(replace(item, piece=Piece(index, 2, index * 12)), Span(0, 1)), count=2)
