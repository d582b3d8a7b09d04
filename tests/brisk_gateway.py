"""The real gateway with brief pauses between attempts at webhooks: `python -m tests.brisk_gateway [OPTIONS]`."""

from __future__ import annotations

import sys

from daemon.cli.main import main
from daemon.web import webhooks
from tests.gateway import RunningGateway

PAUSES_SECONDS = (0.1, 0.1, 0.5, 0.5, 0.5)
ATTEMPT_SECONDS = 1.0


class BriskGateway(RunningGateway):
    """A gateway that soon tries again."""

    program = ("tests.brisk_gateway",)


if __name__ == "__main__":
    webhooks.RETRY_SECONDS = PAUSES_SECONDS  # type: ignore[assignment]
    webhooks.ATTEMPT_SECONDS = ATTEMPT_SECONDS
    webhooks.POLL_SECONDS = 0.2
    sys.argv.insert(1, "serve")
    main()
