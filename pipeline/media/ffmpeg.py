"""Running ffmpeg and ffprobe: local files only, and what users bring only within limits that the kernel keeps."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from pipeline import programs
from pipeline.errors import DISK_FULL, FULL_REASONS, ConfigError, JobError, StageError
from pipeline.programs import Ended, Limits

INPUT_FORMATS = "wav,mp3,mov,matroska,ogg,flac,aac,avi,aiff,w64,caf,amr,asf"
"""Demuxers for files that users bring. Playlists and concat scripts, which open other files, are not among them."""

AUDIO_CODECS = (
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_u8,pcm_s8,"
    "pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,gsm_ms,mp3,mp3float,mp2,mp2float,aac,aac_latm,alac,flac,opus,"
    "libopus,vorbis,libvorbis,speex,libspeex,ac3,eac3,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,wmav1,wmav2,wmapro"
)
"""Decoders of sound. With only these a film's pictures and an album's cover are never decoded, not even to look at."""

VIDEO_CODECS = (
    "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,av1,libdav1d,libaom-av1,mpeg4,msmpeg4v2,msmpeg4v3,mpeg2video,mpeg1video,mjpeg,"
    "prores,dnxhd,qtrle,png,rawvideo,ffv1,huffyuv,ffvhuff,h263,flv,cinepak,dvvideo,wmv2,wmv3,vc1"
)
"""Decoders of pictures."""

OUR_FORMATS = "mov,wav,concat"
"""Demuxers for files that lipdrop wrote itself."""

MESSAGE_CHARACTERS_MAX = 300

DECODING_MEMORY_BYTES = 1 << 30
"""For reading a file that a user brought. For sound alone 48 MB are enough, and an album's cover is read on top."""

FAULTS = {
    signal.SIGXCPU: "it takes too long to read",
    signal.SIGXFSZ: "it holds more than it may",
    **dict.fromkeys((signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV), "it breaks ffmpeg"),
}
"""Signals that a file brings upon its reader; any other comes from outside."""

ADDRESS = re.compile(r" @ 0x[0-9a-f]+")
"""Where in its memory ffmpeg found something wrong."""

STOPPED_BY_SIGNAL = 255
"""ffmpeg's exit code when it obeys a signal: of ours only the one about CPU time lets it."""

Stream = Any
"""A node of ffmpeg-python's graph; the library has no types."""


def source(path: Path, formats: str, **options: Any) -> Stream:
    """A local file as input; it can open nothing else, neither over the network nor on disk."""
    return ffmpeg.input(_url(path), protocol_whitelist="file", format_whitelist=formats, **options)


def frames_from_stdin(size: tuple[int, int], fps: int) -> Stream:
    """Raw I420 frames of `size` (width, height) on the standard input."""
    return ffmpeg.input(
        "pipe:0", protocol_whitelist="pipe", f="rawvideo", pix_fmt="yuv420p", s=f"{size[0]}x{size[1]}", framerate=fps
    )


def target(path: Path, *streams: Stream, **options: Any) -> Stream:
    """A local file as output of some streams."""
    return ffmpeg.output(*streams, _url(path), **options)


def run(output: Stream, *, timeout_seconds: float) -> None:
    """Run ffmpeg on files of our own until the output is written. Raises StageError when it fails or is too slow."""
    _run(_argv(output), Limits(timeout_seconds))


def decode(
    *outputs: Stream, field: str, timeout_seconds: float, cpu_seconds: int | None = None, file_bytes: int | None = None
) -> None:
    """Run ffmpeg on a file that a user brought: what fails is the file's fault. Raises JobError.

    `cpu_seconds` and `file_bytes` bound the time that reading it may cost and the size of each output.
    """
    limits = Limits(timeout_seconds, cpu_seconds=cpu_seconds, file_bytes=file_bytes, memory_bytes=DECODING_MEMORY_BYTES)
    try:
        _run(_argv(ffmpeg.merge_outputs(*outputs), "-xerror"), limits)
    except StageError as error:
        if error.code != "media_failed":
            raise
        raise unreadable(field, error.message) from error


def read_frames(
    stream: Stream, pixel_format: str, frame_bytes: int, field: str, timeout_seconds: float
) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video that a user brought, one by one, as bytes uint8 [frame_bytes].

    What ffmpeg complains of and yet can show is shown. Raises JobError when it fails, StageError when it is killed.
    """
    argv = _argv(ffmpeg.output(stream, "pipe:1", f="rawvideo", pix_fmt=pixel_format), "-xerror")
    limits = Limits(timeout_seconds, cpu_seconds=round(timeout_seconds), memory_bytes=DECODING_MEMORY_BYTES)
    with _start(argv, subprocess.DEVNULL, limits) as process, ThreadPoolExecutor(max_workers=1) as listener:
        assert process.stdout is not None and process.stderr is not None
        # By a thread of its own: when nobody reads its complaints ffmpeg waits for ever.
        complaint = listener.submit(programs.end_of, process.stderr)
        late = threading.Event()

        def end() -> None:
            late.set()
            programs.kill_group(process)

        timer = threading.Timer(timeout_seconds, end)
        try:
            timer.start()
            while len(data := process.stdout.read(frame_bytes)) == frame_bytes:
                yield np.frombuffer(data, np.uint8)
            process.wait()
        finally:
            timer.cancel()
            programs.kill_group(process)
    if late.is_set():
        raise unreadable(field, "it takes too long to read")
    error = _failed(argv, Ended(process.returncode, b"", complaint.result())) if process.returncode else None
    if error is not None and error.code == "media_killed":
        raise error
    if error is not None or data:
        raise unreadable(field, error.message if error else "it ends within a frame")


def unreadable(field: str, reason: str) -> JobError:
    """The error of a media file that cannot be read."""
    return JobError(
        "media", f"the file cannot be read: {reason}", field=field, hint="is it a whole, common media file?"
    )


def start(output: Stream) -> subprocess.Popen[bytes]:
    """Start an ffmpeg that reads from its standard input."""
    return _start(_argv(output), subprocess.PIPE)


def probe(path: Path, formats: str, *, count_packets: bool = False, timeout_seconds: float = 60) -> dict[str, Any]:
    """What ffprobe knows of a file: `format` and `streams`. Raises StageError."""
    argv = ["ffprobe", "-v", "error", "-protocol_whitelist", "file", "-format_whitelist", formats]
    argv += ["-show_format", "-show_streams", "-of", "json", *(["-count_packets"] if count_packets else [])]
    limits = Limits(timeout_seconds, cpu_seconds=round(timeout_seconds), memory_bytes=DECODING_MEMORY_BYTES)
    found: dict[str, Any] = json.loads(_run([*argv, _url(path)], limits))
    return found


def last_line(errors: bytes) -> str:
    """The last line that a program printed to its standard error, shortened, and fit to be shown on a terminal."""
    lines = errors.decode("utf-8", "replace").strip().splitlines() or ["no message"]
    return "".join(c if c.isprintable() else "?" for c in lines[-1][-MESSAGE_CHARACTERS_MAX:])


def failure_code(errors: bytes, otherwise: str) -> str:
    """The code of the error of an ffmpeg that has failed."""
    full = any(line.endswith(FULL_REASONS) for line in errors.decode("utf-8", "replace").splitlines())
    return DISK_FULL if full else otherwise


def _url(path: Path) -> str:
    """A path that ffmpeg cannot take for an option, a protocol or a pattern."""
    return f"file:{path.absolute()}"


def _argv(output: Stream, *flags: str) -> list[str]:
    argv: list[str] = ffmpeg.compile(output, overwrite_output=True)
    return [argv[0], "-nostdin", "-v", "error", "-filter_complex_threads", "1", *flags, *argv[1:]]


def _start(argv: Sequence[str], stdin: int, limits: Limits | None = None) -> subprocess.Popen[bytes]:
    with _installed():
        return programs.start(argv, stdin, limits)


def _run(argv: Sequence[str], limits: Limits) -> bytes:
    try:
        with _installed():
            ended = programs.run(argv, limits)
    except TimeoutError:
        raise StageError("media_timeout", f"{argv[0]} took over {limits.wall_seconds:.0f} s") from None
    except programs.OutputTooLarge:
        raise StageError("media_failed", f"{argv[0]} has too much to tell of the file") from None
    if ended.returncode != 0:
        raise _failed(argv, ended)
    return ended.output


def _failed(argv: Sequence[str], ended: Ended) -> StageError:
    number = signal.SIGXCPU if ended.returncode == STOPPED_BY_SIGNAL else -ended.returncode
    if number in FAULTS:
        return StageError("media_failed", FAULTS[signal.Signals(number)])
    code = failure_code(ended.complaint, "media_failed" if ended.returncode > 0 else "media_killed")
    complaint = ADDRESS.sub("", last_line(ended.complaint))
    for url in argv:  # where lipdrop keeps its files tells the user nothing
        complaint = complaint.removeprefix(f"{url}: ")
    return StageError(code, f"{argv[0]}: {complaint}")


@contextlib.contextmanager
def _installed() -> Iterator[None]:
    """Say what to do where ffmpeg cannot be started."""
    try:
        yield
    except FileNotFoundError as error:
        raise ConfigError("no_ffmpeg", f"{error.filename} is not installed", hint="apt-get install ffmpeg") from None
