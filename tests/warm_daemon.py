"""The real daemon, forked: `lipdrop run`."""

from __future__ import annotations

import sys

from daemon.cli.main import main as lipdrop

IMPORTED = (
    *("daemon.cli.service", "daemon.supervisor", "pipeline.executors.threads"),
    *(f"pipeline.stages.{stage}" for stage in ("tts", "split", "lipsync", "merge")),
)


def main(arguments: list[str]) -> None:
    """Run until a signal."""
    sys.argv = ["lipdrop", "run", *arguments]
    lipdrop()
