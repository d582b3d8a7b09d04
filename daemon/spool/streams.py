"""Streams: folders in the outbox that grow while their jobs run."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from daemon.spool.layout import BEGINS, PLAYER, PLAYLIST, Layout
from daemon.spool.untrusted import link_or_copy
from pipeline.files import replace_file
from pipeline.job_file import JOB_NAME


class Streams(Layout):
    """The streams of an outbox. Nothing in them is synced: a stream need not survive a reboot."""

    def open_stream(self, name: str, assets: Collection[Path], *, fresh: bool) -> None:
        """Create the folder of a job's stream and copy the player's files into it.

        `fresh` first removes the files of an earlier job of that name.
        """
        folder = self.outbox / name
        if fresh:
            self.remove_stream(name)
        folder.mkdir(mode=0o750, exist_ok=True)
        for asset in assets:
            replace_file(folder / asset.name, asset.read_bytes())

    def announce(self, name: str, begins: float) -> None:
        """Say when a stream that is held back is expected to begin, in seconds since the epoch."""
        replace_file(self.outbox / name / BEGINS, f"{begins:.1f}\n".encode())

    def show(
        self, name: str, files: Mapping[str, Path], texts: Mapping[str, str], staying: Collection[str] | None = None
    ) -> None:
        """Add files to a job's stream, then texts in the given order. Each is complete once it is visible.

        Existing files are kept: players may have fetched them. Existing texts are replaced. `staying`: the names of the
        fragments that are not removed; None: all.
        """
        folder = self.outbox / name
        for file_name, file in files.items():
            if not (folder / file_name).exists():
                link_or_copy(file, folder / file_name)
        for text_name, text in texts.items():
            replace_file(folder / text_name, text.encode())
        (folder / BEGINS).unlink(missing_ok=True)
        if staying is not None:
            for file in [*folder.glob("*-*.m4s"), *folder.glob("*-*.vtt")]:
                if file.name not in staying:
                    file.unlink(missing_ok=True)

    def stream(self, name: str) -> Path | None:
        """The folder of a job's stream; None if it has none."""
        folder = self.outbox / name
        is_stream = JOB_NAME.match(name) and ((folder / PLAYLIST).exists() or (folder / PLAYER).exists())
        return folder if is_stream else None

    def remove_stream(self, name: str) -> None:
        """Remove a job's stream, if it has one."""
        folder = self.stream(name)
        if folder is not None:
            (folder / PLAYLIST).unlink(missing_ok=True)  # first, so that a half-removed stream does not look live
            shutil.rmtree(folder)


def retry_after(folder: Path) -> dict[str, str]:
    """The HTTP header for whoever asks for a playlist that is not there yet; none if nothing is predicted."""
    try:
        left = float((folder / BEGINS).read_text()) - time.time()
    except OSError:
        return {}
    return {"Retry-After": str(max(1, math.ceil(left)))}
