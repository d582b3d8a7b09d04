"""Publishing: make the outputs of an ended job visible, its timing JSON last.

A job has ended once its `work/NAME/timing.json` exists. After that, `publish` is idempotent.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from daemon.outputs.report import DoneReport, FailedReport, Failure, JobReport, json_bytes, read_report
from daemon.spool.hooks import Hook, Hooks
from daemon.spool.layout import (
    CAPTION_SUFFIXES,
    DROPPED_AS,
    ERROR,
    JOB,
    LOG,
    PLAYLIST,
    RECORDING_FILE,
    TIMING,
    VIDEO,
)
from daemon.spool.open_streams import OpenStreams
from daemon.spool.streams import Streams
from daemon.spool.webhooks import Delivery, Webhooks
from pipeline.extras import SUFFIXES
from pipeline.files import move, sync, write_file
from pipeline.job_file import JOB_NAME

log = logging.getLogger(__name__)


class Publishing(Streams, OpenStreams, Webhooks, Hooks):
    """Moves jobs from `work/NAME/` to the outbox and to `done/` or `failed/`."""

    def publish(self, name: str, report: JobReport, delivery: Delivery | None = None, hook: Hook | None = None) -> None:
        """Make a job's outputs visible, its timing JSON last, and remove its work folder. Raises OSError.

        Every step may already have been done by a failed attempt or by a daemon that died. `delivery` and `hook`: the
        webhook call and the run of a command about the job's end. They wait until the timing JSON is visible.
        """
        self.create()
        folder = self.folder(name)
        if not (folder / TIMING).exists():
            if isinstance(report, FailedReport):
                self.clear(name)  # its stage files may be what fills the disk
            else:
                self._keep_video(name, report)
            self._seal(folder, report)
        self._leave_notices(delivery, hook)
        self.remove_cancel_request(name)
        self.remove_asked(name)
        if isinstance(report, DoneReport):
            self._publish_outputs(name, report)
            with contextlib.suppress(FileNotFoundError):  # already moved
                os.utime(folder / JOB)  # retention uses this time; until now it was the submission time
            self._keep_log(name, report)
            move(folder / JOB, self.done_file(name))
            shutil.rmtree(self.failed / name, ignore_errors=True)  # an earlier attempt's failure is superseded
        else:
            self._keep_failed(name)
        move(folder / TIMING, self.report_file(name))
        shutil.rmtree(folder)

    def _leave_notices(self, delivery: Delivery | None, hook: Hook | None) -> None:
        if delivery is not None:
            self.leave(delivery)
        if hook is not None:
            self.leave_hook(hook)

    def _keep_log(self, name: str, report: DoneReport) -> None:
        """Keep the log of a job that succeeded. It need not survive a power cut."""
        running, _, kept = self.logs(name)
        if running.exists() and not report.cached:  # the log of the run that made the outputs tells more
            running.rename(kept)

    def _keep_video(self, name: str, report: DoneReport) -> None:
        """Ensure that a job's video is complete and on disk. Raises FileNotFoundError if it is not."""
        if not self._has_video(name, report):
            raise FileNotFoundError(errno.ENOENT, "the video is missing", f"{name}.mp4")
        if (self.folder(name) / VIDEO).exists():
            sync(self.folder(name) / VIDEO)

    def _has_video(self, name: str, report: DoneReport) -> bool:
        """Whether a job's video exists at full size, in its folder or already in the outbox."""
        places = (self.folder(name) / VIDEO, self.video_file(name))
        return any(place.exists() and place.stat().st_size == report.video.bytes for place in places)

    def _seal(self, folder: Path, report: JobReport) -> None:
        """Record how a job ended. Only `error.json` contains the traceback."""
        if isinstance(report, FailedReport):
            write_file(folder / ERROR, json_bytes(report.error))
        write_file(folder / TIMING, json_bytes(report))

    def sealed(self, name: str) -> JobReport | None:
        """The timing JSON of a job that has ended but is not completely published; None if there is none."""
        file = self.folder(name) / TIMING
        try:
            return read_report(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            log.warning("job %s: its timing JSON is damaged; the job runs again", name)
            file.unlink()
            return None

    def _publish_outputs(self, name: str, report: DoneReport) -> None:
        """Move the job's files to the outbox, after removing an earlier run's JSON: it describes another video."""
        folder = self.folder(name)
        if report.mode != "stream":
            self.remove_stream(name)  # of an earlier job
        if (folder / VIDEO).exists():
            self.report_file(name).unlink(missing_ok=True)
            move(folder / VIDEO, self.video_file(name))
        for suffix in CAPTION_SUFFIXES:
            if f"{name}{suffix}" in report.captions:
                move(folder / f"captions{suffix}", self.outbox / f"{name}{suffix}")
            else:
                (self.outbox / f"{name}{suffix}").unlink(missing_ok=True)
        extras = {extra.kind for extra in report.extras}
        for kind, suffix in SUFFIXES.items():
            if kind in extras:
                move(folder / f"extra{suffix}", self.outbox / f"{name}{suffix}")
            else:
                (self.outbox / f"{name}{suffix}").unlink(missing_ok=True)

    def refuse(self, name: str, failure: Failure, delivery: Delivery | None = None, hook: Hook | None = None) -> None:
        """Reject a job without touching the outbox, which has the outputs of another job of that name."""
        write_file(self.folder(name) / ERROR, json_bytes(failure))
        self._leave_notices(delivery, hook)
        self.remove_cancel_request(name)
        self._keep_failed(name)
        shutil.rmtree(self.folder(name))

    def _keep_failed(self, name: str) -> None:
        """Keep the job file, the log and the error of a failed job."""
        kept = self.failed / name
        kept.mkdir(mode=0o750, exist_ok=True)
        if (self.folder(name) / LOG).exists():
            (self.folder(name) / LOG).rename(kept / LOG)
        (kept / DROPPED_AS).unlink(missing_ok=True)  # of an earlier job
        for file in (ERROR, JOB, DROPPED_AS):
            if file != DROPPED_AS or (self.folder(name) / file).exists():
                move(self.folder(name) / file, kept / file)

    def clear(self, name: str, keep: Collection[Path] = ()) -> None:
        """Remove a job's stage files except `keep`; the job file and the recordings are kept."""
        folder = self.folder(name)
        inside = (path.relative_to(folder) for path in keep if path.is_relative_to(folder))
        kept = {JOB, TIMING, LOG, DROPPED_AS, *(path.parts[0] for path in inside)}
        for entry in folder.iterdir():
            if entry.name not in kept and not RECORDING_FILE.fullmatch(entry.name):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def earlier_report(self, name: str) -> DoneReport | None:
        """The timing JSON of an earlier run, if the claimed job is the same and its outputs still exist."""
        try:
            same = self.done_file(name).read_bytes() == (self.folder(name) / JOB).read_bytes()
            report = read_report(self.report_file(name).read_bytes())
            is_whole = isinstance(report, DoneReport) and self._has_outputs(name, report)
        except (OSError, ValidationError):  # removed, or overwritten by a user
            return None
        return report if same and is_whole and isinstance(report, DoneReport) else None

    def _has_outputs(self, name: str, report: DoneReport) -> bool:
        described = [(self.video_file(name), report.video.bytes)]
        described += [(self.outbox / f"{name}{SUFFIXES[extra.kind]}", extra.bytes) for extra in report.extras]
        is_whole = all(file.stat().st_size == size for file, size in described)
        return is_whole and (report.mode != "stream" or (self.outbox / name / PLAYLIST).exists())

    def failed_job(self, name: str) -> bytes | None:
        """The job file of a failed job; None if there is none."""
        if JOB_NAME.match(name) is None:
            return None
        try:
            return (self.failed / name / JOB).read_bytes()
        except FileNotFoundError:  # or pruned just now
            return None

    def has_succeeded(self, name: str) -> bool:
        """Whether a job of this name has succeeded before."""
        return self.done_file(name).exists()
