"""Errors as problem documents (RFC 9457), with the `code`, `field` and `hint` of all that is wrong with a job."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from daemon.outputs.report import Failure
from daemon.web import document
from daemon.web.pages import problem_page
from daemon.web.preferences import prefers
from pipeline.errors import ErrorReport, JobError, all_errors

MEDIA_TYPE = "application/problem+json"
STATUSES = {
    "conflict": HTTPStatus.CONFLICT,
    "not_open": HTTPStatus.CONFLICT,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
"""Of job errors by code; all others are 400."""

CODES = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method",
    HTTPStatus.NOT_ACCEPTABLE: "not_acceptable",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "media_type",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "range_not_satisfiable",
    HTTPStatus.TOO_MANY_REQUESTS: "busy",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
    HTTPStatus.GATEWAY_TIMEOUT: "timeout",
}
"""The code of an error that has only a status."""

OPENAI_PATH = "/v1/"
OPENAI_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
"""OpenAI's types of errors by status; all others are the request's or, from 500 on, the server's."""


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    code: str
    """Stable identifier of the error."""
    field: str | None = None
    """The key at fault."""
    hint: str | None = None
    """A suggested fix."""
    detail: str
    """What happened."""


class Problem(BaseModel):
    """A problem document. Its own code, field, hint and detail are those of the first error."""

    type: str
    """URL of a page about this kind of error."""
    title: str
    """The status in words."""
    status: int
    detail: str
    """What happened."""
    code: str
    """Stable identifier of the error."""
    field: str | None = None
    """The key at fault."""
    hint: str | None = None
    """A suggested fix."""
    job: str | None = None
    """The job that failed."""
    errors: list[Fault]
    """Everything that is wrong: at least one."""


class ProblemError(Exception):
    """An error that becomes a problem document."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        code: str | None = None,
        field: str | None = None,
        hint: str | None = None,
        job: str | None = None,
        headers: Mapping[str, str] | None = None,
        further: Sequence[Fault] = (),
    ) -> None:
        """`further`: what is wrong besides."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code or CODES[status]
        self.field = field
        self.hint = hint
        self.job = job
        self.errors = [Fault(code=self.code, field=field, hint=hint, detail=detail), *further]
        self.headers = headers


def not_found(what: str) -> ProblemError:
    """The error for something that does not exist."""
    return ProblemError(HTTPStatus.NOT_FOUND, f"there is no {what}")


def response(error: ProblemError, scope: Scope) -> JSONResponse:
    """An error as the response to a request: a problem document or, for OpenAI's clients, what they expect."""
    root = scope.get("root_path", "")
    path = scope["path"].removeprefix(root)
    if path.startswith(OPENAI_PATH):
        return JSONResponse(_openai_error(error, path), error.status, error.headers)
    problem = Problem(
        type=f"{root}/problems/{error.code}",
        title=error.status.phrase,
        status=error.status,
        detail=error.detail,
        code=error.code,
        field=error.field,
        hint=error.hint,
        job=error.job,
        errors=error.errors,
    )
    return JSONResponse(problem.model_dump(), error.status, error.headers, MEDIA_TYPE)


def _openai_error(error: ProblemError, path: str) -> dict[str, Any]:
    """An error as OpenAI's API reports it. Its names for `text` are `input` and `prompt`."""
    kind = OPENAI_TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    text = "input" if path.startswith(f"{OPENAI_PATH}audio/") else "prompt"
    return {
        "error": {
            "message": "; ".join(f"{one.detail} ({one.hint})" if one.hint else one.detail for one in error.errors),
            "type": kind,
            "param": text if error.field == "text" else error.field,
            "code": "invalid_api_key" if error.status is HTTPStatus.UNAUTHORIZED else error.code,
        }
    }


def of_error(
    error: JobError | ErrorReport | Failure,
    status: HTTPStatus,
    *,
    job: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> ProblemError:
    """The problem of an error that has a code of its own."""
    others = all_errors(error)[1:] if isinstance(error, JobError) else error.further
    return ProblemError(
        status,
        error.message,
        code=error.code,
        field=error.field,
        hint=error.hint,
        job=job,
        headers=headers,
        further=[Fault(code=one.code, field=one.field, hint=one.hint, detail=one.message) for one in others],
    )


def of_job_error(error: JobError) -> ProblemError:
    """The problem of a job that was refused."""
    return of_error(error, STATUSES.get(error.code, HTTPStatus.BAD_REQUEST))


def of_http(error: HTTPException) -> ProblemError:
    """The problem of an error that the framework raised."""
    status = HTTPStatus(error.status_code)
    return ProblemError(status, str(error.detail), code=CODES.get(status, "http"), headers=error.headers)


def of_validation(error: RequestValidationError) -> ProblemError:
    """The problem of parameters that do not fit."""
    return of_faults([_of_parameter(one) for one in error.errors()])


def of_faults(faults: Sequence[Fault]) -> ProblemError:
    """The problem of a request in which these things are wrong."""
    first, *further = faults
    return ProblemError(
        HTTPStatus.BAD_REQUEST, first.detail, code=first.code, field=first.field, hint=first.hint, further=further
    )


def _of_parameter(found: Mapping[str, Any]) -> Fault:
    field = ".".join(str(part) for part in found["loc"][1:]) or None
    return Fault(code="range", field=field, detail=f"{field}: {found['msg']}")


def install(app: FastAPI) -> None:
    """Answer every error of an application with a problem document."""
    kinds: dict[type[Exception], Any] = {
        ProblemError: lambda error: error,
        ClientDisconnect: lambda error: ProblemError(HTTPStatus.BAD_REQUEST, "the connection was closed"),
        JobError: of_job_error,
        HTTPException: of_http,
        RequestValidationError: of_validation,
    }
    for kind, convert in kinds.items():

        async def handle(request: Request, error: Exception, convert: Any = convert) -> Response:
            problem: ProblemError = convert(error)
            if problem.status is HTTPStatus.METHOD_NOT_ALLOWED:
                problem.headers = {"Allow": ", ".join(sorted(_methods(request)))}
            if problem.status is HTTPStatus.NOT_FOUND and prefers(request, "text/html", MEDIA_TYPE):
                return problem_page(request, problem.status, problem.code, problem.detail)
            return response(problem, request.scope)

        app.add_exception_handler(kind, handle)


def _schema() -> dict[str, Any]:
    return Problem.model_json_schema(ref_template=document.REFERENCE)


def _methods(request: Request) -> set[str]:
    """The methods of a path. The framework names only those of the first route that has it."""
    found: set[str] = set()
    for route in itertools.chain(request.app.routes, *(router.routes for router in request.app.state.routers)):
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return found


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route in the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": document.shared("Problem", _schema)}}
    return {status.value: {"description": status.phrase, "content": content} for status in statuses}
