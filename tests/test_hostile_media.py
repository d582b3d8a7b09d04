"""Hostile recordings: how each one ends, and that reading it opens no other file and no connection."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ffmpeg as ffmpeg_graph
import numpy as np
import pytest
import torch

from pipeline import programs
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.mouth import MouthModel, at_rest
from pipeline.errors import JobError, LipdropError, StageError
from pipeline.executors.base import WorkerSpec
from pipeline.media import ffmpeg
from pipeline.messages import Chunk, Speech, SplitItem
from pipeline.programs import Limits
from pipeline.speech.voices.decode import decoded
from pipeline.stages.split import SplitStage
from tests.hostile import playlists, put_recordings
from tests.media import speech_like, write_recording
from tests.members import few
from tests.witness import Witness

LIMIT_SECONDS = 5
CONFIG = Config.model_validate({"limits": {"audio_seconds": LIMIT_SECONDS}})


@dataclass(frozen=True)
class Inbox:
    """A watched folder of hostile recordings."""

    folder: Path
    expected: dict[str, str | None]
    witness: Witness


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inbox]:
    folder = tmp_path_factory.mktemp("inbox")
    with Witness(folder) as witness:
        yield Inbox(folder, put_recordings(folder, witness.address), witness)


def split(recording: Path, folder: Path, config: Config = CONFIG) -> list[Chunk]:
    speech = Speech("job", folder, recording)
    stage = SplitStage(WorkerSpec("split-0", "split", "", config))
    return list(stage.process(SplitItem("job", speech, 25, "auto", None, "presenter", None)))


def test_the_witness_sees_what_a_careless_ffmpeg_does(inbox: Inbox) -> None:
    """The playlists work: without lipdrop's precautions they open the canary file and connect to the address."""
    inbox.witness.seen()
    for options, name in (("-safe 0", "concat.wav"), ("-safe 0 -protocol_whitelist file,http,tcp", "concat.mp4")):
        argv = ["ffmpeg", "-v", "quiet", *options.split(), "-i", str(inbox.folder / name), "-f", "null", "-"]
        subprocess.run(argv, timeout=60, check=False)
    seen = inbox.witness.seen()
    assert "canary.wav" in seen
    assert any(name.startswith("network:") for name in seen)


@pytest.mark.slow
def test_every_recording_ends_as_expected_and_opens_nothing_else(inbox: Inbox, tmp_path: Path) -> None:
    for name, code in inbox.expected.items():
        inbox.witness.seen()
        assert code_of(inbox.folder / name, tmp_path) == code, name
        assert inbox.witness.seen() == {name}


def code_of(recording: Path, folder: Path) -> str | None:
    """The error code that a recording ends with; None if it becomes chunks and a finite mel spectrogram."""
    try:
        split(recording, folder)
    except JobError as error:
        assert error.field == "audio"
        assert error.hint
        assert str(recording.parent) not in error.message
        return error.code
    assert np.isfinite(np.load(folder / "mel.npy")).all()
    return None


@pytest.mark.parametrize("name", few(playlists(""), next(iter(playlists("")))))
def test_no_other_call_of_ffmpeg_opens_a_playlist(name: str, inbox: Inbox) -> None:
    path = inbox.folder / name
    data = path.read_bytes()
    inbox.witness.seen()
    for read in (lambda: decoded(data), lambda: ffmpeg.probe(path, ffmpeg.INPUT_FORMATS)):
        with pytest.raises(StageError):
            read()
    with pytest.raises(LipdropError):
        ffmpeg.run(ffmpeg.target(inbox.folder / "out.wav", ffmpeg.source(path, "mov,wav")), timeout_seconds=60)
    assert inbox.witness.seen() <= {name, "out.wav"}


@pytest.mark.parametrize("name", ["-i.wav", "concat:a|b.wav", "http:x.wav", "%d.wav", "a'b\nc.wav", "*?[x].wav"])
def test_a_file_name_is_never_an_option_a_url_or_a_pattern(name: str, tmp_path: Path) -> None:
    write_recording(tmp_path / name, speech_like(1))
    assert split(tmp_path / name, tmp_path)[0].timeline.frames == 25
    assert ffmpeg.probe(tmp_path / name, ffmpeg.INPUT_FORMATS)["streams"]


@pytest.mark.parametrize("name", ["silence.wav", "constant.wav"])
def test_silence_does_not_move_the_mouth(name: str, inbox: Inbox, tmp_path: Path) -> None:
    [chunk] = split(inbox.folder / name, tmp_path)
    timeline = chunk.timeline
    track = MouthModel(torch.device("cpu")).track(SpeechFeatures(np.load(timeline.mel), timeline.frames, timeline.fps))
    assert np.abs(track - at_rest(timeline.frames)).max() < 0.05


# Limits


@pytest.mark.parametrize("seconds", [LIMIT_SECONDS + 0.1, 3600])
def test_audio_over_the_limit_is_refused_before_all_of_it_is_decoded(seconds: float, tmp_path: Path) -> None:
    write_recording(tmp_path / "long.wav", np.zeros(round(seconds * 8000), np.int16), 8000)
    with pytest.raises(JobError) as caught:
        split(tmp_path / "long.wav", tmp_path)
    assert (caught.value.code, caught.value.field) == ("too_long", "audio")
    assert (tmp_path / "track.wav").stat().st_size < (LIMIT_SECONDS + 2) * 48_000 * 2


def test_a_file_that_needs_too_much_memory_is_refused(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ffmpeg, "DECODING_MEMORY_BYTES", 20 << 20)
    assert code_of(inbox.folder / "good.wav", tmp_path) == "media"


def test_a_file_that_takes_too_much_cpu_time_is_refused(tmp_path: Path) -> None:
    output = ffmpeg.target(tmp_path / "out.mp3", ffmpeg_graph.input("anoisesrc", f="lavfi"))
    with pytest.raises(JobError) as caught:
        ffmpeg.decode(output, field="audio", timeout_seconds=60, cpu_seconds=1)
    assert "too long to read" in caught.value.message


def test_a_file_that_decodes_to_too_much_data_is_refused(inbox: Inbox, tmp_path: Path) -> None:
    output = ffmpeg.target(tmp_path / "out.wav", ffmpeg.source(inbox.folder / "good.wav", ffmpeg.INPUT_FORMATS))
    with pytest.raises(JobError) as caught:
        ffmpeg.decode(output, field="audio", timeout_seconds=60, file_bytes=10_000)
    assert "the decoded data is too large" in caught.value.message
    assert (tmp_path / "out.wav").stat().st_size <= 10_000


def test_a_file_that_blocks_times_out(inbox: Inbox, tmp_path: Path) -> None:
    blocked = ffmpeg.target(tmp_path / "out.wav", ffmpeg.source(inbox.folder / "fifo.wav", ffmpeg.INPUT_FORMATS))
    with pytest.raises(StageError) as caught:
        ffmpeg.decode(blocked, field="audio", timeout_seconds=0.5)
    assert caught.value.code == "media_timeout"


def test_a_full_disk_is_not_the_files_fault(inbox: Inbox) -> None:
    output = ffmpeg.target(Path("/dev/full"), ffmpeg.source(inbox.folder / "good.wav", ffmpeg.INPUT_FORMATS), f="wav")
    with pytest.raises(StageError) as caught:
        ffmpeg.decode(output, field="audio", timeout_seconds=60)
    assert "No space left" in caught.value.message


# Any program


def test_output_over_the_limit_is_refused() -> None:
    with pytest.raises(programs.OutputTooLarge):
        programs.run(["cat", "/dev/zero"], Limits(60, output_bytes=1_000_000))


def test_steady_output_does_not_extend_the_timeout() -> None:
    with pytest.raises(TimeoutError):
        programs.run(["sh", "-c", "while echo drip; do sleep 0.05; done"], Limits(0.5))


def test_only_the_end_of_standard_error_is_kept() -> None:
    ended = programs.run(["sh", "-c", "seq 100000 >&2; cat"], Limits(60), b"text")
    assert (ended.returncode, ended.output) == (0, b"text")
    assert ended.errors.endswith(b"99999\n100000\n")
    assert len(ended.errors) <= programs.STDERR_BYTES_MAX


def test_error_messages_contain_no_terminal_escapes() -> None:
    assert ffmpeg.last_line("bad\n\x1b[2J\x9b\u202eтекст \xff\n".encode()) == "?[2J??текст ÿ"
    assert len(ffmpeg.last_line(b"x" * 10_000)) <= ffmpeg.MESSAGE_CHARACTERS_MAX


def test_every_limit_reaches_the_kernel() -> None:
    limits = Limits(60, cpu_seconds=7, memory_bytes=1 << 30, file_bytes=1 << 20)
    shown = programs.run(["cat", "/proc/self/limits"], limits).output.decode().splitlines()
    found = {line[:25].strip(): line[25:].split()[:2] for line in shown}
    assert found["Max cpu time"] == ["7", "12"]
    assert found["Max data size"] == [str(1 << 30)] * 2
    assert found["Max file size"] == [str(1 << 20)] * 2
    assert found["Max core file size"] == ["0", "0"]


def test_a_limit_never_exceeds_the_workers_own() -> None:
    """As in a container or under a service's `LimitDATA`: raising it would fail, and no file could be read."""
    code = (
        "from pipeline.programs import Limits, run; print(run(['true'], Limits(60, memory_bytes=1 << 40)).returncode)"
    )
    argv = ["prlimit", "--data=1073741824:1073741824", sys.executable, "-c", code]
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"] if os.geteuid() == 0 else []
    shown = programs.run([*powerless, *argv], Limits(60))
    assert shown.output == b"0\n", shown.errors
