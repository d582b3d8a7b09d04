"""Where the program starts. Ctrl-C ends it quietly from the first moment: to import a command takes a while."""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130
"""Exit code, as in `daemon.cli.exit_codes`, which is not imported yet."""


def main() -> None:
    """Import the command line and run it."""
    own = signal.getsignal(signal.SIGINT)
    if own is signal.default_int_handler:  # else it is ignored: a job of a shell in the background
        signal.signal(signal.SIGINT, _leave)
    from daemon.cli.main import main as run

    signal.signal(signal.SIGINT, own)
    run()


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
