"""A receiver of webhooks: a real HTTP server that checks signatures as receivers should, and misbehaves on demand."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook

from tests.running import until


@dataclass(frozen=True)
class Call:
    """One call that was received, with a valid signature."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    payload: dict[str, Any]
    seen: Any
    """What `look` returned while the call was answered."""


class Receiver:
    """Listens on 127.0.0.1. Context manager.

    The first part of a path says what to do: `ok`, `fail-N` (N times), `redirect`, `hang`, `gone`.
    """

    def __init__(self, secret: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.calls: list[Call] = []
        self.look: Callable[[str], Any] = lambda job: None
        """Called with the job's name during each call."""
        self._webhook = Webhook(secret)
        self._released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.answer(self)

            def log_message(self, format: str, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def of(self, path: str) -> list[Call]:
        """The calls of a path."""
        return [call for call in list(self.calls) if call.path == f"/{path}"]

    def until_called(self, path: str, times: int = 1, seconds: float = 20) -> list[Call]:
        """Wait for a number of calls of a path."""
        return until(lambda: found if len(found := self.of(path)) >= times else None, f"call of {path}", seconds)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Check and record a call, then answer as its path says."""
        body = request.rfile.read(int(request.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in request.headers.items()}
        payload = self._webhook.verify(body, headers)
        self.calls.append(Call(request.path, headers, payload, self.look(payload["data"]["job"])))
        kind, _, number = request.path.split("/")[1].partition("-")
        if kind == "hang":
            self._released.wait(60)
        failed = kind == "fail" and len(self.of(request.path[1:])) <= int(number)
        status = 503 if failed else {"redirect": 307, "gone": 410}.get(kind, 200)
        request.send_response(status)
        if status == 307:
            request.send_header("Location", self.url("ok/elsewhere"))
        request.send_header("Content-Length", "0")
        request.end_headers()
