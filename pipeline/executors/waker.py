"""A pipe that interrupts a wait."""

from __future__ import annotations

import contextlib
import os


class Waker:
    """Something to wait on that other threads and signal handlers can make ready. Repeated wakes count as one."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        """Return the descriptor for `multiprocessing.connection.wait`."""
        return self._reader

    def wake(self) -> None:
        """Make the wait return. A full pipe already does."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def clear(self) -> None:
        """Discard all wakes so far."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass
