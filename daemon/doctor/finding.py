"""What a check finds out."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from enum import StrEnum

from pipeline.checkout import SOURCES, make_command


class Level(StrEnum):
    """How a finding affects lipdrop."""

    OK = "ok"
    WARNING = "warning"
    """lipdrop works, but not as well as it could, or not everything that was configured works."""
    BROKEN = "broken"
    """Jobs fail, or the daemon does not start."""


@dataclass(frozen=True)
class Finding:
    """One line of the result."""

    level: Level
    text: str
    """What was found, in one sentence."""
    fix: str | None = None
    """A command that mends it; an instruction where there is no such command. None if nothing needs to be done."""


def ok(text: str, fix: str | None = None) -> Finding:
    """A finding that is as it should be; `fix`: a command that the reader may want to use next."""
    return Finding(Level.OK, text, fix)


def warning(text: str, fix: str | None) -> Finding:
    """A finding that can be improved."""
    return Finding(Level.WARNING, text, fix)


def broken(text: str, fix: str | None) -> Finding:
    """A finding that has to be mended."""
    return Finding(Level.BROKEN, text, fix)


def pip_install(*packages: str) -> str:
    """The command that installs packages into the environment in which lipdrop runs."""
    return shlex.join([sys.executable, "-m", "pip", "install", *packages])


def install_dependencies() -> str:
    """The command that installs what lipdrop depends on, where something is missing."""
    return pip_install("--editable", str(SOURCES)) if make_command("setup") else pip_install("lipdrop")
