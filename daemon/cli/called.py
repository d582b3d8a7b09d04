"""Hints that name commands as this one was called: `.venv/bin/lipdrop run`, `python -m daemon run` or `lipdrop run`."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

NAME = "lipdrop"


def as_called(text: str) -> str:
    """Replace `lipdrop COMMAND` in a text for people, for every command that exists."""
    from daemon.cli.main import MODULES

    program = shlex.join(_program())
    commands = re.compile(rf"(?<![\w./-]){NAME} (?=(?:{'|'.join(MODULES)})\b)")
    return text if program == NAME else commands.sub(lambda _: f"{program} ", text)


def _program() -> list[str]:
    """The words with which this program was called, as typed."""
    script = Path(sys.argv[0])
    if script.parts[-2:] == ("daemon", "__main__.py"):
        return [sys.orig_argv[0], "-m", "daemon"]
    found = shutil.which(NAME)
    is_on_path = found is not None and script.exists() and script.samefile(found)
    return [NAME] if is_on_path or script.name != NAME or script.name == sys.argv[0] else [sys.argv[0]]
