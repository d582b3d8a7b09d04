"""Server-sent events of a job: progress, segment, done, failed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from daemon.web import answers
from daemon.web.gateway import POLL_SECONDS, Gateway, InGateway
from daemon.web.problems import documented

router = APIRouter(tags=["jobs"])

PING_SECONDS = 15
"""A comment keeps the connection open when nothing happens: proxies cut silent ones after 60 s."""

END = "end"
"""Id of a job's last event."""


@router.get(
    "/api/jobs/{name}/events",
    response_class=EventSourceResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Events until its end"},
        204: {"description": "The client has seen the last event; it need not connect again"},
        **documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST),
    },
)
async def job_events(name: str, request: Request, gateway: InGateway) -> Response:
    """Follow a job.

    `progress` and `done` or `failed` have the job's state as data; `segment` has the number of playable pieces of a
    stream. After a reconnection with `Last-Event-ID` only newer events are sent.
    """
    gateway.state(name)
    last = request.headers.get("last-event-id", "")
    if last == END:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return EventSourceResponse(_events(request, gateway, name, last), ping=PING_SECONDS)


async def _events(request: Request, gateway: Gateway, name: str, last: str) -> AsyncIterator[ServerSentEvent]:
    """Events that a client has not seen. An id is `PROGRESS-PIECES`: what the client knows."""
    known, pieces = _position(last)
    while True:
        seen = gateway.changes.count
        found = gateway.states.find(name)
        playable = gateway.states.playable_pieces(name)
        if found is None:
            return
        if found.progress > known and not found.has_ended:
            known = found.progress
            yield _event("progress", f"{known}-{pieces}", answers.linked(request, found).model_dump())
        while pieces < playable:
            pieces += 1
            yield _event("segment", f"{known}-{pieces}", {"job": name, "piece": pieces})
        if found.has_ended:
            yield _event(found.status, END, answers.linked(request, found).model_dump())
            return
        await gateway.changes.after(seen, POLL_SECONDS)


def _event(kind: str, event_id: str, data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data, ensure_ascii=False), event=kind, id=event_id)


def _position(last: str) -> tuple[int, int]:
    """The progress and the number of pieces that a client knows; nothing if the id is not one of ours."""
    progress, _, pieces = last.partition("-")
    if all(part.isascii() and part.isdigit() and len(part) < 6 for part in (progress, pieces)):
        return int(progress), int(pieces)
    return -1, 0
