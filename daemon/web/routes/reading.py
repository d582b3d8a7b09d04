"""How a text will be read, before it is spoken: what `lipdrop say` shows."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from daemon.web import document
from daemon.web.gateway import InGateway, job_bytes
from daemon.web.problems import documented
from daemon.web.routes.jobs import new_job
from daemon.web.submissions import draft
from pipeline.errors import JobError

router = APIRouter(tags=["voices"])

REFUSALS = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class ReadSentence(BaseModel):
    """One sentence."""

    text: str
    """As it is written."""
    spoken: str
    """As it is passed to the voice: numbers and signs are words, and an accent after a vowel marks stress."""
    language: str
    """In which it is read."""
    voice: str | None
    """Who says it; null: the voice of the text."""
    pause_before: float | None
    """Seconds of silence that the text asks for; null: as usual."""
    pause_after: float | None
    """The same after it."""
    piece: int | None
    """The text of a stream, spoken at once, in which it is, from 0; null in other modes."""


class Reading(BaseModel):
    """How a text will be read."""

    voice: str
    """Who says it, as jobs name voices."""
    language: str
    sentences: list[ReadSentence]
    """The first hundred or so."""
    further: int
    """How many sentences follow that are not listed."""


def body() -> dict[str, Any]:
    """The request body, for the OpenAPI document."""
    content = {"application/json": {"schema": document.shared("NewJob", new_job)}}
    return {"requestBody": {"required": True, "content": content}}


@router.post("/api/reading", responses=REFUSALS, openapi_extra=body())
async def read_text(request: Request, gateway: InGateway) -> Reading:
    """Show how the text of a job will be cut, read and stressed, and by which voice. No job is made."""
    async with draft(request) as found:
        job = gateway.check(job_bytes(found.job))
    if job.text is None:
        raise JobError("no_speech", "there is no text to read", field="text", hint="add text")
    return Reading.model_validate(asdict(await gateway.speech.reading(job)))
