"""Everything that a job would fail for, found before it is dropped."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache, cached_property
from pathlib import Path

from daemon.cli.place import Place
from daemon.spool.recordings import RECORDING_SUFFIXES
from pipeline.avatars import Avatars
from pipeline.errors import JobError, StageError
from pipeline.job import Job, parse_job
from pipeline.media import ffmpeg
from pipeline.media.recording import foreign
from pipeline.media.unsized import unsized
from pipeline.speech.voices.catalogue import Voices

PROBES_MAX = 100
"""Recordings that are opened; of more than these, only the files are checked. Opening one takes about 0.1 s."""


class Checker:
    """Checks jobs against the configuration, the avatars, the voices and the recordings of a place."""

    def __init__(self, place: Place) -> None:
        self._config = place.config
        self._spool = place.spool
        self._avatars = Avatars(place.config).names()
        self._probed: dict[str, JobError | None] = {}
        self.voice = cache(self._voice)
        """The full name of the voice that a language and a voice of a job lead to. Raises JobError."""

    def check(self, data: bytes) -> Job:
        """Parse and check a job file. Raises JobError; JobErrors if more than one thing is wrong."""
        return parse_job(data, self._config, self._avatars, (self._check_voice, self._check_recording))

    @cached_property
    def _voices(self) -> Voices:
        return Voices(self._config.tts, self._config.base)

    def _voice(self, language: str, voice: str | None) -> str:
        backend, name = self._voices.choose(language, voice)
        return f"{backend.name}:{name}"

    def _check_voice(self, job: Job) -> None:
        if job.audio is None:
            self.voice(job.language or self._config.language, job.voice)

    def _check_recording(self, job: Job) -> None:
        if job.audio is None:
            return
        if job.audio not in self._probed:
            self._probed[job.audio] = self._recording_error(job.audio)
        error = self._probed[job.audio]
        if error is not None:
            raise error

    def _recording_error(self, audio: str) -> JobError | None:
        """What is wrong with a recording in the inbox; None if nothing is."""
        try:
            path = self._spool.find_recording(audio)
        except JobError as error:
            return self._with_nearest(error, audio)
        try:
            if len(self._probed) < PROBES_MAX:
                check_sound(path)
        except JobError as error:
            return error
        return None

    def _with_nearest(self, error: JobError, audio: str) -> JobError:
        """The error, with the recording in the inbox that was probably meant."""
        if not self._spool.inbox.is_dir() or (self._spool.inbox / audio).name != audio:
            return error
        names = [file.name for file in self._spool.inbox.iterdir() if file.suffix.lower() in RECORDING_SUFFIXES]
        close = get_close_matches(audio, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close and close[0] != audio else error.hint
        return JobError(error.code, error.message, field=error.field, hint=hint)


def check_sound(recording: Path) -> None:
    """Raise JobError unless a file has sound that can be read."""
    if unsized(recording):
        return
    try:
        found = ffmpeg.probe(recording, ffmpeg.INPUT_FORMATS)
    except StageError as error:
        hint = "open it in a player; convert it to a common format such as WAV"
        message = f"the recording cannot be read: {foreign(recording, error.message) or error.message}"
        raise JobError("media", message, field="audio", hint=hint) from None
    streams = found.get("streams")
    kinds = [stream.get("codec_type") for stream in streams] if isinstance(streams, list) else []
    if "audio" not in kinds:
        raise JobError("media", "the recording contains no audio", field="audio")
