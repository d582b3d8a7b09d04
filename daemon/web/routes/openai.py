"""OpenAI's API: speech and videos, for clients that know it."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from daemon.outputs.report import DoneReport
from daemon.spool.layout import CAPTION_SUFFIXES
from daemon.spool.spool import Spool
from daemon.web import answers, openai_api, submissions
from daemon.web.gateway import Gateway, InGateway
from daemon.web.openai_api import REFERENCE, VIDEO_ID, Model, ModelList, SpeechRequest, Video, VideoDeleted, VideoList
from daemon.web.problems import ProblemError, not_found
from daemon.web.speech import Text
from daemon.web.states import JobState
from daemon.web.submissions import Draft
from pipeline.errors import JobError
from pipeline.job_file import JOB_MAX_BYTES, parse_json_object
from pipeline.media.spoken_formats import SPOKEN_FORMATS

router = APIRouter(prefix="/v1", tags=["openai"])

POLL_MS = 500
"""How often clients should ask for a video's state."""


def _documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Errors in the OpenAPI document."""
    text, optional = {"type": "string"}, {"type": ["string", "null"]}
    error = {"type": "object", "properties": {"message": text, "type": text, "param": optional, "code": text}}
    schema = {"type": "object", "required": ["error"], "properties": {"error": error}}
    always = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return {
        status.value: {"description": status.phrase, "content": {"application/json": {"schema": schema}}}
        for status in (*always, *statuses)
    }


BAD, GONE = HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND
BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
FORM: dict[str, Any] = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string", "description": "The text to speak."},
        "model": {"type": "string", "enum": list(openai_api.MODELS)},
        "size": {"type": "string", "description": "Default: the avatar's own."},
        "seconds": {"type": "string", "description": "Ignored: the text has its own length."},
        REFERENCE: {"type": "string", "format": "binary", "description": "A portrait to speak instead of the avatar."},
    },
    "additionalProperties": {"description": "Any other key of a job."},
}


def _body(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A request body in the OpenAPI document."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


@router.get("/models", responses=_documented())
async def list_models() -> ModelList:
    """The names that requests may give as `model`."""
    return ModelList(data=[Model(id=name) for name in openai_api.MODELS])


@router.get("/models/{name}", responses=_documented(GONE))
async def read_model(name: str) -> Model:
    """One model."""
    return Model(id=openai_api.check_model(name))


@router.post(
    "/audio/speech",
    response_class=Response,
    responses={
        200: {
            "description": "The sound, while it is being spoken",
            "content": {form.media_type: {} for form in SPOKEN_FORMATS.values()} | {"text/event-stream": {}},
        },
        **_documented(BAD, GONE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, *BUSY),
    },
    openapi_extra=_body("application/json", SpeechRequest.model_json_schema()),
)
async def create_speech(request: Request, gateway: InGateway) -> Response:
    """Speak a text."""
    body = openai_api.speech_request(await submissions.json_body(request))
    openai_api.check_model(body.model)
    form = SPOKEN_FORMATS[body.response_format]
    language = body.language or openai_api.guessed_language(body.input, gateway.config.language)
    text = Text(body.input, language, body.voice_name, body.speed, language_is_guess=body.language is None)
    sound = gateway.speech.speak(text, form)
    first = await anext(sound)  # an error before it is still a response of its own
    if body.stream_format == "sse":
        return EventSourceResponse(_events(first, sound))
    return StreamingResponse(_joined(first, sound), media_type=form.media_type)


async def _joined(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        yield first
        async for block in rest:
            yield block


async def _events(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[ServerSentEvent]:
    async for block in _joined(first, rest):
        audio = base64.b64encode(block).decode()
        yield ServerSentEvent(openai_api.event("speech.audio.delta", audio=audio))
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}  # lipdrop has no tokens
    yield ServerSentEvent(openai_api.event("speech.audio.done", usage=usage))


@router.post(
    "/videos",
    responses=_documented(
        BAD, GONE, HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, *BUSY
    ),
    openapi_extra=_body("multipart/form-data", FORM),
)
async def create_video(request: Request, gateway: InGateway) -> Video:
    """Let an avatar, or the portrait `input_reference`, speak the prompt."""
    name = openai_api.new_id()
    if request.headers.get("content-type", "").startswith("application/json"):
        fields = parse_json_object(await submissions.json_body(request))
        await _drop(request, gateway, name, {key: _as_field(value) for key, value in fields.items()}, None)
    else:
        async with request.form(max_files=1, max_fields=30, max_part_size=JOB_MAX_BYTES) as form:
            await _drop(request, gateway, name, *_split(form))
    return openai_api.video(gateway.state(name), gateway.spool)


@router.get("/videos", responses=_documented(BAD, GONE))
async def list_videos(
    gateway: InGateway,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> VideoList:
    """List the videos that were made with this API."""
    if after is not None and VIDEO_ID.match(after) is None:
        raise not_found(f"video {after[:100]!r}")
    found = await run_in_threadpool(_page, gateway, after, limit + 1, is_descending=order == "desc")
    ids = [one.id for one in found[:limit]]
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    return VideoList(data=found[:limit], first_id=first, last_id=last, has_more=len(found) > limit)


@router.get("/videos/{video_id}", responses=_documented(GONE))
async def read_video(video_id: str, response: Response, gateway: InGateway) -> Video:
    """The state of a video."""
    response.headers["openai-poll-after-ms"] = str(POLL_MS)
    return openai_api.video(_state(gateway, video_id), gateway.spool)


@router.get(
    "/videos/{video_id}/content",
    response_class=FileResponse,
    responses={
        200: {"description": "The video", "content": {"video/mp4": {}}},
        206: {"description": "Part of the video"},
        **_documented(BAD, GONE, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
    },
)
async def read_video_content(
    video_id: str, gateway: InGateway, variant: Literal["video", "thumbnail", "spritesheet"] = "video"
) -> Response:
    """Download a completed video."""
    _state(gateway, video_id)
    if variant != "video":
        raise JobError("range", f"there is no {variant} of a video", field="variant", hint="variant: video")
    report = gateway.states.report(video_id)
    if not isinstance(report, DoneReport) or not gateway.spool.video_file(video_id).is_file():
        raise not_found(f"content of {video_id}: it is not completed")
    return answers.video(gateway, report)


@router.delete("/videos/{video_id}", responses=_documented(GONE))
async def delete_video(video_id: str, gateway: InGateway) -> VideoDeleted:
    """Remove a video that has ended; cancel one that has not, which then fails."""
    if _state(gateway, video_id).has_ended:
        try:
            await run_in_threadpool(_remove, gateway.spool, video_id)
        except PermissionError as error:
            message = "the gateway may not remove videos"
            raise ProblemError(HTTPStatus.FORBIDDEN, message, hint="make outbox/ writable for it") from error
    else:
        gateway.spool.request_cancel(video_id)
    return VideoDeleted(id=video_id)


async def _drop(
    request: Request, gateway: Gateway, name: str, fields: dict[str, str], portrait: UploadFile | None
) -> None:
    job = openai_api.video_job(fields, gateway.config.language)
    await submissions.drop(request, gateway, Draft(job, portrait=portrait), name)


def _split(form: FormData) -> tuple[dict[str, str], UploadFile | None]:
    """The fields of a form, and its one file."""
    fields, portrait = dict[str, str](), None
    for key, value in form.multi_items():
        if isinstance(value, str):
            fields[key] = value
        elif key == REFERENCE:
            portrait = value
        else:
            raise JobError("unknown_field", f"the form has a file {key[:100]!r}", field=key[:100], hint=REFERENCE)
    return fields, portrait


def _as_field(value: Any) -> str:
    """A value of a JSON body as a field of a form."""
    return value if isinstance(value, str) else json.dumps(value)


def _state(gateway: Gateway, video_id: str) -> JobState:
    """The state of a video. Raises ProblemError if there is none, or if it was not made with this API."""
    if VIDEO_ID.match(video_id) is None:
        raise not_found(f"video {video_id[:100]!r}")
    return gateway.state(video_id)


def _page(gateway: Gateway, after: str | None, count: int, *, is_descending: bool) -> list[Video]:
    """Up to `count` videos behind the one called `after`. Blocks."""
    found: list[Video] = []
    for name in sorted(gateway.states.named(openai_api.VIDEO_PREFIX), reverse=is_descending):
        is_behind = after is None or (name < after if is_descending else name > after)
        state = gateway.states.find(name) if is_behind and VIDEO_ID.match(name) else None
        if state is not None:
            found.append(openai_api.video(state, gateway.spool))
        if len(found) == count:
            break
    return found


def _remove(spool: Spool, name: str) -> None:
    """Remove the results of a job that has ended; first the report, which ends its existence. Blocks."""
    spool.report_file(name).unlink(missing_ok=True)
    spool.video_file(name).unlink(missing_ok=True)
    for suffix in CAPTION_SUFFIXES:
        (spool.outbox / f"{name}{suffix}").unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(spool.outbox / name)
