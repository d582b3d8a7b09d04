"""The order in which a stream's pieces are processed, with simulated workers."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Container
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.hooks import HookRunner
from daemon.publisher import Publisher
from daemon.scheduling import stages
from daemon.scheduling.journal import Journal
from daemon.scheduling.make_flow import make_flow
from daemon.scheduling.open_records import Record
from daemon.scheduling.pace import Pace
from daemon.scheduling.pacing import NOTICE_SECONDS
from daemon.scheduling.recording_stream import RecordingStream
from daemon.scheduling.stream_flow import StreamFlow
from daemon.scheduling.text_stream import (
    CAUTION,
    CLAUSE_PAUSE_SECONDS,
    PIECES_AHEAD,
    SPEAKING_CAUTION,
    TextStream,
)
from daemon.spool.layout import PLAYLIST
from daemon.spool.spool import Spool
from daemon.spool.streams import retry_after
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
from pipeline.stages.early_pieces import SLOW_SECONDS_MAX, early_edges, shortened

FPS = 25
SENTENCE = "Six words are in this sentence."
SECONDS_PER_WORD = 0.35
SILENT_SECONDS = 0.5
HEARD_LATE_SECONDS = 0.1
"""How much earlier than its picture a piece's sound ends."""


@dataclass
class Machine:
    """Runs a flow's items in simulated time, with one worker for each stage but lip-sync."""

    flow: StreamFlow
    render: float
    """Seconds per second of video."""
    speak: float = 0.1
    """Seconds per second of speech."""
    start: float = 0.0
    spoken: list[tuple[int, int]] = field(default_factory=list)
    """The texts in the order in which they were spoken, each with the number of pieces that waited for rendering."""
    mute: Container[int] = ()
    """The texts that contain no speech."""
    must_speak: list[int] = field(default_factory=list)
    """The texts that must not be silent."""
    workers: int = 2
    """How many there are for lip-sync."""
    each: float = 0.0
    """What a piece takes to be rendered besides the time for its length, in seconds."""
    hiccup: float = 0.0
    """How much longer than usual the first two pieces take, in seconds."""
    begins: list[float] = field(default_factory=list)
    """When playback was to start, after each result."""

    def run(self) -> None:
        """Run until all pieces are packed."""
        workers = {
            "tts": [self.start],
            "split": [self.start],
            "merge": [self.start],
            "lipsync": [self.start] * self.workers,
        }
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
                for result in self._results(item, Span(begun, free[0])):
                    heapq.heappush(ending, (free[0], next(order), result))
            else:
                now, _, result = heapq.heappop(ending)
                items = [item for item in self.flow.accept(result) if not isinstance(item, MergeItem)]
                self.begins.append(self.flow.begin_seconds)
                for item in items:
                    heapq.heappush(waiting, (now, next(order), item))

    def _seconds(self, item: Item) -> float:
        match item:
            case TtsItem():
                return self.speak * _length(item.text)
            case Chunk():
                hiccup = self.hiccup if item.index < 2 else 0.0
                return self.render * (item.stop_frame - item.start_frame) / FPS + self.each + hiccup
            case _:
                return 0.03

    def _results(self, item: Item, span: Span) -> list[Result]:
        return [*_chunks(item, span)] if isinstance(item, SplitItem) else [self._result(item, span)]

    def _result(self, item: Item, span: Span) -> Result:
        folder = self.flow.folder
        match item:
            case TtsItem():
                self.spoken.append((item.index, len(self.flow.chunks) - len(self.flow.segments)))
                self.must_speak += [] if item.may_be_silent else [item.index]
                said = () if item.index in self.mute else (Sentence(item.text, 0, _length(item.text)),)
                return Speech("job", folder, folder / "speech.wav", sentences=said, span=span, index=item.index)
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


def _chunks(item: SplitItem, span: Span) -> list[Chunk]:
    assert item.piece is not None
    said = item.speech.sentences
    frames = round(FPS * (_length(said[0].text) if said else SILENT_SECONDS))
    first, file = item.piece.first_frame, item.speech.folder / "file"
    edges = early_edges(first, first + frames, FPS)
    lengths = (frames * 640, frames, FPS, (), "stream")
    timeline = Timeline(*lengths, file, file, file, span, span, first, item.speech.index)
    return [
        Chunk("job", file, index, None, *ends, "gan", True, None, "a", None, None, timeline)
        for index, ends in enumerate(shortened(edges, FPS) if item.is_slow else edges, item.piece.index)
    ]


def _segment(item: Chunk, span: Span) -> Segment:
    ends, seconds = (item.start_frame, item.stop_frame), span.seconds
    made_by = ("gan", "builtin", "cpu", "gan-0")
    return Segment("job", item.index, item.folder, *ends, 8, 8, *made_by, span, seconds, seconds, item.timeline)


def flow(folder: Path, text: str, num_workers: int | None = None) -> TextStream:
    journal = Journal(folder, "fingerprint", 0.0)
    job = Job(text=text, language="en", mode="stream", num_workers=num_workers)
    made = make_flow("job", job, folder=folder, recordings={}, config=Config(), journal=journal)
    assert isinstance(made, TextStream)
    return made


def counted(stream: TextStream) -> list[int]:
    """The numbers of pieces that a stream gives, now and after each result."""
    counts = [stream.count]
    accept = stream._accept

    def watched(result: Record) -> list[Item]:
        items = accept(result)
        counts.append(stream.count)
        return items

    stream._accept = watched  # type: ignore[method-assign]
    return counts


def split_of(stream: TextStream) -> SplitItem:
    """The item that splits a new stream's first text, which has been spoken."""
    [item] = stream.begin()
    [split] = stream.accept(Machine(stream, render=0.2)._result(item, Span(1, 2)))
    assert isinstance(split, SplitItem)
    return split


def slacks(flow: StreamFlow) -> list[float]:
    return [flow.needed_seconds(index) - flow.ready_seconds(index) for index in range(1, flow.count or 0)]


def test_a_fast_stream_starts_with_its_first_piece(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 12))
    Machine(stream, render=0.2).run()
    assert stream.begin_seconds == stream.packs[0].span.end_seconds
    assert min(slacks(stream)) > 0.9 * NOTICE_SECONDS


@given(
    render=st.floats(0.1, 2.5) | st.floats(2.5, 6),
    speak=st.floats(0.05, 0.3),
    each=st.floats(0, 0.3),
    words=st.integers(1, 10).map(lambda count: " ".join(["word"] * count)),
    workers=st.integers(1, 2),
)
@example(render=0.484375, speak=0.1796875, each=0.28125, words="word " * 4 + "word", workers=2)
def test_a_stream_does_not_stall_however_slow_its_workers_are(
    tmp_path_factory: pytest.TempPathFactory, *, render: float, speak: float, each: float, words: str, workers: int
) -> None:
    text = f"{words}. " + "One two three four five six seven, " * 16 + "end."
    stream = flow(tmp_path_factory.mktemp("flow"), text, workers)
    counts = counted(stream)
    Machine(stream, render, speak, workers=workers, each=each).run()
    assert stream.begin_seconds >= stream.packs[0].span.end_seconds
    assert min(slacks(stream)) > 0.5 * NOTICE_SECONDS
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == len(stream.packs)


@pytest.mark.parametrize(("render", "workers"), [(0.3, 2), (0.79, 2), (0.3, 1), (1.6, 1)])
def test_streams_are_cut_as_usual_if_shorter_pieces_are_of_no_use(tmp_path: Path, render: float, workers: int) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 12), workers)
    Machine(stream, render, workers=workers).run()
    for text in {chunk.timeline.speech_index: chunk.timeline for chunk in stream.chunks.values()}.values():
        edges = [
            (chunk.start_frame, chunk.stop_frame)
            for chunk in stream.chunks.values()
            if chunk.timeline.speech_index == text.speech_index
        ]
        assert edges == early_edges(text.first_frame or 0, text.stop_frame, FPS)


@pytest.mark.parametrize("render", [1.2, 1.4, 1.63, 1.8])
@pytest.mark.parametrize("first", ["Hello!", "Today they will tell us", SENTENCE])
def test_streams_of_slow_workers_begin_sooner_since_their_pieces_are_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, render: float, first: str
) -> None:
    begins = []
    for name in ("short", "usual"):
        (tmp_path / name).mkdir()
        stream = flow(tmp_path / name, " ".join([first, "One two three four five six seven, " * 8, *[SENTENCE] * 20]))
        Machine(stream, render, each=0.15).run()
        assert min(slacks(stream)) > 0.9 * NOTICE_SECONDS
        begins.append(stream.begin_seconds)
        if name == "short":
            pieces = [chunk for chunk in stream.chunks.values() if chunk.timeline.speech_index > 1]
            assert len(pieces) > 2 * len(stream.texts)
            assert all(chunk.stop_frame - chunk.start_frame <= (SLOW_SECONDS_MAX + 0.1) * FPS for chunk in pieces)
            monkeypatch.setattr(TextStream, "is_slow", False)
    short, usual = begins
    assert short < usual * (0.85 if render < 1.5 else 0.7)
    assert short < 5.5


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
    assert stream.begin_seconds > now
    assert stream.playable == []


def test_players_are_told_when_a_stream_begins_that_is_held_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.create()
    stream = flow(tmp_path, " ".join([SENTENCE] * 12))
    publisher = Publisher(spool, (), cast(HookRunner, None), lambda _: None)
    publisher.open_stream(stream)
    publisher.show_streams()
    assert retry_after(spool.outbox / "job") == {}
    Machine(stream, render=3, start=time.monotonic()).run()
    publisher.show_streams()
    left = stream.begin_seconds - time.monotonic()
    assert left > 10
    assert int(retry_after(spool.outbox / "job")["Retry-After"]) == pytest.approx(left, abs=1.1)
    spool.show("job", {}, {PLAYLIST: "#EXTM3U"})
    assert retry_after(spool.outbox / "job") == {}


def test_nothing_is_predicted_before_the_second_piece_is_cut(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 3))
    machine = Machine(stream, render=0.2, speak=1, mute={0})  # a silent text becomes one piece
    machine.run()
    first, second = stream.packs[0].span.end_seconds, stream.chunks[1].timeline.split.end_seconds
    assert first < second <= stream.begin_seconds < inf
    assert machine.begins[0] == inf


def test_fast_workers_that_begin_slowly_do_not_change_how_a_stream_is_cut(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 12))
    counts = counted(stream)
    Machine(stream, render=0.3, hiccup=1.5).run()
    texts = {chunk.timeline.speech_index: chunk.timeline for chunk in stream.chunks.values()}.values()
    usual = [edges for text in texts for edges in early_edges(text.first_frame or 0, text.stop_frame, FPS)]
    assert [(chunk.start_frame, chunk.stop_frame) for chunk in stream.chunks.values()] == usual
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize(("rate", "is_slow"), [(0.5, False), (1.2, True)])
def test_slow_workers_have_to_render_a_second_piece_before_anything_is_predicted(
    tmp_path: Path, rate: float, *, is_slow: bool
) -> None:
    stream = flow(tmp_path, SENTENCE)
    first, second, *others = _chunks(split_of(stream), Span(2, 3))
    for chunk in (first, second, *others):
        stream.accept(chunk)
    seconds = rate * (first.stop_frame - first.start_frame) / FPS
    [pack] = stream.accept(_segment(first, Span(3, 3 + seconds)))
    stream.accept(Machine(stream, render=rate)._result(pack, Span(4, 4.1)))
    assert (stream.begin_seconds == inf) == is_slow
    stream.accept(_segment(second, Span(3, 5)))
    assert stream.begin_seconds < inf


def test_first_pieces_that_were_slow_delay_the_start_only_until_others_are_faster(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 12))
    machine = Machine(stream, render=0.2, hiccup=1.5)
    machine.run()
    packed = [stream.packs[index].span.end_seconds for index in range(4)]
    first = next(begin for begin in machine.begins if begin < inf)
    assert packed[0] <= stream.begin_seconds <= packed[3] < first
    assert min(slacks(stream)) > 0.9 * NOTICE_SECONDS


def test_speech_does_not_run_far_ahead_and_every_piece_is_spoken_once(tmp_path: Path) -> None:
    stream = flow(
        tmp_path, "\n".join(f"Sentence number {number} has more words than two of them fit." for number in range(20))
    )
    assert len(stream.texts) >= 20
    machine = Machine(stream, render=0.5)
    machine.run()
    assert [index for index, _ in machine.spoken] == list(range(len(stream.texts)))
    assert max(waiting for _, waiting in machine.spoken) < len(Config().workers) + PIECES_AHEAD
    assert len(stream.packs) == stream.count > len(stream.texts)


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
    silent = [index for index, chunk in stream.chunks.items() if chunk.timeline.speech_index in mute]
    assert [stream.sentences(index) for index in silent] == [[] for _ in silent]
    assert len(silent) >= len(mute)


def test_a_stream_of_one_piece_must_speak(tmp_path: Path) -> None:
    [item] = flow(tmp_path, SENTENCE).begin()
    assert isinstance(item, TtsItem)
    assert not item.may_be_silent


def test_the_last_piece_waits_until_something_has_been_spoken(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 3))
    assert len(stream.texts) == 2
    [first] = stream.begin()
    spoken = Speech("job", tmp_path, tmp_path / "speech.wav", sentences=(Sentence("said", 0, 1),))
    [split] = stream.accept(spoken)
    assert isinstance(split, SplitItem)
    spoken_next = [item for chunk in _chunks(split, Span(0, 1)) for item in stream.accept(chunk)]
    assert [item.index for item in spoken_next if isinstance(item, TtsItem)] == [1]
    assert first.index == 0


def test_a_short_text_begins_when_its_first_piece_is_packed(tmp_path: Path) -> None:
    stream = flow(tmp_path, SENTENCE)
    Machine(stream, render=0.2).run()
    assert stream.count == len(stream.packs) == 3
    assert stream.begin_seconds == stream.packs[0].span.end_seconds


def test_a_stream_waits_for_a_second_text_that_is_spoken_slowly(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 3))
    Machine(stream, render=0.1, speak=3).run()
    assert len(stream.texts) == 2
    assert stream.begin_seconds > stream.packs[0].span.end_seconds
    assert min(slacks(stream)) > 0.9 * NOTICE_SECONDS


def test_texts_are_split_in_order_once_they_are_spoken(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 8))
    [first] = stream.begin()
    machine = Machine(stream, render=0.2)
    early = machine._result(stream._speak(1), Span(0, 1))
    assert not [item for item in stream.accept(early) if isinstance(item, SplitItem)]
    [split, *_] = stream.accept(machine._result(first, Span(1, 2)))
    assert isinstance(split, SplitItem)
    assert split.piece == Piece(0, 0)
    *before, last = _chunks(split, Span(2, 3))
    assert before
    assert [item for chunk in before for item in stream.accept(chunk)] == []
    *pieces, after = [item for item in stream.accept(last) if not isinstance(item, TtsItem)]
    assert pieces == [*before, last]
    assert isinstance(after, SplitItem)
    assert after.piece == Piece(last.index + 1, last.stop_frame)


def test_an_interrupted_split_is_run_again_and_its_pieces_are_used_once(tmp_path: Path) -> None:
    stream = flow(tmp_path, SENTENCE)
    first, *others = _chunks(split_of(stream), Span(2, 3))
    stream.accept(first)
    after = flow(tmp_path, SENTENCE)
    assert [type(item) for item in after.begin()] == [SplitItem]
    assert after.accept(first) == []
    assert [item for chunk in others for item in after.accept(chunk)] == [first, *others]


def test_a_split_that_runs_again_may_cut_a_text_elsewhere(tmp_path: Path) -> None:
    stream = flow(tmp_path, SENTENCE)
    first, *others = _chunks(split_of(stream), Span(2, 3))
    for chunk in (first, *others[:-1]):
        assert stream.accept(chunk) == []
    after = flow(tmp_path, SENTENCE)
    after.begin()
    whole = replace(first, stop_frame=others[-1].stop_frame)
    assert after.accept(whole) == [whole]
    assert after.count == 1


def test_the_first_pieces_grow_and_the_number_of_pieces_is_never_more_than_said(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 12))
    counts = counted(stream)
    Machine(stream, render=0.2).run()
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == len(stream.packs)
    starts = [stream.chunks[index].start_frame / FPS for index in range(5)]
    assert starts == pytest.approx([0, 0.6, 1.2, 2, 3], abs=0.2)


def test_sentences_are_timed_from_the_start_of_the_job(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 8))
    Machine(stream, render=0.2).run()
    stream.speeches[1] = replace(stream.speeches[1], sentences=(Sentence("said", 0.25, 1.5),))
    pieces = [index for index, chunk in stream.chunks.items() if chunk.timeline.speech_index == 1]
    offset = stream.chunks[pieces[0]].start_frame / FPS
    assert len(pieces) > 1
    assert offset > 1.5
    assert {tuple(stream.sentences(index)) for index in pieces} == {(Sentence("said", offset + 0.25, offset + 1.5),)}


def recording(folder: Path, pace: Pace | None = None, num_workers: int | None = None) -> RecordingStream:
    journal = Journal(folder, "fingerprint", 0.0)
    job = Job(audio="speech.mp3", mode="stream", num_workers=num_workers)
    made = make_flow(
        "job",
        job,
        folder=folder,
        recordings={"speech.mp3": folder / "recording"},
        config=Config(),
        journal=journal,
        pace=pace,
    )
    assert isinstance(made, RecordingStream)
    return made


def test_a_recording_is_split_as_a_whole_and_its_chunks_are_the_pieces(tmp_path: Path) -> None:
    stream = recording(tmp_path)
    [split] = stream.begin()
    assert isinstance(split, SplitItem)
    assert (split.piece, split.is_slow) == (None, False)
    assert (stream.count, stream.has_captions, stream.begin_seconds) == (None, False, inf)
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
    assert [item.before for item in packs if isinstance(item, PackItem)] == [None, stream.segments[0]]
    machine = Machine(stream, render=1)
    merged = [item for pack in packs for item in stream.accept(machine._result(pack, Span(3, 4)))]
    assert [type(item) for item in merged] == [MergeItem]
    assert len(stream.playable) == 2
    assert stream.begin_seconds == 4


def test_slow_workers_have_to_render_a_second_piece_of_a_recording_too(tmp_path: Path) -> None:
    stream = recording(tmp_path)
    [split] = stream.begin()
    assert isinstance(split, SplitItem)
    assert not split.is_slow
    first, second = (_recorded_chunk(split, index) for index in range(2))
    for chunk in (first, second):
        stream.accept(chunk)
    [pack] = stream.accept(_segment(first, Span(1, 2)))
    stream.accept(Machine(stream, render=1)._result(pack, Span(2, 2.1)))
    assert stream.begin_seconds == inf
    stream.accept(_segment(second, Span(1, 3)))
    assert stream.begin_seconds < inf


def _recorded_chunk(item: SplitItem, index: int) -> Chunk:
    [chunk] = _chunks(replace(item, piece=Piece(index, index * 12)), Span(0, 1))
    return replace(chunk, count=2)


def test_a_recording_is_not_spoken_but_split(tmp_path: Path) -> None:
    [split] = recording(tmp_path).begin()
    assert isinstance(split, SplitItem)
    assert split.speech == Speech("job", tmp_path, tmp_path / "recording")
    assert (split.job, split.fps, split.mode) == ("job", Config().video.fps, "stream")
    assert (split.model, split.avatar, split.size) == (None, Config().avatars.default, None)


@pytest.mark.parametrize(
    ("rate", "workers", "is_slow"), [(0.9, 2, False), (1.2, 2, True), (5, 2, True), (1.2, 1, False)]
)
def test_a_recording_is_cut_for_slow_workers_if_those_of_earlier_streams_were(
    tmp_path: Path, rate: float, workers: int, *, is_slow: bool
) -> None:
    pace = Pace()
    for seconds in (1, 2, 4):
        pace.measured("render stream", size=seconds * FPS, cost=rate * seconds)
    [split] = recording(tmp_path, pace, workers).begin()
    assert isinstance(split, SplitItem)
    assert split.is_slow == is_slow


def test_texts_that_are_not_split_are_expected_to_be_as_long_as_they_look(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE, "One two three four five six seven eight nine ten.", SENTENCE * 2]))
    Machine(stream, render=0.5).run()
    first = [chunk for chunk in stream.chunks.values() if chunk.timeline.speech_index == 0]
    stream.chunks = {chunk.index: chunk for chunk in first}
    assert len(stream.texts) > 2
    frames_per_character = first[-1].stop_frame / len(stream.texts[0])
    span = stream.speeches[0].span
    assert span is not None
    expected = stream._expected()
    assert [piece.seconds for piece in expected[: len(first)]] == [
        (chunk.stop_frame - chunk.start_frame) / FPS for chunk in first
    ]
    starting = [piece for piece in expected if piece.speaking_seconds]
    shares = [SPEAKING_CAUTION * len(text) / len(stream.texts[0]) for text in stream.texts[1:]]
    split = 2 * 0.03
    ready = [span.seconds * share + split for share in shares]
    assert [piece.speaking_seconds for piece in starting] == pytest.approx(ready)
    frames = sum(piece.seconds for piece in expected[len(first) :]) * FPS
    others = CAUTION * frames_per_character * sum(map(len, stream.texts[1:]))
    assert frames == pytest.approx(others, abs=len(stream.texts))
    ends = [sum(piece.seconds for piece in expected[: index + 1]) for index in range(3)]
    assert ends == pytest.approx([0.6, 1.2, 2], abs=0.3)
    stream.segments = {0: replace(stream.segments[0], inference_seconds=0.7)}
    short = stream._expected()
    assert len(short) > len(expected)
    assert sum(piece.seconds for piece in short) == pytest.approx(sum(piece.seconds for piece in expected))
    assert max(piece.seconds for piece in short) <= CAUTION * (SLOW_SECONDS_MAX + 0.1)


def test_a_piece_is_needed_when_the_sound_before_it_ends(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 8))
    Machine(stream, render=0.2, start=100).run()
    assert stream.needed_seconds(0) == stream.ready_seconds(0) == stream.begin_seconds > 100
    assert stream.needed_seconds(1) == stream.begin_seconds + stream.packs[0].sound_seconds
    assert stream.needed_seconds(2) == stream.begin_seconds + stream.packs[1].sound_seconds
    stream.packs[1] = replace(stream.packs[1], span=Span(0, 900))
    assert [stream.ready_seconds(index) for index in (0, 1, 2)] == [stream.begin_seconds, 900, 900]
    assert stream.playable == [stream.packs[index] for index in range(stream.count)]


def test_an_item_is_answered_once_its_result_is_there(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 8))
    [first] = stream.begin()
    assert not stream.has_results(first)
    machine = Machine(stream, render=0.2)
    [split] = stream.accept(machine._result(first, Span(0, 1)))
    assert stream.has_results(first)
    assert not stream.has_results(stream._speak(1))
    cut = _chunks(split, Span(1, 2)) if isinstance(split, SplitItem) else []
    for chunk in cut:
        assert not stream.has_results(split)
        stream.accept(chunk)
    assert stream.has_results(split)
    chunk = cut[0]
    assert not stream.has_results(chunk)
    [pack, *_] = stream.accept(machine._result(chunk, Span(2, 3)))
    assert isinstance(pack, PackItem)
    assert stream.has_results(chunk)
    assert not stream.has_results(pack)
    stream.accept(machine._result(pack, Span(3, 4)))
    assert stream.has_results(pack)
    assert not stream.has_results(MergeItem("job", tmp_path, (), stream.timeline))


def test_results_that_arrive_twice_are_used_once(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 8))
    [first] = stream.begin()
    machine = Machine(stream, render=0.2)
    speech = machine._result(first, Span(0, 1))
    [split] = stream.accept(speech)
    assert stream.accept(speech) == []
    assert isinstance(split, SplitItem)
    cut = _chunks(split, Span(1, 2))
    assert [item for chunk in cut for item in stream.accept(chunk)] == cut
    assert [item for chunk in cut for item in stream.accept(chunk)] == []
    segment = machine._result(cut[0], Span(2, 3))
    [pack, *_] = stream.accept(segment)
    assert stream.accept(segment) == []
    packed = machine._result(pack, Span(3, 4))
    stream.accept(packed)
    assert stream.accept(packed) == []


def test_the_whole_stream_is_described_by_its_pieces(tmp_path: Path) -> None:
    stream = flow(tmp_path, " ".join([SENTENCE] * 8))
    Machine(stream, render=0.2).run()
    by_text = {segment.timeline.speech_index: segment.timeline for segment in stream.segments.values()}
    pieces = [by_text[index] for index in range(len(stream.texts))]
    assert len(pieces) < len(stream.segments)
    whole = stream.timeline
    assert whole.frames == sum(piece.frames for piece in pieces)
    assert whole.samples == whole.frames * 640
    assert (whole.track, whole.first_frame) == (tmp_path / "track.wav", None)
    assert whole.convert.start_seconds == pieces[0].convert.start_seconds
    assert whole.convert.seconds == pytest.approx(sum(piece.convert.seconds for piece in pieces))
    assert whole.split.seconds == pytest.approx(sum(piece.split.seconds for piece in pieces))
    assert stream.speech is not None
    assert stream.speech.index == 0
    spans = [stream.speeches[index].span for index in range(len(stream.texts))]
    assert stream.speech.span is not None
    assert stream.speech.span.seconds == pytest.approx(sum(span.seconds for span in spans if span is not None))
    starts = [said.start_seconds for said in stream.speech.sentences]
    assert starts == [(piece.first_frame or 0) / FPS for piece in pieces]


def test_what_is_spoken_depends_on_job_and_configuration(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "fingerprint", 0.0)
    text = "One two three four five six seven eight nine ten, " * 4 + "end."
    job = Job(text=text, language="en", mode="stream", voice="espeak:en-gb", speed=1.5)
    stream = make_flow("job", job, folder=tmp_path, recordings={}, config=Config(), journal=journal)
    assert isinstance(stream, TextStream)
    [first] = stream.begin()
    second = stream._speak(1)
    assert isinstance(first, TtsItem)
    assert (first.job, first.language, first.voice, first.speed) == ("job", "en", "espeak:en-gb", 1.5)
    assert [item.folder for item in (first, second)] == [tmp_path / "piece-000", tmp_path / "piece-001"]
    assert [item.text for item in (first, second)] == stream.texts[:2]
    assert first.pause_seconds == CLAUSE_PAUSE_SECONDS
    last = stream._speak(len(stream.texts) - 1)
    assert last.pause_seconds == Config().tts.pause_seconds


@pytest.mark.parametrize(("num_workers", "workers"), [(None, 2), (1, 1), (16, 2)])
def test_pacing_counts_the_workers_that_the_job_may_use(num_workers: int | None, workers: int, tmp_path: Path) -> None:
    journal = Journal(tmp_path, "fingerprint", 0.0)
    job = Job(text=" ".join([SENTENCE] * 8), language="en", mode="stream", num_workers=num_workers)
    stream = make_flow("job", job, folder=tmp_path, recordings={}, config=Config(), journal=journal)
    assert isinstance(stream, TextStream)
    Machine(stream, render=0.5).run()
    measured = stream._measured(stream.begin_seconds)
    assert measured.workers == workers
    assert measured.pieces[0].rendering == stream.segments[0].span
    assert measured.packing == stream.packs[0].span
    assert measured.pieces[1].cut_at_seconds == stream.chunks[1].timeline.split.end_seconds
    assert measured.sound_seconds == stream.packs[0].sound_seconds
