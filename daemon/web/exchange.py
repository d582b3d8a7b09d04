"""What the gateway and its programs exchange: one JSON object each way.

Both sides import this, and programs start for each upload, so it imports no web framework.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pipeline.config import Config
from pipeline.errors import ErrorReport, LipdropError


def packed(config: Config, request: Any) -> bytes:
    """A request with the configuration, as one line of JSON."""
    return json.dumps({"config": config.model_dump_json(), "base": str(config.base), "request": request}).encode()


def unpacked(line: bytes) -> tuple[Config, Any]:
    """The inverse of `packed`."""
    found = json.loads(line)
    config = {**json.loads(found["config"]), "base": found["base"]}
    return Config.model_validate_json(json.dumps(config)), found["request"]


def answered(work: Callable[[], Any]) -> dict[str, Any]:
    """Do some work in a program; return its result, or the error that it raised on purpose, for `result`."""
    try:
        return {"result": work()}
    except LipdropError as error:
        return {"error": asdict(ErrorReport.of(error))}


def serve(handle: Callable[[Config, Any], Any]) -> None:
    """Answer the one request on standard input."""
    config, request = unpacked(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(answered(lambda: handle(config, request))))
