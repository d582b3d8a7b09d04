"""Jobs: submit, list, watch, cancel."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from daemon.outputs.report import FailedReport
from daemon.outputs.schemas import job_schema
from daemon.web import answers, document
from daemon.web.gateway import InGateway
from daemon.web.preferences import preferences, prefers
from daemon.web.problems import ProblemError, documented
from daemon.web.states import JobPage, JobState, Status
from daemon.web.submissions import JOB, PORTRAIT, RECORDING, Submitted, submit
from pipeline.job_names import requested_name

router = APIRouter(tags=["jobs"])

REFUSALS = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
READ = documented(HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The job has ended",
        "model": JobState,
        "content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}},
    },
    202: {"description": "The job is queued or runs", "model": JobState},
    **REFUSALS,
}


def new_job() -> dict[str, Any]:
    """The keys of a job."""
    return job_schema(document.REFERENCE)


def job_body() -> dict[str, Any]:
    """The request body of a new job, for the OpenAPI document."""
    text = {"type": "string", "description": "The job as JSON."}
    file = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {JOB: text, RECORDING: file, PORTRAIT: file}}
    content = {
        "application/json": {"schema": document.shared("NewJob", new_job)},
        "multipart/form-data": {"schema": form},
    }
    return {"requestBody": {"required": True, "content": content}}


@router.post("/api/jobs", status_code=HTTPStatus.ACCEPTED, responses=ANSWERS, openapi_extra=job_body())
async def create_job(request: Request, gateway: InGateway) -> Response:
    """Submit a job.

    With `Prefer: wait=N` the answer waits up to N seconds for the result; with `Accept: video/mp4` that is the video.
    The header `Idempotency-Key` makes it safe to repeat the request.
    """
    return await _answer(request, gateway, await submit(request, gateway))


@router.put("/api/jobs/{name}", status_code=HTTPStatus.ACCEPTED, responses=ANSWERS, openapi_extra=job_body())
async def put_job(name: str, request: Request, gateway: InGateway) -> Response:
    """Submit a job under a name. Repeating the request has no further effect.

    A name that is not one is transliterated; the answer has the job's name.
    """
    return await _answer(request, gateway, await submit(request, gateway, requested_name(name)))


@router.get("/api/jobs", responses=documented(HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
async def list_jobs(
    request: Request,
    gateway: InGateway,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    status: Status | None = None,
) -> JobPage:
    """List jobs, the latest first."""
    try:
        page = await run_in_threadpool(gateway.states.page, cursor, limit, status)
    except ValueError:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "not a cursor", code="cursor", field="cursor") from None
    return page.model_copy(update={"jobs": [answers.linked(request, job) for job in page.jobs]})


@router.get("/api/jobs/{name}", responses=READ)
async def read_job(name: str, request: Request, gateway: InGateway) -> JobState:
    """The state of a job, with its timing JSON once it has ended."""
    return answers.linked(request, gateway.state(name))


@router.delete("/api/jobs/{name}", status_code=HTTPStatus.ACCEPTED, responses=READ | documented(HTTPStatus.CONFLICT))
async def cancel_job(name: str, request: Request, gateway: InGateway) -> Response:
    """Cancel a job that is queued or runs."""
    found = gateway.state(name)
    if found.has_ended:
        raise ProblemError(HTTPStatus.CONFLICT, f"job {name} has already ended", code="ended", job=name)
    gateway.spool.request_cancel(name)
    return answers.state(request, found, HTTPStatus.ACCEPTED)


async def _answer(request: Request, gateway: InGateway, submitted: Submitted) -> Response:
    """The answer to a new job: at once or, if the client prefers that, when it has ended."""
    name, wanted = submitted.name, preferences(request)
    headers = {**wanted.applied, **({"Idempotency-Replayed": "true"} if submitted.is_replay else {})}
    if wanted.wait_seconds:
        report = await gateway.ended(name, submitted.before, wanted.wait_seconds)
        if report is not None and prefers(request, "video/mp4", "application/json"):
            if isinstance(report, FailedReport):
                raise answers.failure(report)
            return answers.video(gateway, report, headers)
    found = gateway.state(name)
    return answers.state(request, found, HTTPStatus.OK if found.has_ended else HTTPStatus.ACCEPTED, headers)
