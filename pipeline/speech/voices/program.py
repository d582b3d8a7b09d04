"""Finding and running the TTS programs that the configuration names."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline import programs
from pipeline.errors import ConfigError, StageError
from pipeline.media.ffmpeg import last_line
from pipeline.programs import Limits

OUTPUT_MAX_BYTES = 200_000_000
"""Limit for the audio of one sentence."""


def find_program(name: str, base: Path) -> str | None:
    """The absolute path of a program on PATH, or at a path from `base`; None if it does not exist."""
    found = shutil.which(name) or shutil.which(base / name)
    return None if found is None else str(Path(found).absolute())


@contextlib.contextmanager
def output_file(scratch: Path | None) -> Iterator[Path]:
    """The absolute path of a temporary WAV file for a program to write, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="lipdrop-", dir=scratch) as folder:
        yield Path(folder).absolute() / "speech.wav"


def run_program(argv: Sequence[str], text: str, *, timeout_seconds: float, field: str) -> bytes:
    """Run a program with `text` on its standard input and return its standard output.

    `field` is the config key that names the program. Raises StageError `tts_timeout`, `tts_too_large` or
    `tts_failed`, ConfigError `tts_missing`.
    """
    hint = f"see {field}"
    try:
        ended = programs.run(argv, Limits(timeout_seconds, output_bytes=OUTPUT_MAX_BYTES), text.encode())
    except TimeoutError:
        message = f"{argv[0]} took over {timeout_seconds:g} s for a sentence"
        raise StageError("tts_timeout", message, hint=hint) from None
    except programs.OutputTooLarge:
        raise _too_large(argv[0], hint) from None
    except (FileNotFoundError, PermissionError) as error:
        message = f"{argv[0]} could not be started: {error.strerror}"
        raise ConfigError("tts_missing", message, field=field, hint=hint) from None
    except OSError as error:  # out of processes or memory, or an argument is too long
        raise StageError("tts_failed", f"{argv[0]} could not be started: {error.strerror}", hint=hint) from None
    if ended.returncode != 0:
        message = f"{argv[0]} exited with {ended.returncode}: {last_line(ended.errors)}"
        raise StageError("tts_failed", message, hint=hint)
    return ended.output


def read_output(output: Path, program: str, field: str) -> bytes:
    """Read the audio file that a program wrote. Raises StageError `tts_bad_audio` or `tts_too_large`."""
    if not output.is_file():
        raise StageError("tts_bad_audio", f"{program} wrote no audio file", hint=f"see {field}")
    with output.open("rb") as file:
        audio = file.read(OUTPUT_MAX_BYTES + 1)
    if len(audio) > OUTPUT_MAX_BYTES:
        raise _too_large(program, f"see {field}")
    return audio


def _too_large(program: str, hint: str) -> StageError:
    return StageError("tts_too_large", f"{program} wrote over {OUTPUT_MAX_BYTES} bytes for a sentence", hint=hint)
