"""The page that compares the modes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from daemon.web.gateway import InGateway
from daemon.web.pages import page
from daemon.web.pages.languages import spoken

router = APIRouter(include_in_schema=False)


@router.api_route("/parallel_test", methods=["GET", "HEAD"])
async def parallel_test(request: Request, gateway: InGateway) -> HTMLResponse:
    """The same text made sequentially and in parallel, side by side."""
    return page(request, "comparison", data=spoken(gateway.config))
