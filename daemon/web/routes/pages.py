"""The pages that people see, and their files."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from daemon.explanations import DEFAULT_LANGUAGE, explanations
from daemon.spool.recordings import RECORDING_SUFFIXES
from daemon.web import answers
from daemon.web.gateway import Gateway, InGateway
from daemon.web.pages import HLS, STATIC, page, problem_page
from daemon.web.pages.languages import spoken
from daemon.web.pages.reference import operations
from daemon.web.tokens import COOKIE, Tokens
from pipeline.media.kinds import CLIP_ENDINGS, PICTURE_ENDINGS

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
    recordings, config = sorted(RECORDING_SUFFIXES), gateway.config
    data = {**spoken(config), "characters": config.limits.text_characters, "recordings": recordings}
    portraits = ",".join(["image/*", "video/*", *PICTURE_ENDINGS, *CLIP_ENDINGS])
    data["pictures"] = list(PICTURE_ENDINGS)
    return page(request, "studio", recordings=",".join(recordings), portraits=portraits, data=data)


@router.api_route("/jobs/{name}", methods=READ)
async def job_page(name: str, request: Request, gateway: InGateway) -> HTMLResponse:
    """A job: its progress, its video, its times."""
    found = gateway.states.find(name)
    if found is None:
        return problem_page(request, HTTPStatus.NOT_FOUND, "not_found", f"there is no job {name[:100]}")
    return page(request, "job", job=found, data={"job": answers.linked(request, found).model_dump()})


@router.api_route("/login", methods=READ)
async def login(request: Request, gateway: InGateway, next: str = "/") -> Response:
    """Ask for a token, unless the browser has one already."""
    target = _local(next)
    if gateway.config.web.tokens is not None and _is_valid(gateway, request.cookies.get(COOKIE, "")):
        return RedirectResponse(_under(request, target), HTTPStatus.SEE_OTHER)
    # For a link on another site the browser did not send the cookie; it does if the page opens itself again.
    is_foreign = request.headers.get("sec-fetch-site") == "cross-site"
    return page(request, "login", next=target, is_wrong=False, is_foreign=is_foreign)


@router.post("/login")
async def log_in(
    request: Request, gateway: InGateway, token: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/"
) -> Response:
    """Remember a token in a cookie that scripts cannot read and that other sites' pages do not send."""
    root, target = request.scope.get("root_path", ""), _local(next)
    if not _is_valid(gateway, token.strip()):
        return page(request, "login", HTTPStatus.FORBIDDEN, next=target, is_wrong=True, is_foreign=False)
    response = RedirectResponse(_under(request, target), HTTPStatus.SEE_OTHER)
    if gateway.config.web.tokens is not None:
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


@router.api_route("/status", methods=READ)
async def status(request: Request) -> HTMLResponse:
    """The daemon, its workers and where they are."""
    return page(request, "status")


@router.api_route("/problems/{code}", methods=READ)
async def problem(code: str, request: Request) -> HTMLResponse:
    """What an error code means, and what to do."""
    if code not in explanations(DEFAULT_LANGUAGE):
        return problem_page(request, HTTPStatus.NOT_FOUND, "not_found", f"there is no error code {code[:100]}")
    return problem_page(request, HTTPStatus.OK, code)


@router.api_route("/docs", methods=READ)
async def reference(request: Request) -> HTMLResponse:
    """The HTTP interface, from its OpenAPI document."""
    return page(request, "docs", groups=operations(request.app.openapi()), base=str(request.base_url).rstrip("/"))


def _is_valid(gateway: Gateway, token: str) -> bool:
    """Whether a token opens the gateway; any does where none is needed."""
    file = gateway.config.web.tokens
    return file is None or Tokens(gateway.config.path(file)).owner(token) is not None


def _under(request: Request, target: str) -> str:
    """A local address to go to; `/` is the studio, wherever the gateway is mounted."""
    return f"{request.scope.get('root_path', '')}/" if target == "/" else target


def _local(target: str) -> str:
    """A path of this site to go to after the login; `/` instead of anything else."""
    parts = urlsplit(target)
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if is_local and target.isprintable() else "/"
