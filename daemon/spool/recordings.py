"""Recordings: audio and video files in the inbox that jobs refer to."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from daemon.spool.layout import Layout
from daemon.spool.untrusted import copy, link
from pipeline.errors import JobError, is_full
from pipeline.files import as_spelt
from pipeline.job_file import printable

_NAMES = (
    "wav mp3 m4a mp4 mov mkv webm ogg opus flac aac avi aiff wma 3ga 3gp ac3 aif aifc amr ape asf au awb "
    "bw64 bwf caf dff dsf dts ec3 eac3 flv loas m2ts m4b m4v mka mp2 mpc mpg mts oga ra rf64 rm snd sox "
    "spx tak thd ts tta voc vob w64 wave wmv wv"
)
RECORDING_SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
"""Files with these suffixes are not reported as misnamed jobs."""
RECORDING_MAX_BYTES = 16 << 30
"""Two hours of uncompressed stereo at 48 kHz are 1.4 GB; of a video only the sound is used."""


class Recordings(Layout):
    """The recordings of an inbox."""

    def take_recording(self, name: str, audio: str, number: int = 0) -> Path | None:
        """Link a recording from the inbox into the job's folder, where other users cannot remove it.

        `number`: which one of those that the job names. None if it must be copied instead: see `copy_recording`. Raises
        JobError unless it is a regular file directly inside the inbox, OSError if the disk is full.
        """
        taken = self.recording(name, number)
        with self._explained():
            if not os.path.lexists(taken) and not link(self.find_recording(audio), taken):
                return None
            self._check_recording(taken)
        return taken

    def copy_recording(self, name: str, audio: str, advanced: Callable[[float], None], number: int = 0) -> None:
        """Copy a recording into the job's folder; for `advanced` see `copy`. Raises the same errors."""
        taken = self.recording(name, number)
        with self._explained():
            copy(self.find_recording(audio), taken, advanced)
            self._check_recording(taken)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors about a recording into JobError, except that the disk is full."""
        try:
            yield
        except OSError as error:
            if is_full(error):
                raise
            raise self._bad_recording(error.strerror) from None

    def find_recording(self, audio: str) -> Path:
        """The recording that a job names. Raises JobError unless it is a regular file directly inside the inbox.

        Links are refused: they could expose any file of the daemon's user.
        """
        if Path(audio).name != audio:
            raise self._not_a_name(audio)
        path = as_spelt(self.inbox, audio)
        try:
            self._check_recording(path)
        except OSError as error:
            raise self._bad_recording(error.strerror) from None
        return path

    def _check_recording(self, path: Path) -> None:
        """Refuse all but regular files within the limit. Repeated after linking: the file may have been swapped."""
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode):
            raise self._bad_recording("not a regular file")
        if info.st_size > RECORDING_MAX_BYTES:
            message = f"the recording is over {RECORDING_MAX_BYTES} bytes"
            raise JobError("too_large", message, field="audio")

    def _not_a_name(self, audio: str) -> JobError:
        name = printable(Path(audio).name)
        hint = f'copy it to {self.inbox} and write "audio": "{name}"' if name else f"copy a file to {self.inbox}"
        return JobError("audio", "audio must be a file's name, not a path", field="audio", hint=hint)

    def _bad_recording(self, reason: str | None) -> JobError:
        message = f"audio must name a file inside the inbox: {reason}"
        return JobError("audio", message, field="audio", hint=f"copy the file itself to {self.inbox}")
