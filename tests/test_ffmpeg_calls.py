"""How the running daemon calls ffmpeg and ffprobe, recorded by wrappers that come first in its PATH."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clips import film, swaying, write_clip
from tests.media import speech_like, write_recording
from tests.running import ONE_PROCESS, RunningDaemon

pytestmark = pytest.mark.slow

WRAPPER = """#!/bin/sh
{{ printf '%s\\0' "$(ulimit -t)" "$(ulimit -d)" "$0" "$@"; }} >"{calls}/$$"
exec {program} "$@"
"""
LOCAL = re.compile(r"file:/.+|pipe:[01]")
FLAGS = {"-nostdin", "-y", "-xerror", "-show_format", "-show_streams", "-count_packets"}
"""Options without a value."""
INPUT = ("-i", "input")


@dataclass(frozen=True)
class Call:
    """One call of a program."""

    cpu_seconds: str
    memory_kib: str
    """`unlimited`, or a number."""
    program: str
    options: list[tuple[str, str]]
    """Options with their values, in order. A name without an option is `input` for ffprobe, else `output`."""

    @property
    def inputs(self) -> list[str]:
        return [value for option, value in self.options if option in INPUT]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """The calls for a text, the response of a speech program, a recording, a stream and a video avatar."""
    root = tmp_path_factory.mktemp("calls")
    (root / "calls").mkdir()
    (root / "bin").mkdir()
    for program in ("ffmpeg", "ffprobe"):
        (root / "bin" / program).write_text(WRAPPER.format(calls=root / "calls", program=shutil.which(program)))
        (root / "bin" / program).chmod(0o755)
    write_recording(root / "answer.wav", speech_like(1))
    voice = {"command": {"argv": ["cat", str(root / "answer.wav")]}}
    with RunningDaemon(root / "spool", tts=voice, **ONE_PROCESS) as daemon:
        daemon.environment = {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
        daemon.start().ready()
        write_recording(daemon.spool / "inbox" / "speech.wav", speech_like(12))
        (daemon.spool / "avatars" / "anna").mkdir(parents=True)
        write_clip(daemon.spool / "avatars" / "anna" / "video.mp4", film(swaying(25)))
        daemon.drop("text", text="Привет", voice="espeak:ru", size="128x128")
        daemon.drop("answer", text="Привет", voice="command:default", size="128x128")
        daemon.drop("recording", audio="speech.wav", size="128x128")
        daemon.drop("stream", text="Привет", mode="stream", size="128x128")
        daemon.drop("clip", text="Привет", avatar="anna", size="128x128")
        endings = daemon.endings(["text", "answer", "recording", "stream", "clip"])
    assert [ending["status"] for ending in endings] == ["done"] * 5, endings
    return [read(file) for file in (root / "calls").iterdir()]


def read(file: Path) -> Call:
    cpu_seconds, memory_kib, program, *arguments = file.read_bytes().decode().split("\0")[:-1]
    return Call(cpu_seconds, memory_kib, Path(program).name, list(options(arguments, Path(program).name)))


def options(arguments: list[str], program: str) -> Iterator[tuple[str, str]]:
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-"):
            yield "input" if program == "ffprobe" else "output", argument
        else:
            yield argument, "" if argument in FLAGS else next(rest)


def test_every_kind_of_call_is_recorded(calls: list[Call]) -> None:
    inputs = [Path(name).name for call in calls for name in call.inputs]
    assert {"pipe:0", "recording", "video.mp4", "track.wav"} <= set(inputs)
    assert {call.program for call in calls} == {"ffmpeg", "ffprobe"}


def test_only_local_files_and_pipes_may_be_opened(calls: list[Call]) -> None:
    for call in calls:
        allowed = ""
        assert call.program == "ffprobe" or call.options[0][0] == "-nostdin"
        for option, value in call.options:
            if option == "-protocol_whitelist":
                allowed = value
            elif option in INPUT:  # the options before an input belong to it
                assert LOCAL.fullmatch(value), call
                assert allowed == value.partition(":")[0], call
                allowed = ""
            elif option == "output":
                assert LOCAL.fullmatch(value), call


def test_untrusted_files_are_read_under_kernel_limits(calls: list[Call]) -> None:
    untrusted = [call for call in calls if any(is_untrusted(call, name) for name in call.inputs)]
    assert len(untrusted) >= 4
    for call in untrusted:
        assert int(call.cpu_seconds) <= 900, call
        assert int(call.memory_kib) == 1 << 20, call


def is_untrusted(call: Call, name: str) -> bool:
    """Whether an input is a recording, the video of an avatar or the response of a speech program."""
    is_ours = ("-f", "rawvideo") in call.options or ("-f", "adts") in call.options
    return name.endswith("/recording") or "/avatars/" in name or (name == "pipe:0" and not is_ours)
