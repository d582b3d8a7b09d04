"""The report of a job as one HTML page: its video, its sound, what each worker did and when."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from daemon.outputs.report import DoneReport, JobReport
from daemon.outputs.self_contained import LANGUAGE, Page, self_contained
from daemon.outputs.waveform import Sound, sound_of
from pipeline.errors import JobError, StageError

EMBEDDED_MAX_BYTES = 64 << 20
"""Longer videos are linked: browsers take long to open larger pages."""

VIDEO_ID = "video-data"
TEXTS, STYLES = ("common", "job", "report"), ("lipdrop", "report")


def report_page(report: JobReport, video: Path, output: Path) -> Page:
    """A page for the file `output`.

    It carries the video, so that it can be sent to others; one that is too large is linked, relative to the page.
    """
    if not isinstance(report, DoneReport) or not video.is_file():
        return _page(report, None, None, LANGUAGE)
    sound = sound_or_none(video, _seconds(report))
    if video.stat().st_size > EMBEDDED_MAX_BYTES:
        return _page(report, sound, {"url": relative_url(video, output)}, LANGUAGE)
    return _page(report, sound, {"id": VIDEO_ID}, LANGUAGE, {VIDEO_ID: video.read_bytes()})


def served_page(report: JobReport, video: Path, links: Mapping[str, str], language: str) -> Page:
    """A page for the web gateway, which serves what exists of the job at `links`."""
    if not isinstance(report, DoneReport) or "video" not in links:
        return _page(report, None, None, language)
    info = video.stat()
    sound = _kept_sound(video, _seconds(report), (info.st_ino, info.st_mtime_ns))
    return _page(report, sound, {"url": links["video"]}, language)


def _seconds(report: DoneReport) -> float:
    return report.video.frames / report.video.fps


@lru_cache(maxsize=32)
def _kept_sound(video: Path, seconds: float, identity: tuple[int, int]) -> Sound | None:
    """A video's sound, decoded once. `identity`: changes with the file."""
    return sound_or_none(video, seconds)


def sound_or_none(video: Path, seconds: float) -> Sound | None:
    """A video's sound; None if it cannot be decoded, as others may have replaced the file."""
    try:
        return sound_of(video, seconds)
    except (JobError, StageError):
        return None


def relative_url(file: Path, page: Path) -> str:
    """The URL of a file as seen from a page."""
    path = Path(os.path.relpath(file.resolve(), page.resolve().parent))
    return quote(path.as_posix())


def _page(
    report: JobReport,
    sound: Sound | None,
    video: dict[str, str] | None,
    language: str,
    attachments: dict[str, bytes] | None = None,
) -> Page:
    data: dict[str, Any] = {
        "report": report.model_dump(mode="json", exclude_unset=True),
        "sound": asdict(sound) if sound else None,
        "video": video,
    }
    return self_contained(
        "report",
        title=f"{report.job} – lipdrop",
        texts=TEXTS,
        styles=STYLES,
        data=data,
        attachments=attachments or {},
        language=language,
    )
