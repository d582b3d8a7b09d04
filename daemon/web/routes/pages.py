"""The pages that people see, and their files."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from daemon.web.pages import HLS, STATIC, page

router = APIRouter(include_in_schema=False)

FILES = StaticFiles(directory=STATIC)
LIBRARIES = StaticFiles(directory=HLS.parent)


@router.get("/static/{path:path}")
async def static_file(path: str, request: Request) -> Response:
    """A style sheet, script or picture of the pages; the browser asks each time whether it has changed."""
    files = LIBRARIES if path == HLS.name else FILES
    response = await files.get_response(path, request.scope)
    response.headers["Cache-Control"] = "no-cache"
    return response


@router.get("/")
async def studio(request: Request) -> HTMLResponse:
    """Make a video."""
    return page(request, "studio")
