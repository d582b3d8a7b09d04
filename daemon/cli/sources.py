"""The files that arguments mean: named, in folders, or matched by patterns."""

from __future__ import annotations

import glob
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from daemon.cli.called import as_called
from daemon.cli.place import ArgumentError
from daemon.spool.recordings import RECORDING_SUFFIXES
from pipeline.errors import JobError
from pipeline.media.kinds import identify

STANDARD_INPUT = "-"
KINDS = (".json", ".jsonl", ".csv", ".tsv", ".txt")
"""Suffixes of the files that are taken from a folder."""
FILE_MAX_BYTES = 256 << 20
"""All jobs of a file are checked before the first is dropped, so they must fit into memory."""


def is_file(argument: str) -> bool:
    """Whether an argument names a file; it may be a text that is far too long for a name."""
    return os.path.isfile(argument)  # noqa: PTH113 (Path.is_file raises OSError for such a text)


def files(arguments: Iterable[str]) -> Iterator[str]:
    """The files of the arguments, those of a folder in the order of their names. Raises ArgumentError."""
    for argument in arguments:
        if argument == STANDARD_INPUT or is_file(argument):
            yield argument
        elif os.path.isdir(argument):  # noqa: PTH112 (like `is_file`)
            yield from _of_folder(Path(argument))
        else:
            yield from _matching(argument)


def _of_folder(folder: Path) -> list[str]:
    try:
        found = [entry for entry in sorted(folder.iterdir()) if entry.suffix.lower() in KINDS and entry.is_file()]
    except OSError as error:
        raise ArgumentError(f"cannot read {folder}: {error.strerror}") from error
    visible = [str(entry) for entry in found if not entry.name.startswith(".")]
    if not visible:
        raise ArgumentError(f"the folder {folder} has no {', '.join(KINDS[:-1])} or {KINDS[-1]} file")
    return visible


def _matching(pattern: str) -> list[str]:
    """The files that a pattern matches; a name without wildcards is left for `read`, which says what is wrong."""
    if not glob.has_magic(pattern):
        return [pattern]
    names = glob.iglob(pattern, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute patterns)
    found = sorted(name for name in names if Path(name).is_file())
    if not found:
        raise ArgumentError(f"no file matches {pattern}")
    return found


def _refuse_media(file: Path) -> None:
    """Raise ArgumentError for a picture, video or recording that somebody wants to speak."""
    kind, quoted = identify(file) if is_file(str(file)) else None, shlex.quote(str(file))
    if kind is not None and kind.medium != "other":
        hint = as_called(f"lipdrop avatars add {quoted}")
        raise ArgumentError(f"{file} is {kind.name}, not a job; to make it an avatar: {hint}")
    if file.suffix.lower() in RECORDING_SUFFIXES:
        hint = as_called(f"lipdrop make --audio {quoted} -o {shlex.quote(file.stem)}.mp4")
        raise ArgumentError(f"{file} is a recording, not a job; to speak it: {hint}")


def read(file: str) -> bytes:
    """The bytes of a file. Raises ArgumentError if it cannot be read, JobError if it is too large."""
    if file != STANDARD_INPUT and Path(file).suffix.lower() not in KINDS:
        _refuse_media(Path(file))
    try:
        if file == STANDARD_INPUT:
            data = sys.stdin.buffer.read(FILE_MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise ArgumentError(f"cannot read {file}: {error.strerror}") from error
    if len(data) > FILE_MAX_BYTES:
        raise JobError("too_large", f"the file is over {FILE_MAX_BYTES >> 20} MB", hint="divide it")
    return data
