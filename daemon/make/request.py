"""What `lipdrop make` is asked for, and the files that it writes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from daemon.cli.avatar_files import install
from daemon.cli.place import ArgumentError
from daemon.cli.submission import Draft, drop, located
from daemon.spool.layout import CAPTION_SUFFIXES, VIDEO_SUFFIX
from daemon.spool.spool import Spool
from daemon.spool.untrusted import link_or_copy
from pipeline.config import Config
from pipeline.errors import JobError
from pipeline.extras import SUFFIXES as EXTRAS
from pipeline.extras import TRANSPARENT
from pipeline.job import Job, parse_job

NAME = "video"
"""The job's name in the temporary spool."""


@dataclass(frozen=True)
class Request:
    """One video."""

    output: Path
    """Where the video goes."""
    job: dict[str, Any]
    """The keys of its job, without `audio`."""
    photo: Path | None = None
    """A picture or video of a face that speaks instead of an avatar."""
    audio: Path | None = None
    """A recording that is spoken; the text of the job, if there is one, is what it says."""
    replaces: bool = False
    """Whether existing files may be replaced."""
    unfinished: Path = field(init=False)
    """The output while it is being copied."""

    def __post_init__(self) -> None:
        """Derive `unfinished`."""
        object.__setattr__(self, "unfinished", self.output.with_name(f".{self.output.name}.{os.getpid()}.part"))

    def check(self) -> None:
        """Raise ArgumentError unless the output can be written and the photo has a known kind."""
        folder = self.output.parent
        if self.output.suffix.lower() != VIDEO_SUFFIX:
            raise ArgumentError(f"the output must end with {VIDEO_SUFFIX}: {self.output}")
        if not folder.is_dir():
            raise ArgumentError(f"there is no folder '{folder}'")
        if not os.access(folder, os.W_OK):
            raise ArgumentError(f"cannot write to the folder '{folder}'")
        existing = [file for file in self._files() if file.exists()]
        if existing and (not self.replaces or existing[0].is_dir()):
            raise ArgumentError(f"{existing[0]} already exists; --force replaces it")
        if self.photo is not None:
            _check_kind(self.photo)

    def _files(self) -> Iterator[Path]:
        """All files that will be written."""
        return map(self._file, self._suffixes())

    def _file(self, suffix: str) -> Path:
        return self.output if suffix == VIDEO_SUFFIX else self.output.with_suffix(suffix)

    def _suffixes(self) -> Iterator[str]:
        """Of the files, the video's first."""
        yield VIDEO_SUFFIX
        if self.job.get("captions"):
            yield from CAPTION_SUFFIXES
        if self.job.get("background") == TRANSPARENT:
            yield EXTRAS[TRANSPARENT]
        yield from (EXTRAS[kind] for kind in dict.fromkeys(self.job.get("extras", ())))

    def submit(self, config: Config, spool: Spool) -> None:
        """Check everything as the daemon would, then drop the job. Raises JobError and ConfigError."""
        from daemon.cli.checks import check_sound  # these load OpenCV and numpy
        from pipeline.avatars import Avatars

        keys = dict(self.job)
        if self.photo is not None:
            try:
                install(config, self.photo, NAME)
            except JobError as error:
                raise located(error, str(self.photo)) from error
            keys["avatar"] = NAME
        if self.audio is not None:
            keys["audio"] = f"{NAME}{self.audio.suffix.lower()}"
        data = json.dumps(keys, ensure_ascii=False).encode()
        avatars = Avatars(config)
        if "avatar" not in keys:
            avatars.check_default(config.avatars.default)
        parse_job(data, config, avatars.names(), (partial(_check_voice, config),))
        if self.audio is not None:
            check_sound(self.audio)
            _link(self.audio, spool.inbox / keys["audio"])
        drop(Draft(NAME, data), spool)

    def save(self, spool: Spool) -> None:
        """Put the results where the user wants them: each complete or not at all, the video last."""
        for suffix in reversed(list(self._suffixes())):
            shutil.copyfile(spool.outbox / f"{NAME}{suffix}", self.unfinished)
            self.unfinished.replace(self._file(suffix))


def with_avatars(config: Config, folder: Path) -> Config:
    """The configuration with another folder of avatars."""
    return config.model_copy(update={"avatars": config.avatars.model_copy(update={"folder": str(folder)})})


def _check_kind(photo: Path) -> None:
    from pipeline.avatars.folder import require_media

    try:
        require_media(photo)
    except JobError as error:
        raise ArgumentError(error.message) from None


def _check_voice(config: Config, job: Job) -> None:
    """Raise JobError unless the voice exists: the daemon, which is starting, would say so only later."""
    from pipeline.speech.voices.catalogue import Voices  # loads numpy

    if job.text is not None:
        Voices(config.tts, config.base).choose(job.language or config.language, job.voice)


def _link(source: Path, target: Path) -> None:
    """Link a recording into the inbox; copy it if it is on another disk."""
    try:
        link_or_copy(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
