"""The base of both streams: jobs that play while they render, piece by piece."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

from daemon.scheduling.flow import Flow
from daemon.scheduling.open_records import Record
from daemon.scheduling.pacing import Expected, Measured, earliest_starts
from pipeline.messages import Chunk, Item, Pack, PackItem, Segment, Sentence

QUICKEST_SHARE = 0.8
"""How much of the usual time for its length the quickest piece takes, such as the first one: less is done beside it."""

SLOW_CAUTION = 0.15
"""Share of its time that a piece may take longer: with Wav2Lip it depends on how many batches span its ends."""


@dataclass
class StreamFlow(Flow):
    """A job whose pieces are rendered and packed in order, and can be played as soon as they are packed.

    Finally all pieces are merged as usual.
    """

    packs: dict[int, Pack] = field(default_factory=dict, init=False)
    _begin_seconds: float = field(default=inf, init=False)

    @property
    @abstractmethod
    def has_captions(self) -> bool:
        """Whether it is known what is said when."""

    @abstractmethod
    def sentences(self, index: int) -> Sequence[Sentence]:
        """The sentences during a piece, and maybe others, with times counted from the start of the job."""

    @property
    def expected_seconds(self) -> float:
        """0: viewers are waiting, so later jobs never overtake a stream."""
        return 0.0

    @property
    def playable(self) -> list[Pack]:
        """The playable pieces: the first ones without a gap, but none before playback may start."""
        packs: list[Pack] = []
        while len(packs) in self.packs:
            packs.append(self.packs[len(packs)])
        return packs if self.begin_seconds <= time.monotonic() else []

    @property
    def begin_seconds(self) -> float:
        """When playback may start, in monotonic seconds: with the first piece, unless a later one would be late.

        Infinity until the second piece is cut, because nothing can be predicted before. If workers are slow it is until
        that is rendered: the first one, beside which less is done, is not typical.
        """
        return self._begin_seconds

    def _predict(self, at_seconds: float) -> None:
        """Predict when playback may start, from all results up to the latest one, unless it has started."""
        if self._begin_seconds <= at_seconds or 0 not in self.packs:
            return
        if self.count != 1 and 1 not in (self.segments if self.is_slow else self.chunks):
            return
        starts = enumerate(earliest_starts(self._measured(at_seconds)))
        self._begin_seconds = max([at_seconds, *(start for index, start in starts if index not in self.packs)])

    def _measured(self, at_seconds: float) -> Measured:
        pack = self.packs[0]
        return Measured(
            at_seconds=at_seconds,
            pieces=tuple(self._expected()),
            packing=pack.span,
            sound_seconds=pack.sound_seconds,
            workers=self._workers,
            caution=SLOW_CAUTION if self.is_slow else 0.0,
        )

    @property
    def is_slow(self) -> bool | None:
        """Whether its pieces should be short, judging by the quickest one so far; None until one is rendered.

        The first ones after a start may be slow in any case. What is not slow never becomes so.
        """
        if not self.segments:
            return None if self._workers > 1 else False
        lengths = ((one, (one.stop_frame - one.start_frame) / self.fps) for one in self.segments.values())
        return self._is_slow_at(min(one.inference_seconds / seconds for one, seconds in lengths) / QUICKEST_SHARE)

    def _is_slow_at(self, rate: float) -> bool:
        """Whether it begins earlier if its pieces are short. `rate`: seconds that a worker takes for a second of it.

        That is so if several workers share it, each slower than playback. With a single one most of it is rendered
        before it begins, and more pieces only take longer.
        """
        return rate > 1 and self._workers > 1

    @property
    def _workers(self) -> int:
        """How many lip-sync workers it may have at once."""
        workers = len(self.config.workers)
        return min(workers, self.job.num_workers or workers)

    def _expected(self) -> list[Expected]:
        """The pieces that have been cut; subclasses may know of others."""
        pieces = []
        for index in sorted(self.chunks):
            chunk, segment = self.chunks[index], self.segments.get(index)
            seconds, cut_at = (chunk.stop_frame - chunk.start_frame) / self.fps, chunk.timeline.split.end_seconds
            piece = Expected(seconds, cut_at_seconds=cut_at)
            if segment is not None:
                piece = replace(piece, rendering=segment.span, inference_seconds=segment.inference_seconds)
            pieces.append(piece)
        return pieces

    def ready_seconds(self, index: int) -> float:
        """When a piece and all before it could be played, in monotonic seconds."""
        return max(self.begin_seconds, *(self.packs[earlier].span.end_seconds for earlier in range(index + 1)))

    def needed_seconds(self, index: int) -> float:
        """When a player that started with the first piece reaches the end of the previous piece's sound."""
        return self.ready_seconds(0) + (self.packs[index - 1].sound_seconds if index else 0)

    def has_results(self, item: Item) -> bool:
        """Whether all results of an item exist, so that it need not run again."""
        if isinstance(item, PackItem):
            return item.index in self.packs
        return super().has_results(item)

    def _accept(self, result: Record) -> list[Item]:
        items = self._accept_pack(result) if isinstance(result, Pack) else super()._accept(result)
        match result:
            case Segment() | Pack():
                self._predict(result.span.end_seconds)
            case Chunk():
                self._predict(result.timeline.split.end_seconds)
        return items

    def _accept_segment(self, segment: Segment) -> list[Item]:
        return [*self._pack(segment.index), *self._pack(segment.index + 1)]

    def _pack(self, index: int) -> list[Item]:
        """Pack a piece once the previous one is also rendered: its sound begins within that one."""
        segment, before = self.segments.get(index), self.segments.get(index - 1)
        if segment is None or (index > 0 and before is None):
            return []
        is_last = index + 1 == self.count
        return [PackItem(self.name, self.folder, segment, before, is_last=is_last, mark=self.mark)]

    def _accept_pack(self, pack: Pack) -> list[Item]:
        if pack.index in self.packs:
            return []
        self.packs[pack.index] = pack
        return [self._merge_item()] if len(self.packs) == self.count else []
