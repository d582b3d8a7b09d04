"""Requests' bodies: stopped when they are too long, and read to their end before a response is sent.

Whoever closes a connection on which bytes still arrive resets it, and the reset may overtake the response. Proxies
written in Go, such as Caddy, may also lose a response that comes while they still send. So what nobody wants of a body
is read and dropped, with nginx's times:
https://nginx.org/en/docs/http/ngx_http_core_module.html#lingering_close
"""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.web.problems import ProblemError

LINGER_SECONDS = 30
SILENT_SECONDS = 5


class Bodies:
    """Limits bodies, and reads to their end those of which the rest is not wanted."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        body = _Body(receive, Headers(scope=scope), self._max_bytes)

        async def respond(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.declares_too_much:
                await body.drop()
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await body.drop()
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, body.receive, respond)


class _Body:
    """The body of one request while it arrives."""

    def __init__(self, receive: Receive, headers: Headers, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._bytes = 0
        declared = headers.get("content-length", "")
        self.declares_too_much = declared.isdigit() and int(declared) > max_bytes
        # A client that waits to be asked for its body sends none after a response.
        self._is_over = headers.get("expect", "").lower() == "100-continue"

    async def receive(self) -> Message:
        """The next part. Raises ProblemError `too_large`; a declared length is refused before the body is sent."""
        if not self.declares_too_much:
            message = await self._next()
            if self._bytes <= self._max_bytes:
                return message
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the request's body is over {self._max_bytes} bytes")

    async def drop(self) -> None:
        """Read what is left, or as much as arrives in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._is_over:
                    await asyncio.wait_for(self._next(), SILENT_SECONDS)
        self._is_over = True

    async def _next(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        self._is_over = not message.get("more_body", False)
        return message


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
