"""Cheap stages for testing the scheduler, and stages with one named fault each. They run in real worker processes.

A fault that must happen only once leaves a marker file in the item's folder before it happens.
"""

from __future__ import annotations

import ctypes
import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.errors import ConfigError, JobError, StageError
from pipeline.executors.base import WorkerSpec
from pipeline.messages import (
    Chunk,
    MergeItem,
    Segment,
    SoundItem,
    Soundtrack,
    Span,
    Speech,
    SplitItem,
    Timeline,
    TtsItem,
    Video,
)

CHUNKS = 4
CHUNK_FRAMES = 25
FPS = 25
SPAN = Span(0.0, 1.0)


class CheapStage:
    """Base: nothing to set up."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec

    def setup(self, device: str) -> None:
        pass


class CheapTts(CheapStage):
    def process(self, item: TtsItem) -> Iterator[Speech]:
        yield Speech(item.job, item.folder, item.folder / "speech.wav", "cheap:voice", span=SPAN)


class LateTts(CheapTts):
    """Takes a while, then writes into the job's folder."""

    def process(self, item: TtsItem) -> Iterator[Speech]:
        (item.folder / "begun").touch()
        time.sleep(3)
        (item.folder / "late").touch()
        yield from super().process(item)


class CheapSplit(CheapStage):
    def process(self, item: SplitItem) -> Iterator[Chunk]:
        folder = item.speech.folder
        frames = CHUNKS * CHUNK_FRAMES
        timeline = Timeline(
            frames * 640, frames, FPS, (), "parallel", folder / "p", folder / "t", folder / "m", SPAN, SPAN
        )
        for index in range(CHUNKS):
            yield Chunk(
                job=item.job,
                folder=folder,
                index=index,
                count=CHUNKS,
                start_frame=index * CHUNK_FRAMES,
                stop_frame=(index + 1) * CHUNK_FRAMES,
                model="gan",
                mixed=False,
                fade_from=None,
                avatar=item.avatar,
                size=item.size,
                phonemes=None,
                timeline=timeline,
            )


class CheapLipSync(CheapStage):
    """Appends a line to the chunk's log each time it runs."""

    def process(self, item: Chunk) -> Iterator[Segment]:
        note(item, f"{os.getpid()} {self.spec.name}")
        self.work(item)
        start = time.monotonic()
        yield Segment(
            job=item.job,
            index=item.index,
            path=item.folder / f"chunk-{item.index}",
            start_frame=item.start_frame,
            stop_frame=item.stop_frame,
            width=64,
            height=64,
            model=item.model,
            engine="cheap",
            device=self.spec.device,
            worker=self.spec.name,
            span=Span(start, time.monotonic()),
            inference_seconds=0.0,
            encode_seconds=0.0,
            timeline=item.timeline,
        )

    def work(self, item: Chunk) -> None:
        pass


class SlowLipSync(CheapLipSync):
    """Takes long enough to be killed while busy, and longer while the job's folder has a file `hold`."""

    def work(self, item: Chunk) -> None:
        time.sleep(0.4)
        while (item.folder / "hold").exists():
            time.sleep(0.05)


class LateLipSync(CheapLipSync):
    """Takes a second, then writes into the job's folder."""

    def work(self, item: Chunk) -> None:
        time.sleep(1.0)
        (item.folder / "late").touch()


class CheapMerge(CheapStage):
    def process(self, item: SoundItem | MergeItem) -> Iterator[Soundtrack | Video]:
        yield encoded(item) if isinstance(item, SoundItem) else self.merged(item)

    def merged(self, item: MergeItem) -> Video:
        assert [segment.index for segment in item.segments] == list(range(CHUNKS))
        path = item.folder / "video.mp4"
        path.write_bytes(b"video")
        return Video(item.job, path, item.timeline.frames, FPS, 64, 64, 5, "", SPAN)


def encoded(item: SoundItem) -> Soundtrack:
    """A soundtrack without files."""
    return Soundtrack(item.job, item.folder / "track.wav", item.folder / "track.m4a", SPAN)


class KilledInSetup(CheapStage):
    def setup(self, device: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class BadConfigInSetup(CheapStage):
    def setup(self, device: str) -> None:
        raise ConfigError("checkpoint_missing", "no checkpoint", field="models.gan.checkpoint", hint="put it there")


class KilledOnce(CheapLipSync):
    """Dies by SIGKILL the first time it gets chunk 2."""

    def work(self, item: Chunk) -> None:
        if item.index == 2 and first_time(item):
            os.kill(os.getpid(), signal.SIGKILL)


class KilledInSound(CheapMerge):
    """Dies by SIGKILL the first time it encodes the sound."""

    def process(self, item: SoundItem | MergeItem) -> Iterator[Soundtrack | Video]:
        if isinstance(item, SoundItem) and first_time(item):
            os.kill(os.getpid(), signal.SIGKILL)
        yield from super().process(item)


class KilledAlways(CheapLipSync):
    def work(self, item: Chunk) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class KilledMidSend(CheapLipSync):
    """Sends half a message and dies."""

    def work(self, item: Chunk) -> None:
        if item.index == 1 and first_time(item):
            for descriptor in Path("/proc/self/fd").iterdir():
                if str(descriptor.readlink()).startswith("socket:") and int(descriptor.name) > 2:
                    os.write(int(descriptor.name), b"\x00\x00\xff\xffhalf")
            os.kill(os.getpid(), signal.SIGKILL)


class HangsOnce(CheapLipSync):
    def work(self, item: Chunk) -> None:
        if item.index == 1 and first_time(item):
            time.sleep(20)


class BadJobTts(CheapTts):
    def process(self, item: TtsItem) -> Iterator[Speech]:
        if item.text == "bad":
            raise JobError("voice", "no such voice", field="voice", hint="voices: a, b")
        yield from super().process(item)


class BadConfigTts(CheapTts):
    """A configured program exists at startup, but not when it is needed."""

    def process(self, item: TtsItem) -> Iterator[Speech]:
        if item.text == "bad":
            raise ConfigError("tts_missing", "no such program", field="tts.command.argv", hint="install it")
        yield from super().process(item)


class KilledByText(CheapTts):
    def process(self, item: TtsItem) -> Iterator[Speech]:
        if item.text == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        yield from super().process(item)


class FailsTwiceTts(CheapTts):
    """A service that responds on the third attempt."""

    def process(self, item: TtsItem) -> Iterator[Speech]:
        tries = item.folder / "tries"
        count = int(tries.read_text()) if tries.exists() else 0
        tries.write_text(str(count + 1))
        if count < 2:
            raise StageError("tts_unreachable", "connection refused")
        yield from super().process(item)


class SegfaultingTts(CheapTts):
    def process(self, item: TtsItem) -> Iterator[Speech]:
        ctypes.string_at(0)
        yield from super().process(item)


class CrashingTts(CheapStage):
    def process(self, item: TtsItem) -> Iterator[Speech]:
        raise ZeroDivisionError("a defect")
        yield


def die(_: object) -> None:
    """A main function whose process dies."""
    os.kill(os.getpid(), signal.SIGKILL)


def note(item: Chunk, line: str) -> None:
    """Append a line to a chunk's log."""
    with (item.folder / f"log-{item.index}").open("a") as file:
        file.write(line + "\n")


def first_time(item: Chunk | SoundItem) -> bool:
    """Whether this is the first call for this chunk in any process."""
    try:
        (item.folder / f"mark-{item.index}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def runs(folder: Path, index: int) -> list[str]:
    """The lines of a chunk's log: one per run."""
    return (folder / f"log-{index}").read_text().splitlines()


class FailsInOneChunk(CheapLipSync):
    """Chunk 0 fails at once, while chunk 1 takes longer and then writes into the job's folder."""

    def work(self, item: Chunk) -> None:
        if item.index == 0:
            time.sleep(0.2)  # until chunk 1 runs
            raise JobError("no_face", "no face")
        time.sleep(1.0)
        (item.folder / "late").touch(exist_ok=False)


# Stages for the whole daemon. Each run appends a line to `ran` in the spool: `JOB STAGE INDEX`.


def ran(item: TtsItem | SplitItem | Chunk | MergeItem, what: str) -> None:
    folder = item.speech.folder if isinstance(item, SplitItem) else item.folder
    with (folder.parent.parent / "ran").open("a") as file:
        file.write(f"{item.job} {what}\n")


class CountedTts(CheapTts):
    """Writes the text into the speech file. A number at the start of the text sets the number of chunks."""

    def process(self, item: TtsItem) -> Iterator[Speech]:
        ran(item, "tts")
        path = item.folder / "speech.wav"
        path.write_text(item.text)
        yield Speech(item.job, item.folder, path, "cheap:voice", span=SPAN)


class CountedSplit(CheapSplit):
    """Makes as many chunks of one second as the number at the start of the text says."""

    def process(self, item: SplitItem) -> Iterator[Chunk]:
        ran(item, "split")
        first = item.speech.audio.read_text().split()[0]
        count = int(first) if first.isdigit() else CHUNKS
        for chunk in super().process(item):
            for index in range(count) if chunk.index == 0 else ():
                timeline = replace(chunk.timeline, samples=count * 16_000, frames=count * FPS)
                start, stop = index * FPS, (index + 1) * FPS
                yield replace(chunk, index=index, count=count, start_frame=start, stop_frame=stop, timeline=timeline)


class CountedLipSync(CheapLipSync):
    def work(self, item: Chunk) -> None:
        ran(item, f"lipsync {item.index}")
        time.sleep(0.05)
        (item.folder / f"chunk-{item.index}").write_bytes(b"segment")


class InstantLipSync(CheapLipSync):
    def work(self, item: Chunk) -> None:
        (item.folder / f"chunk-{item.index}").write_bytes(b"segment")


class CountedMerge(CheapMerge):
    """Writes the text or the recording as the video, so that each job has a different one."""

    def merged(self, item: MergeItem) -> Video:
        ran(item, "merge")
        assert all(segment.path.read_bytes() == b"segment" for segment in item.segments)
        speech = next(file for name in ("speech.wav", "recording") if (file := item.folder / name).exists())
        path, data = item.folder / "video.mp4", speech.read_bytes().rstrip()
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        return Video(item.job, path, item.timeline.frames, FPS, 64, 64, len(data), digest, SPAN)


class LongLipSync(CountedLipSync):
    """Hangs in chunk 1 and all later ones until the spool has a file `go`."""

    def work(self, item: Chunk) -> None:
        super().work(item)
        while item.index > 0 and not (item.folder.parent.parent / "go").exists():
            time.sleep(0.05)


class LateDeathLipSync(CountedLipSync):
    """Dies after it has sent its result, but before it can report that it has finished."""

    def process(self, item: Chunk) -> Iterator[Segment]:
        yield from super().process(item)
        if item.index == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_daemon() -> None:
    daemon = multiprocessing.parent_process()
    assert daemon is not None
    assert daemon.pid is not None
    os.kill(daemon.pid, signal.SIGKILL)


class KillsDaemonTts(CountedTts):
    """The text "poison" kills the whole daemon."""

    def process(self, item: TtsItem) -> Iterator[Speech]:
        if item.text == "poison":
            ran(item, "tts")
            kill_daemon()
            time.sleep(20)
        yield from super().process(item)


class KillsDaemonLateTts(CountedTts):
    """The text "poison" kills the whole daemon, but only after all other items have had time to start."""

    def process(self, item: TtsItem) -> Iterator[Speech]:
        if item.text == "poison":
            ran(item, "tts")
            time.sleep(1)
            kill_daemon()
            time.sleep(20)
        yield from super().process(item)


class WeightyLipSync(CountedLipSync):
    """Takes longer than a poisoned daemon survives."""

    def work(self, item: Chunk) -> None:
        super().work(item)
        time.sleep(2)


class FillsDiskTts(CountedTts):
    """Writes more than the disk can hold, until the spool has a file `go`."""

    def process(self, item: TtsItem) -> Iterator[Speech]:
        ran(item, "tts")
        if not (item.folder.parent.parent / "go").exists():
            (item.folder / "huge").write_bytes(bytes(64 << 20))
        yield from super().process(item)


class GanHangsInSetup(CountedLipSync):
    """One of the two lip-sync workers never becomes ready."""

    def setup(self, device: str) -> None:
        if self.spec.model == "gan":
            time.sleep(600)


class GanNeverStarts(CountedLipSync):
    """One of the two lip-sync workers cannot start."""

    def setup(self, device: str) -> None:
        if self.spec.model == "gan":
            os.kill(os.getpid(), signal.SIGKILL)
