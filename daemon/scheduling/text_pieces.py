"""The base of both flows that speak bit by bit: texts that are cut into several, and scenes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from daemon.scheduling.flow import Flow, Take
from pipeline.job import Job
from pipeline.messages import (
    PCM_RATE_HZ,
    AlignItem,
    Chunk,
    Item,
    MergeItem,
    Piece,
    Sentence,
    Span,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
)


@dataclass(frozen=True)
class Passage:
    """What is spoken on its own: a part of a scene's text, or a scene's recording."""

    text: str
    scene: int
    """Index of its scene; 0 without scenes."""
    begins_scene: bool
    ends_scene: bool


@dataclass
class TextPieces(Flow):
    """A text that is cut into several before it is spoken, or the texts and recordings of scenes.

    The cuts depend on the text and the configuration alone, and each text is a whole number of frames long, so the
    result is the same however many workers speak them, in whichever order. They are split in order, since each begins
    where the one before it ends.
    """

    speeches: dict[int, Speech] = field(default_factory=dict, init=False)

    @cached_property
    def passages(self) -> list[Passage]:
        """What is spoken, in order. A recording is taken as a whole."""
        cut = (self._cut(part) if part.audio is None else [part.text or ""] for part in self.parts)
        return [
            Passage(text, scene, place == 0, place + 1 == len(texts))
            for scene, texts in enumerate(cut)
            for place, text in enumerate(texts)
        ]

    @cached_property
    def texts(self) -> list[str]:
        """What is spoken, in order."""
        return [passage.text for passage in self.passages]

    @abstractmethod
    def _cut(self, part: Job) -> list[str]:
        """The texts that a scene's text is cut into."""

    def part(self, speech: int) -> Job:
        """The scene that a speech is of, or the job."""
        return self.parts[self.passages[speech].scene]

    @property
    def count(self) -> int:
        """Number of pieces; a text that is not split yet counts as one."""
        return len(self.chunks) + len(self.texts) - self.texts_split

    @property
    def texts_split(self) -> int:
        """How many of the texts are split, and all their pieces known."""
        return sum(chunk.stop_frame == chunk.timeline.stop_frame for chunk in self.chunks.values())

    @property
    def timeline(self) -> Timeline:
        """Lengths of the whole job, summed up from its texts."""
        return replace(self._timeline(lambda _: True), first_frame=None)

    @property
    def takes(self) -> Sequence[Take]:
        """The scenes as they were made. Available once the job is done."""
        return [self._take(scene) for scene in range(len(self.parts))]

    def _take(self, scene: int) -> Take:
        def is_of_scene(index: int) -> bool:
            return self.passages[index].scene == scene

        return Take(self.parts[scene], self._speech(is_of_scene), self._timeline(is_of_scene))

    def _timeline(self, includes: Callable[[int], bool]) -> Timeline:
        """Lengths of some texts that follow each other, summed up."""
        by_text = {segment.timeline.speech_index: segment.timeline for segment in self.segments.values()}
        texts = [by_text[index] for index in sorted(by_text) if includes(index)]
        frames = sum(text.frames for text in texts)
        return replace(
            texts[0],
            samples=round(frames * PCM_RATE_HZ / self.fps),
            frames=frames,
            track=self.folder / "track.wav",
            convert=_joined(text.convert for text in texts),
            split=_joined(text.split for text in texts),
            notices=tuple(dict.fromkeys(notice for text in texts for notice in text.notices)),
        )

    def sentences(self, index: int) -> list[Sentence]:
        """The sentences of the text that a piece is part of, with times counted from the start of the job."""
        return self._sentences(self.chunks[index].timeline)

    def _sentences(self, text: Timeline) -> list[Sentence]:
        offset = (text.first_frame or 0) / self.fps
        return [sentence.later(offset) for sentence in self.speeches[text.speech_index].sentences]

    def has_results(self, item: Item) -> bool:
        """Whether all results of an item exist, so that it need not run again."""
        match item:
            case TtsItem() | AlignItem():
                return item.index in self.speeches
            case SplitItem():
                return item.speech.index < self.texts_split
            case _:
                return super().has_results(item)

    @property
    def unspoken(self) -> float:
        """Share of the text that is not spoken yet."""
        return 1 - len(self.speeches) / max(1, len(self.texts))

    def _scene_of(self, item: Item) -> int | None:
        if self.job.scenes is None:
            return None
        match item:
            case TtsItem() | AlignItem():
                return self.passages[item.index].scene
            case SplitItem():
                return self.passages[item.speech.index].scene
            case Chunk():
                return self.passages[item.timeline.speech_index].scene
            case _:
                return None

    def _may_begin(self, index: int) -> bool:
        """Whether it is known if a text may be silent. The last one of a scene may be if another one is not."""
        passage = self.passages[index]
        return not passage.ends_scene or self._has_spoken(passage.scene) or self._is_last_unspoken(index)

    def _has_spoken(self, scene: int) -> bool:
        """Whether any text of a scene so far contains speech."""
        return any(speech.sentences for index, speech in self.speeches.items() if self.passages[index].scene == scene)

    def _is_last_unspoken(self, index: int) -> bool:
        """Whether all other texts of the same scene are spoken."""
        scene = self.passages[index].scene
        others = (place for place, passage in enumerate(self.passages) if passage.scene == scene and place != index)
        return all(place in self.speeches for place in others)

    @abstractmethod
    def _pause_seconds(self, index: int) -> float:
        """Silence between a text and the next."""

    def _asked_pause(self, index: int) -> float | None:
        """The silence that the job asks for at the end of a scene; None: none, or the scene goes on."""
        passage = self.passages[index]
        return self.job.scenes[passage.scene].pause_seconds if self.job.scenes and passage.ends_scene else None

    def _begin(self, index: int) -> list[Item]:
        """Speak a text, or take a scene's recording."""
        if self.part(index).audio is not None:
            return self._take_recording(self._folder(index), index)
        return [self._speak(index)]

    def _speak(self, index: int) -> TtsItem:
        passage, asked = self.passages[index], self._asked_pause(index)
        return replace(
            self._tts_item(passage.text, index),
            folder=self._folder(index),
            pause_seconds=self._pause_seconds(index) if asked is None else asked,
            may_be_silent=self._has_spoken(passage.scene) or not passage.ends_scene,
        )

    def _folder(self, index: int) -> Path:
        return self.folder / f"piece-{index:03d}"

    def _split_next(self) -> list[Item]:
        """Split the next text if it is spoken."""
        speech = self.speeches.get(self.texts_split)
        if speech is None:
            return []
        index, item = len(self.chunks), self._split_item(speech)
        piece = Piece(index, self.chunks[index - 1].stop_frame if index else 0)
        return [replace(item, piece=piece) if self.job.scenes is None else self._in_scene(item, piece)]

    def _in_scene(self, item: SplitItem, piece: Piece) -> SplitItem:
        """A text of a scene: its frames are as large as those of the first, and it may end with silence."""
        passage, asked = self.passages[item.speech.index], self._asked_pause(item.speech.index)
        return replace(
            item,
            avatars=self.avatars,
            piece=replace(piece, begins_scene=passage.begins_scene),
            size=item.size or (self.chunks[0].timeline.size if piece.index else None),
            pause_seconds=asked or 0.0 if item.speech.voice is None else 0.0,
        )

    def _accept_chunk(self, chunk: Chunk) -> list[Item]:
        """Accept all pieces of a text or none, as the base does with the chunks of a job."""
        if chunk.timeline.speech_index < self.texts_split:
            return []
        self.chunks = self._chunks_before(chunk) | {chunk.index: chunk}
        if chunk.stop_frame != chunk.timeline.stop_frame:
            return []
        text = chunk.timeline.speech_index
        pieces = [self.chunks[index] for index in sorted(self.chunks)]
        return [*(piece for piece in pieces if piece.timeline.speech_index == text), *self._split_next()]

    def _merge_item(self) -> MergeItem:
        self.speech = self._speech(lambda _: True)
        return super()._merge_item()

    def _speech(self, includes: Callable[[int], bool]) -> Speech:
        """The speech of some texts as one."""
        speeches = [self.speeches[index] for index in sorted(self.speeches) if includes(index)]
        texts = {chunk.timeline.speech_index: chunk.timeline for chunk in self.chunks.values()}
        sentences = [one for index in sorted(texts) if includes(index) for one in self._sentences(texts[index])]
        spans = [speech.span for speech in speeches if speech.span is not None]
        notices = dict.fromkeys(notice for speech in speeches for notice in speech.notices)
        return replace(
            speeches[0],
            sentences=tuple(sentences),
            span=_joined(spans) if spans else None,
            notices=tuple(notices),
        )


def _joined(spans: Iterable[Span]) -> Span:
    """A span that begins with the first one and is as long as all of them together."""
    known = list(spans)
    return Span(known[0].start_seconds, known[0].start_seconds + sum(span.seconds for span in known))
