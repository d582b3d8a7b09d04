"""How far a job has advanced, and how long it will take, for people who wait for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from daemon.scheduling.estimates import FINISH, Left, chunks_of, kinds, lanes, mode_of, speech_seconds
from daemon.scheduling.flow import Flow
from daemon.scheduling.pace import Pace
from daemon.scheduling.text_pieces import TextPieces
from daemon.scheduling.worker_pool import Worker
from pipeline.job import Outline
from pipeline.messages import Chunk, SplitItem, TtsItem

SPOKEN, CUT, RENDERED = 0.05, 0.1, 0.97
"""Share of a typical job's time that has passed when its speech is known, when it is cut, and when it is rendered."""

OVERDUE_SHARE = 0.1
"""A step that takes longer than expected is expected to take this share of its time so far again."""


@dataclass(frozen=True)
class Progress:
    """One job in flight."""

    share: float
    """How much of its work is done, from 0 to 1."""
    began_seconds: float | None
    """When its first item was started; monotonic. None before."""
    chunks_done: int = 0
    """Chunks that are rendered."""
    chunks: int | None = None
    """Number of chunks; None until the speech is cut."""
    frames_per_second: float | None = None
    """How fast it is being rendered; None before."""
    eta_seconds: float | None = None
    """Expected time until it ends; None while that is unknown."""


def share_done(flow: Flow, rendering: Iterable[float]) -> float:
    """How much of a job is done, from 0 to 1. `rendering`: the shares of its chunks that are being rendered.

    Chunks are about equally long, so they count alike.
    """
    if not flow.chunks or flow.count is None:
        return SPOKEN if flow.speech is not None else 0.0
    rendered = min(1.0, (len(flow.segments) + sum(rendering)) / flow.count)
    return round(CUT + (RENDERED - CUT) * rendered, 3)


def frames_per_second(flow: Flow, workers: Sequence[Worker], now: float) -> float | None:
    """How fast a job has been rendered so far; None before its first frames. `workers`: those that hold its items."""
    rendering = [(worker.entry.item, worker) for worker in workers if worker.entry]
    chunks = [(chunk, worker) for chunk, worker in rendering if isinstance(chunk, Chunk)]
    spans = [segment.span for segment in flow.segments.values()]
    began = [span.start_seconds for span in spans] + [worker.sent_seconds for _, worker in chunks]
    frames = sum(segment.stop_frame - segment.start_frame for segment in flow.segments.values())
    frames += round(sum(_frames(chunk) * worker.share for chunk, worker in chunks))
    end = now if chunks else max((span.end_seconds for span in spans), default=now)
    return round(frames / (end - min(began)), 1) if frames and end > min(began) else None


def _frames(chunk: Chunk) -> int:
    return chunk.stop_frame - chunk.start_frame


def left(flow: Flow, workers: Sequence[Worker], pace: Pace, now: float) -> Left | None:
    """The work that is left of a job; None if too little is known. `workers`: those that hold its items."""
    job, seconds = Outline.of(flow.job), _length_seconds(flow, pace)
    if seconds is None:
        return None
    found, mode = kinds(job, flow.config), mode_of(job, seconds, flow.config)
    chunks = _chunks_left(flow, workers, pace, seconds, now)
    finish, prepare = pace.expected_seconds(*FINISH, size=seconds), pace.expected_seconds(*found.prepare, size=seconds)
    speak = pace.expected_seconds(*found.speak, size=job.characters or 0)
    if chunks is None or finish is None or prepare is None or (speak is None and not flow.recordings):
        return None
    since = {type(worker.entry.item): now - worker.sent_seconds for worker in workers if worker.entry}
    has_segments = flow.count is not None and len(flow.segments) == flow.count
    rendered = max((segment.span.end_seconds for segment in flow.segments.values()), default=now)
    return Left(
        speak_seconds=_rest(speak or 0.0, since.get(TtsItem, 0.0)) * _unspoken(flow),
        prepare_seconds=0.0 if flow.chunks else _rest(prepare, since.get(SplitItem, 0.0)),
        chunks_seconds=chunks,
        finish_seconds=_rest(finish, now - rendered) if has_segments else finish,
        lanes=lanes(job, mode, flow.config),
        in_pieces=isinstance(flow, TextPieces),
        is_speaking=TtsItem in since,
        chunks_running=sum(map(_is_chunk, workers)),
    )


def _length_seconds(flow: Flow, pace: Pace) -> float | None:
    """Length of the video: exact once it is cut, except while a text is cut piece by piece."""
    if isinstance(flow, TextPieces) and flow.texts_split == len(flow.texts):
        return max(chunk.stop_frame for chunk in flow.chunks.values()) / flow.fps
    if flow.chunks and not isinstance(flow, TextPieces):
        return next(iter(flow.chunks.values())).timeline.seconds
    if flow.speech is not None and flow.speech.sentences:
        return flow.speech.sentences[-1].end_seconds
    return speech_seconds(pace, Outline.of(flow.job), flow.config)


def _unspoken(flow: Flow) -> float:
    """Share of the text that is not spoken yet."""
    if isinstance(flow, TextPieces):
        return flow.unspoken
    return 0.0 if flow.speech is not None else 1.0


def _chunks_left(
    flow: Flow, workers: Sequence[Worker], pace: Pace, seconds: float, now: float
) -> Sequence[float] | None:
    """The time that each chunk still needs, those first that are being rendered; None if unknown."""
    job = Outline.of(flow.job)
    render = kinds(job, flow.config).render(mode_of(job, seconds, flow.config))
    running = {worker.entry.item.index: worker for worker in workers if worker.entry and _is_chunk(worker)}
    sizes = {index: float(_frames(chunk)) for index, chunk in flow.chunks.items() if index not in flow.segments}
    if not flow.chunks:
        sizes = dict(enumerate(chunks_of(job, seconds, flow.config)))
    elif isinstance(flow, TextPieces):
        known = sum(_frames(chunk) for chunk in flow.chunks.values())
        sizes[-1] = max(0.0, seconds * flow.fps - known)
    order = sorted(sizes, key=lambda index: (index not in running, index))
    expected = [pace.expected_seconds(*render, size=sizes[index]) for index in order]
    if any(one is None for one in expected):
        return None
    return [_chunk_rest(one or 0.0, running.get(index), now) for index, one in zip(order, expected, strict=True)]


def _is_chunk(worker: Worker) -> bool:
    return worker.entry is not None and isinstance(worker.entry.item, Chunk)


def _chunk_rest(expected: float, worker: Worker | None, now: float) -> float:
    """The time that a chunk still needs: the more of it is done, the more its own speed counts."""
    if worker is None or worker.share == 0:
        return _rest(expected, now - worker.sent_seconds if worker else 0.0)
    done = worker.share
    return (1 - done) * (done * (now - worker.sent_seconds) / done + (1 - done) * expected)


def _rest(expected: float, elapsed: float) -> float:
    """The time that a step still needs."""
    return max(expected - elapsed, OVERDUE_SHARE * elapsed)
