"""The spool's layout: its folders, and the names and suffixes of the files in them."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

JOB_SUFFIX = ".json"
VIDEO_SUFFIX = ".mp4"
CAPTION_SUFFIXES = (".srt", ".vtt")

CLAIMED, JOB, TIMING, ERROR = "claimed.json", "job.json", "timing.json", "error.json"
RECORDING, VIDEO, LOG = "recording", "video.mp4", "log.jsonl"
DROPPED_AS = "dropped_as"
"""Files in a job's work folder; JOB, ERROR and LOG also in its folder in `failed/`. DROPPED_AS: the name of the job's
file in the inbox, if it is not the job's own. Further recordings have numbers: `recording-1`."""

RECORDING_FILE = re.compile(rf"{RECORDING}(-[0-9]+)?")

PLAYLIST, INIT, PLAYER, BEGINS = "index.m3u8", "init.mp4", "player.html", "begins.txt"
"""Files in the folder of a stream. BEGINS: when it is expected to begin, while it is held back."""


class Layout:
    """One spool directory. All folders are on one filesystem, so that files can be renamed between them."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.inbox = self.root / "inbox"
        self.outbox = self.root / "outbox"
        self.work = self.root / "work"
        self.done = self.root / "done"
        self.failed = self.root / "failed"
        self.run = self.root / "run"
        self.cancels = self.run / "cancel"
        self.asked_of_streams = self.run / "streams"
        self.webhooks = self.root / "webhooks"
        self.hooks = self.root / "hooks"
        self.metrics_file = self.run / "metrics.prom"
        self.log_file = self.run / "log.jsonl"
        self._inbox_mode = 0o750

    def create(self) -> None:
        """Create missing folders."""
        for folder in self._folders():
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self.keep_inbox()

    def _folders(self) -> tuple[Path, ...]:
        """All folders but the inbox."""
        kept = (self.outbox, self.work, self.done, self.failed)
        return (*kept, self.run, self.cancels, self.webhooks, self.hooks)

    def keep_inbox(self) -> None:
        """Recreate a missing inbox with its last known mode.

        It inherits the setgid bit from the spool's folder: the service is not allowed to set it.
        """
        try:
            self._inbox_mode = stat.S_IMODE(self.inbox.stat().st_mode)
        except FileNotFoundError:
            umask = os.umask(0)
            try:
                self.inbox.mkdir(mode=self._inbox_mode & ~stat.S_ISGID, exist_ok=True)
            finally:
                os.umask(umask)

    def folder(self, name: str) -> Path:
        """The work folder of a job."""
        return self.work / name

    def dropped_file(self, name: str) -> Path:
        """The job's file in the inbox."""
        return self.inbox / f"{name}{JOB_SUFFIX}"

    def report_file(self, name: str) -> Path:
        """The job's timing JSON in the outbox."""
        return self.outbox / f"{name}{JOB_SUFFIX}"

    def video_file(self, name: str) -> Path:
        """The job's video in the outbox."""
        return self.outbox / f"{name}{VIDEO_SUFFIX}"

    def done_file(self, name: str) -> Path:
        """The job file of a job that succeeded."""
        return self.done / f"{name}{JOB_SUFFIX}"

    def recording(self, name: str, number: int = 0) -> Path:
        """A recording in the work folder of a job; `number`: which one of those that it names."""
        return self.folder(name) / (f"{RECORDING}-{number}" if number else RECORDING)

    def logs(self, name: str) -> tuple[Path, ...]:
        """Where the log of a job is: while it runs, after it failed, after it succeeded."""
        return (self.folder(name) / LOG, self.failed / name / LOG, self.done / f"{name}.{LOG}")
