"""A video as the answer to the request that orders it, for clients and proxies that cut silent connections.

If the video takes longer than a normal answer may, the response begins without it: with an MP4's first box, then an
empty box now and then, which players skip. If there will be no video, the connection is closed before the body's end.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from fastapi import Request, Response
from starlette.concurrency import iterate_in_threadpool
from starlette.types import Receive, Scope, Send

from daemon.outputs.report import DoneReport
from daemon.web import answers
from daemon.web.gateway import Gateway, gateway_of
from daemon.web.preferences import preferences
from daemon.web.problems import ProblemError, not_found
from pipeline.media.boxes import FILLER, FIRST, following

ANSWER_SECONDS = 20
"""After this time the response begins, unless the client prefers another: some proxies and clients wait 30 s for it."""

FILLER_SECONDS = 2
"""Also how soon a lost client is noticed."""

MEDIA_TYPE = "video/mp4"


class Media(Protocol):
    """A video that exists."""

    def response(self, headers: dict[str, str]) -> Response:
        """The video as a normal answer. Raises ProblemError."""

    def following(self, sent_bytes: int) -> Iterator[bytes]:
        """All but its first box, to be sent after `sent_bytes` of other boxes. Blocks; raises OSError."""


Look = Callable[[float], Awaitable[Media | None]]
"""Waits for a video, so many seconds at most. Raises ProblemError if there will be none."""


@dataclass(frozen=True)
class JobVideo:
    """The whole video of a job that is done."""

    gateway: Gateway
    report: DoneReport

    def response(self, headers: dict[str, str]) -> Response:
        """The video with its times. Raises ProblemError if it has been removed."""
        if not self._path.is_file():
            raise not_found(f"video of {self.report.job} any more")
        return answers.video(self.gateway, self.report, headers)

    def following(self, sent_bytes: int) -> Iterator[bytes]:
        """All but its first box. Blocks; raises OSError."""
        return following(self._path, sent_bytes)

    @property
    def _path(self) -> Path:
        return self.gateway.spool.video_file(self.report.job)


@dataclass(frozen=True)
class FileInMemory:
    """A short video, which begins with the box that all videos here begin with."""

    job: str
    content: bytes
    headers: dict[str, str]

    def response(self, headers: dict[str, str]) -> Response:
        """The video."""
        return Response(self.content, media_type=MEDIA_TYPE, headers={**_naming(self.job), **self.headers, **headers})

    def following(self, sent_bytes: int) -> Iterator[bytes]:
        """All but its first box."""
        yield self.content[len(FIRST) :]


async def answer(request: Request, job: str, look: Look, headers: dict[str, str] | None = None) -> Response:
    """The answer to a request for a video of a job: the video, or its beginning. Raises ProblemError.

    `Prefer: wait=N` sets when it has to begin; with `Prefer: respond-async` it is the job's state.
    """
    wanted = preferences(request)
    headers = {**wanted.applied, **(headers or {})}
    if wanted.wait_seconds is not None or not wanted.is_async:
        media = await look(ANSWER_SECONDS if wanted.wait_seconds is None else wanted.wait_seconds)
        if media is not None:
            return media.response(headers)
    if not wanted.is_async:
        return _SlowVideo(request, job, look, headers)
    found = gateway_of(request).state(job)
    return answers.state(request, found, HTTPStatus.OK if found.has_ended else HTTPStatus.ACCEPTED, headers)


class _SlowVideo(Response):
    """A response that begins before its video exists."""

    media_type = MEDIA_TYPE

    def __init__(self, request: Request, job: str, look: Look, headers: dict[str, str]) -> None:
        status = f"<{request.scope.get('root_path', '')}/api/jobs/{job}>; rel=status"
        super().__init__(headers={**_naming(job), "Link": status, "X-Accel-Buffering": "no", **headers})
        del self.headers["content-length"]
        self._request = request
        self._look = look

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Returns before its end if the client is gone or there will be no video; the job goes on."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with contextlib.suppress(ProblemError, OSError, struct.error):
            async for part in self._parts():
                if await self._request.is_disconnected():
                    return
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _parts(self) -> AsyncIterator[bytes]:
        yield FIRST
        sent_bytes = len(FIRST)
        while (media := await self._look(FILLER_SECONDS)) is None:
            yield FILLER
            sent_bytes += len(FILLER)
        async for part in iterate_in_threadpool(media.following(sent_bytes)):
            yield part


def _naming(job: str) -> dict[str, str]:
    """Headers that name the job, and the file in which a browser saves the video."""
    return {answers.JOB_HEADER: job, "Content-Disposition": f'inline; filename="{job}.mp4"'}
