"""The real gateway, forked: `lipdrop serve`. With `--brisk` it makes brief pauses between attempts at webhooks."""

from __future__ import annotations

import sys

from daemon.cli.main import main as lipdrop

IMPORTED = ("daemon.cli.gateway", "daemon.web.server", "daemon.web.webhooks")
PAUSES_SECONDS = (0.1, 0.1, 0.5, 0.5, 0.5)
ATTEMPT_SECONDS = 1.0


def main(arguments: list[str]) -> None:
    """Serve until a signal."""
    from daemon.web import webhooks

    if "--brisk" in arguments:
        arguments.remove("--brisk")
        webhooks.RETRY_SECONDS = PAUSES_SECONDS  # type: ignore[assignment]
        webhooks.ATTEMPT_SECONDS = ATTEMPT_SECONDS
        webhooks.POLL_SECONDS = 0.2
    sys.argv = ["lipdrop", "serve", *arguments]
    lipdrop()
