"""What every request must pass: host, token, origin and rate; and the headers that every response has."""

from __future__ import annotations

import ipaddress
import time
from http import HTTPStatus
from http.cookies import SimpleCookie
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.web import problems
from daemon.web.bodies import Bodies
from daemon.web.preferences import prefers
from daemon.web.problems import ProblemError
from daemon.web.tokens import COOKIE, Tokens
from pipeline.config import Config, WebSettings

OPEN_PATHS = ("/login", "/logout", "/static/", "/problems/", "/api/ready")
"""Reached without a token; those that end with a slash, with everything below them."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; connect-src 'self'; worker-src 'self' blob:; font-src 'self'; manifest-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def install(app: FastAPI, config: Config) -> None:
    """Check all requests of an application.

    The layer added last is the outermost: refusals too have the headers, and those for an allowed origin are readable.
    """
    app.add_middleware(Access, config=config)
    if config.web.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=config.web.origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["*"],
        )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Bodies, max_bytes=config.web.upload_megabytes << 20)
    app.add_exception_handler(Exception, _internal_error)


async def _internal_error(request: Request, _: Exception) -> Response:
    """The answer to a request that met a defect. It is sent outside all layers, so it has their headers itself."""
    error = ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR, "a defect of lipdrop; the log has its traceback", headers=HEADERS
    )
    return problems.response(error, request.scope)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class SecurityHeaders:
    """Adds the headers that every response has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its response unless the route has set them."""

        async def respond(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, respond)


class Access:
    """Lets only those requests pass that are allowed."""

    def __init__(self, app: ASGIApp, config: Config) -> None:
        self._app = app
        self._web: WebSettings = config.web
        self._tokens = Tokens(config.path(config.web.tokens)) if config.web.tokens is not None else None
        self._hosts = {"localhost", "127.0.0.1", "[::1]", config.web.host, f"[{config.web.host}]", *config.web.names}
        self._rate = RateLimitItemPerMinute(config.web.requests_per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, then pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except ProblemError as error:
            is_login = error.status is HTTPStatus.UNAUTHORIZED and _is_page(scope)
            answer = _login(scope) if is_login else problems.response(error, scope)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        _check_framing(headers)
        self._check_host(headers)
        client = self._client(scope, headers)
        scope.setdefault("state", {})["client"] = client
        if scope["method"] not in SAFE_METHODS:
            self._check_origin(scope, headers)
            self._check_rate(client)

    def _check_host(self, headers: Headers) -> None:
        """Refuse foreign host names: a page elsewhere may have a name that points here (DNS rebinding)."""
        host = headers.get("host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name.lower() not in self._hosts:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                f"the host name {name[:100]!r} is not served here",
                code="host",
                hint="add it to web.names",
            )

    def _client(self, scope: Scope, headers: Headers) -> str:
        """Who sends the request: the name of its token, or its address where no tokens are used."""
        address = str(scope["client"][0]) if scope.get("client") else "local"
        if self._tokens is None:
            return address
        scheme, _, given = headers.get("authorization", "").partition(" ")
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        token = given if scheme.lower() == "bearer" else cookie.value if cookie else ""
        owner = self._tokens.owner(token)
        if owner is None and not _is_open(scope):
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "a valid access token is needed",
                hint="send it as Authorization: Bearer TOKEN, or log in at /login",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return owner or address

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Refuse requests that a browser sends for another site's page."""
        origin = headers.get("origin")
        if origin is not None and origin in self._web.origins:
            return
        foreign = origin is not None and urlsplit(origin).netloc != headers.get("host")
        if foreign or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "requests from other sites are refused",
                code="origin",
                hint="add it to web.origins",
            )

    def _check_rate(self, client: str) -> None:
        if not self._limiter.hit(self._rate, client):
            seconds = max(1, round(self._limiter.get_window_stats(self._rate, client).reset_time - time.time()))
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"more than {self._web.requests_per_minute} requests in a minute",
                code="rate",
                headers={"Retry-After": str(seconds)},
            )


def _check_framing(headers: Headers) -> None:
    """Refuse a body with two lengths: a proxy in front may have read the other one (request smuggling)."""
    if "content-length" in headers and "transfer-encoding" in headers:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "Content-Length and Transfer-Encoding together", headers={"Connection": "close"}
        )


def _is_open(scope: Scope) -> bool:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return any(path.startswith(known) if known.endswith("/") else path == known for known in OPEN_PATHS)


def _is_page(scope: Scope) -> bool:
    """Whether a person opens an address in a browser."""
    return scope["method"] in ("GET", "HEAD") and prefers(Request(scope), "text/html", problems.MEDIA_TYPE)


def _login(scope: Scope) -> RedirectResponse:
    """Ask for a token, then go on to the page."""
    url, root = Request(scope).url, scope.get("root_path", "")
    target = f"{url.path}?{url.query}" if url.query else url.path
    return RedirectResponse(f"{root}/login?next={quote(target, safe='')}", HTTPStatus.SEE_OTHER)
