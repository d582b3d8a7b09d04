"""Reports to publish in tests."""

from __future__ import annotations

from typing import Any

from daemon.outputs.report import DoneReport, FailedReport, Timing

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
