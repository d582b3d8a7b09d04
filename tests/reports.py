"""Reports to publish in tests."""

from __future__ import annotations

import time
from typing import Any

from daemon.outputs.report import DoneReport, FailedReport, Timing
from daemon.spool.health import HealthReport

HEAD: dict[str, Any] = {
    "job": "a",
    "cached": False,
    "attempts": 1,
    "submitted_at": "2026-01-31T12:00:00.000Z",
    "finished_at": "2026-01-31T12:00:01.000Z",
    "metadata": {},
}


def done(size: int = 5, captions: tuple[str, ...] = ("a.srt",), mode: str = "parallel") -> DoneReport:
    """The report of a job `a` whose video has `size` bytes."""
    video = {"file": "a.mp4", "frames": 25, "fps": 25, "width": 64, "height": 64, "bytes": size, "sha256": "0" * 64}
    return DoneReport.model_validate(
        {
            **HEAD,
            "status": "done",
            "mode": mode,
            "engine": "builtin",
            "audio": {"seconds": 1.0, "samples": 16000, "sample_rate": 16000, "voice": "hibari:heart", "cached": False},
            "video": video,
            "avatar": {"name": "presenter", "frames_without_face": [[0, 5]]},
            "captions": list(captions),
            "timing": dict.fromkeys(Timing.model_fields, 0.5),
            "chunks": [],
            "sentences": [{"text": "hello", "start_seconds": 0.0, "end_seconds": 1.0}],
        }
    )


def failed() -> FailedReport:
    """The report of a failed job `a`."""
    error = {"code": "voice", "message": "broken", "field": None, "stage": "tts", "attempt": 3, "hint": None}
    return FailedReport.model_validate({**HEAD, "status": "failed", "error": error, "timing": {"total_seconds": 1}})


def run(stage: str, worker: str, start: float, end: float, index: int = 0) -> dict[str, Any]:
    """A run of a work item."""
    return {"stage": stage, "index": index, "worker": worker, "start_seconds": start, "end_seconds": end}


RETRIED = [
    run("tts", "tts-0", 0.1, 0.5),
    run("split", "split-0", 0.5, 0.6),
    run("lipsync", "gan-0", 0.6, 1.0, 0),
    {
        **run("lipsync", "nogan-1", 0.6, 0.8, 1),
        "error": {"code": "worker_died", "message": "worker nogan-1 exited with code -9"},
    },
    run("lipsync", "gan-0", 1.0, 1.6, 1),
    run("merge", "merge-0", 1.6, 2.0),
]
"""The runs of a job of two chunks; the worker of the second one was killed."""

CHUNK: dict[str, Any] = {
    "engine": "builtin",
    "device": "cpu",
    "frames": 25,
    "queued_seconds": 0,
    "inference_seconds": 0.2,
    "encode_seconds": 0.3,
    "total_seconds": 0.4,
}


def retried(text: str = "hello") -> DoneReport:
    """The report of a job `a` of two chunks, 2 s long, one of whose workers was killed."""
    plain = done().model_dump(exclude_unset=True)
    chunks = [
        {**CHUNK, "index": 0, "start_seconds": 0.0, "end_seconds": 1.0, "model": "gan", "worker": "gan-0"},
        {**CHUNK, "index": 1, "start_seconds": 1.0, "end_seconds": 2.0, "model": "nogan", "worker": "gan-0"},
    ]
    changed = {
        "attempts": 2,
        "captions": [],
        "audio": {**plain["audio"], "seconds": 2.0, "samples": 32000},
        "timing": {**plain["timing"], "total_seconds": 2.0, "queued_seconds": 0.1},
        "chunks": chunks,
        "runs": RETRIED,
        "sentences": [{"text": text, "start_seconds": 0.0, "end_seconds": 1.0}],
        "warnings": [{"code": "retried", "message": "work was repeated once", "hint": None}],
    }
    return DoneReport.model_validate({**plain, **changed})


def killed() -> FailedReport:
    """The report of a failed job `a` whose worker was killed."""
    return FailedReport.model_validate({**failed().model_dump(exclude_unset=True), "runs": RETRIED[:4]})


def healthy(**changes: Any) -> HealthReport:
    """The report of a daemon that is well, written now."""
    fields: dict[str, Any] = {"state": "ok", "why": "", "pid": 1, "waiting": 0, "jobs": {}, "workers": {}}
    ended = {"done": 0, "failed": 0, "monotonic_seconds": time.monotonic(), "at": ""}
    return HealthReport(**{**fields, **ended, **changes})
