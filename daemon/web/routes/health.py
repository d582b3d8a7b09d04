"""The state of the daemon."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from daemon.spool.health import DEGRADED, OK, Health, WorkerHealth
from daemon.web.gateway import InGateway
from daemon.web.problems import ProblemError, documented

router = APIRouter(tags=["health"])

UP = frozenset({"idle", "busy"})
"""States of workers that have loaded their models."""


class Queue(BaseModel):
    """How many jobs there are."""

    waiting: int
    in_flight: int


class HealthAnswer(BaseModel):
    """The daemon's state, with the keys that the first version's callers know."""

    status: str
    """`healthy` if jobs are processed, else `unhealthy`."""
    daemon: str
    """starting, ok, degraded, paused, draining, stale or down."""
    why: str
    """The reason if it is not ok."""
    gan_model_loaded: bool
    nogan_model_loaded: bool
    models: dict[str, bool]
    """Whether each configured model is loaded by a worker."""
    device: str
    """The devices of the lip-sync workers, as configured."""
    workers: dict[str, WorkerHealth]
    queue: Queue
    done: int
    """Jobs done since the daemon started."""
    failed: int
    """Jobs failed since the daemon started."""


@router.get("/api/health", responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
async def read_health(gateway: InGateway) -> HealthAnswer:
    """The state of the daemon, its workers and the queue."""
    found = gateway.states.health()
    report = found.report
    workers = report.workers if report else {}
    loaded = {
        model: any(_has(name, model, worker) for name, worker in workers.items()) for model in gateway.config.models
    }
    return HealthAnswer(
        status="healthy" if found.is_healthy else "unhealthy",
        daemon=found.state,
        why=found.why,
        gan_model_loaded=loaded["gan"],
        nogan_model_loaded=loaded["nogan"],
        models=loaded,
        device=", ".join(dict.fromkeys(worker.device for worker in gateway.config.workers)),
        workers=workers,
        queue=Queue(waiting=gateway.states.waiting(), in_flight=len(report.jobs) if report else 0),
        done=report.done if report else 0,
        failed=report.failed if report else 0,
    )


@router.get("/api/ready", responses=documented(HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE))
async def read_ready(gateway: InGateway) -> dict[str, Any]:
    """Whether jobs are processed: 200 or 503, for load balancers."""
    found = gateway.states.health()
    if not is_ready(found):
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE, f"the daemon is {found.state}", code="daemon", hint=found.why
        )
    return {"ready": True}


def is_ready(found: Health) -> bool:
    """Whether a new job would be processed now."""
    return found.state in (OK, DEGRADED)


def _has(worker_name: str, model: str, worker: WorkerHealth) -> bool:
    """Whether a worker has loaded a model: workers are named `MODEL-NUMBER`."""
    return worker_name.rpartition("-")[0] == model and worker.state in UP
