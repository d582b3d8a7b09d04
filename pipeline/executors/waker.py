"""A pipe whose only use is to end a wait early."""

from __future__ import annotations

import contextlib
import os


class Waker:
    """Something to wait on that other threads and signal handlers can make ready, any number of times."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        """What `multiprocessing.connection.wait` waits on."""
        return self._reader

    def wake(self) -> None:
        """Make the wait return. A full pipe is as good as one byte."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def clear(self) -> None:
        """Forget all wakes so far."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass
