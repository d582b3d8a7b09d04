"""Runs the gateway, and the daemon beside it if asked."""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
import uvicorn

from daemon.spool.spool import Spool
from daemon.web.access import is_loopback
from daemon.web.app import make_app
from pipeline import programs
from pipeline.config import Config
from pipeline.errors import ConfigError

KEEP_ALIVE_SECONDS = 75
"""Longer than the 60 s after which proxies close idle connections: a proxy must not send into a closing one."""

STOP_SECONDS = 10
"""Time for running responses to end after a signal. Some last until their job ends."""

DAEMON_EXIT_SECONDS = 90

CUT_OFF = ("ASGI callable returned", "Cancel %s running task")
"""How uvicorn's errors about responses begin that did not end in time."""

log = logging.getLogger(__name__)


def run(config: Config, spool: Spool, daemon: Sequence[str] = ()) -> None:
    """Serve until a signal. Raises ConfigError if anyone could reach the gateway without a token, or nobody at all.

    `daemon`: arguments of a daemon that runs beside it; none if empty.
    """
    web = config.web
    if web.tokens is None and not is_loopback(web.host):
        raise ConfigError(
            "web_open",
            f"{web.host} can be reached by others, so access needs tokens",
            field="web.tokens",
            hint="set web.tokens to a file and add one with: lipdrop tokens add NAME",
        )
    _check_address(web.host, web.port)
    server = _Server(
        uvicorn.Config(
            make_app(config, spool),
            host=web.host,
            port=web.port,
            http="h11",  # strict about what it takes for a request
            ws="none",
            root_path=web.root_path,
            proxy_headers=bool(web.proxies),
            forwarded_allow_ips=list(web.proxies),
            log_config=None,
            log_level="warning",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            server_header=False,
            h11_max_incomplete_event_size=64 << 10,
        )
    )
    with _beside(daemon):
        server.run()


def _check_address(host: str, port: int) -> None:
    """Raise ConfigError if nothing can listen there, before a daemon is started. uvicorn has only its own exit code."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        message = f"cannot listen on {host}, port {port}: {(error.strerror or str(error)).partition(' (')[0]}"
        hint = "choose another with --port; 0 is any free one"
        raise ConfigError("web_port", message, field="web.port", hint=hint) from error


class _Server(uvicorn.Server):
    """Prints its addresses once it accepts connections; they show which port was free."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        for listener in (listener for server in self.servers for listener in server.sockets):
            host, port = listener.getsockname()[:2]
            click.echo(f"http://{f'[{host}]' if ':' in host else host}:{port}/")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; if that may take a while, say why."""
        if running := len(self.server_state.tasks):
            what = f"{running} response{'s' if running > 1 else ''}"
            log.info("stopping: finishing %s, for up to %d s; Ctrl-C again stops now", what, STOP_SECONDS)
        logging.getLogger("uvicorn.error").addFilter(self._is_news)
        await super().shutdown(sockets)

    def _is_news(self, record: logging.LogRecord) -> bool:
        """Whether an error while it stops is more than that something was cut off."""
        return not self.force_exit and not str(record.msg).startswith(CUT_OFF)


@contextmanager
def _beside(daemon: Sequence[str]) -> Iterator[None]:
    """Run a daemon during a block, then let it finish its jobs."""
    if not daemon:
        yield
        return
    # -P: do not run a folder named daemon in the current directory instead.
    argv = [sys.executable, "-P", "-m", "daemon", *daemon]
    with programs.start(argv, subprocess.DEVNULL, stderr=sys.stderr.fileno()) as process:
        try:
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(DAEMON_EXIT_SECONDS)
            programs.kill_group(process)
