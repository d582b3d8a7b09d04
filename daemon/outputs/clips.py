"""Reports of videos that have an intro or an outro."""

from __future__ import annotations

from typing import Any, TypeVar

from daemon.outputs.report import ChunkReport, DoneReport, SceneReport, SentenceReport, WordReport, rounded

Timed = TypeVar("Timed", ChunkReport, SentenceReport, SceneReport, WordReport)


def with_clips(report: DoneReport, intro_frames: int, outro_frames: int) -> DoneReport:
    """A report of what is said, with the times of a video that has these frames before and after it."""
    if not intro_frames and not outro_frames:
        return report
    fps = report.video.fps
    seconds = intro_frames / fps
    changes: dict[str, Any] = {
        "intro_seconds": rounded(seconds),
        "outro_seconds": rounded(outro_frames / fps),
        "chunks": [_later(chunk, seconds) for chunk in report.chunks],
        "sentences": [_sentence(sentence, seconds) for sentence in report.sentences],
    }
    if report.scenes is not None:
        changes["scenes"] = [
            _later(scene, seconds).model_copy(update={"first_frame": scene.first_frame + intro_frames})
            for scene in report.scenes
        ]
    return report.model_copy(update=changes)


def _sentence(sentence: SentenceReport, seconds: float) -> SentenceReport:
    moved = _later(sentence, seconds)
    if moved.words is None:
        return moved
    return moved.model_copy(update={"words": [_later(word, seconds) for word in moved.words]})


def _later(part: Timed, seconds: float) -> Timed:
    times = {key: rounded(getattr(part, key) + seconds) for key in ("start_seconds", "end_seconds")}
    return part.model_copy(update=times)
