"""Chooses a job's flow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from daemon.scheduling.estimates import stream_rate
from daemon.scheduling.flow import Flow
from daemon.scheduling.job_flow import JobFlow
from daemon.scheduling.journal import Journal
from daemon.scheduling.long_text import LongText, is_long
from daemon.scheduling.open_stream import OpenStream
from daemon.scheduling.pace import Pace
from daemon.scheduling.recording_stream import RecordingStream
from daemon.scheduling.text_stream import TextStream
from pipeline.config import Config
from pipeline.job import Job, Outline


def make_flow(
    name: str,
    job: Job,
    *,
    folder: Path,
    recordings: Mapping[str, Path],
    config: Config,
    journal: Journal,
    submitted_at: float = 0.0,
    pace: Pace | None = None,
) -> Flow:
    """Make the flow of a job: streamed from its texts or its recording, or rendered as a whole, in pieces if it is long
    or has scenes. `pace`: how fast this machine works."""
    kind: type[Flow] = JobFlow
    if job.mode == "stream":
        kind = OpenStream if job.keep_open else RecordingStream if recordings else TextStream
    elif job.scenes is not None or (not recordings and is_long(len(job.text or ""), job.speed, config)):
        kind = LongText
    made = kind(name, job, folder, recordings, config, journal, submitted_at=submitted_at)
    if isinstance(made, RecordingStream) and pace is not None:
        made.rate = stream_rate(pace, Outline.of(job), config)
    return made
