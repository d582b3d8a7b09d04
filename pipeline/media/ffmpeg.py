"""The only module that starts ffmpeg and ffprobe: local files only, untrusted ones under kernel limits."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from pipeline import programs
from pipeline.errors import DISK_FULL, FULL_REASONS, ConfigError, StageError
from pipeline.media.codecs import CODECS, H264
from pipeline.media.refusals import unreadable
from pipeline.programs import Ended, Limits

INPUT_FORMATS = (
    "wav,mp3,mov,matroska,ogg,flac,aac,avi,aiff,w64,caf,amr,asf,au,ac3,eac3,wv,tta,mpegts,mpeg,flv,ape,dts,dtshd,dsf,iff,"
    "loas,voc,sox,tak,mpc,mpc8,rm,truehd,mlp,xwma"
)
"""Demuxers for untrusted files. Playlists and concat scripts are excluded, because they open other files."""

AUDIO_CODECS = (
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_u8,pcm_s8,"
    "pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,gsm_ms,mp3,mp3float,mp2,mp2float,aac,aac_latm,alac,flac,opus,"
    "libopus,vorbis,libvorbis,speex,libspeex,ac3,eac3,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,wmav1,wmav2,wmapro,"
    "wmalossless,wmavoice,wavpack,tta,adpcm_swf,nellymoser,pcm_bluray,pcm_dvd,ape,tak,mpc7,mpc8,dca,truehd,mlp,dsd_lsbf,"
    "dsd_msbf,dsd_lsbf_planar,dsd_msbf_planar,real_144,real_288,cook,sipr,atrac3,atrac3plus,adpcm_yamaha,g722,g726,gsm,"
    "ilbc,mp1,mp1float,qdm2"
)
"""Audio decoders. With only these, video streams and cover art are never decoded, not even while probing."""

VIDEO_CODECS = (
    "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,av1,libdav1d,libaom-av1,mpeg4,msmpeg4v2,msmpeg4v3,mpeg2video,mpeg1video,mjpeg,"
    "prores,dnxhd,cfhd,v210,qtrle,png,rawvideo,ffv1,huffyuv,ffvhuff,utvideo,h263,h263p,flv,vp6,vp6a,vp6f,cinepak,"
    "dvvideo,msmpeg4,msmpeg4v1,wmv1,wmv2,wmv3,vc1,svq1,svq3,theora"
)
"""Video decoders."""

OUR_FORMATS = "mov,wav,concat"
"""Demuxers for files written by lipdrop."""

MESSAGE_CHARACTERS_MAX = 300

LISTING_SECONDS = 20.0
"""Time for a program to describe itself."""

DECODING_MEMORY_BYTES = 1 << 30
"""For reading an untrusted file. Audio alone needs 48 MB; cover art is read too."""

PICTURES_BYTES_MAX = 1 << 28
"""Size of the frames that are held in memory at once."""

FAULTS = {
    signal.SIGXCPU: "it takes too long to read",
    signal.SIGXFSZ: "the decoded data is too large",
    **dict.fromkeys(
        (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV), "ffmpeg crashed while reading it"
    ),
}
"""Signals that the file being read can cause; any other signal comes from outside."""

ADDRESS = re.compile(r" @ 0x[0-9a-f]+")
"""Memory address in an ffmpeg message."""

REFUSED = re.compile(rb"\[(\w+)[^\]\n]*\] (Format|Codec) .*not on whitelist ")
"""Message of ffmpeg about a format or codec that is not among the allowed ones."""

HARMLESS = re.compile(
    rb".*(?: not on whitelist |Could not find codec parameters|Consider increasing|Last message repeated).*\n?"
    rb"|.*Invalid PCM packet, data has size .*\n?(?:Error while decoding stream.*\n?)?"
)
"""Messages of ffmpeg that are not about damage: tracks that are not decoded, half a sample at the end."""

STOPPED_BY_SIGNAL = 255
"""Exit code of ffmpeg after handling a signal; SIGXCPU is the only one sent here that it can handle."""

Stream = Any
"""A node of an ffmpeg-python graph; the library is untyped."""


def source(path: Path, formats: str, **options: Any) -> Stream:
    """A local file as input. It cannot open anything else, on the network or on disk."""
    return ffmpeg.input(_url(path), protocol_whitelist="file", format_whitelist=formats, **options)


def source_stdin(formats: str, **options: Any) -> Stream:
    """Standard input as input. Like `source`, it cannot open anything else."""
    return ffmpeg.input("pipe:0", protocol_whitelist="pipe", format_whitelist=formats, **options)


def frames_from_stdin(size: tuple[int, int], fps: int, pixels: str = "yuv420p") -> Stream:
    """Raw frames of `size` (width, height) on standard input."""
    return ffmpeg.input(
        "pipe:0", protocol_whitelist="pipe", f="rawvideo", pix_fmt=pixels, s=f"{size[0]}x{size[1]}", framerate=fps
    )


def drawn_over(frames: Stream, document: Path, fonts: Path, start_frame: int, *, alpha: bool = False) -> Stream:
    """Frames with the texts of an ASS file, in whose times they begin with frame `start_frame`; drawn by libass.

    `alpha`: the texts are also drawn where the frames are transparent.
    """
    shifted = frames.filter("setpts", f"N+{start_frame}")  # the clock of raw frames counts frames
    return shifted.filter("ass", filename=str(document.absolute()), fontsdir=str(fonts), alpha=int(alpha)).filter(
        "setpts", "N"
    )


def samples_from_stdin(rate_hz: int) -> Stream:
    """Raw mono 16-bit samples on standard input."""
    return ffmpeg.input("pipe:0", protocol_whitelist="pipe", f="s16le", ar=rate_hz, ac=1)


def to_stdout(stream: Stream, **options: Any) -> Stream:
    """Standard output as output of a stream."""
    return ffmpeg.output(stream, "pipe:1", **options)


def target(path: Path, *streams: Stream, **options: Any) -> Stream:
    """A local file as output of the streams."""
    return ffmpeg.output(*streams, _url(path), **options)


def run(output: Stream, *, timeout_seconds: float) -> None:
    """Run ffmpeg on our own files until the output is written. Raises StageError if it fails or times out."""
    _run(_argv(output), Limits(timeout_seconds))


def run_on(output: Stream, files: Iterable[Path], *, timeout_seconds: float) -> None:
    """Like `run`; standard input is the contents of our own files, one after the other."""
    process = start(output)
    assert process.stdin is not None and process.stderr is not None
    watch = threading.Timer(timeout_seconds, programs.kill_group, [process])
    watch.start()
    try:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # if it has exited, it says why
            for file in files:
                pipe.write(file.read_bytes())
        errors = process.stderr.read()
        if process.wait() != 0:
            raise StageError(failure_code(errors, "media_failed"), f"ffmpeg: {last_line(errors)}")
    finally:
        watch.cancel()
        if process.poll() is None:
            programs.kill_group(process)
            process.wait()


def decode(
    *outputs: Stream, field: str, timeout_seconds: float, cpu_seconds: int | None = None, file_bytes: int | None = None
) -> str | None:
    """Run ffmpeg on an untrusted file; a failure is the fault of the file. Raises JobError.

    What is damaged is left out; returns ffmpeg's first message about it, or None. `cpu_seconds` and `file_bytes` limit
    the CPU time and the size of each output.
    """
    limits = Limits(timeout_seconds, cpu_seconds=cpu_seconds, file_bytes=file_bytes, memory_bytes=DECODING_MEMORY_BYTES)
    try:
        errors = _run(_argv(ffmpeg.merge_outputs(*outputs)), limits).errors
    except StageError as error:
        if error.code != "media_failed":
            raise
        raise unreadable(field, error.message) from error
    if failure_code(errors, "") == DISK_FULL:  # ffmpeg ends well although it could not write
        raise StageError(DISK_FULL, f"ffmpeg: {last_line(errors)}")
    errors = HARMLESS.sub(b"", errors)
    return _cause(errors) if errors else None


def decode_bytes(stream: Stream, data: bytes, limits: Limits, **options: Any) -> bytes:
    """Run ffmpeg on untrusted `data`, read through `source_stdin`, and return the output. Raises StageError."""
    return _run(_argv(to_stdout(stream, **options)), limits, data).output


def pictures(frames: Stream, size: tuple[int, int], *, timeout_seconds: float) -> NDArray[np.uint8]:
    """Frames of our own file, RGB [n, height, width, 3]; `size`: their width and height. Raises StageError."""
    argv = _argv(to_stdout(frames, f="rawvideo", pix_fmt="rgb24", vsync="passthrough"))
    output = _run(argv, Limits(timeout_seconds, output_bytes=PICTURES_BYTES_MAX)).output
    return np.frombuffer(output, np.uint8).reshape(-1, size[1], size[0], 3)


def report(stream: Stream, timeout_seconds: float, **options: Any) -> bytes:
    """Run ffmpeg on an untrusted file and return what its filters print. Raises StageError."""
    limits = Limits(timeout_seconds, cpu_seconds=round(timeout_seconds), memory_bytes=DECODING_MEMORY_BYTES)
    return _run(_argv(to_stdout(stream, **options)), limits).output


def read_frames(
    stream: Stream, pixel_format: str, frame_bytes: int, field: str, timeout_seconds: float
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of an untrusted video, as bytes uint8 [frame_bytes].

    Frames that ffmpeg warns about but can decode are kept. Raises JobError if it fails, StageError if it is killed.
    """
    argv = _argv(to_stdout(stream, f="rawvideo", pix_fmt=pixel_format), "-xerror")
    for block in _blocks(argv, frame_bytes, field, timeout_seconds):
        if len(block) < frame_bytes:
            raise unreadable(field, "it ends in the middle of a frame")
        yield np.frombuffer(block, np.uint8)


def read_samples(
    sound: Stream, rate_hz: int, shape: tuple[int, int], field: str, timeout_seconds: float
) -> Iterator[NDArray[np.int16]]:
    """Yield the default track of an untrusted file in blocks of `shape` (samples, channels); the last may be shorter.

    What is damaged is left out. Raises JobError if nothing can be read, StageError if ffmpeg is killed.
    """
    argv = _argv(to_stdout(sound, f="s16le", acodec="pcm_s16le", ar=rate_hz, vn=None, sn=None, dn=None))
    row_bytes = shape[1] * np.dtype(np.int16).itemsize
    for block in _blocks(argv, shape[0] * row_bytes, field, timeout_seconds):
        yield np.frombuffer(block[: len(block) // row_bytes * row_bytes], "<i2").reshape(-1, shape[1])


def _blocks(argv: Sequence[str], block_bytes: int, field: str, timeout_seconds: float) -> Iterator[bytes]:
    """Yield what ffmpeg writes, in blocks; the last may be shorter. Raises JobError, or StageError if it is killed."""
    limits = Limits(timeout_seconds, cpu_seconds=round(timeout_seconds), memory_bytes=DECODING_MEMORY_BYTES)
    with _installed(), programs.running(argv, limits) as running:
        while len(data := running.stdout.read(block_bytes)) == block_bytes:
            yield data
        try:
            ended = running.end()
        except TimeoutError:
            raise unreadable(field, "it takes too long to read") from None
    if ended.returncode:
        error = _failed(argv, ended)
        raise error if error.code == "media_killed" else unreadable(field, error.message)
    if data:
        yield data


def start(output: Stream) -> subprocess.Popen[bytes]:
    """Start an ffmpeg process that reads from standard input."""
    with _installed():
        return programs.start(_argv(output), subprocess.PIPE)


def communicate(process: subprocess.Popen[bytes], data: bytes, *, timeout_seconds: float) -> bytes:
    """Give a started process its standard input, and return its output once it has exited. Raises StageError."""
    try:
        output, errors = process.communicate(data, timeout_seconds)
    except subprocess.TimeoutExpired:
        raise StageError("media_timeout", f"ffmpeg took over {timeout_seconds:.0f} s") from None
    finally:
        if process.poll() is None:
            programs.kill_group(process)
            process.wait()
    if process.returncode != 0:
        raise _failed(["ffmpeg"], Ended(process.returncode, output, errors))
    return output


def probe(
    path: Path, formats: str, *, codecs: str | None = None, count_packets: bool = False, timeout_seconds: float = 60
) -> dict[str, Any]:
    """Return the `format` and `streams` that ffprobe reports for a file. Raises StageError.

    `codecs`: the only decoders that it may use.
    """
    argv = ["ffprobe", "-v", "error", "-protocol_whitelist", "file", "-format_whitelist", formats]
    argv += ["-codec_whitelist", codecs] if codecs else []
    argv += ["-show_format", "-show_streams", "-of", "json", *(["-count_packets"] if count_packets else [])]
    limits = Limits(timeout_seconds, cpu_seconds=round(timeout_seconds), memory_bytes=DECODING_MEMORY_BYTES)
    found: dict[str, Any] = json.loads(_run([*argv, _url(path)], limits).output)
    return found


def versions() -> dict[str, str | None]:
    """The versions of the programs; None for one that is not installed or does not run."""
    return {program: _version(program) for program in ("ffmpeg", "ffprobe")}


def encoders() -> set[str]:
    """Names of the encoders that ffmpeg has. Raises ConfigError and StageError."""
    listed = _run(["ffmpeg", "-hide_banner", "-encoders"], Limits(LISTING_SECONDS)).output.decode("utf-8", "replace")
    lines = listed.partition(" ------")[2].splitlines()
    return {words[1] for words in map(str.split, lines) if len(words) > 1}


COMPLETE = "install a complete ffmpeg, such as the system's package, or use h264"
"""The hint if an encoder is missing."""


def codec_problem(name: str) -> str | None:
    """Why ffmpeg cannot encode video with a codec; None if it can. Raises ConfigError and StageError."""
    encoder = CODECS[name].encoder
    return None if name == H264 or encoder in _encoders() else f"this ffmpeg has no encoder {encoder}, for {name}"


@lru_cache(maxsize=1)
def _encoders() -> set[str]:
    return encoders()


@lru_cache(maxsize=1)
def has_libass() -> bool:
    """Whether ffmpeg can draw texts. Raises ConfigError and StageError."""
    listed = _run(["ffmpeg", "-hide_banner", "-filters"], Limits(LISTING_SECONDS)).output.decode("utf-8", "replace")
    return any(line.split()[1:2] == ["ass"] for line in listed.splitlines())


def has_vp9() -> bool:
    """Whether ffmpeg can write transparent videos for the web. Raises ConfigError and StageError."""
    return {"libvpx-vp9", "libopus"} <= _encoders()


def _version(program: str) -> str | None:
    try:
        words = _run([program, "-version"], Limits(LISTING_SECONDS)).output.split(maxsplit=3)
    except (ConfigError, StageError, OSError):
        return None
    return words[2].decode("utf-8", "replace") if len(words) > 2 else None


def last_line(errors: bytes) -> str:
    """The last line of a program's standard error, shortened and safe to print to a terminal."""
    lines = errors.decode("utf-8", "replace").strip().splitlines() or ["no message"]
    return "".join(c if c.isprintable() else "?" for c in lines[-1][-MESSAGE_CHARACTERS_MAX:])


def _cause(errors: bytes) -> str:
    """The first line of ffmpeg's standard error, which names the cause of the others; the last one if it is lost."""
    first = errors.strip().partition(b"\n")[0] if len(errors) < programs.STDERR_BYTES_MAX else errors
    return ADDRESS.sub("", last_line(first))


def failure_code(errors: bytes, otherwise: str) -> str:
    """The error code for a failed ffmpeg: `disk_full`, or `otherwise`."""
    full = any(line.endswith(FULL_REASONS) for line in errors.decode("utf-8", "replace").splitlines())
    return DISK_FULL if full else otherwise


def _url(path: Path) -> str:
    """A path that ffmpeg cannot mistake for an option, a protocol or a pattern."""
    return f"file:{path.absolute()}"


def _argv(output: Stream, *flags: str) -> list[str]:
    argv: list[str] = ffmpeg.compile(output, overwrite_output=True)
    return [argv[0], "-nostdin", "-v", "error", "-filter_complex_threads", "1", *flags, *argv[1:]]


def _run(argv: Sequence[str], limits: Limits, stdin: bytes = b"") -> Ended:
    try:
        with _installed():
            ended = programs.run(argv, limits, stdin)
    except TimeoutError:
        raise StageError("media_timeout", f"{argv[0]} took over {limits.wall_seconds:.0f} s") from None
    except programs.OutputTooLarge:
        raise StageError("media_failed", f"{argv[0]} wrote too much output") from None
    if ended.returncode != 0:
        raise _failed(argv, ended)
    return ended


def _failed(argv: Sequence[str], ended: Ended) -> StageError:
    number = signal.SIGXCPU if ended.returncode == STOPPED_BY_SIGNAL else -ended.returncode
    if number in FAULTS:
        return StageError("media_failed", FAULTS[signal.Signals(number)])
    code = failure_code(ended.errors, "media_failed" if ended.returncode > 0 else "media_killed")
    if refused := REFUSED.findall(ended.errors):
        name, kind = refused[-1]
        return StageError(code, f"the {kind.decode().lower()} {name.decode()} is not supported")
    message = _cause(ended.errors)
    for url in argv:  # internal paths mean nothing to the user
        message = message.removeprefix(f"{url}: ")
    return StageError(code, f"{argv[0]}: {message}")


@contextlib.contextmanager
def _installed() -> Iterator[None]:
    """Raise ConfigError if ffmpeg is not installed."""
    try:
        yield
    except FileNotFoundError as error:
        raise ConfigError("no_ffmpeg", f"{error.filename} is not installed", hint="apt-get install ffmpeg") from None
