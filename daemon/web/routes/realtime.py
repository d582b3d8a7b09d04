"""The page on which the avatar says what is being typed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from daemon.web.gateway import InGateway
from daemon.web.pages import page
from daemon.web.pages.languages import spoken

router = APIRouter(include_in_schema=False)


@router.api_route("/realtime", methods=["GET", "HEAD"])
async def realtime(request: Request, gateway: InGateway) -> HTMLResponse:
    """Streams that are played while the text is still being typed."""
    return page(request, "realtime", data=spoken(gateway.config))
