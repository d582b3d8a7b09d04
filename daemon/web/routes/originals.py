"""The first version's routes: one request, and the answer is the video."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from daemon.outputs.report import FailedReport
from daemon.spool.layout import PLAYLIST
from daemon.web import answers, document, slow_video
from daemon.web.gateway import Gateway, InGateway
from daemon.web.pieces import PIECES_HEADER, piece, stream
from daemon.web.playlists import read_playlist
from daemon.web.problems import ProblemError
from daemon.web.routes.jobs import REFUSALS, job_body, new_job
from daemon.web.slow_video import JobVideo, Media
from daemon.web.states import JobState
from daemon.web.submissions import Draft, Submitted, draft, drop
from pipeline.errors import JobError

router = APIRouter(tags=["one request, one video"])

CHUNK_INDEX = "chunk_index"
CHUNK_INDEX_MAX = 99_999
VIDEO = {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The video, or with Prefer: respond-async a job that has ended", "content": VIDEO},
    202: {"description": "With Prefer: respond-async: the job is queued or runs", "model": JobState},
    **REFUSALS,
}


class StartedStream(JobState):
    """A stream that can be played while it is made."""

    stream_url: str
    """The HLS playlist."""
    page_url: str
    """A page that shows the job."""
    pieces: int | None = None
    """Number of pieces; null until the first can be played."""


STREAM_ANSWERS = ANSWERS | {
    202: {"description": "The stream", "model": StartedStream},
    404: {"description": "No such piece", **REFUSALS[400], "headers": {PIECES_HEADER: {"schema": {"type": "integer"}}}},
}


def new_stream() -> dict[str, Any]:
    """The keys of a job that asks for a stream."""
    schema = new_job()
    number = {
        "type": ["integer", "null"],
        "minimum": 0,
        "maximum": CHUNK_INDEX_MAX,
        "description": "Number of a piece.",
    }
    return {**schema, "properties": {**schema["properties"], CHUNK_INDEX: number}}


def stream_body() -> dict[str, Any]:
    """The request body of a stream, for the OpenAPI document."""
    content = {"application/json": {"schema": document.shared("NewStream", new_stream)}}
    return {"requestBody": {"required": True, "content": content}}


@router.post("/api/generate", response_class=Response, responses=ANSWERS, openapi_extra=job_body())
async def generate(request: Request, gateway: InGateway) -> Response:
    """Make a video with one worker. The answer is the MP4."""
    return await _video(request, gateway, "sequential")


@router.post("/api/generate_parallel", response_class=Response, responses=ANSWERS, openapi_extra=job_body())
async def generate_parallel(request: Request, gateway: InGateway) -> Response:
    """Make a video with several workers at once. The answer is the MP4."""
    return await _video(request, gateway, "parallel")


@router.post("/api/generate_stream", response_class=Response, responses=STREAM_ANSWERS, openapi_extra=stream_body())
async def generate_stream(request: Request, gateway: InGateway) -> Response:
    """Make a stream. The answer is its URL or, with `chunk_index`, that piece's MP4.

    Equal requests share one stream, so that all pieces can be fetched by changing `chunk_index` alone.
    """
    async with draft(request) as found:
        if found.recording is not None or found.portrait is not None:
            raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "files are not taken here", hint="use POST /api/jobs")
        job = _job(found, "stream")
    index = _chunk_index(job.pop(CHUNK_INDEX, None))
    submitted = stream(gateway, request.scope["state"]["client"], job)
    if index is None:
        return _started(request, gateway, submitted)

    async def look(seconds: float) -> Media | None:
        return await piece(gateway, submitted, index, seconds)

    return await slow_video.answer(request, submitted.name, look)


async def _video(request: Request, gateway: Gateway, mode: str) -> Response:
    async with draft(request) as found:
        job = {**_job(found, mode), "mode": mode}
        submitted = await drop(request, gateway, Draft(job, found.recording, found.portrait))

    async def look(seconds: float) -> Media | None:
        report = await gateway.ended(submitted.name, submitted.before, seconds)
        if isinstance(report, FailedReport):
            raise answers.failure(report)
        return None if report is None else JobVideo(gateway, report)

    headers = {"Idempotency-Replayed": "true"} if submitted.is_replay else None
    return await slow_video.answer(request, submitted.name, look, headers)


def _job(found: Draft, mode: str) -> dict[str, Any]:
    """The job that a client sent. Raises JobError if it has a mode of its own."""
    if found.job.get("mode", mode) != mode:
        hint = "leave it out, or send the job to /api/jobs"
        raise JobError("range", f"the mode is {mode!r} here", field="mode", hint=hint)
    return dict(found.job)


def _chunk_index(value: Any) -> int | None:
    """The number of a piece. Raises JobError if it is not one."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise JobError("type", f"{CHUNK_INDEX} must be an integer", field=CHUNK_INDEX)
    if not 0 <= value <= CHUNK_INDEX_MAX:
        raise JobError("range", f"{CHUNK_INDEX} must be from 0 to {CHUNK_INDEX_MAX}", field=CHUNK_INDEX)
    return value


def _started(request: Request, gateway: Gateway, submitted: Submitted) -> Response:
    """The URLs of a stream."""
    found = answers.linked(request, gateway.state(submitted.name))
    root = request.scope.get("root_path", "")
    stream_url = f"{found.links['self']}/stream/{PLAYLIST}"
    playlist = read_playlist(gateway.spool.outbox / submitted.name)
    started = StartedStream(
        **found.model_dump(),
        stream_url=stream_url,
        page_url=f"{root}/jobs/{found.job}",
        pieces=playlist.count if playlist else None,
    )
    headers = {answers.JOB_HEADER: found.job, "Location": found.links["self"]}
    return JSONResponse(started.model_dump(), HTTPStatus.ACCEPTED, headers)
