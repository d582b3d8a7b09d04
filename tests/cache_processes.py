"""Processes that share a cache of avatars, and the files they leave in it."""

from __future__ import annotations

import multiprocessing
from multiprocessing.process import BaseProcess
from pathlib import Path

SPAWN = multiprocessing.get_context("spawn")
DEADLINE_SECONDS = 180


def names(folder: Path) -> set[str]:
    """The cached files, without locks."""
    return {file.name for file in folder.iterdir() if file.suffix != ".lock"}


def exit_codes(processes: list[BaseProcess]) -> list[int | None]:
    """Start all processes and wait for them."""
    for process in processes:
        process.start()
    for process in processes:
        process.join(DEADLINE_SECONDS)
    return [process.exitcode for process in processes]
