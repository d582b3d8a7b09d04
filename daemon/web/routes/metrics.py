"""Prometheus metrics."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from daemon.metrics.registry import LeftByDaemon, Present, render
from daemon.web.gateway import InGateway
from daemon.web.problems import documented

router = APIRouter(tags=["health"])


class MetricsResponse(Response):
    """Prometheus' text format."""

    media_type = CONTENT_TYPE_LATEST


@router.get(
    "/metrics",
    response_class=MetricsResponse,
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN),
)
def read_metrics(gateway: InGateway) -> MetricsResponse:
    """Metrics for Prometheus: the state of the spool now, and what its daemon last counted."""
    spool, limits = gateway.spool, gateway.config.limits
    present = Present(spool, gateway.states.health, free_megabytes=limits.free_megabytes)
    return MetricsResponse(render(present, LeftByDaemon(spool.metrics_file)))
