"""Chooses a job's flow."""

from __future__ import annotations

from pathlib import Path

from daemon.scheduling.flow import Flow
from daemon.scheduling.job_flow import JobFlow
from daemon.scheduling.journal import Journal
from daemon.scheduling.recording_stream import RecordingStream
from daemon.scheduling.text_stream import TextStream
from pipeline.config import Config
from pipeline.job import Job


def make_flow(name: str, job: Job, *, folder: Path, recording: Path | None, config: Config, journal: Journal) -> Flow:
    """Make the flow of a job: rendered as a whole, or streamed from its text or its recording."""
    kind: type[Flow] = JobFlow
    if job.mode == "stream":
        kind = RecordingStream if recording is not None else TextStream
    return kind(name, job, folder, recording, config, journal)
