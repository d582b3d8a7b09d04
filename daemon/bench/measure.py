"""`lipdrop bench`: the speed of this machine: the network alone, then real jobs on a real daemon for each engine.

No checkpoint is needed: Wav2Lip runs with full-size random weights.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from daemon.bench.trial import Trial
from daemon.outputs.machine import this_machine
from daemon.outputs.report import DoneReport, FailedReport
from pipeline.avatars import BUILT_IN_FOLDER
from pipeline.config import AvatarsSettings, Config
from pipeline.engines.settings import BuiltinSettings, ModelSettings, Wav2LipSettings
from pipeline.media import ffmpeg

if TYPE_CHECKING:
    from daemon.bench.forward_speed import ForwardReport

SENTENCES = (
    "Put a text into the folder, and a few seconds later a talking portrait says it.",
    "Lips move together with the speech, and sound and picture match to the frame.",
    "Milk, a violet, the noise of the surf and the ringing of spring are heard and seen equally well.",
)
VOICE = "hibari:heart"
"""A voice that comes with lipdrop, since results with other voices would not be comparable."""

SEEDED_CHECKPOINT = "seeded.pt"
VIDEO = "video"
VIDEO_SIZE = (1280, 720)
VIDEO_SECONDS = 4
SQUARE = 1080
"""Width and height of the square around the person at the top of the picture."""
MOVE = (96, 40)
"""Pixels by which the picture moves back and forth in the video, across and down."""

WIDTH = 200
"""Width of the tables, in characters."""


@dataclass(frozen=True)
class Extent:
    """How much to measure."""

    sentences: int
    avatars: tuple[tuple[str, str], ...]
    """Name and size."""
    runs: int
    """Runs of each job; the fastest is shown."""
    batches: tuple[int, ...]
    rounds: int
    """Rounds of the network's forward pass."""


FULL = Extent(6, (("presenter", "512x512"), ("presenter", "720x720"), (VIDEO, "1280x720")), 2, (1, 4, 8, 16, 32), 5)
QUICK = Extent(2, (("presenter", "512x512"), (VIDEO, "1280x720")), 1, (1, 8), 2)


@dataclass(frozen=True)
class JobSpeed:
    """One job, from drop to timing JSON."""

    avatar: str
    size: str
    mode: str
    seconds: float
    """The fastest run."""
    all_seconds: tuple[float, ...]
    memory_bytes: int
    """Peak total of all processes."""
    timing: DoneReport | None
    """The fastest run's report; None if the job failed."""
    error: str | None

    @property
    def frames_per_second(self) -> float:
        """Frames per second from drop to timing JSON."""
        return self.timing.video.frames / self.seconds if self.timing else 0.0


@dataclass(frozen=True)
class EngineSpeed:
    """One engine in all workers."""

    engine: str
    cold_start_seconds: float
    jobs: tuple[JobSpeed, ...]


@dataclass(frozen=True)
class MeasuredMachine:
    """The machine that was measured."""

    processor: str
    cores: int
    memory_bytes: int
    date: str
    load: float
    """Load average of the last minute: other processes distort the figures."""


@dataclass(frozen=True)
class Report:
    """All results."""

    machine: MeasuredMachine
    forward: ForwardReport
    engines: tuple[EngineSpeed, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, for `--json`."""
        return asdict(self, dict_factory=_plain)


def _plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of a dataclass as a dict, reports in them included."""
    return {
        key: value.model_dump(exclude_unset=True) if isinstance(value, DoneReport) else value for key, value in items
    }


def measure(config: Config, extent: Extent, progress: Callable[[str], None]) -> Report:
    """Measure the configuration's workers, with its video settings; `progress` gets the current step."""
    from daemon.bench.forward_speed import measure_forward  # loads torch

    machine = measured_machine()
    with tempfile.TemporaryDirectory(prefix="lipdrop-bench-") as scratch:
        folder = Path(scratch)
        progress("making weights and a video")
        wav2lip = seeded_models(folder, config.models)
        make_video(folder / "avatars" / VIDEO / "video.mp4")
        progress("wav2lip: the network alone")
        forward = measure_forward(folder / SEEDED_CHECKPOINT, config, extent.batches, extent.rounds)
        models: dict[str, dict[str, ModelSettings]] = {
            "builtin": dict.fromkeys(config.models, BuiltinSettings()),
            "wav2lip": wav2lip,
        }
        engines = tuple(
            _measure_engine(name, _config(config, folder, chosen), extent, progress) for name, chosen in models.items()
        )
    return Report(machine, forward, engines)


def measured_machine() -> MeasuredMachine:
    """Describe the machine as it is now."""
    found = this_machine()
    return MeasuredMachine(
        processor=found.processor,
        cores=found.cores,
        memory_bytes=found.memory_bytes,
        date=time.strftime("%Y-%m-%d"),
        load=os.getloadavg()[0],
    )


def make_video(path: Path, size: tuple[int, int] = VIDEO_SIZE, seconds: int = VIDEO_SECONDS) -> None:
    """Write a video of the presenter's picture, the camera slowly moving back and forth."""
    path.parent.mkdir(parents=True)
    (width, height), (across, down) = size, MOVE
    picture = BUILT_IN_FOLDER / "presenter" / "picture.png"
    still = ffmpeg.source(picture, "png_pipe", loop=1, framerate=25, t=seconds)
    high = height + down
    square = still.filter("crop", SQUARE, SQUARE, "(iw-ow)/2", 0).filter("scale", high, high)
    wide = square.filter("pad", width + across, high, "(ow-iw)/2", 0, "gray")
    turn = f"2*PI*t/{VIDEO_SECONDS}"
    moved = wide.filter("crop", width, height, f"{across / 2}*(1+sin({turn}))", f"{down / 2}*(1+cos({turn}))")
    output = ffmpeg.target(path, moved, vcodec="libx264", preset="veryfast", crf=16, pix_fmt="yuv420p")
    ffmpeg.run(output, timeout_seconds=600)


def seeded_models(folder: Path, names: Collection[str]) -> dict[str, ModelSettings]:
    """Wav2Lip with seeded weights, one file per name, so that chunks of different models cross-fade."""
    from daemon.bench.seeded_weights import save_seeded_checkpoint  # loads torch

    seeded = folder / SEEDED_CHECKPOINT
    save_seeded_checkpoint(seeded)
    for name in names:
        os.link(seeded, folder / f"{name}.pth")
    return {name: Wav2LipSettings(checkpoint=str(folder / f"{name}.pth"), silence_gate=name == "gan") for name in names}


def _config(config: Config, folder: Path, models: dict[str, ModelSettings]) -> Config:
    """The configuration's workers and video settings only: others could make the jobs fail."""
    avatars = AvatarsSettings(folder=str(folder / "avatars"))
    return Config(avatars=avatars, models=models, workers=config.workers, video=config.video)


def _measure_engine(name: str, config: Config, extent: Extent, progress: Callable[[str], None]) -> EngineSpeed:
    progress(f"{name}: starting")
    with tempfile.TemporaryDirectory(prefix="lipdrop-bench-") as spool, Trial(Path(spool), config) as trial:
        jobs = tuple(_jobs(name, trial, extent, progress))
    return EngineSpeed(name, trial.cold_start_seconds, jobs)


def text_of(sentences: int) -> str:
    """English sentences of about four seconds each."""
    return " ".join(SENTENCES[number % len(SENTENCES)] for number in range(sentences))


def _jobs(engine: str, trial: Trial, extent: Extent, progress: Callable[[str], None]) -> Iterator[JobSpeed]:
    text = text_of(extent.sentences)
    for avatar, size in extent.avatars:
        # Not measured: the first job of an avatar also finds its face and decodes its frames.
        trial.run(f"{avatar}-{size}-first", text="One.", language="en", voice=VOICE, avatar=avatar, size=size)
        for mode in ("sequential", "parallel"):
            progress(f"{engine}: {avatar}, {size}, {mode}")
            start = time.monotonic()
            job = {"text": text, "language": "en", "voice": VOICE, "mode": mode, "avatar": avatar, "size": size}
            runs = [trial.run(f"{avatar}-{size}-{mode}-{number}", **job) for number in range(extent.runs)]
            seconds, report = min(runs, key=lambda run: run[0])
            yield JobSpeed(
                avatar=avatar,
                size=size,
                mode=mode,
                seconds=seconds,
                all_seconds=tuple(one for one, _ in runs),
                memory_bytes=trial.memory.peak_bytes(start),
                timing=report if isinstance(report, DoneReport) else None,
                error=report.error.code if isinstance(report, FailedReport) else None,
            )


def show(report: Report, console: Console) -> None:
    """Print Markdown."""
    machine, forward = report.machine, report.forward
    memory = f"{machine.memory_bytes / 2**30:.0f} GiB"
    tell(console, f"{machine.processor}, {machine.cores} cores, {memory}; {machine.date}, load {machine.load:.1f}")
    tell(
        console,
        f"\nThe network of Wav2Lip alone, frames per second: one worker on {forward.device}, {forward.precision}, "
        f"threads: {forward.threads}\n",
    )
    console.print(_forward_table(forward))
    for engine in report.engines:
        tell(console, f"\nEngine {engine.engine}, cold start {engine.cold_start_seconds:.1f} s\n")
        console.print(_engine_table(engine))


def tell(console: Console, text: str) -> None:
    """Print a line as it is, however long."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _forward_table(forward: ForwardReport) -> Table:
    table = markdown("batch", "as published", "video", "still", "gain, video", "gain, still")
    for speed in forward.speeds:
        used = " (ours)" if speed.batch_frames == forward.batch_frames else ""
        rates = (f"{rate:.1f}" for rate in (speed.plain, speed.video, speed.still))
        gains = (f"{rate / speed.plain:.1f}" for rate in (speed.video, speed.still))
        table.add_row(f"{speed.batch_frames}{used}", *rates, *gains)
    return table


COLUMNS = ("speech", "seconds", "real time", "frames/s", "prepare", "lip-sync", "of that, inference", "merge", "MiB")
"""Times in seconds. real time: seconds for each second of speech; frames/s: from drop to timing JSON; prepare:
TTS, converting and splitting; inference: sum over the workers; MiB: peak total of all processes."""


def _engine_table(engine: EngineSpeed) -> Table:
    table = markdown("avatar", "mode", *COLUMNS)
    for job in engine.jobs:
        table.add_row(f"{job.avatar} {job.size}", job.mode, *_cells(job))
    return table


def _cells(job: JobSpeed) -> Iterator[str]:
    if job.timing is None:
        yield str(job.error)
        return
    audio, times = job.timing.audio.seconds, job.timing.timing
    yield from (f"{audio:.1f}", f"{job.seconds:.2f}", f"{job.seconds / audio:.2f}", f"{job.frames_per_second:.1f}")
    yield f"{times.tts_seconds + times.convert_seconds + times.split_seconds:.2f}"
    yield f"{times.lipsync_seconds:.2f}"
    yield f"{sum(chunk.inference_seconds for chunk in job.timing.chunks):.2f}"
    yield f"{times.merge_seconds:.2f}"
    yield f"{job.memory_bytes / 2**20:.0f}"


def markdown(*columns: str) -> Table:
    """A table whose numbers are aligned to the right."""
    table = Table(box=box.MARKDOWN)
    for column in columns:
        table.add_column(column, justify="left" if column in ("avatar", "mode") else "right", no_wrap=True)
    return table
