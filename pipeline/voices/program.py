"""Running a speech program of the user's own: an argument list, never a shell, never without an end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence

from pipeline.errors import ConfigError, StageError
from pipeline.media.ffmpeg import last_line


def run_program(argv: Sequence[str], text: str, *, timeout_seconds: float, field: str) -> bytes:
    """Run a program with the text on its standard input, and return what it wrote to standard output.

    The program gets a process group of its own, which is killed when the time is over. `field` is the config key
    that names the program. Raises StageError `tts_timeout` or `tts_failed`, ConfigError `tts_missing`.
    """
    with _started(argv, field) as process:
        try:
            output, complaint = process.communicate(text.encode(), timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            raise StageError(
                "tts_timeout", f"{argv[0]} took over {timeout_seconds:g} s for a sentence", hint=f"see {field}"
            ) from None
        finally:
            _kill_group(process.pid)
    if process.returncode != 0:
        raise StageError(
            "tts_failed", f"{argv[0]} ended with {process.returncode}: {last_line(complaint)}", hint=f"see {field}"
        )
    return output


def _started(argv: Sequence[str], field: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, process_group=0)
    except OSError as error:
        raise ConfigError(
            "tts_missing", f"{argv[0]} cannot be started: {error.strerror}", field=field, hint=f"see {field}"
        ) from None


def _kill_group(group: int) -> None:
    """End what is left of the program: all of it after a timeout, stray children otherwise."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
