"""The pages that people see, and their files."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from daemon.spool.recordings import RECORDING_SUFFIXES
from daemon.web import answers
from daemon.web.access import COOKIE
from daemon.web.gateway import InGateway
from daemon.web.pages import HLS, STATIC, known_problems, page, problem_page
from daemon.web.pages.reference import operations
from daemon.web.tokens import Tokens

router = APIRouter(include_in_schema=False)

FILES = StaticFiles(directory=STATIC)
LIBRARIES = StaticFiles(directory=HLS.parent)
LOGIN_SECONDS = 90 * 24 * 3600
READ = ["GET", "HEAD"]


@router.api_route("/static/{path:path}", methods=READ)
async def static_file(path: str, request: Request) -> Response:
    """A style sheet, script or picture of the pages; the browser asks each time whether it has changed."""
    files = LIBRARIES if path == HLS.name else FILES
    response = await files.get_response(path, request.scope)
    response.headers["Cache-Control"] = "no-cache"
    return response


@router.api_route("/", methods=READ)
async def studio(request: Request, gateway: InGateway) -> HTMLResponse:
    """Make a video."""
    config = gateway.config
    data: dict[str, Any] = {
        "language": config.language,
        "languages": list(dict.fromkeys([config.language, *config.tts.voices])),
        "characters": config.limits.text_characters,
        "recordings": sorted(RECORDING_SUFFIXES),
    }
    return page(request, "studio", recordings=",".join(data["recordings"]), data=data)


@router.api_route("/jobs/{name}", methods=READ)
async def job_page(name: str, request: Request, gateway: InGateway) -> HTMLResponse:
    """A job: its progress, its video, its times."""
    found = gateway.states.find(name)
    if found is None:
        return problem_page(request, HTTPStatus.NOT_FOUND, "not_found", f"there is no job {name[:100]}")
    return page(request, "job", job=found, data={"job": answers.linked(request, found).model_dump()})


@router.api_route("/login", methods=READ)
async def login(request: Request, next: str = "/") -> HTMLResponse:
    """Ask for a token."""
    return page(request, "login", next=_local(next), is_wrong=False, data={"next": _local(next)})


@router.post("/login")
async def log_in(
    request: Request, gateway: InGateway, token: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/"
) -> Response:
    """Remember a token in a cookie that scripts cannot read and that other sites' pages do not send."""
    root, target, file = request.scope.get("root_path", ""), _local(next), gateway.config.web.tokens
    if file is not None and Tokens(gateway.config.path(file)).owner(token.strip()) is None:
        return page(request, "login", HTTPStatus.FORBIDDEN, next=target, is_wrong=True, data={"next": target})
    response = RedirectResponse(target if target != "/" else f"{root}/", HTTPStatus.SEE_OTHER)
    if file is not None:
        response.set_cookie(
            COOKIE,
            token.strip(),
            max_age=LOGIN_SECONDS,
            path=f"{root}/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
    return response


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """Forget the token."""
    root = request.scope.get("root_path", "")
    response = RedirectResponse(f"{root}/login", HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE, path=f"{root}/", httponly=True, samesite="strict")
    return response


@router.api_route("/problems/{code}", methods=READ)
async def problem(code: str, request: Request) -> HTMLResponse:
    """What an error code means, and what to do."""
    if code not in known_problems():
        return problem_page(request, HTTPStatus.NOT_FOUND, "not_found", f"there is no error code {code[:100]}")
    return problem_page(request, HTTPStatus.OK, code)


@router.api_route("/docs", methods=READ)
async def reference(request: Request) -> HTMLResponse:
    """The HTTP interface, from its OpenAPI document."""
    return page(request, "docs", groups=operations(request.app.openapi()), base=str(request.base_url).rstrip("/"))


def _local(target: str) -> str:
    """A path of this site to go to after the login; `/` instead of anything else."""
    parts = urlsplit(target)
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if is_local and target.isprintable() else "/"
