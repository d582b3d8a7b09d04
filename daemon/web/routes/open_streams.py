"""Open streams: say more, stop, end."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, StrictStr
from starlette.concurrency import run_in_threadpool

from daemon.spool.open_streams import Kind
from daemon.web import answers
from daemon.web.gateway import Gateway, InGateway
from daemon.web.problems import documented
from pipeline.job import further_text

router = APIRouter(tags=["jobs"])

REFUSALS = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS,
)


class FurtherText(BaseModel):
    """What is said next."""

    model_config = ConfigDict(extra="forbid")

    text: StrictStr
    """Checked like the text of a job, and read with its language, voice and lexicon."""


@router.post("/api/jobs/{name}/text", status_code=HTTPStatus.ACCEPTED, responses=REFUSALS)
async def say(name: str, further: FurtherText, request: Request, gateway: InGateway) -> Response:
    """Say a text in a stream that stays open, after those that it was asked to say before."""
    text = await run_in_threadpool(further_text, further.text, gateway.config)
    return await _asked(request, gateway, name, "text", text)


@router.post("/api/jobs/{name}/stop", status_code=HTTPStatus.ACCEPTED, responses=REFUSALS)
async def stop(name: str, request: Request, gateway: InGateway) -> Response:
    """Stop speaking after the next word, and drop the texts that are left. The stream stays open."""
    return await _asked(request, gateway, name, "stop")


@router.post("/api/jobs/{name}/end", status_code=HTTPStatus.ACCEPTED, responses=REFUSALS)
async def end(name: str, request: Request, gateway: InGateway) -> Response:
    """End a stream once everything is said."""
    return await _asked(request, gateway, name, "end")


async def _asked(request: Request, gateway: Gateway, name: str, kind: Kind, text: str = "") -> Response:
    found = gateway.state(name)
    limit = gateway.config.limits.text_characters
    await run_in_threadpool(gateway.spool.ask, name, kind, text, characters_max=limit)
    return answers.state(request, found, HTTPStatus.ACCEPTED)
