"""Files as responses, with conditions and ranges as RFC 9110 defines them."""

from __future__ import annotations

import os
import re
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from daemon.web.problems import ProblemError, not_found

ONE_RANGE = re.compile(r"\s*(?:(\d+)-(\d*)|-(\d+))\s*", re.ASCII)


class File(FileResponse):
    """A file that may be replaced later, so that clients ask whether theirs is still the same."""

    def __init__(self, path: Path, media_type: str, **options: Any) -> None:
        super().__init__(path, media_type=media_type, **options)
        self.headers["Cache-Control"] = "no-cache"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, a part of it, or that it has not changed. Raises ProblemError."""
        try:
            self.stat_result = await run_in_threadpool(os.stat, self.path)
        except FileNotFoundError:
            raise not_found(f"file {Path(self.path).name} any more") from None
        self.set_stat_headers(self.stat_result)
        asked = Headers(scope=scope)
        if self._is_known(asked):
            kept = {name: self.headers[name] for name in ("etag", "last-modified", "cache-control")}
            await Response(status_code=HTTPStatus.NOT_MODIFIED, headers=kept)(scope, receive, send)
        elif self._takes_ranges(asked):
            await super().__call__(scope, receive, send)
        else:
            await super().__call__(_without_range(scope), receive, send)

    def _is_known(self, asked: Headers) -> bool:
        """Whether the client has this very file."""
        assert self.stat_result is not None
        if "if-none-match" in asked:
            tags = [tag.strip().removeprefix("W/") for tag in asked["if-none-match"].split(",")]
            return "*" in tags or self.headers["etag"] in tags
        try:
            since = parsedate_to_datetime(asked.get("if-modified-since", ""))
        except (TypeError, ValueError):
            return False
        return int(self.stat_result.st_mtime) <= since.timestamp()

    def _takes_ranges(self, asked: Headers) -> bool:
        """Whether the client gets the ranges it asks for: those it cannot mean are ignored.

        Raises ProblemError if they are outside the file.
        """
        assert self.stat_result is not None
        unit, _, listed = asked.get("range", "").partition("=")
        found = [ONE_RANGE.fullmatch(one) for one in listed.split(",")]
        if unit.strip().lower() != "bytes" or not all(one and _is_ordered(one) for one in found):
            return False
        if asked.get("if-range", self.headers["etag"]) not in (self.headers["etag"], self.headers["last-modified"]):
            return False
        size = self.stat_result.st_size
        if not all(one and _is_inside(one, size) for one in found):
            raise ProblemError(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                f"the file has {size} bytes",
                headers={"Content-Range": f"bytes */{size}"},
            )
        return True


def _is_ordered(one: re.Match[str]) -> bool:
    first, last, _ = one.groups()
    return not last or int(first) <= int(last)


def _is_inside(one: re.Match[str], size: int) -> bool:
    first, _, suffix = one.groups()
    return int(suffix) > 0 if first is None else int(first) < size


def _without_range(scope: Scope) -> Scope:
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"range"]}
