"""Responses that several routes give: a job's state, its video, its failure."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from daemon.outputs.report import DoneReport, FailedReport
from daemon.web.files import File
from daemon.web.gateway import Gateway
from daemon.web.problems import STATUSES, ProblemError, of_error
from daemon.web.states import JobState
from pipeline.extras import SUFFIXES

JOB_HEADER, TIMING_HEADER = "X-Lipdrop-Job", "X-Lipdrop-Timing"

NOT_THE_JOBS_FAULT = frozenset(
    {
        *("avatar_changed", "cache", "daemon_died", "disk_full", "encoder", "internal", "media_failed", "media_killed"),
        *("merge_check", "out_of_memory", "segment", "tts_bad_audio", "tts_engine", "tts_failed", "tts_http_status"),
        *("tts_missing", "tts_too_large", "tts_unreachable", "tts_voice", "worker_died"),
    }
)
"""Codes of failures that may pass, or that the operator has to mend."""


def failure(report: FailedReport) -> ProblemError:
    """The problem of a job that failed."""
    error = report.error
    status = STATUSES.get(error.code, HTTPStatus.BAD_REQUEST)
    if error.code == "cancelled":
        status = HTTPStatus.CONFLICT
    elif error.code.endswith("timeout"):
        status = HTTPStatus.GATEWAY_TIMEOUT
    elif error.code in NOT_THE_JOBS_FAULT:
        status = HTTPStatus.SERVICE_UNAVAILABLE
    return of_error(error, status, job=report.job, headers={JOB_HEADER: report.job})


def timing_headers(report: DoneReport) -> dict[str, str]:
    """A job's times, for programs and for the browser's own tools."""
    timing = report.timing
    steps = {
        "queue": timing.queued_seconds,
        "tts": timing.tts_seconds,
        "split": timing.convert_seconds + timing.split_seconds,
        "lipsync": timing.lipsync_seconds,
        "merge": timing.merge_seconds,
        "total": timing.total_seconds,
    }
    return {
        JOB_HEADER: report.job,
        TIMING_HEADER: timing.model_dump_json(),
        "Server-Timing": ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in steps.items()),
    }


def video(gateway: Gateway, report: DoneReport, headers: dict[str, str] | None = None) -> File:
    """A job's video."""
    return File(
        gateway.spool.video_file(report.job),
        media_type="video/mp4",
        filename=f"{report.job}.mp4",
        content_disposition_type="inline",
        headers={**timing_headers(report), **(headers or {})},
    )


def state(request: Request, found: JobState, status: HTTPStatus, headers: dict[str, str] | None = None) -> Response:
    """A job's state, with the URLs of what exists of it."""
    sent = linked(request, found)
    location = {"Location": sent.links["self"]} if status is HTTPStatus.ACCEPTED else {}
    return JSONResponse(sent.model_dump(), status, {JOB_HEADER: found.job, **location, **(headers or {})})


def linked(request: Request, found: JobState) -> JobState:
    """A job's state with the URLs of what exists of it."""
    gateway: Gateway = request.app.state.gateway
    base = f"{request.scope.get('root_path', '')}/api/jobs/{found.job}"
    links = {"self": base, "events": f"{base}/events"}
    links |= {"report": f"{base}/report"} if found.has_ended else {}
    paths = {"video": "video", "srt": "captions.srt", "vtt": "captions.vtt", "stream": "stream/index.m3u8"}
    paths |= {kind: f"extras/{kind}" for kind in SUFFIXES}
    outputs = gateway.states.outputs(found.job) if found.status != "failed" else []
    links |= {kind: f"{base}/{paths[kind]}" for kind in outputs}
    if not found.has_ended and gateway.spool.is_open(found.job):
        links |= {kind: f"{base}/{kind}" for kind in ("text", "stop", "end")}
    return found.model_copy(update={"links": links})


def tagged(request: Request, content: bytes, media_type: str, tag: str, cache_control: str) -> Response:
    """Content that clients may keep; status 304 without it if the client has it. `tag`: changes with the content."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": cache_control}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
