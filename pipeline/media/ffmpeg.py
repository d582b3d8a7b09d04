"""Running ffmpeg and ffprobe: argument lists only, local files only, never a shell, never without an end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError, JobError, StageError

INPUT_FORMATS = "wav,mp3,mov,matroska,ogg,flac,aac,avi,aiff,w64,caf,amr,asf"
"""Demuxers for files that users bring. Playlists and concat scripts, which open other files, are not among them."""

OUR_FORMATS = "mov,wav,concat"
"""Demuxers for files that lipdrop wrote itself."""

MESSAGE_CHARACTERS_MAX = 300

END_WITH_WORKER = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
"""A killed worker takes its ffmpeg along, which would else write to the files of the next attempt."""

Stream = Any
"""A node of ffmpeg-python's graph; the library has no types."""


def source(path: Path, formats: str, **options: Any) -> Stream:
    """A local file as input; it can open nothing else, neither over the network nor on disk."""
    return ffmpeg.input(_url(path), protocol_whitelist="file", format_whitelist=formats, **options)


def frames_from_stdin(size: tuple[int, int], fps: int) -> Stream:
    """Raw I420 frames of `size` (width, height) on the standard input."""
    return ffmpeg.input("pipe:0", f="rawvideo", pix_fmt="yuv420p", s=f"{size[0]}x{size[1]}", framerate=fps)


def target(path: Path, *streams: Stream, **options: Any) -> Stream:
    """A local file as output of some streams."""
    return ffmpeg.output(*streams, _url(path), **options)


def run(output: Stream, *, timeout_seconds: float) -> None:
    """Run ffmpeg until the output is written. Raises StageError when it fails or is too slow."""
    _run(_argv(output), timeout_seconds)


def decode(*outputs: Stream, field: str, timeout_seconds: float) -> None:
    """Run ffmpeg on a file that a user brought: what fails is the file's fault. Raises JobError."""
    try:
        _run(_argv(ffmpeg.merge_outputs(*outputs), "-xerror"), timeout_seconds)
    except StageError as error:
        if error.code != "media_failed" or "No space left" in error.message:
            raise
        raise unreadable(field, error.message) from error


def read_frames(
    stream: Stream, pixel_format: str, frame_bytes: int, field: str, timeout_seconds: float
) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video that a user brought, one by one, as bytes uint8 [frame_bytes].

    What ffmpeg complains of and yet can show is shown. Raises JobError when it fails, StageError when it is killed.
    """
    output = ffmpeg.output(stream, "pipe:1", f="rawvideo", pix_fmt=pixel_format)
    # Into a file: nobody reads a pipe meanwhile, and when it is full ffmpeg would wait for ever.
    with TemporaryFile() as log, _start(_argv(output, "-xerror"), stdin=subprocess.DEVNULL, stderr=log) as process:
        timer = threading.Timer(timeout_seconds, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            assert process.stdout is not None
            while len(data := process.stdout.read(frame_bytes)) == frame_bytes:
                yield np.frombuffer(data, np.uint8)
            process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        log.seek(0)
        complaint = last_line(log.read())
    if process.returncode < 0:
        raise StageError("media_killed", f"ffmpeg was killed; it may take {timeout_seconds:.0f} s")
    if process.returncode > 0 or data:
        raise unreadable(field, complaint)


def unreadable(field: str, reason: str) -> JobError:
    """The error of a media file that cannot be read."""
    return JobError(
        "media", f"the file cannot be read: {reason}", field=field, hint="is it a whole, common media file?"
    )


def start(output: Stream) -> subprocess.Popen[bytes]:
    """Start an ffmpeg that reads from its standard input."""
    return _start(_argv(output), stdin=subprocess.PIPE)


def probe(path: Path, formats: str, *, count_packets: bool = False, timeout_seconds: float = 60) -> dict[str, Any]:
    """What ffprobe knows of a file: `format` and `streams`. Raises StageError."""
    argv = ["ffprobe", "-v", "error", "-protocol_whitelist", "file", "-format_whitelist", formats]
    argv += ["-show_format", "-show_streams", "-of", "json", *(["-count_packets"] if count_packets else [])]
    found: dict[str, Any] = json.loads(_run([*argv, _url(path)], timeout_seconds))
    return found


def last_line(errors: bytes) -> str:
    """The last line that a program printed to its standard error, shortened."""
    lines = errors.decode("utf-8", "replace").strip().splitlines() or ["no message"]
    return lines[-1][-MESSAGE_CHARACTERS_MAX:]


def _url(path: Path) -> str:
    """A path that ffmpeg cannot take for an option, a protocol or a pattern."""
    return f"file:{path.absolute()}"


def _argv(output: Stream, *flags: str) -> list[str]:
    argv: list[str] = ffmpeg.compile(output, overwrite_output=True)
    return [argv[0], "-v", "error", *flags, *argv[1:]]


def _run(argv: Sequence[str], timeout_seconds: float) -> bytes:
    with _start(argv, stdin=subprocess.DEVNULL) as process:
        try:
            output, errors = process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            raise StageError("media_timeout", f"{argv[0]} took over {timeout_seconds:.0f} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        code = "media_failed" if process.returncode > 0 else "media_killed"
        raise StageError(code, f"{argv[0]}: {last_line(errors)}")
    return output


def _start(argv: Sequence[str], stdin: int, stderr: int | IO[bytes] = subprocess.PIPE) -> subprocess.Popen[bytes]:
    if shutil.which(argv[0]) is None:
        raise ConfigError("no_ffmpeg", f"{argv[0]} is not installed", hint="apt-get install ffmpeg")
    return subprocess.Popen(
        [*END_WITH_WORKER, *argv], stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, process_group=0
    )
