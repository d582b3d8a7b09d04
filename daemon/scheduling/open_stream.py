"""The flow of an open stream: it says what it is asked to say, and listens in between, until it is asked to end.

Nothing is rendered long before it is played, so that an answer begins at once and an interruption is soon heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import ClassVar

import numpy as np

from daemon.scheduling.journal import files_of
from daemon.scheduling.open_interruptions import interrupt, interruption
from daemon.scheduling.open_records import LISTENING, Cut, OpenState, Record, Request, Shown, Text
from daemon.scheduling.open_viewer import Viewer
from daemon.scheduling.stream_flow import StreamFlow
from daemon.scheduling.text_stream import CLAUSE_PAUSE_SECONDS
from pipeline.media import pcm
from pipeline.messages import (
    PCM_RATE_HZ,
    Chunk,
    Item,
    JoinItem,
    Label,
    Pack,
    PackItem,
    Piece,
    Segment,
    Sentence,
    Span,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
    Video,
)
from pipeline.speech import sentences

PIECE_SECONDS = 1.0
"""Length of a piece in which nothing is said."""
LISTENING_AHEAD_SECONDS = 2.0
"""How far ahead of playback silence is rendered: enough for a player to find and fetch it."""
SPEAKING_AHEAD_SECONDS = 3.0
"""How far ahead of playback a piece of speech may begin to be rendered: always at once if nothing was said before."""
TEXTS_AHEAD = 2
"""How many texts may be spoken before they are needed."""
LEAD_SECONDS = 0.12
"""Silence before a request's speech, in which the mouth begins to open."""
REPORTED_PIECES = 60
"""The latest pieces, which the timing JSON lists."""
CHECKPOINT_PIECES = 60
"""After so many pieces, or a share of those that the playlist has, the journal is written anew."""
CHECKPOINT_SHARE = 0.05


@dataclass
class OpenStream(StreamFlow):
    """A stream without a planned end.

    What runs next depends on the time, so results start nothing: the scheduler asks for items, see `due`. Where each
    text begins, and where it is broken off, is in the journal.
    """

    is_open: ClassVar[bool] = True
    state: OpenState = field(default_factory=OpenState, init=False)
    _asked: set[tuple[str, int]] = field(default_factory=set, init=False)
    """The items that were given to the scheduler and may not have results yet."""
    _rendering: int = field(default=0, init=False)
    """How many pieces were given to be rendered."""
    _viewer: Viewer = field(init=False)
    _present: set[Path] = field(default_factory=set, init=False)
    """The files of results."""
    _checkpoint_at: int = field(default=CHECKPOINT_PIECES, init=False)
    """How many pieces must be packed before the journal is written anew."""

    def __post_init__(self) -> None:
        self._viewer = Viewer(self.fps)
        self._restore(self.state)

    # What others ask of it

    @property
    def count(self) -> int | None:
        """Number of pieces; None while the stream is open."""
        return None if self.state.last is None else self.state.last + 1

    @property
    def has_captions(self) -> bool:
        """Always: every piece is a part of a text, or silent."""
        return True

    @property
    def window_seconds(self) -> float:
        """How much of the stream is kept."""
        return inf if self.job.window_seconds is None else self.job.window_seconds

    @property
    def label(self) -> Label | None:
        """As configured, but always shown: a viewer may come at any time."""
        label = super().label
        return None if label is None else replace(label, seconds=None)

    @property
    def first_frame(self) -> int:
        """The frame that what is kept begins with."""
        return self.state.first_frame

    @property
    def begin_seconds(self) -> float:
        """When playback may start, in monotonic seconds; infinity until the first piece is packed."""
        return self.state.ready_seconds if self.state.packed else inf

    def ready_seconds(self, index: int) -> float:
        """When a piece could be played, in monotonic seconds."""
        pack = self.state.packs.get(index)
        return pack.span.end_seconds if pack is not None and index else self.state.ready_seconds

    def needed_seconds(self, index: int) -> float:
        """When a player that began with the first piece needed a piece."""
        needed = self._viewer.needed_seconds(index)
        return self.ready_seconds(index) if needed is None else needed

    def sentences(self, index: int) -> Sequence[Sentence]:
        """The sentences during a piece, with times counted from the start of the job."""
        frames = [(shown.start_frame, shown.stop_frame) for shown in self.state.shown if shown.piece == index]
        start, end = (min(frames)[0] / self.fps, max(frames)[1] / self.fps) if frames else (0.0, 0.0)
        return [said for said in self.state.sentences if said.start_seconds < end and said.end_seconds > start]

    @property
    def timeline(self) -> Timeline:
        """Lengths of what is kept of the stream."""
        assert self.state.silence is not None
        frames = self.state.packed_frames - self.state.first_frame
        samples = round(frames * PCM_RATE_HZ / self.fps)
        return replace(self.state.silence.timeline, samples=samples, frames=frames, first_frame=None)

    def is_over_due(self, close_after_seconds: float, longest_seconds: float) -> bool:
        """Whether it has listened for too long, or is too long, so that it should be asked to end."""
        state = self.state
        if state.has_end or not state.packed:
            return False
        is_idle = not state.texts and self._viewer.played_seconds - state.said_until_seconds >= close_after_seconds
        return is_idle or state.placed_frames / self.fps >= longest_seconds

    def pending_characters(self) -> int:
        """Length of the texts that are not said yet."""
        return sum(len(text.text) for text in self.state.texts.values())

    # Results and requests

    def begin(self) -> list[Item]:
        """Continue from the journal; `due` returns the items."""
        assert self.job.text is not None
        self._add(0, self.job.text)
        for result in self.journal.results:
            self._accept(result)
        self.journal.results.clear()
        self._present = self.journal.result_files
        self._rendering = max([self.state.packed, *(index + 1 for index in self.segments)])
        self._checkpoint_at = self.state.packed + CHECKPOINT_PIECES
        return []

    def hear(self, request: Request) -> None:
        """Do what a user asks. Requests that were heard before are ignored."""
        if request.number <= self.state.heard:
            return
        is_stop = request.text is None and not request.is_end
        pieces = max(self._rendering, self.state.packed)
        self.accept(interruption(self.state, request.number, pieces, self.fps) if is_stop else request)

    def has_results(self, item: Item) -> bool:
        """Whether all results of an item exist or are not wanted any more."""
        state = self.state
        match item:
            case TtsItem():
                return item.index in state.speeches or item.index < state.texts_placed
            case SplitItem() if item.index != LISTENING:
                return item.index < state.texts_placed
            case SplitItem():
                return state.silence is not None
            case Chunk():
                return item.index in self.segments or item.index < state.packed
            case PackItem():
                return item.index in self.packs or item.index < state.packed
            case _:
                return self.video is not None

    def _first_items(self) -> list[Item]:
        return []

    def _accept_segment(self, segment: Segment) -> list[Item]:
        return []

    def _accept(self, result: Record) -> list[Item]:
        self._present.update(files_of(result))
        match result:
            case OpenState():
                self._restore(result)
            case Request():
                self._heard(result)
            case Cut():
                interrupt(self.state, result)
            case Speech():
                if result.index >= self.state.texts_placed:
                    self.state.speeches[result.index] = result
            case Chunk():
                self._accept_chunk(result)
            case Segment():
                self.segments.setdefault(result.index, result)
            case Pack():
                self._accept_pack(result)
            case Video():
                self.video, self.speech = result, self._whole_speech()
        return []

    def _restore(self, state: OpenState) -> None:
        self.state = state
        self.chunks, self.segments, self.packs = state.chunks, state.segments, state.packs

    def _heard(self, request: Request) -> None:
        self.state.heard = request.number
        if request.text is not None:
            self._add(request.number, request.text)
        self.state.has_end = self.state.has_end or request.is_end

    def _add(self, number: int, text: str) -> None:
        for place, part in enumerate(sentences.pieces(text, self.language)):
            self.state.texts[self.state.texts_known] = Text(number, part, place == 0)
            self.state.texts_known += 1

    def _accept_chunk(self, chunk: Chunk) -> list[Item]:
        """Place a piece of silence, or a text once all its pieces are known; what is not wanted any more is ignored."""
        state = self.state
        if chunk.index == LISTENING:
            state.silence = chunk
        elif chunk.timeline.speech_index == LISTENING:
            state.last = chunk.index if chunk.count is not None else None
            state.place([chunk])
        elif chunk.timeline.speech_index == state.texts_placed:
            state.cutting = [*(state.cutting if chunk.start_frame else []), chunk]
            if chunk.is_last_of_text:
                self._place_text(state.cutting)
        return []

    def _place_text(self, chunks: list[Chunk]) -> None:
        state, first = self.state, chunks[0]
        speech = state.speeches.pop(state.texts_placed)
        later = [chunk.later(state.placed - first.index, state.placed_frames) for chunk in chunks]
        before = self.chunks.get(state.placed - 1)
        is_other = before is not None and before.model != first.model
        later[0] = replace(later[0], fade_from=before.model if before is not None and is_other else None)
        state.sentences += [sentence.later(state.placed_frames / self.fps) for sentence in speech.sentences]
        if speech.sentences:
            state.said_until_seconds = state.sentences[-1].end_seconds
        state.voice = state.voice or speech.voice
        if speech.span is not None:
            state.speaking_seconds += speech.span.seconds
            state.spoken_from_seconds = state.spoken_from_seconds or speech.span.start_seconds
        state.texts_placed, state.cutting = state.texts_placed + 1, []
        state.place(later)

    def _accept_pack(self, pack: Pack) -> list[Item]:
        if pack.index >= self.state.packed:
            self.packs[pack.index] = pack
        while (ready := self.packs.get(self.state.packed)) is not None:
            self._show(ready)
        return []

    def _show(self, pack: Pack) -> None:
        """Let a piece be played, and forget what is not needed any more."""
        state, frame = self.state, self.state.packed_frames
        if state.packed == 0:
            state.init, state.ready_seconds = pack.init, pack.span.end_seconds
        for fragment in pack.fragments:
            state.shown.append(Shown(pack.index, frame, fragment))
            frame += fragment.frames
        chunk = self.chunks[pack.index]
        if chunk.timeline.speech_index != LISTENING and (chunk.is_last_of_text or chunk.hush_frame is not None):
            state.texts = {k: text for k, text in state.texts.items() if k > chunk.timeline.speech_index}
        state.packed += 1
        self._forget()

    def _forget(self) -> None:
        state, oldest = self.state, self.state.packed - REPORTED_PIECES
        self.chunks.pop(state.packed - 3, None)
        self._viewer.forget(oldest)
        for known in (self.segments, self.packs):
            known.pop(oldest, None)
        window = self.window_seconds * self.fps
        while state.packed_frames - state.shown[0].stop_frame >= window:
            state.leaving.append(state.shown.pop(0))
            state.removed += 1
        while state.leaving and state.leaving[-1].stop_frame - state.leaving[0].stop_frame >= window:
            state.leaving.pop(0)

    # What can run

    def due(self, now: float) -> list[Item]:
        """The items that can run now and were not returned before."""
        state = self.state
        coming = [self.chunks[index] for index in range(state.packed, state.placed)]
        self._viewer.follow(now, state.packed_frames, coming, PIECE_SECONDS)
        if self.video is not None:
            return []
        items = [*self._listening(), *self._to_speak(), *self._to_cut(), *self._to_render(), *self._to_pack()]
        self._checkpoint()
        items += self._to_join()
        new = [item for item in items if _key(item) not in self._asked]
        self._asked = {_key(item) for item in items}
        return new

    def idle_seconds(self, now: float) -> float:
        """Time until `due` may return more although nothing has happened."""
        if not self.state.packed or self.video is not None:
            return inf
        ahead = self._ahead(self.state.placed_frames)
        waits = [ahead - LISTENING_AHEAD_SECONDS, ahead - SPEAKING_AHEAD_SECONDS]
        if self._rendering in self.chunks:
            waits.append(self._ahead(self.chunks[self._rendering].start_frame) - SPEAKING_AHEAD_SECONDS)
        return min((wait for wait in waits if wait > 0), default=inf)

    def _ahead(self, frame: int) -> float:
        return self._viewer.ahead_seconds(frame)

    def _to_speak(self) -> Iterator[Item]:
        state = self.state
        for index in range(state.texts_placed, min(state.texts_known, state.texts_placed + TEXTS_AHEAD)):
            if index not in state.speeches:
                yield self._speak(index)

    def _speak(self, index: int) -> TtsItem:
        text = self.state.texts[index]
        return replace(
            self._tts_item(text.text),
            folder=self.folder / f"piece-{index:03d}",
            index=index,
            pause_seconds=self.config.tts.pause_seconds if sentences.ends_sentence(text.text) else CLAUSE_PAUSE_SECONDS,
            lead_seconds=LEAD_SECONDS if text.is_first else None,
            may_be_silent=True,
        )

    def _to_cut(self) -> Iterator[Item]:
        """Cut the next text into pieces once it is spoken and soon needed."""
        state = self.state
        speech = state.speeches.get(state.texts_placed)
        if speech is not None and self._ahead(state.placed_frames) <= SPEAKING_AHEAD_SECONDS:
            yield replace(self._split_item(speech), piece=Piece(state.texts_placed, 0, is_open=True))

    def _listening(self) -> Iterator[Item]:
        """Place silence where nothing is said; a last piece of it ends the stream."""
        state = self.state
        if state.silence is None:
            yield self._silence_item()
            return
        while state.packed and state.last is None and self._ahead(state.placed_frames) <= LISTENING_AHEAD_SECONDS:
            self.accept(self._silent_piece())

    def _silent_piece(self) -> Chunk:
        state = self.state
        assert state.silence is not None
        piece = state.silence.later(state.placed - LISTENING, state.placed_frames)
        is_last = state.has_end and state.texts_placed == state.texts_known
        before = self.chunks.get(state.placed - 1)
        model = piece.model if before is None else before.model
        return replace(piece, model=model, fade_from=None, count=state.placed + 1 if is_last else None)

    def _silence_item(self) -> Item:
        folder = self.folder / "silence"
        folder.mkdir(exist_ok=True)
        pcm.write_wav(folder / "speech.wav", np.zeros(round(PIECE_SECONDS * PCM_RATE_HZ), np.int16), PCM_RATE_HZ)
        speech = Speech(self.name, folder, folder / "speech.wav", voice="silence", index=LISTENING)
        return replace(self._split_item(speech), piece=Piece(LISTENING, 0, is_open=True))

    def _to_render(self) -> Iterator[Item]:
        """The next pieces; of speech, only those that are soon needed."""
        while (chunk := self.chunks.get(self._rendering)) is not None:
            is_silent = chunk.timeline.speech_index == LISTENING
            if not is_silent and self._ahead(chunk.start_frame) > SPEAKING_AHEAD_SECONDS:
                break
            self._rendering += 1
        for index in range(self.state.packed, self._rendering):
            if index not in self.segments:
                yield self.chunks[index]

    def _to_pack(self) -> Iterator[Item]:
        """Pack a piece once the previous one is also rendered: its sound begins within that one."""
        for index in range(self.state.packed, self._rendering):
            segment, before = self.segments.get(index), self.segments.get(index - 1)
            if segment is not None and (index == 0 or before is not None) and index not in self.packs:
                yield PackItem(self.name, self.folder, segment, before, index == self.state.last, self.mark)

    def _to_join(self) -> Iterator[Item]:
        state = self.state
        if state.last is None or state.packed <= state.last or state.init is None:
            return
        fragments = tuple(shown.fragment for shown in state.shown)
        segment = self.segments[state.last]
        size = (segment.width, segment.height)
        yield JoinItem(
            job=self.name,
            folder=self.folder,
            init=state.init,
            fragments=fragments,
            first_frame=state.first_frame,
            fps=self.fps,
            size=size,
            mark=self.mark,
            extras=self.extras,
        )

    def _whole_speech(self) -> Speech:
        """All that was said in what is kept, with times counted from its start."""
        state, first_seconds = self.state, self.state.first_frame / self.fps
        said = tuple(one.later(-first_seconds) for one in state.sentences if one.start_seconds >= first_seconds)
        start = state.spoken_from_seconds
        span = None if start is None else Span(start, start + state.speaking_seconds)
        return Speech(self.name, self.folder, self.folder, voice=state.voice, sentences=said, span=span)

    # Bounded memory and disk

    def _checkpoint(self) -> None:
        """Write the journal anew from time to time, and remove the files that are not needed any more."""
        state = self.state
        if state.packed < self._checkpoint_at:
            return
        self._checkpoint_at = state.packed + max(CHECKPOINT_PIECES, round(CHECKPOINT_SHARE * len(state.shown)))
        kept_seconds = state.first_frame / self.fps
        state.sentences = [said for said in state.sentences if said.end_seconds > kept_seconds]
        needed = set(state.files())
        if self.journal.compact(state, needed):
            for path in self._present - needed:
                path.unlink(missing_ok=True)
            self._present &= needed


def _key(item: Item) -> tuple[str, int]:
    return type(item).__name__, item.index
