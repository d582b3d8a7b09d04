"""The web gateway: its packages, its port and its tokens."""

from __future__ import annotations

import contextlib
import errno
import http.client
import re
import socket
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from ipaddress import ip_address

from daemon.doctor.finding import Finding, broken, ok, pip_install, warning
from daemon.doctor.machine import Machine, one_line

ANSWER_SECONDS = 3.0
MARKER = re.compile(r"""extra == ['"]web['"]""")
NAME = re.compile(r"[A-Za-z0-9._-]+")


def check(machine: Machine) -> Iterator[Finding]:
    """Whether `lipdrop serve` can start."""
    missing = [name for name in _packages() if not _is_installed(name)]
    if missing:
        yield ok(f"not installed ({', '.join(missing)}): only `lipdrop serve` needs it", pip_install("lipdrop[web]"))
        return
    settings = machine.config.web
    yield _port(settings.host, settings.port)
    if settings.tokens is not None and not machine.config.path(settings.tokens).is_file():
        yield broken(f"web.tokens: no file {machine.config.path(settings.tokens)}", "lipdrop tokens add NAME")
    elif settings.tokens is None and not _is_loopback(settings.host):
        text = f"web.host {settings.host} can be reached by others, so web.tokens must be set"
        yield broken(text, "lipdrop explain web_open")


def _packages() -> list[str]:
    """The packages of the extra."""
    marked = [line for line in requires("lipdrop") or () if MARKER.search(line)]
    return [name[0] for name in map(NAME.match, marked) if name]


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _port(host: str, port: int) -> Finding:
    place = f"port {port} of {host}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _in_use(host, port, place)
        return broken(f"{place} cannot be used: {one_line(error)}", "lipdrop serve --port 0")
    return ok(f"{place} is free", "lipdrop serve")


def _in_use(host: str, port: int, place: str) -> Finding:
    """Whether the program on the port is lipdrop's gateway, which answers even without a token."""
    reached = "127.0.0.1" if host == "0.0.0.0" else host
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection(reached, port, timeout=ANSWER_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", "/api/ready", headers={"Host": f"localhost:{port}"})
            answer = connection.getresponse().read(4096)
            if b'"ready"' in answer or b"/problems/" in answer:
                return ok(f"the gateway is running on {place}")
    return warning(f"{place} is used by another program", f"lipdrop serve --port {port + 1}")
