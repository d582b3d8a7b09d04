"""New jobs from requests: JSON or forms, with idempotency keys and uploads."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from daemon.web.gateway import Gateway, job_bytes, new_name
from daemon.web.problems import ProblemError
from daemon.web.states import Ending
from daemon.web.uploads import content_hash
from pipeline.errors import JobError
from pipeline.job import raise_all
from pipeline.job_file import JOB_MAX_BYTES, parse_json_object

JOB, RECORDING, PORTRAIT = "job", "audio", "portrait"
"""Parts of a form: the job as JSON, and two files."""

KEY_HEADER = "idempotency-key"
KEY_MAX_CHARACTERS = 255


@dataclass(frozen=True)
class Submitted:
    """A job that was dropped, or that an earlier request with the same key had dropped."""

    name: str
    before: Ending | None
    """The ending of an earlier job of that name."""
    is_replay: bool = False


@dataclass(frozen=True)
class Draft:
    """What a client sent."""

    job: dict[str, Any]
    recording: UploadFile | None = None
    portrait: UploadFile | None = None


async def submit(request: Request, gateway: Gateway, name: str | None = None, **fixed: Any) -> Submitted:
    """Drop the job of a request.

    `name`: the job's; default: from the idempotency key, or a new one. `fixed`: keys of the job that the route sets.
    Raises JobError and ProblemError.
    """
    async with draft(request) as found:
        return await drop(request, gateway, Draft({**found.job, **fixed}, found.recording, found.portrait), name)


async def drop(request: Request, gateway: Gateway, found: Draft, name: str | None = None) -> Submitted:
    """Drop a job that a client sent. Raises JobError and ProblemError."""
    key = request.headers.get(KEY_HEADER)
    if name is None and key is not None:
        digest = await run_in_threadpool(_digest, found)
        name = _keyed_name(request, key, digest)
        earlier = _earlier(gateway, name)
        if earlier is not None:
            return earlier
    name = name or new_name()
    data = job_bytes(await _with_uploads(gateway, found))
    gateway.check(data)
    before = gateway.states.ending(name)
    gateway.drop(name, data)
    return Submitted(name, before)


@asynccontextmanager
async def draft(request: Request) -> AsyncIterator[Draft]:
    """Read the body of a request as a job. Its files are closed at the end. Raises JobError and ProblemError."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in ("application/json", ""):
        yield Draft(parse_json_object(await json_body(request)))
    elif media_type == "multipart/form-data":
        async with request.form(max_files=2, max_fields=10, max_part_size=JOB_MAX_BYTES) as form:
            yield _from_form(form)
    else:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"a job is not sent as {media_type[:100]}",
            hint="send application/json, or multipart/form-data with files",
        )


async def json_body(request: Request) -> bytes:
    """The body, of which no more is read than a job may have."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > JOB_MAX_BYTES:
            break
    return bytes(body)


def _from_form(form: FormData) -> Draft:
    raise_all(list(_part_errors(form)))
    job, recording, portrait = (form.get(name) for name in (JOB, RECORDING, PORTRAIT))
    return Draft(parse_json_object((job or "{}").encode()), recording, portrait)  # type: ignore[union-attr, arg-type]


def _part_errors(form: FormData) -> Iterator[JobError]:
    hint = f"{JOB}: the job as JSON; {RECORDING}, {PORTRAIT}: files"
    for name, part in form.items():
        if name not in (JOB, RECORDING, PORTRAIT):
            yield JobError("unknown_field", f"the form has a part {name[:100]!r}", field=name[:100], hint=hint)
        elif name == JOB and isinstance(part, UploadFile):
            yield JobError("type", f"the part {JOB!r} must be text, not a file", field=JOB)
        elif name != JOB and isinstance(part, str):
            yield JobError("type", f"the part {name!r} must be a file", field=name)


async def _with_uploads(gateway: Gateway, found: Draft) -> dict[str, Any]:
    """The job, with the names under which its files were stored."""
    job = dict(found.job)
    if found.recording is None and found.portrait is None:
        return job
    raise_all(list(_conflicts(found)))
    gateway.check(job_bytes(job if found.recording is None else {**job, "text": job.get("text", "a")}))
    gateway.check_room()
    # Nothing is stored before the rest of the job has been checked.
    if found.portrait is not None:
        job["avatar"] = await gateway.portraits.upload(found.portrait.filename or "", found.portrait.file)
    if found.recording is not None:
        job["audio"] = await run_in_threadpool(
            gateway.add_recording, found.recording.filename or "", found.recording.file
        )
    return job


def _conflicts(found: Draft) -> Iterator[JobError]:
    if found.recording is not None and "audio" in found.job:
        yield JobError("conflict", "the job has both a recording and the name of one", field="audio")
    if found.portrait is not None and "avatar" in found.job:
        yield JobError("conflict", "the job has both a portrait and the name of an avatar", field="avatar")


def _keyed_name(request: Request, key: str, digest: str) -> str:
    """A name that depends on the client, its key and the job."""
    if not 0 < len(key) <= KEY_MAX_CHARACTERS:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"an idempotency key has 1 to {KEY_MAX_CHARACTERS} characters")
    owner = hashlib.sha256(f"{request.scope['state']['client']} {key}".encode()).hexdigest()
    return f"key-{owner[:24]}-{digest[:24]}"


def _earlier(gateway: Gateway, name: str) -> Submitted | None:
    """What an earlier request with the same key dropped. Raises ProblemError if that was a different job."""
    known = gateway.states.named(name.rpartition("-")[0])
    if name in known:
        return Submitted(name, None, is_replay=True)
    if known:
        message = "this idempotency key was used for a different job"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, message, code="key_reused", hint="use a new key")
    return None


def _digest(found: Draft) -> str:
    """A hash of everything that a client sent. Blocks."""
    digest = hashlib.sha256(job_bytes(found.job))
    for upload in (found.recording, found.portrait):
        digest.update(b"\0" if upload is None else content_hash(upload.file).encode())
    return digest.hexdigest()
