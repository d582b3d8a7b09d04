"""Voices: the backends there are, and which of them speaks a job.

A voice's full name is `backend:voice`. Backends are started when they are first needed; one whose engine is not on
this machine is simply not there, unless the configuration asks for it by name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import ConfigError, JobError
from pipeline.speech.voices.base import Backend
from pipeline.speech.voices.settings import BackendName, VoiceSettings

BEST_FIRST: tuple[BackendName, ...] = ("http", "command", "rhvoice", "hibari", "piper", "espeak")
"""A service or program that the user configured comes first, then what sounds most natural."""
HINT_NAMES_MAX = 20


class Voices:
    """The voices that are at hand under some settings.

    Raises ConfigError when the settings name a backend or a default voice that is not there. `base` is where the
    settings' relative paths start.
    """

    def __init__(self, settings: VoiceSettings, base: Path = Path()) -> None:
        self._settings = settings
        self._base = base
        self._backends: dict[BackendName, Backend | None] = {}
        if settings.backend != "auto":
            self._backends[settings.backend] = _started(settings.backend, settings, base)
        for language, voice in settings.voices.items():
            if voice is not None:
                self._check_default(language, voice)

    def available(self, language: str) -> list[str]:
        """Full names of the voices for a language, best first."""
        return [f"{backend.name}:{voice}" for backend, voice in self._speaking(language)]

    def choose(self, language: str, voice: str | None) -> tuple[Backend, str]:
        """The backend that speaks a job, and its own name for the voice.

        `voice` is a full name, a bare name that only one backend knows, or None for the default.
        Raises JobError `language` when nobody speaks it, `voice` when there is no such voice.
        """
        best = next(self._speaking(language), None)
        if voice is None:
            best = self._default(language) or best
        if best is None:
            raise self._nobody(language)
        return best if voice is None else self._named(language, voice)

    def _named(self, language: str, voice: str) -> tuple[Backend, str]:
        speaking = list(self._speaking(language))
        matches = [(backend, name) for backend, name in speaking if voice in (name, f"{backend.name}:{name}")]
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = [f"{backend.name}:{name}" for backend, name in matches]
            raise JobError("voice", f"several voices are called {voice!r}", field="voice", hint=_listed(names))
        raise JobError(
            "voice",
            f"there is no voice {voice[:100]!r} for language {language!r}",
            field="voice",
            hint=_listed([f"{backend.name}:{name}" for backend, name in speaking]),
        )

    def _default(self, language: str) -> tuple[Backend, str] | None:
        """The configured voice, under the tag that it is configured for; None: any, or it has gone since the start."""
        for tag in _tags(language):
            voice = self._settings.voices.get(tag)
            if voice is not None:
                with contextlib.suppress(JobError):
                    return self._named(tag, voice)
        return None

    def _check_default(self, language: str, voice: str) -> None:
        """Not finding a default voice is the configuration's fault, and no job's."""
        try:
            self._named(language, voice)
        except JobError as error:
            raise ConfigError("tts_voice", error.message, field=f"tts.voices.{language}", hint=error.hint) from None

    def _speaking(self, language: str) -> Iterator[tuple[Backend, str]]:
        """Every voice for a language, best first; a language with a region falls back to the language alone."""
        for tag in _tags(language):
            found = [(backend, voice) for backend in self._present() for voice in backend.voices(tag)]
            if found:
                return iter(found)
        return iter(())

    def _present(self) -> Iterator[Backend]:
        names = BEST_FIRST if self._settings.backend == "auto" else (self._settings.backend,)
        for name in names:
            backend = self._backend(name)
            if backend is not None:
                yield backend

    def _backend(self, name: BackendName) -> Backend | None:
        """The backend, started once; None when its engine is not on this machine."""
        if name not in self._backends:
            try:
                self._backends[name] = _started(name, self._settings, self._base)
            except ConfigError:
                self._backends[name] = None
        return self._backends[name]

    def _nobody(self, language: str) -> JobError:
        hint = "see `lipdrop voices`"
        if self._settings.backend != "auto":
            hint = f"only {self._settings.backend} may speak here: see tts.backend in the configuration"
        return JobError("language", f"no voice here speaks {language!r}", field="language", hint=hint)


def _tags(language: str) -> Iterable[str]:
    """A language's own tag, then the one without its region."""
    return dict.fromkeys([language, language.partition("-")[0]])


def _started(name: BackendName, settings: VoiceSettings, base: Path) -> Backend:
    """Start a backend. Raises ConfigError when its engine is not on this machine.

    Each is imported here, so that nothing is loaded that nobody speaks with.
    """
    match name:
        case "http":
            from pipeline.speech.voices.http import Http

            return Http(settings.http)
        case "command":
            from pipeline.speech.voices.command import Command

            return Command(settings.command, base)
        case "rhvoice":
            from pipeline.speech.voices.rhvoice import Rhvoice

            return Rhvoice()
        case "hibari":
            from pipeline.speech.voices.hibari import Hibari

            return Hibari()
        case "piper":
            from pipeline.speech.voices.piper import Piper

            return Piper(settings.piper, base)
        case "espeak":
            from pipeline.speech.voices.espeak import Espeak

            return Espeak()


def _listed(names: list[str]) -> str:
    """Voice names for a hint, shortened when there are many."""
    shown = ", ".join(names[:HINT_NAMES_MAX])
    rest = len(names) - HINT_NAMES_MAX
    return f"voices: {shown} and {rest} more" if rest > 0 else f"voices: {shown}"
