"""Copies recordings that cannot be linked, beside the supervision loop: gigabytes take minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from daemon.spool.recordings import Recordings
from pipeline.errors import JobError

STOP_SECONDS = 0.5
"""A copy that is stopped ends after its next step, unless its disk hangs."""


class StillCopyingError(OSError):
    """The recording is not in the job's folder yet."""


class _StoppedError(Exception):
    """The copy is not wanted any more."""


class Copy(threading.Thread):
    """One copy. A crash leaves a part of it, which the next start of the job removes."""

    def __init__(self, spool: Recordings, name: str, audio: str, number: int, wake: Callable[[], None]) -> None:
        """`number`: which one of the job's recordings. `wake` is called from the thread when it ends."""
        super().__init__(name=f"copy-{name}", daemon=True)
        self._spool, self._job, self._audio, self._number, self._wake = spool, name, audio, number, wake
        self._is_stopped = False
        self._error: JobError | OSError | None = None
        self.is_done = False
        self.share = 0.0
        """How much is copied, from 0 to 1."""

    def run(self) -> None:
        """See `threading.Thread`."""
        try:
            self._spool.copy_recording(self._job, self._audio, self._advance, self._number)
        except (JobError, OSError) as error:
            self._error = error
        except _StoppedError:
            pass
        finally:
            self.is_done = True
            self._wake()

    def _advance(self, share: float) -> None:
        if self._is_stopped:
            raise _StoppedError
        self.share = share

    def check(self) -> None:
        """Raise what ended the copy: JobError, or OSError if the disk is full."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End it before it is complete."""
        self._is_stopped = True
        self.join(STOP_SECONDS)
