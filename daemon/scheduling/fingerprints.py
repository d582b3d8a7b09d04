"""Fingerprints: one digest of everything that a job's results depend on, content included."""

from __future__ import annotations

import contextlib
import hashlib
import json
import stat
import threading
from collections.abc import Callable, Collection, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.files import as_spelt
from pipeline.speech import reading
from pipeline.speech.voices import natural

SMALL_BYTES = 2 << 20
"""Files up to this size are read in the supervision loop: it takes about 2 ms."""
KNOWN_MAX = 4096

NOT_IN_VIDEOS: dict[str, Any] = {
    **dict.fromkeys(("spool", "stream", "limits", "retention", "web", "log", "metrics", "hooks"), True),
    **dict.fromkeys(("tts_workers", "split_workers", "merge_workers", "ray"), True),
    "workers": {"__all__": {"place", "count"}},
}
"""Parts of the configuration that no result depends on."""

_Identity = tuple[int, ...]
_known: dict[_Identity, str] = {}
"""Digests of files, until they change. A link that is made or removed counts as a change: it has the same marks."""


class StillReadingError(OSError):
    """The files of a job have not been read yet."""


def fingerprint(job: bytes, config: Config, avatars: Collection[str], recordings: Collection[Path]) -> str:
    """Digest of everything that results depend on.

    That is: job, recordings, avatars, configuration, checkpoints, Piper's voices, which of RHVoice's are installed, the
    certificate, lipdrop's version, and the revision of the reading of texts. `recordings`: also other files that the
    job shows.

    Files are compared by their whole content: size and modification time may be those of another one.
    """
    settings = config.model_dump(mode="json", exclude=NOT_IN_VIDEOS)
    parts = [job.hex(), version("lipdrop"), str(reading.REVISION), json.dumps(settings), *natural.installed()]
    parts += [f"{name!a} {_digest(file)}" for name, file in _files(config, avatars, recordings)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def is_quick(config: Config, avatars: Collection[str], recordings: Collection[Path]) -> bool:
    """Whether `fingerprint` has no large file to read."""
    found = filter(None, (_identity(file) for _, file in _files(config, avatars, recordings)))
    return all(_size(identity) <= SMALL_BYTES or identity in _known for identity in found)


class Reading(threading.Thread):
    """Takes a fingerprint beside the supervision loop: reading gigabytes takes seconds, or minutes."""

    def __init__(self, take: Callable[[], str], wake: Callable[[], None]) -> None:
        """`take` makes the fingerprint, `wake` is called from the thread when it ends."""
        super().__init__(name="fingerprint", daemon=True)
        self._take, self._wake = take, wake
        self._found: str | None = None
        self._error: Exception | None = None
        self.is_done = False

    def run(self) -> None:
        """See `threading.Thread`."""
        try:
            self._found = self._take()
        except Exception as error:  # raised again in the loop
            self._error = error
        finally:
            self.is_done = True
            self._wake()

    def result(self) -> str:
        """The fingerprint. Raises what taking it raised, and StillReadingError until it is known."""
        if self._error is not None:
            raise self._error
        if self._found is None:
            raise StillReadingError
        return self._found


def _files(config: Config, avatars: Collection[str], recordings: Collection[Path]) -> Iterator[tuple[str, Path]]:
    """What is compared, with the names that matter."""
    for avatar in avatars:
        folder = as_spelt(config.path(config.avatars.folder), avatar)
        yield from ((file.name, file) for file in sorted(folder.glob("*")))
    yield from (("", config.path(file)) for model in config.models.values() for file in model.files.values())
    if config.provenance.sign is not None:
        yield "", config.path(config.provenance.sign.certificate)
    if config.tts.piper.folder is not None:
        yield from ((file.name, file) for file in sorted(config.path(config.tts.piper.folder).glob("*.onnx*")))
    yield from (("", recording) for recording in recordings)


def _identity(file: Path) -> _Identity | None:
    """What changes whenever a file does; None if it is no regular file."""
    with contextlib.suppress(OSError):
        info = file.stat()
        if stat.S_ISREG(info.st_mode):
            return info.st_size, info.st_dev, info.st_ino, info.st_mtime_ns, info.st_ctime_ns
    return None


def _size(identity: _Identity) -> int:
    return identity[0]


def _digest(file: Path) -> str:
    """SHA-256 of a file, remembered until the file changes; empty if it cannot be read."""
    identity = _identity(file)
    if identity is None:
        return ""
    if identity not in _known:
        try:
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError:
            return ""
        if len(_known) >= KNOWN_MAX:
            _known.clear()
        _known[identity] = found
    return _known[identity]
