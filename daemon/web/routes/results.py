"""Results of jobs: the video, captions, extras, the stream's files; with range requests."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from daemon.outputs.report import DoneReport, FailedReport
from daemon.outputs.report_page import served_page
from daemon.spool.layout import PLAYER, PLAYLIST
from daemon.spool.streams import retry_after
from daemon.web import answers
from daemon.web.files import File
from daemon.web.gateway import InGateway
from daemon.web.pages.languages import chosen
from daemon.web.problems import documented, not_found
from pipeline.extras import SUFFIXES

router = APIRouter(tags=["results"])

MEDIA_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".vtt": "text/vtt; charset=utf-8",
    ".srt": "application/x-subrip; charset=utf-8",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".webm": "video/webm",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
}
"""Of the files that are served, by suffix; no others are."""

CHANGING_SUFFIXES = frozenset({".m3u8", ".vtt"})
"""Small files that are replaced while a job runs: read at once, since their length may differ a moment later."""
CHANGING = {"Cache-Control": "no-store"}
READ = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
) | {206: {"description": "Part of the file"}, 304: {"description": "Not changed"}}


@router.get("/api/jobs/{name}/video", response_class=FileResponse, responses=READ)
async def job_video(name: str, gateway: InGateway) -> Response:
    """The video of a job that is done; the error of one that failed."""
    gateway.state(name)
    report = gateway.states.report(name)
    if isinstance(report, FailedReport):
        raise answers.failure(report)
    if not isinstance(report, DoneReport) or not gateway.spool.video_file(name).is_file():
        raise not_found(f"video of {name} yet")
    return answers.video(gateway, report)


@router.get("/api/jobs/{name}/report", response_class=HTMLResponse, responses=READ)
def job_report(name: str, request: Request, gateway: InGateway) -> HTMLResponse:
    """A page about a job that has ended: video, sound, timeline, settings, machine. In its thread it may take time."""
    found = gateway.state(name)
    report = gateway.states.report(name) if found.has_ended else None
    if report is None:
        raise not_found(f"report of {name} yet")
    page = served_page(report, gateway.spool.video_file(name), answers.linked(request, found).links, chosen(request))
    headers = {"Content-Security-Policy": f"{page.policy}; frame-ancestors 'self'", **CHANGING}
    return HTMLResponse(page.html, headers=headers | {"Vary": "Accept-Language, Cookie"})


@router.get("/api/jobs/{name}/captions.{kind}", response_class=FileResponse, responses=READ)
async def job_captions(name: str, kind: str, gateway: InGateway) -> Response:
    """The captions of a job that asked for them: srt or vtt."""
    gateway.state(name)
    if kind not in ("srt", "vtt"):
        raise not_found(f"captions of the kind {kind[:20]!r}")
    return _file(gateway.spool.outbox, f"{name}.{kind}", f"captions of {name}")


@router.get("/api/jobs/{name}/extras/{kind}", response_class=FileResponse, responses=READ)
async def job_extra(name: str, kind: str, gateway: InGateway) -> Response:
    """A file beside the video of a job that asked for it: poster, strip, preview, wav or mp3."""
    gateway.state(name)
    if kind not in SUFFIXES:
        raise not_found(f"extra {kind[:20]!r}")
    return _file(gateway.spool.outbox, f"{name}{SUFFIXES[kind]}", f"{kind} of {name}")


@router.get(
    "/api/jobs/{name}/stream/{file}", response_class=FileResponse, responses=READ | {204: {"description": "Not yet"}}
)
async def stream_file(name: str, file: str, gateway: InGateway) -> Response:
    """A file of a job's stream: `index.m3u8`, which has no content until playback can start, and what it names.

    `Retry-After` is then in how many seconds it is expected to start, if that is predicted.
    """
    gateway.state(name)
    folder = gateway.spool.outbox / name
    if file == PLAYLIST and (folder / PLAYER).exists() and not (folder / file).exists():
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=CHANGING | retry_after(folder))
    return _file(folder, file, f"file {file[:100]!r} of a stream {name}")


def _file(folder: Path, name: str, what: str) -> Response:
    """A file directly inside a folder: never through a link, and only kinds that lipdrop writes."""
    path = folder / name
    media_type = MEDIA_TYPES.get(path.suffix)
    if media_type is None or path.name != name or name.startswith(".") or path.is_symlink() or not path.is_file():
        raise not_found(what)
    if path.suffix in CHANGING_SUFFIXES:
        try:
            return Response(path.read_bytes(), media_type=media_type, headers=CHANGING)
        except FileNotFoundError:
            raise not_found(what) from None
    return File(path, media_type)
