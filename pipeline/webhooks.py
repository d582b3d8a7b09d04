"""Webhooks: the URLs that a job may ask to be called, and the hosts that the configuration allows.

URLs are matched by one strict pattern here and taken apart only here, so that no other parser can read another host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from pipeline.errors import JobError

URL_MAX_CHARACTERS = 2000
PORTS = {"https": 443, "http": 80}
"""The default port of each scheme."""

LABEL = r"[A-Za-z0-9_-]{1,63}"
AUTHORITY = rf"(?P<host>{LABEL}(?:\.{LABEL}){{0,30}}|\[[0-9A-Fa-f:.]{{2,45}}\])(?::(?P<port>[0-9]{{1,5}}))?"
URL = re.compile(rf"(?P<scheme>https?)://{AUTHORITY}(?P<target>(?:[/?][!\"$-\[\]-~]*)?)\Z")
"""Printable ASCII without backslash; no user name, no fragment."""
ALLOWED_HOST = re.compile(rf"(?:(?P<scheme>https?)://)?{AUTHORITY}/?\Z")

Event = Literal["done", "failed", "segment"]


class Webhook(BaseModel):
    """Where a job's events are sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    url: Annotated[StrictStr, Field(max_length=URL_MAX_CHARACTERS)]
    """Called with POST. Only hosts in `web.webhook_hosts` of the configuration."""
    events: Annotated[list[Event], Field(min_length=1)] = ["done", "failed"]
    """done, failed: the job has ended; segment: its stream can be played."""


@dataclass(frozen=True)
class Place:
    """Scheme, host and port."""

    scheme: str
    host: str
    """In lower case; an IPv6 address without brackets."""
    port: int

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class Receiver:
    """An allowed URL, taken apart."""

    place: Place
    target: str
    """Path and query."""
    may_be_private: bool
    """Whether its host may have an address that is not public."""


def parse_allowed_host(entry: str) -> tuple[Place, bool]:
    """An entry of `web.webhook_hosts`, and whether its host may have an address that is not public.

    It may if the entry names a port or is an address: then the operator means that one server. Raises ValueError.
    """
    match = ALLOWED_HOST.match(entry)
    place = None if match is None else _place(match)
    if match is None or place is None:
        raise ValueError(f"{entry[:100]!r} is not HOST, HOST:PORT or http://HOST:PORT")
    return place, match["port"] is not None or place.is_address


def receiver(url: str, allowed_hosts: Iterable[str]) -> Receiver:
    """Check a URL against the allowed hosts. Raises JobError."""
    match = URL.match(url) if len(url) <= URL_MAX_CHARACTERS else None
    place = None if match is None else _place(match)
    if match is None or place is None:
        hint = "like https://example.org/path, in ASCII, without user name and fragment"
        raise JobError("webhook", "the webhook is not a URL that can be called", field="webhook", hint=hint)
    known = dict(map(parse_allowed_host, allowed_hosts))
    if place not in known:
        where = f"{place.scheme}://{place.host}:{place.port}"
        hint = "add the host to web.webhook_hosts"
        raise JobError("webhook", f"webhooks to {where} are not allowed", field="webhook", hint=hint)
    target = match["target"]
    return Receiver(place, target if target.startswith("/") else f"/{target}", known[place])


def _place(match: re.Match[str]) -> Place | None:
    """The place that a match names; None if its port or address does not exist."""
    scheme = match["scheme"] or "https"
    port = int(match["port"] or PORTS[scheme])
    host = match["host"].lower()
    if host.startswith("["):
        try:
            host = str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return None
    return Place(scheme, host, port) if 0 < port < 1 << 16 else None
