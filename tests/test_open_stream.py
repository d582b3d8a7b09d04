"""Streams that stay open, in simulated time."""

from __future__ import annotations

import itertools
import os
import random
import re
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.outputs.live import LiveStream
from daemon.scheduling.journal import JOURNAL
from daemon.scheduling.open_records import LISTENING, OpenState, Request
from daemon.scheduling.open_stream import (
    LEAD_SECONDS,
    LISTENING_AHEAD_SECONDS,
    PIECE_SECONDS,
    SPEAKING_AHEAD_SECONDS,
)
from daemon.scheduling.text_stream import CLAUSE_PAUSE_SECONDS
from daemon.spool.spool import Spool
from pipeline.config import Config
from pipeline.media import pcm
from pipeline.messages import PCM_RATE_HZ, Chunk, Item, JoinItem, PackItem, Piece, Span, Speech, SplitItem, TtsItem
from tests.open_streams import FPS, SECONDS, Simulation, rendered

WORDS = "One two three four five six seven."
LONG = " ".join(["Alpha beta gamma delta epsilon zeta eta theta."] * 6)
PIECE_SECONDS_MAX = 1.5


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the disk: hours pass in seconds."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def said(stream: Simulation) -> list[str]:
    """What was said so far."""
    return [sentence.text for sentence in stream.flow.state.sentences]


def is_gapless(stream: Simulation) -> bool:
    """Whether each fragment begins where the one before it ends."""
    shown = stream.flow.state.shown
    return all(one.stop_frame == other.start_frame for one, other in itertools.pairwise(shown))


def test_it_listens_in_real_time_and_without_gaps(tmp_path: Path) -> None:
    stream = Simulation(tmp_path)
    stream.run(60)
    before = stream.flow.state.packed_frames
    stream.run(100)
    assert stream.flow.state.packed_frames - before == pytest.approx(100 * FPS, abs=FPS)
    assert 0 < stream.ahead_seconds <= LISTENING_AHEAD_SECONDS + PIECE_SECONDS_MAX
    assert is_gapless(stream)
    assert said(stream) == ["Hello there."]


@pytest.mark.parametrize("after_seconds", [0.0, 0.3, 0.77])
def test_an_answer_can_be_played_soon_after_it_is_asked_for(tmp_path: Path, after_seconds: float) -> None:
    """Only the work on its first piece takes time, and that on one piece of silence before it."""
    stream = Simulation(tmp_path)
    stream.run(30 + after_seconds)
    asked, start = stream.now, stream.flow.state.placed_frames
    stream.ask(WORDS)
    while (
        len(said(stream)) < 2 or stream.flow.state.packed_frames <= stream.flow.state.sentences[1].start_seconds * FPS
    ):
        stream.run(0.05)
    assert stream.flow.state.sentences[1].start_seconds * FPS <= start + 2 * FPS
    assert stream.now - asked < 1.5


def test_texts_are_said_in_order_and_little_is_rendered_ahead(tmp_path: Path) -> None:
    stream, ahead = Simulation(tmp_path), []
    for text in (LONG, WORDS, "The end."):
        stream.ask(text)
    for _ in range(140):
        stream.run(0.25)
        ahead.append(stream.ahead_seconds)
    assert " ".join(said(stream)) == f"Hello there. {LONG} {WORDS} The end."
    assert max(ahead) <= SPEAKING_AHEAD_SECONDS + PIECE_SECONDS_MAX
    assert is_gapless(stream)


@pytest.mark.parametrize("after_seconds", [1.0, 2.2, 3.9, 5.15])
def test_a_stop_ends_after_a_word_and_drops_the_rest(tmp_path: Path, after_seconds: float) -> None:
    stream = Simulation(tmp_path)
    stream.run(20)
    stream.ask(LONG)
    stream.ask(WORDS)
    stream.run(after_seconds)
    played = stream.flow._viewer.played_seconds
    stream.ask()
    stream.run(20)
    words = " ".join(said(stream)).removeprefix("Hello there.").split()
    assert words == f"{LONG} {WORDS}".split()[: len(words)]
    assert 0 < len(words) < len(LONG.split())
    end = stream.flow.state.sentences[-1].end_seconds
    assert end <= played + SPEAKING_AHEAD_SECONDS + 2 * PIECE_SECONDS_MAX
    stream.ask("Something else.")
    stream.run(10)
    assert said(stream)[-1] == "Something else."
    assert is_gapless(stream)


def test_each_piece_knows_what_is_said_in_it(tmp_path: Path) -> None:
    stream = Simulation(tmp_path)
    stream.ask(WORDS)
    stream.run(20)
    state, found = stream.flow.state, []
    for piece in sorted({shown.piece for shown in state.shown}):
        shown = [one for one in state.shown if one.piece == piece]
        start, end = shown[0].start_frame / FPS, shown[-1].stop_frame / FPS
        found.append([sentence.text for sentence in stream.flow.sentences(piece)])
        expected = [one.text for one in state.sentences if not (one.end_seconds <= start or one.start_seconds >= end)]
        assert found[-1] == expected
    assert {text for texts in found for text in texts} == {"Hello there.", WORDS}
    assert found[-1] == [], "it listens"
    assert stream.flow.sentences(1000) == []


def test_the_report_counts_from_what_is_kept(tmp_path: Path) -> None:
    stream = Simulation(tmp_path, window_seconds=60)
    stream.run(120)
    stream.ask(WORDS)
    stream.run(10)
    flow = stream.end()
    assert flow.speech is not None and flow.speech.span is not None
    [said], latest = flow.speech.sentences, flow.state.sentences[-1]
    assert flow.state.first_frame > 40 * FPS
    assert said.start_seconds == pytest.approx(latest.start_seconds - flow.state.first_frame / FPS)
    assert flow.speech.voice == "test:voice"
    assert flow.speech.span.seconds == pytest.approx(2 * SECONDS[TtsItem]), "two texts were spoken"


def test_texts_are_spoken_and_cut_as_their_places_ask(tmp_path: Path) -> None:
    stream, items = Simulation(tmp_path), list[Item]()
    stream.items = items
    stream.ask("One two three four five six seven eight nine ten eleven twelve, and so on, until the end. Then more.")
    stream.run(30)
    spoken = [item for item in items if isinstance(item, TtsItem)]
    pause_seconds = Config().tts.pause_seconds
    assert len(spoken) == 3
    for index, item in enumerate(spoken):
        assert (item.index, item.folder, item.may_be_silent) == (index, tmp_path / f"piece-{index:03d}", True)
        assert item.lead_seconds == (LEAD_SECONDS if index < 2 else None), "the first of each request"
        assert item.pause_seconds == (pause_seconds if item.text.endswith(".") else CLAUSE_PAUSE_SECONDS)
    assert {item.text.endswith(".") for item in spoken} == {True, False}
    silence, *cut = [item for item in items if isinstance(item, SplitItem)]
    assert [item.piece for item in cut] == [Piece(index, 0, is_open=True) for index in range(len(spoken))]
    assert (silence.piece, silence.speech.voice) == (Piece(LISTENING, 0, is_open=True), "silence")
    samples = pcm.read_wav(silence.speech.audio)
    assert (len(samples), bool(samples.any())) == (round(PIECE_SECONDS * PCM_RATE_HZ), False)


def test_pieces_are_packed_in_turn_until_the_last(tmp_path: Path) -> None:
    stream, items = Simulation(tmp_path), list[Item]()
    stream.items = items
    stream.run(10)
    flow = stream.end()
    packs = [item for item in items if isinstance(item, PackItem)]
    [join] = [item for item in items if isinstance(item, JoinItem)]
    assert [item.segment.index for item in packs] == list(range(len(packs)))
    assert [item.before and item.before.index for item in packs] == [None, *range(len(packs) - 1)]
    assert [item.is_last for item in packs] == [False] * (len(packs) - 1) + [True]
    assert {item.mark for item in packs} == {flow.mark} == {join.mark} != {None}
    [*_, last] = [item for item in items if isinstance(item, Chunk)]
    assert (last.count, flow.count) == (len(packs), len(packs))
    assert flow.state.init == tmp_path / "piece-000" / "init-000.mp4"
    assert flow.begin_seconds == flow.ready_seconds(0) < flow.ready_seconds(1)


def test_what_can_be_played_is_added_up_fragment_by_fragment(tmp_path: Path) -> None:
    stream = Simulation(tmp_path)
    stream.first_frames = 3
    stream.run(20)
    assert is_gapless(stream)
    lengths = [one.fragment.frames for one in stream.flow.state.shown]
    assert set(lengths[::2]) == {3}
    assert stream.flow.state.packed_frames == sum(lengths)


def test_another_model_is_faded_into_and_silence_keeps_the_last_one(tmp_path: Path) -> None:
    stream, items = Simulation(tmp_path), list[Item]()
    stream.items, stream.models = items, {1: "nogan"}
    stream.run(10)
    stream.ask(WORDS)
    stream.run(20)
    seen = {item.index: item for item in items if isinstance(item, Chunk)}
    assert sorted(seen) == list(range(len(seen)))
    spoken = [index for index, chunk in seen.items() if chunk.model == "nogan"]
    assert spoken == list(range(spoken[0], len(seen))), "silence after the text is drawn by its model"
    assert [chunk.fade_from for chunk in seen.values()] == [
        "gan" if index == spoken[0] else None for index in range(len(seen))
    ]


def test_a_request_is_heard_once(tmp_path: Path) -> None:
    stream = Simulation(tmp_path)
    for _ in range(2):
        stream.flow.hear(Request(1, WORDS))
    stream.run(20)
    assert said(stream) == ["Hello there.", WORDS]


def test_only_files_that_are_still_needed_are_kept(tmp_path: Path) -> None:
    """Those of the last piece that can be played and of later ones, of silence, and of texts that are not cut yet."""
    stream = Simulation(tmp_path)
    stream.run(1)
    silence = stream.flow.state.silence
    assert silence is not None

    def chunk(name: str, index: int, extras: Sequence[Path | None]) -> Chunk:
        pcm, track, mel = (Path(f"{name}.{part}") for part in ("pcm", "track", "mel"))
        phonemes, overlay, logo = extras
        timeline = replace(silence.timeline, pcm=pcm, track=track, mel=mel)
        return replace(
            silence, folder=tmp_path, index=index, timeline=timeline, phonemes=phonemes, overlay=overlay, logo=logo
        )

    def speech(index: int, phonemes: Path | None) -> Speech:
        return Speech(
            "live", tmp_path, Path(f"{index}.wav"), "voice", (), span=Span(0, 0), index=index, phonemes=phonemes
        )

    extras = ("phonemes", "overlay", "logo")
    pieces = [chunk(str(k), k, [Path(f"{k}.{part}") for part in extras]) for k in range(4)]
    state = OpenState(
        packed=3,
        chunks={piece.index: piece for piece in pieces},
        segments={piece.index: rendered(piece, Span(0, 0)) for piece in pieces},
        cutting=[chunk("next", 4, [None] * 3)],
        silence=chunk("silence", 0, [None] * 3),
        speeches={k: speech(k, Path(f"{k}.said") if k != 2 else None) for k in range(4)},
        texts_placed=2,
        init=Path("init.mp4"),
    )
    live = [f"{k}.{part}" for k in (2, 3) for part in ("pcm", "track", "mel", *extras)]
    others = [f"{name}.{part}" for name in ("next", "silence") for part in ("pcm", "track", "mel")]
    segments = ["chunk-002.mp4", "chunk-003.mp4"]
    speeches = ["2.wav", "3.wav", "3.said"]
    assert sorted(path.name for path in state.files()) == sorted([*live, *others, *segments, *speeches, "init.mp4"])


def test_a_stop_while_it_listens_changes_nothing(tmp_path: Path) -> None:
    stream = Simulation(tmp_path)
    stream.run(20)
    stream.ask()
    stream.run(20)
    assert said(stream) == ["Hello there."]
    assert is_gapless(stream)


@pytest.mark.parametrize("seed", range(6))
def test_crashes_at_any_time_lose_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    chance, expected = random.Random(seed), ["Hello there."]
    stream = Simulation(tmp_path)
    for number in range(12):
        expected.append(f"Text {number}.")
        stream.ask(expected[-1])
        stream.run(chance.uniform(0, 6))
        if chance.random() < 0.7:
            stream.start()
    assert stream.flow.state.heard == 12
    flow = stream.end()
    assert flow.speech is not None and flow.video is not None
    assert [sentence.text for sentence in flow.speech.sentences] == expected
    assert is_gapless(stream)
    assert flow.video.frames == flow.state.packed_frames == flow.timeline.frames


@pytest.mark.parametrize("seed", range(4))
def test_crashes_around_stops_leave_one_story(tmp_path: Path, seed: int) -> None:
    """What is left to say after a stop and a crash is what was asked for after the stop."""
    chance, stream = random.Random(seed), Simulation(tmp_path)
    for number in range(4):
        stream.ask(LONG)
        stream.run(chance.uniform(0, 8))
        if chance.random() < 0.5:
            stream.start()
        stream.ask()
        stream.run(chance.uniform(0, 2))
        if chance.random() < 0.5:
            stream.start()
        stream.ask(f"Answer {number}.")
        stream.run(chance.uniform(0, 10))
        stream.start()
        stream.run(8)
        assert said(stream)[-1] == f"Answer {number}."
    assert is_gapless(stream)
    assert [text for text in said(stream) if text.startswith("Answer")] == [f"Answer {n}." for n in range(4)]


def size(folder: Path) -> tuple[int, int]:
    """How many files a job's folder has, and the bytes of its journal."""
    return sum(path.is_file() for path in folder.rglob("*")), (folder / JOURNAL).stat().st_size


def max_of(stream: Simulation, seconds: int, every_seconds: int) -> tuple[int, int, int]:
    """Most files, journal and traced memory while a stream runs: it clears up about once a minute, at any second."""
    found = []
    for _ in range(0, seconds, every_seconds):
        stream.run(every_seconds)
        found.append((*size(stream.folder), tracemalloc.get_traced_memory()[0]))
    files, journal, memory = (max(values) for values in zip(*found, strict=True))
    return files, journal, memory


def listened(folder: Path, minutes: int) -> list[tuple[int, int, int]]:
    """Most files, bytes of the journal and bytes of traced memory in each minute of a stream with a window."""
    stream, sizes = Simulation(folder, window_seconds=60), []
    for minute in range(minutes):
        stream.ask(f"Text {minute}.")
        sizes.append(max_of(stream, seconds=60, every_seconds=6))
    flow = stream.end()
    assert flow.timeline.seconds == pytest.approx(60, abs=2)
    assert flow.state.packed_frames / FPS > 60 * minutes
    assert stream.spoken == ["Hello there.", *(f"Text {minute}." for minute in range(minutes))]
    return sizes


@pytest.mark.slow
def test_with_a_window_the_disk_does_not_fill(tmp_path: Path) -> None:
    """Nor does the memory: the journal has all that is remembered."""
    sizes = listened(tmp_path, 10)
    assert max(files for files, _, _ in sizes[5:]) <= max(files for files, _, _ in sizes[:5])
    assert max(journal for _, journal, _ in sizes[5:]) <= 1.1 * max(journal for _, journal, _ in sizes[:5])


@pytest.mark.soak
def test_six_hours_with_a_window_take_no_more_memory_and_disk_than_two(tmp_path: Path) -> None:
    """In the second hour Python's table of all names of files grows by two megabytes, once."""
    tracemalloc.start()
    sizes = listened(tmp_path, 360)
    tracemalloc.stop()
    for first, last in zip(zip(*sizes[90:150], strict=True), zip(*sizes[300:], strict=True), strict=True):
        assert max(last) <= 1.05 * max(first)


def test_silence_and_length_are_limited(tmp_path: Path) -> None:
    stream = Simulation(tmp_path)
    stream.run(20)
    assert not stream.flow.is_over_due(30, 3600)
    assert stream.flow.is_over_due(10, 3600)
    assert stream.flow.is_over_due(30, 15)
    stream.ask(LONG)
    assert not stream.flow.is_over_due(10, 3600)
    stream.ask(is_end=True)
    assert not stream.flow.is_over_due(0, 0)


def test_a_window_slides_by_the_rules_of_hls(tmp_path: Path) -> None:
    """RFC 8216, section 6.2.2: numbers go on, and what has left the playlist can be fetched for as long again."""
    spool, seen = Spool(tmp_path), list[str]()
    spool.create()
    spool.folder("live").mkdir()
    spool.open_stream("live", (), fresh=True)
    stream, shown = Simulation(spool.folder("live"), window_seconds=30, captions=True), tmp_path / "outbox" / "live"
    live, left = LiveStream(stream.flow), 0
    stream.ask(LONG)
    for _ in range(100):
        stream.run(1)
        spool.show("live", live.files(), live.texts(), live.staying())
        live.mark_shown()
        text = (shown / "index.m3u8").read_text()
        lengths = [float(length) for length in re.findall(r"^#EXTINF:([\d.]+),$", text, re.MULTILINE)]
        names = re.findall(r"^\S+\.m4s$", text, re.MULTILINE)
        found = re.search(r"^#EXT-X-MEDIA-SEQUENCE:(\d+)$", text, re.MULTILINE)
        assert found is not None and int(found[1]) >= left
        left = int(found[1])
        seen += [name for name in names if name not in seen]
        assert names == seen[left:]
        assert max(lengths) < 1.5
        assert sum(lengths) < 30 + 2 * PIECE_SECONDS_MAX
        assert not left or round(sum(lengths), 3) >= 30
        files = {path.name for path in shown.glob("*.m4s")}
        assert {*seen[max(0, left - 25) :], "init.mp4"} <= files | {"init.mp4"}
        assert len(files) <= 65
        assert "#EXT-X-PLAYLIST-TYPE" not in text
        assert "#EXT-X-ENDLIST" not in text
    assert left > 60
    assert len({path.stem for path in shown.glob("*-*.vtt")}) == len(files)
    stream.end()
    assert live.texts()["index.m3u8"].endswith("#EXT-X-ENDLIST\n")


def test_silence_is_counted_from_what_was_said_last_although_that_has_left_the_window(tmp_path: Path) -> None:
    stream = Simulation(tmp_path, window_seconds=30)
    stream.run(100)
    stream.ask("Later.")
    stream.run(200)
    assert said(stream) == []
    assert not stream.flow.is_over_due(250, 3600)
    assert stream.flow.is_over_due(150, 3600)


def test_without_a_window_only_the_video_grows(tmp_path: Path) -> None:
    stream, sizes = Simulation(tmp_path), []
    for _ in range(10):
        stream.run(60)
        sizes.append(size(tmp_path))
    files = [count - len(stream.flow.state.shown) * (minute + 1) / 10 for minute, (count, _) in enumerate(sizes)]
    assert max(files[-4:]) <= max(files[:4]) + 5
    assert len(stream.flow.segments) < 70
    video = stream.end().video
    assert video is not None and video.frames == stream.flow.state.packed_frames
