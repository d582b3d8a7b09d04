"""The model of the timing JSON: `JobReport`, called a report throughout the code.

Imports neither stages nor the scheduler, so that commands that read reports start fast; `measured` builds the report of
a finished job.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, WithJsonSchema

from pipeline.errors import ErrorReport

DECIMALS = 4
FIRST_SECOND = datetime(1, 1, 1, tzinfo=UTC).timestamp()
LAST_SECOND = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
"""The range of RFC 3339."""

Number = Annotated[int | float, WithJsonSchema({"type": "number"})]
"""Keeps 0 and 0.0 distinct, so that reading and rewriting a report does not change it."""


class Part(BaseModel):
    """Base of every part of a report. Keys unknown to this version are ignored on reading."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Audio(Part):
    """The job's speech."""

    seconds: Number
    samples: int
    """Length in samples at `sample_rate`."""
    sample_rate: int
    """Hz."""
    voice: str | None
    """`backend:voice`; null for a recording."""
    cached: bool


class Video(Part):
    """The job's video."""

    file: str
    """Name in the outbox."""
    frames: int
    fps: int
    """Frames per second."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    codec: str = "h264"
    """h264, h265, av1 or vp9."""
    bytes: int
    """File size."""
    sha256: str
    """Hash of the file, in hexadecimal."""


class ExtraReport(Part):
    """A file beside the video."""

    kind: str
    """poster, strip, preview, wav, mp3, transparent or prores."""
    file: str
    """Name in the outbox."""
    bytes: int
    """File size."""


class FaceReport(Part):
    """The face that speaks, in pixels of the avatar's picture or video."""

    box: tuple[int, int, int, int]
    """x1, y1, x2, y2; in a video, in the first frame that shows it."""
    others: list[tuple[int, int, int, int]]
    """Other faces there."""


class AvatarReport(Part):
    """The avatar that speaks."""

    name: str
    frames_without_face: list[tuple[int, int]]
    """Spans of the avatar's video in which no face can be used: first frame, and the frame after the last."""
    face: FaceReport | None = None
    """Absent if the face was not searched for."""


class ShortTiming(Part):
    """How long a failed job took."""

    total_seconds: Number
    """From when the daemon first saw the job to its end."""


class Timing(ShortTiming):
    """How long a job took, on a monotonic clock. All 0 except the total if the outputs already existed."""

    queued_seconds: Number
    """From when the daemon first saw the job to the start of its first stage."""
    tts_seconds: Number
    """Synthesis; 0 for a recording."""
    convert_seconds: Number
    """Conversion of the speech to PCM."""
    split_seconds: Number
    lipsync_seconds: Number
    """From the first chunk's start to the last one's end."""
    merge_seconds: Number
    first_segment_seconds: Number
    """From when the daemon first saw the job to its first segment or, in a stream, until playback can start."""
    chunk_seconds_sum: Number
    """Sum of the chunks' `total_seconds`."""
    parallelism: Number
    """`chunk_seconds_sum / lipsync_seconds`. This is not a speed-up."""
    real_time_factor: Number
    """Seconds of work per second of speech, excluding time in the queue."""


class ChunkReport(Part):
    """One chunk of a job, or one piece of a stream."""

    index: int
    start_seconds: Number
    """Position in the video."""
    end_seconds: Number
    """Position in the video."""
    frames: int
    model: str
    engine: str
    device: str
    worker: str
    queued_seconds: Number
    """From the end of splitting to the chunk's start."""
    inference_seconds: Number
    encode_seconds: Number
    total_seconds: Number
    ready_seconds: Number | None = None
    """Streams only: from when the daemon first saw the job until the piece was ready to be played."""
    slack_seconds: Number | None = None
    """Streams only: how long the piece was ready before it was needed. Negative means that playback stalled."""


class WordReport(Part):
    """One word and when it is spoken."""

    text: str
    """As it is written, with adjacent marks."""
    start_seconds: Number
    end_seconds: Number


class SentenceReport(Part):
    """One sentence and when it is spoken."""

    text: str
    start_seconds: Number
    end_seconds: Number
    words: list[WordReport] | None = None
    """Left out if the times of the words are unknown."""
    language: str | None = None
    """In which it is read. Left out if it is the job's."""
    voice: str | None = None
    """That speaks it, `backend:voice`. Left out if it is the job's."""
    scene: int | None = None
    """Index of its scene. Left out without scenes."""


class SceneReport(Part):
    """One scene of a job that has scenes."""

    index: int
    start_seconds: Number
    """Position in the video: that of its first frame."""
    end_seconds: Number
    """Position in the video: that of the next scene's first frame."""
    first_frame: int
    frames: int
    avatar: AvatarReport
    """The avatar that speaks."""
    language: str
    voice: str | None
    """`backend:voice`; null for a recording."""
    chunks: list[int]
    """Indices of its chunks."""


class RunError(Part):
    """Why a run did not succeed."""

    code: str
    """Code of the error; `interrupted` if the daemon ended while it ran."""
    message: str


class RunReport(Part):
    """One run of a work item by one worker. An item that is retried has several."""

    stage: str
    """tts, align (a recording with its text), split, lipsync, pack (of a piece of a stream) or merge."""
    index: int
    """Number of the chunk or piece; 0 for a whole job."""
    worker: str
    start_seconds: Number
    """From when the daemon first saw the job."""
    end_seconds: Number
    """From when the daemon first saw the job."""
    node: str | None = None
    """The node of the cluster that the worker ran on. Only with the executor `ray`."""
    error: RunError | None = None
    """Only in a run that did not succeed."""


class SettingsReport(Part):
    """The settings of the job and of the configuration that shaped the result."""

    language: str
    voice: str | None
    """As the job asked for it; null: the best one."""
    speed: Number
    """Rate of speech relative to the voice's normal rate."""
    mode: str
    """As the job asked for it."""
    model: str | None
    """As the job asked for it; null: the mode's default."""
    num_workers: int | None
    """Maximum number of lip-sync workers; null: all."""
    priority: int
    crf: int
    """Constant rate factor of the encoder."""
    preset: str
    """Preset of the encoder."""
    captions: bool | Literal["words"] = False
    """As the job asked for them."""


class Machine(Part):
    """The machine that made the video."""

    processor: str
    cores: int
    """Cores that lipdrop may use."""
    memory_bytes: int
    gpus: list[str]
    system: str
    lipdrop: str
    """Version of lipdrop."""


class ProvenanceReport(Part):
    """What the video says about its origin."""

    marked: bool
    """Whether it has metadata that it was made by AI."""
    digital_source_type: str | None = None
    """URI of the term in IPTC's vocabulary."""
    software: str | None = None
    """Name and version."""
    created: str | None = None
    """When the job was submitted. RFC 3339, UTC."""
    consent: str | None = None
    """The recorded statement that the person who is shown agrees. Left out if there is none."""
    signed: bool = False
    """Whether it has content credentials (C2PA)."""


class WarningReport(Part):
    """Something about a job that its author may not expect."""

    code: str
    """Stable identifier."""
    message: str
    hint: str | None = None
    """What can be done about it."""


class Mistake(Part):
    """One thing that is wrong with a job."""

    code: str
    """Stable identifier of the error."""
    message: str
    field: str | None = None
    """The job key at fault."""
    hint: str | None = None
    """A suggested fix."""


class Failure(Mistake):
    """Why a job failed."""

    stage: str | None = None
    """Where the job failed."""
    attempt: int = 1
    """Number of attempts made."""
    further: list[Mistake] = []
    """What is wrong with the job besides; absent if nothing is."""

    @property
    def mistakes(self) -> list[Mistake]:
        """This error and the further ones."""
        return [self, *self.further]


class FailureRecord(Failure):
    """The content of `failed/NAME/error.json`."""

    traceback: str = ""


class Head(Part):
    """The keys that all reports have."""

    job: str
    """The job's name."""
    status: Literal["done", "failed"]
    cached: bool
    """Whether the outputs already existed, from an identical job."""
    attempts: int
    """The highest number of attempts at any work item."""
    submitted_at: str
    """When the job file was written. RFC 3339, UTC."""
    finished_at: str
    """RFC 3339, UTC."""
    dropped_as: str | None = None
    """The name of the job's file in the inbox, if the job's name was made from it."""
    runs: list[RunReport] = []
    """What the workers did, in the order in which it began. Empty if no worker began."""
    settings: SettingsReport | None = None
    """Null if the job was not accepted."""
    machine: Machine | None = None


class DoneReport(Head):
    """The timing JSON of a job that succeeded."""

    status: Literal["done"]
    mode: str
    """sequential, parallel or stream: how the job was run."""
    engine: str
    """The engine of the first chunk."""
    audio: Audio
    video: Video
    avatar: AvatarReport
    captions: list[str]
    """Names of the caption files in the outbox."""
    intro_seconds: Number | None = None
    """Length of the clip before what is said. All times are those of the video. Left out if it has no clips."""
    outro_seconds: Number | None = None
    """Length of the clip after it. Left out like `intro_seconds`."""
    extras: list[ExtraReport] = []
    """Files beside the video. Left out if the job has none."""
    timing: Timing
    chunks: list[ChunkReport]
    sentences: list[SentenceReport]
    scenes: list[SceneReport] | None = None
    """Left out if the job has none. `avatar`, `audio` and `settings` are then those of the first."""
    warnings: list[WarningReport] = []
    """What the author of a job that ended well may not expect."""
    synthetic: bool | None = None
    """Whether the video was made by AI: always true."""
    provenance: ProvenanceReport | None = None
    fingerprint: str | None = None
    """Digest of the job and of all that its video depends on: recording, avatar, settings, version of lipdrop."""
    metadata: dict[str, Any]
    """Copied from the job."""


class FailedReport(Head):
    """The timing JSON of a job that failed."""

    status: Literal["failed"]
    error: Failure
    """May be a FailureRecord in memory: pydantic only writes the fields of the declared class, so no traceback."""
    timing: ShortTiming
    metadata: dict[str, Any]
    """Copied from the job; empty if the job could not be read."""


class FirstSegment(Part):
    """What a webhook says about a job whose stream can be played."""

    job: str
    """The job's name."""
    status: Literal["running"]
    submitted_at: str
    """When the job file was written. RFC 3339, UTC."""
    first_segment_seconds: Number
    """From when the daemon first saw the job until playback can start."""


JobReport = DoneReport | FailedReport
REPORT: TypeAdapter[JobReport] = TypeAdapter(Annotated[JobReport, Field(discriminator="status")])


@dataclass(frozen=True)
class Submission:
    """When a job arrived: on the wall clock for people, on the monotonic clock for measurements."""

    submitted_at: float
    """Seconds since the epoch."""
    seen_seconds: float
    """Monotonic."""
    dropped_as: str | None = None
    """The name of its file, if the job's name was made from it."""

    @property
    def given(self) -> dict[str, Any]:
        """What only jobs have whose name was made, for a report."""
        return {} if self.dropped_as is None else {"dropped_as": self.dropped_as}


def read_report(data: bytes) -> JobReport:
    """Read a timing JSON. Raises ValidationError unless lipdrop could have written it."""
    return REPORT.validate_json(data)


def json_bytes(model: Part) -> bytes:
    """A report, or a part of one, as a JSON file. Keys that were never set are left out."""
    return (json.dumps(model.model_dump(exclude_unset=True), ensure_ascii=False, indent=1) + "\n").encode()


def failed_report(
    name: str, error: ErrorReport, submission: Submission, attempts: int, metadata: dict[str, Any]
) -> FailedReport:
    """The report of a job that failed."""
    mistakes = [Mistake(code=one.code, message=one.message, field=one.field, hint=one.hint) for one in error.further]
    further = {"further": mistakes} if mistakes else {}  # so that it is absent otherwise
    failure = FailureRecord(
        code=error.code,
        message=error.message,
        field=error.field,
        stage=error.stage,
        attempt=attempts,
        hint=error.hint,
        traceback=error.traceback,
        **further,
    )
    seconds = rounded(time.monotonic() - submission.seen_seconds)
    return FailedReport(
        job=name,
        status="failed",
        cached=False,
        attempts=attempts,
        submitted_at=timestamp(submission.submitted_at),
        finished_at=timestamp(time.time()),
        **submission.given,
        error=failure,
        timing=ShortTiming(total_seconds=seconds),
        metadata=metadata,
    )


def first_segment(name: str, submission: Submission) -> FirstSegment:
    """What a webhook says about a job whose stream can be played since now."""
    seconds = rounded(time.monotonic() - submission.seen_seconds)
    submitted_at = timestamp(submission.submitted_at)
    return FirstSegment(job=name, status="running", submitted_at=submitted_at, first_segment_seconds=seconds)


def repeated_report(earlier: DoneReport, submission: Submission) -> DoneReport:
    """The report of a job whose outputs already existed."""
    zeros = dict.fromkeys(Timing.model_fields, 0)
    seconds = rounded(time.monotonic() - submission.seen_seconds)
    return earlier.model_copy(
        update={
            "cached": True,
            "submitted_at": timestamp(submission.submitted_at),
            "finished_at": timestamp(time.time()),
            "timing": Timing(**{**zeros, "total_seconds": seconds}),
            **({} if submission.dropped_as == earlier.dropped_as else {"dropped_as": submission.dropped_as}),
        }
    )


def rounded(seconds: float) -> float:
    """Round a duration for a report."""
    return round(seconds, DECIMALS)


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds. Times outside its range, which files may have, are clamped."""
    return (
        datetime.fromtimestamp(min(max(seconds, FIRST_SECOND), LAST_SECOND), UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
