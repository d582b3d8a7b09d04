"""The timing JSON: what a user, a script or an auditor learns about a job."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from daemon.outputs import captions
from daemon.scheduling.flow import Flow
from daemon.scheduling.stream_flow import StreamFlow
from pipeline.errors import ErrorReport
from pipeline.messages import PCM_RATE_HZ, Segment, Sentence, Span, Timeline

DECIMALS = 4
FIRST_SECOND = datetime(1, 1, 1, tzinfo=UTC).timestamp()
LAST_SECOND = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
"""Of the years that RFC 3339 can write."""


@dataclass(frozen=True)
class Submission:
    """When a job arrived: by the clock on the wall for people, by the monotonic clock for measuring."""

    submitted_at: float
    """Seconds since the epoch."""
    seen_seconds: float
    """Monotonic."""


def done_report(flow: Flow, submission: Submission, attempts: int) -> dict[str, Any]:
    """The timing JSON of a job that succeeded."""
    assert flow.speech is not None and flow.video is not None
    segments = [flow.segments[index] for index in sorted(flow.segments)]
    timeline = flow.timeline
    return {
        **_head(flow.name, "done", submission, attempts),
        "mode": timeline.mode,
        "engine": segments[0].engine,
        "audio": {
            "seconds": _rounded(timeline.seconds),
            "samples": timeline.samples,
            "sample_rate": PCM_RATE_HZ,
            "voice": flow.speech.voice,
            "cached": False,
        },
        "video": _video(flow),
        "avatar": {"name": flow.avatar, "frames_without_face": [list(span) for span in timeline.unseen]},
        "captions": captions.files(flow.name) if flow.job.captions else [],
        "timing": _timing(flow, segments, timeline, submission),
        "chunks": [_chunk(segment) | _playing(flow, segment.index, submission) for segment in segments],
        "sentences": [_sentence(sentence, timeline) for sentence in flow.speech.sentences],
        "metadata": flow.job.metadata,
    }


def failed_report(
    name: str, error: ErrorReport, submission: Submission, attempts: int, metadata: dict[str, Any]
) -> dict[str, Any]:
    """The timing JSON of a job that ended badly, and the traceback, which the spool keeps in `error.json` alone."""
    shown = ("code", "message", "field", "stage", "attempt", "hint", "traceback")
    described = asdict(replace(error, attempt=attempts))
    return {
        **_head(name, "failed", submission, attempts),
        "error": {key: described[key] for key in shown},
        "timing": {"total_seconds": _rounded(time.monotonic() - submission.seen_seconds)},
        "metadata": metadata,
    }


def repeated_report(earlier: dict[str, Any], submission: Submission) -> dict[str, Any]:
    """The timing JSON of a job whose outputs were there already."""
    seconds = _rounded(time.monotonic() - submission.seen_seconds)
    return {
        **earlier,
        "cached": True,
        "submitted_at": timestamp(submission.submitted_at),
        "finished_at": timestamp(time.time()),
        "timing": {**dict.fromkeys(earlier["timing"], 0), "total_seconds": seconds},
    }


def _head(name: str, status: str, submission: Submission, attempts: int) -> dict[str, Any]:
    return {
        "job": name,
        "status": status,
        "cached": False,
        "attempts": attempts,
        "submitted_at": timestamp(submission.submitted_at),
        "finished_at": timestamp(time.time()),
    }


def _video(flow: Flow) -> dict[str, Any]:
    assert flow.video is not None
    described = asdict(flow.video)
    return {
        "file": f"{flow.name}.mp4",
        **{key: described[key] for key in ("frames", "fps", "width", "height", "bytes", "sha256")},
    }


def _timing(flow: Flow, segments: list[Segment], timeline: Timeline, submission: Submission) -> dict[str, float | int]:
    assert flow.speech is not None and flow.video is not None
    first_span = flow.speech.span or timeline.convert
    total = time.monotonic() - submission.seen_seconds
    lipsync = Span(min(s.span.start_seconds for s in segments), max(s.span.end_seconds for s in segments))
    chunk_sum = sum(segment.span.seconds for segment in segments)
    queued = first_span.start_seconds - submission.seen_seconds
    return _rounded_all(
        {
            "total_seconds": total,
            "queued_seconds": queued,
            "tts_seconds": flow.speech.span.seconds if flow.speech.span else 0,
            "convert_seconds": timeline.convert.seconds,
            "split_seconds": timeline.split.seconds,
            "lipsync_seconds": lipsync.seconds,
            "merge_seconds": flow.video.span.seconds,
            "first_segment_seconds": _first_segment_end(flow) - submission.seen_seconds,
            "chunk_seconds_sum": chunk_sum,
            "parallelism": chunk_sum / lipsync.seconds,
            "real_time_factor": (total - queued) / timeline.seconds,
        }
    )


def _playing(flow: Flow, index: int, submission: Submission) -> dict[str, Any]:
    """Of a stream's piece: when it could be played, and how long before it had to be."""
    if not isinstance(flow, StreamFlow):
        return {}
    ready, needed = flow.ready_seconds(index), flow.needed_seconds(index)
    return _rounded_all({"ready_seconds": ready - submission.seen_seconds, "slack_seconds": needed - ready})


def _first_segment_end(flow: Flow) -> float:
    """When the first segment was there; of a stream, when it could be played."""
    if isinstance(flow, StreamFlow):
        return flow.ready_seconds(0)
    return min(segment.span.end_seconds for segment in flow.segments.values())


def _chunk(segment: Segment) -> dict[str, Any]:
    queued = segment.span.start_seconds - segment.timeline.split.end_seconds
    return _rounded_all(
        {
            "index": segment.index,
            "start_seconds": segment.start_frame / segment.timeline.fps,
            "end_seconds": segment.stop_frame / segment.timeline.fps,
            "frames": segment.stop_frame - segment.start_frame,
            "model": segment.model,
            "engine": segment.engine,
            "device": segment.device,
            "worker": segment.worker,
            "queued_seconds": queued,
            "inference_seconds": segment.inference_seconds,
            "encode_seconds": segment.encode_seconds,
            "total_seconds": segment.span.seconds,
        }
    )


def _sentence(sentence: Sentence, timeline: Timeline) -> dict[str, Any]:
    """The last sentence may end within the half frame that the timeline cuts off."""
    ends = min(sentence.end_seconds, timeline.seconds)
    return _rounded_all({**asdict(sentence), "end_seconds": ends})


def _rounded(seconds: float) -> float:
    return round(seconds, DECIMALS)


def _rounded_all(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _rounded(value) if isinstance(value, float) else value for key, value in values.items()}


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds; the nearest there is, for a file's time may lie in any year."""
    return (
        datetime.fromtimestamp(min(max(seconds, FIRST_SECOND), LAST_SECOND), UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
