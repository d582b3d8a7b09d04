"""The facts about this machine that reports and measurements need."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from daemon.outputs.report import Machine

GPUS = Path("/proc/driver/nvidia/gpus")
"""Read instead of asking torch, which takes seconds to load and memory on the GPU."""


@cache
def this_machine() -> Machine:
    """Describe the machine. Nothing in it changes while the daemon runs."""
    return Machine(
        processor=_entry(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpus=[_entry(gpu, "Model") or "unknown" for gpu in sorted(GPUS.glob("*/information"))],
        system=f"{platform.system()} {platform.release()}",
        lipdrop=version("lipdrop"),
    )


def _entry(file: Path, key: str) -> str | None:
    """The first value of a key in a file of `KEY: VALUE` lines."""
    for line in file.read_text("utf-8", "replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None
