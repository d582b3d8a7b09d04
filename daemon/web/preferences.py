"""The request headers `Prefer` (RFC 7240) and `Accept`."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

WAIT_MAX_SECONDS = 300
"""Longest time that a request is kept waiting."""


@dataclass(frozen=True)
class Preferences:
    """How a client wants the answer to a new job."""

    wait_seconds: int | None
    """How long to wait for the result; None: not stated."""
    is_async: bool
    """Whether to answer without the result, at once or after the time to wait."""

    @property
    def applied(self) -> dict[str, str]:
        """The response header that says which preferences were honoured."""
        if self.is_async and self.wait_seconds is None:
            return {"Preference-Applied": "respond-async"}
        return {} if self.wait_seconds is None else {"Preference-Applied": f"wait={self.wait_seconds}"}


def preferences(request: Request) -> Preferences:
    """The preferences of a request. Unknown ones are ignored, as the specification asks."""
    given: dict[str, str] = {}
    for part in ",".join(request.headers.getlist("prefer")).split(","):
        name, _, value = part.partition(";")[0].partition("=")
        given.setdefault(name.strip().lower(), value.strip().strip('"'))
    wait = given.get("wait", "")
    seconds = min(int(wait), WAIT_MAX_SECONDS) if wait.isascii() and wait.isdigit() and len(wait) < 10 else None
    return Preferences(seconds, "respond-async" in given)


def prefers(request: Request, media_type: str, otherwise: str) -> bool:
    """Whether a client would rather have `media_type` than the other one; False if it states neither."""
    return _quality(request, media_type) > _quality(request, otherwise)


def _quality(request: Request, media_type: str) -> float:
    """The weight of a media type in `Accept`: that of the most specific range that matches it."""
    weights: dict[int, float] = {}
    for part in request.headers.get("accept", "*/*").split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
        ranges = {media_type: 2, f"{media_type.partition('/')[0]}/*": 1, "*/*": 0}
        if name in ranges:
            try:
                weights[ranges[name]] = float(weight)
            except ValueError:
                weights[ranges[name]] = 0.0
    return weights[max(weights)] if weights else 0.0
