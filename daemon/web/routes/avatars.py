"""Avatars: list, look at, add."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from daemon.cli.avatar_files import BOX, box_of, consent_of, settings_of
from daemon.web import answers, uploads
from daemon.web.gateway import Gateway
from daemon.web.portraits import AvatarList, AvatarState, Portraits
from daemon.web.problems import documented, not_found
from pipeline.errors import JobError

log = logging.getLogger(__name__)

CLEANING_SECONDS = 3600
"""How often unused uploads are looked for."""


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    gateway: Gateway = app.state.gateway
    cleaning = asyncio.create_task(_clean(gateway))
    try:
        yield
    finally:
        cleaning.cancel()


router = APIRouter(tags=["avatars"], lifespan=_lifespan)

READ = documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)
FOUND = READ | documented(HTTPStatus.NOT_FOUND)
ADDED: dict[int | str, dict[str, Any]] = {
    200: {"description": "This avatar exists already, with the same file", "model": AvatarState},
    201: {"description": "The avatar can be used now", "model": AvatarState},
    **READ,
    **documented(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.TOO_MANY_REQUESTS,
    ),
}
FILE = {"type": "string", "format": "binary", "description": "A picture or video of one face."}
NAME = {"type": "string", "description": "Default: the file's."}
OPTIONS: dict[str, dict[str, Any]] = {
    "rotate": {"type": "string", "enum": ["90", "180", "270"], "description": "Turn it clockwise, in degrees."},
    "face_box": {"type": "string", "description": f"Where the face is: {BOX} in pixels of the turned picture."},
    "crop": {"type": "string", "description": f"The part of the turned picture to use: {BOX}."},
    "consent": {"type": "string", "description": "That the person who is shown agrees; kept, and put into its videos."},
}


def _portraits(request: Request) -> Portraits:
    gateway: Gateway = request.app.state.gateway
    return gateway.portraits


InPortraits = Annotated[Portraits, Depends(_portraits)]


def _form(*required: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": list(required), "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.get("/api/avatars", responses=READ)
async def list_avatars(request: Request, portraits: InPortraits) -> AvatarList:
    """List the avatars that a job may name."""
    found = await portraits.states()
    return found.model_copy(update={"avatars": [_linked(request, avatar) for avatar in found.avatars]})


@router.get(
    "/api/avatars/{name}/thumbnail.jpg",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {}}, "description": "A small picture of the face"},
        304: {"description": "Not changed"},
        **FOUND,
    },
)
async def avatar_thumbnail(name: str, request: Request, portraits: InPortraits) -> Response:
    """A small picture of an avatar's face: a JPEG of 256x256 pixels."""
    look = await portraits.look(name)
    if look.thumbnail is None:
        raise not_found(f"thumbnail of {name}: its file cannot be read")
    return answers.tagged(request, look.thumbnail, "image/jpeg", look.etag, "private, no-cache")


@router.get("/api/avatars/{name}", responses=FOUND)
async def read_avatar(name: str, request: Request, portraits: InPortraits) -> AvatarState:
    """One avatar."""
    return _linked(request, await portraits.state(name))


@router.post(
    "/api/avatars",
    status_code=HTTPStatus.CREATED,
    responses=ADDED,
    openapi_extra=_form("file", file=FILE, name=NAME, **OPTIONS),
)
async def add_avatar(request: Request, portraits: InPortraits) -> Response:
    """Add a picture or video of one face as an avatar, if that face can speak."""
    return await _add(request, portraits, None)


@router.put(
    "/api/avatars/{name}",
    status_code=HTTPStatus.CREATED,
    responses=ADDED,
    openapi_extra=_form("file", file=FILE, **OPTIONS),
)
async def put_avatar(name: str, request: Request, portraits: InPortraits) -> Response:
    """Add an avatar under a name. Repeating the request has no further effect; avatars are never replaced."""
    return await _add(request, portraits, name)


async def _add(request: Request, portraits: Portraits, name: str | None) -> Response:
    portraits.check_allowed()
    async with request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            hint = "send a form with the part `file`, a picture or video"
            raise JobError("missing", "the request has no file", field="file", hint=hint)
        given = form.get("name")
        file_name = file.filename or ""
        name = name or (given if isinstance(given, str) and given else file_name.rpartition(".")[0])
        is_new = await portraits.add(name, file_name, file.file, _settings(form))
    found = _linked(request, await portraits.state(name))
    status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return JSONResponse(found.model_dump(), status, {"Location": f"{_base(request)}/{name}"})


def _settings(form: FormData) -> str:
    """The `avatar.yaml` that a form's fields ask for. Raises JobError."""
    rotate = form.get("rotate")
    if rotate and rotate not in OPTIONS["rotate"]["enum"]:
        raise JobError("range", f"rotate is {str(rotate)[:20]!r}", field="rotate", hint="90, 180 or 270")
    boxes = {key: _box(key, form.get(key)) for key in ("face_box", "crop")}
    consent = form.get("consent")
    settings = settings_of(int(rotate) if isinstance(rotate, str) and rotate else None, **boxes)
    return settings + consent_of(consent if isinstance(consent, str) else "", datetime.now(UTC))


def _box(key: str, text: object) -> tuple[int, ...] | None:
    try:
        return box_of(text) if isinstance(text, str) and text else None
    except ValueError:
        raise JobError("range", f"{key} is {str(text)[:40]!r}", field=key, hint=f"{BOX}, whole numbers") from None


def _base(request: Request) -> str:
    return f"{request.scope.get('root_path', '')}/api/avatars"


def _linked(request: Request, avatar: AvatarState) -> AvatarState:
    """An avatar with the URL of its thumbnail."""
    thumbnail = avatar.thumbnail and f"{_base(request)}/{avatar.thumbnail}"
    return avatar.model_copy(update={"thumbnail": thumbnail})


async def _clean(gateway: Gateway) -> None:
    """Remove uploads that are not used any more, from time to time."""
    config = gateway.config
    while True:
        folder = config.path(config.avatars.folder)
        try:
            await run_in_threadpool(uploads.remove_unused, gateway.spool, folder, config.retention)
        except OSError as error:
            log.warning("unused uploads are kept: %s", error)
        await asyncio.sleep(CLEANING_SECONDS)
