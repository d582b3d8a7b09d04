"""Decodes untrusted pictures in a process of its own, within limits: what a bomb takes, it takes only there."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import programs
from pipeline.errors import ErrorReport, JobError, StageError
from pipeline.media import animation_frames, picture_program
from pipeline.media.ffmpeg import FAULTS, last_line
from pipeline.media.kinds import Kind
from pipeline.media.pictures import Look
from pipeline.media.refusals import too_much_memory, unreadable
from pipeline.programs import Ended, Limits

Picture = NDArray[np.uint8]
"""RGB [height, width, 3]."""

PICTURE_SECONDS = 60
"""CPU time for a picture. One of 50 million pixels takes 1 to 4 s."""
WALL_SECONDS = 300
BASE_BYTES, BYTES_PER_PIXEL = 176 << 20, 32
"""Memory: for the program itself, which is up to 115 MiB with numpy; and for each pixel. Decoding, colours and a turn
take up to 28 bytes at once."""
BAD_ALLOC = b"bad_alloc"
"""What libraries in C++ print when memory is short, before they abort."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Each thread of numpy's would take memory."""


def picture(file: Path, kind: Kind, pixels_max: int, look: Look) -> Picture:
    """Decode a picture, the first one of several: RGB [height, width, 3]. Raises JobError, or StageError if killed."""
    answer = _answer(
        PICTURE_SECONDS, pixels_max * 3 + 100, pixels_max, picture_program.picture, file, kind, pixels_max, asdict(look)
    )
    header, _, pixels = answer.partition(b"\n")
    columns, rows = json.loads(header)
    return np.frombuffer(bytearray(pixels), np.uint8).reshape(rows, columns, 3)


def frame_times(
    file: Path, kind: Kind, pixels_max: int, seconds_max: float, frames_max: int
) -> tuple[tuple[int, int], list[int]]:
    """Width and height of an animation, and the lengths of its frames in microseconds, up to `seconds_max`.

    Raises JobError, or StageError if killed.
    """
    request = file, kind, pixels_max, seconds_max, frames_max
    answer = _answer(
        animation_frames.TIMEOUT_SECONDS, 20 * frames_max + 100, pixels_max, picture_program.frame_times, *request
    )
    (width, height), times = json.loads(answer)
    return (width, height), times


def frames(file: Path, kind: Kind, sides: tuple[int, int], count: int, look: Look) -> Generator[Picture, None, None]:
    """Yield the first frames of an animation, RGB [height, width, 3].

    `sides`: width and height before the look's turn. Raises JobError, or StageError if killed.
    """
    pixels, (columns, rows) = sides[0] * sides[1], look.turned(sides)
    argv = _argv(picture_program.frames, file, kind, pixels, count, asdict(look))
    with programs.running(argv, _limits(animation_frames.TIMEOUT_SECONDS, pixels), _environment()) as running:
        while len(frame := running.stdout.read(pixels * 3)) == pixels * 3:
            yield np.frombuffer(bytearray(frame), np.uint8).reshape(rows, columns, 3)
        try:
            ended = running.end()
        except TimeoutError:
            raise _too_slow() from None
    _check(ended, file, pixels)


def _answer(seconds: int, output_bytes: int, pixels: int, task: Callable[..., object], *request: Any) -> bytes:
    """What the program writes."""
    try:
        ended = programs.run(_argv(task, *request), _limits(seconds, pixels, output_bytes), environment=_environment())
    except TimeoutError:
        raise _too_slow() from None
    _check(ended, request[0], pixels)
    return ended.output


def _limits(seconds: int, pixels: int, output_bytes: int = 0) -> Limits:
    wall_seconds, memory_bytes = max(seconds, WALL_SECONDS), _memory_bytes(pixels)
    return Limits(wall_seconds, output_bytes, cpu_seconds=seconds, memory_bytes=memory_bytes, file_bytes=0)


def _memory_bytes(pixels: int) -> int:
    return BASE_BYTES + BYTES_PER_PIXEL * pixels


def _argv(task: Callable[..., object], file: Path, kind: Kind, *more: Any) -> list[str]:
    # -P: import nothing from the current folder
    request = json.dumps([str(file.absolute()), asdict(kind), *more])
    return [sys.executable, "-P", "-m", picture_program.__name__, task.__name__, request]


def _environment() -> dict[str, str]:
    return {**os.environ, **ONE_THREAD}


def _too_slow() -> JobError:
    return unreadable("avatar", "it takes too long to read")


def _check(ended: Ended, file: Path, pixels: int) -> None:
    """Raise the program's error, if it failed."""
    if not ended.returncode:
        return
    number = -ended.returncode
    if number == signal.SIGXCPU:
        raise _too_slow()
    if number in FAULTS:
        if BAD_ALLOC in ended.errors:
            raise too_much_memory(file, _memory_bytes(pixels))
        raise unreadable("avatar", f"{file.name} is broken")
    if ended.returncode > 0:
        with suppress(ValueError, IndexError, TypeError):
            error = ErrorReport(**json.loads(ended.errors.splitlines()[-1]))
            raise JobError(error.code, error.message, field=error.field, hint=error.hint)
    raise StageError("media_killed", f"the program that decodes pictures ended: {last_line(ended.errors)}")
