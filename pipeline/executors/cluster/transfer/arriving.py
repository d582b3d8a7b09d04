"""A file while it arrives: it gets its name only once its content is complete and checked."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

from pipeline.executors.cluster.transfer.cargo import Parcel, failure


class Arriving:
    """Receives the parts of a file in order, then `check` and `keep`; or `drop`."""

    def __init__(self, target: Path, parcel: Parcel) -> None:
        """Raises OSError."""
        self._target, self._parcel = target, parcel
        self._unfinished = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex}.part")
        self._file = self._unfinished.open("wb")
        self._sha256 = hashlib.sha256()
        self.bytes = 0
        """How much has arrived."""

    def write(self, part: bytes) -> None:
        """Append a part. Raises OSError."""
        self._file.write(part)
        self._sha256.update(part)
        self.bytes += len(part)

    def check(self) -> None:
        """Raise StageError unless all that was sent has arrived, OSError if it cannot be written."""
        self._file.close()
        if (self.bytes, self._sha256.hexdigest()) != (self._parcel.bytes, self._parcel.digest):
            raise failure(f"{Path(self._parcel.place).name} did not arrive as it was sent")

    def keep(self) -> None:
        """Give the file its name. Raises OSError."""
        self._unfinished.rename(self._target)

    def drop(self) -> None:
        """Remove what has arrived."""
        self._file.close()
        self._unfinished.unlink(missing_ok=True)
