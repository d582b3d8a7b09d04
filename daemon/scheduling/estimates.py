"""What a job is expected to take, step by step: from its text, and from the jobs that this machine has done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapreplace

from daemon.scheduling.flow import Flow
from daemon.scheduling.job_flow import CHARACTERS_PER_SECOND
from daemon.scheduling.long_text import is_long
from daemon.scheduling.pace import Pace, Work
from pipeline.config import Config
from pipeline.job import Outline
from pipeline.stages.early_pieces import STREAM_SECONDS


@dataclass(frozen=True)
class Estimate:
    """What a whole job is expected to take if no other job is before it."""

    video_seconds: float
    """Length of the video."""
    work_seconds: float | None
    """From the start of its first step to its end; None until this machine has done a job."""
    video_bytes: float | None
    """None until this machine has done a job."""


@dataclass(frozen=True)
class Left:
    """The work that is left of a job, in seconds for one worker."""

    speak_seconds: float
    prepare_seconds: float
    chunks_seconds: Sequence[float]
    finish_seconds: float
    lanes: int
    """How many of its chunks are rendered at once."""
    in_pieces: bool = False
    """Whether it is spoken while it is rendered."""
    is_speaking: bool = False
    """Whether a worker speaks it at the moment."""
    chunks_running: int = 0
    """How many chunks workers have at the moment; they come first."""

    @property
    def render_seconds(self) -> float:
        """Time until its last chunk is rendered if it has all workers, from when it is cut."""
        return makespan(self.chunks_seconds, self.lanes)

    def rendered_seconds(self, speaking: float) -> float:
        """Time until its last chunk is rendered if it has all workers. `speaking`: time until it is spoken."""
        if self.in_pieces:
            return max(speaking, self.render_seconds) + self.prepare_seconds
        return speaking + self.prepare_seconds + self.render_seconds


@dataclass(frozen=True)
class Kinds:
    """The kinds of work of a job, each from the most specific to the most general, as `Pace` knows them."""

    speech: Sequence[str]
    """Characters to seconds of speech, at normal speed."""
    speak: Sequence[str]
    """Characters to seconds of work."""
    prepare: Sequence[str]
    """Seconds of speech to seconds of work."""
    size: Sequence[str]
    """Frames to bytes."""
    look: str

    def render(self, mode: str) -> Sequence[str]:
        """Frames of a chunk to seconds of work. A chunk that is rendered alone has the machine to itself."""
        return (f"render {mode} {self.look}", f"render {mode}", "render")


FINISH = ("finish",)
"""Seconds of speech to seconds from the last segment to the published video."""


def kinds(job: Outline, config: Config) -> Kinds:
    """The kinds of work of a job."""
    language = job.language or config.language
    look = f"{job.avatar or config.avatars.default} {job.size or 'own'}"
    return Kinds(
        speech=(f"speech {language} {job.voice}", f"speech {language}", "speech"),
        speak=(f"speak {language} {job.voice}", f"speak {language}", "speak"),
        prepare=(f"prepare {look}", "prepare"),
        size=(f"size {look}", "size"),
        look=look,
    )


def learn(pace: Pace, flow: Flow, ended_seconds: float) -> None:
    """Record what a finished job took. `ended_seconds`: when its video was published, monotonic."""
    job, timeline = Outline.of(flow.job), flow.timeline
    found = kinds(job, flow.config)
    assert flow.speech is not None and flow.video is not None
    if job.characters is not None and flow.speech.span is not None:
        pace.measured(*found.speech, size=job.characters, cost=timeline.seconds * job.speed)
    pace.measured(*found.size, size=timeline.frames, cost=flow.video.bytes)
    pace.worked(list(_work_done(flow, found, ended_seconds)))


def _work_done(flow: Flow, found: Kinds, ended_seconds: float) -> Iterator[Work]:
    timeline, characters = flow.timeline, Outline.of(flow.job).characters
    if characters is not None and flow.speech is not None and flow.speech.span is not None:
        yield Work(found.speak, characters, flow.speech.span.seconds)
    yield Work(found.prepare, timeline.seconds, timeline.convert.seconds + timeline.split.seconds)
    for segment in flow.segments.values():
        frames = segment.stop_frame - segment.start_frame
        yield Work(found.render(timeline.mode), frames, segment.span.seconds)
    last_seconds = max(segment.span.end_seconds for segment in flow.segments.values())
    yield Work(FINISH, timeline.seconds, ended_seconds - last_seconds)


def speech_seconds(pace: Pace, job: Outline, config: Config) -> float | None:
    """Expected length of a text's speech; None if nothing is known of it."""
    if job.characters is None:
        return None
    normal = pace.expected(*kinds(job, config).speech, size=job.characters)
    return None if normal is None else normal / job.speed


def mode_of(job: Outline, seconds: float, config: Config) -> str:
    """The mode in which a job of this length runs."""
    if job.mode != "auto":
        return job.mode
    return "sequential" if seconds < config.split.sequential_below_seconds else "parallel"


def lanes(job: Outline, mode: str, config: Config) -> int:
    """How many chunks of a job are rendered at once on an idle machine."""
    workers = config.renderers
    return 1 if mode == "sequential" else min(workers, job.num_workers or workers)


def chunks_of(job: Outline, seconds: float, config: Config) -> list[float]:
    """Frames of each chunk, before the speech is cut: about equally long ones, one for each worker."""
    frames = seconds * (job.fps or config.video.fps)
    count = lanes(job, mode_of(job, seconds, config), config)
    return [frames / count] * count


def stream_rate(pace: Pace, job: Outline, config: Config) -> float | None:
    """What a worker takes for a second of a streamed recording, in its usual pieces; None if nothing is known of it."""
    frames = STREAM_SECONDS * (job.fps or config.video.fps)
    seconds = pace.expected_seconds(*kinds(job, config).render("stream"), size=frames)
    return None if seconds is None else seconds / STREAM_SECONDS


def makespan(seconds: Iterable[float], workers: int) -> float:
    """How long several workers take for pieces of work that they take in order."""
    free = [0.0] * workers
    for length in seconds:
        heapreplace(free, free[0] + length)
    return max(free)


def video_seconds(pace: Pace, job: Outline, config: Config) -> float | None:
    """Expected length of a job's video, if need be by the usual rate of speech; None for a recording."""
    if job.characters is None:
        return None
    return speech_seconds(pace, job, config) or job.characters / CHARACTERS_PER_SECOND / job.speed


def work(pace: Pace, job: Outline, config: Config) -> Left | None:
    """The work of a whole job; None if too little is known."""
    seconds = video_seconds(pace, job, config)
    if seconds is None:
        return None
    found, mode = kinds(job, config), mode_of(job, seconds, config)
    chunks = [pace.expected_seconds(*found.render(mode), size=frames) for frames in chunks_of(job, seconds, config)]
    speak = pace.expected_seconds(*found.speak, size=job.characters or 0)
    prepare, finish = pace.expected_seconds(*found.prepare, size=seconds), pace.expected_seconds(*FINISH, size=seconds)
    known = [one for one in chunks if one is not None]
    if speak is None or prepare is None or finish is None or len(known) < len(chunks):
        return None
    in_pieces = mode == "stream" or job.in_pieces or is_long(job.characters or 0, job.speed, config)
    return Left(speak, prepare, known, finish, lanes(job, mode, config), in_pieces)


def estimate(pace: Pace, job: Outline, config: Config) -> Estimate | None:
    """What a job is expected to take; None for a recording, whose length is not known."""
    seconds = video_seconds(pace, job, config)
    if seconds is None:
        return None
    found = work(pace, job, config)
    work_seconds = None if found is None else found.rendered_seconds(found.speak_seconds) + found.finish_seconds
    frames = seconds * (job.fps or config.video.fps)
    return Estimate(seconds, work_seconds, pace.expected(*kinds(job, config).size, size=frames))
