"""Whether lipdrop runs from a checkout, whose Makefile can install what is missing, or from an installed package."""

from __future__ import annotations

import shlex
from pathlib import Path

SOURCES = Path(__file__).parent.parent
"""The folder with the packages: a checkout, or `site-packages`."""


def make_command(target: str) -> str | None:
    """The command for a target of lipdrop's Makefile; None without a checkout."""
    if not all((SOURCES / name).is_file() for name in ("Makefile", "setup.cfg", "requirements.txt")):
        return None
    folder = "" if Path.cwd() == SOURCES else f" -C {shlex.quote(str(SOURCES))}"
    return f"make{folder} {target}"
