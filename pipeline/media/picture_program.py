"""The program that decodes untrusted pictures, started by `picture_decoder`.

It writes pixels to its standard output, or JSON; and its error as a line of JSON to standard error. It starts for every
picture, so it imports little.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.errors import ErrorReport, JobError
from pipeline.media import animation_frames, pictures
from pipeline.media.kinds import Kind
from pipeline.media.pictures import Look


def picture(file: Path, kind: Kind, pixels_max: int, look: dict[str, Any]) -> None:
    """Write width and height as JSON, and the picture's pixels."""
    found = pictures.read(file, kind, pixels_max, Look(**look))
    _write(json.dumps(found.size).encode() + b"\n")
    _write(found.tobytes())


def frame_times(file: Path, kind: Kind, pixels_max: int, seconds_max: float, frames_max: int) -> None:
    """Write what `animation_frames.frame_times` finds."""
    _write(json.dumps(animation_frames.frame_times(file, kind, pixels_max, seconds_max, frames_max)).encode())


def frames(file: Path, kind: Kind, pixels_max: int, count: int, look: dict[str, Any]) -> None:
    """Write the pixels of each frame."""
    for frame in animation_frames.upright_frames(file, kind, pixels_max, count, Look(**look)):
        _write(frame.tobytes())


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)


TASKS: dict[str, Callable[..., None]] = {task.__name__: task for task in (picture, frame_times, frames)}


def main() -> int:
    """Do the one task that the arguments name."""
    file, kind, *more = json.loads(sys.argv[2])
    try:
        TASKS[sys.argv[1]](Path(file), Kind(**kind), *more)
        sys.stdout.flush()
    except JobError as error:
        sys.stderr.write("\n" + json.dumps(asdict(ErrorReport.of(error))))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
