"""The configuration file, and the version that reads it."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import version

from daemon.doctor.finding import Finding, broken, ok
from daemon.doctor.machine import Machine, one_line


def check(machine: Machine) -> Iterator[Finding]:
    """Whether the configuration is valid. If not, everything below is checked with the defaults."""
    if machine.error is not None:
        explain = f"lipdrop explain {machine.error.code}"
        edit = f"${{EDITOR:-nano}} {shlex.quote(str(machine.file))}" if machine.file is not None else explain
        yield broken(f"{machine.error.code}: {one_line(machine.error)}", edit)
        yield ok("The checks below use the default configuration instead")
    elif machine.file is None:
        yield ok("no config.yaml in this folder: the defaults are used")
    else:
        yield ok(f"{machine.file} is valid")
    yield ok(f"lipdrop {version('lipdrop')}, Python {platform.python_version()} ({sys.prefix})")
