"""Choosing the back end and voice for a job.

A voice's full name is `backend:voice`. Back ends are imported and started on first use. One whose engine is not
installed is skipped, unless the configuration names it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from pipeline.errors import ConfigError, JobError
from pipeline.speech.language_tags import tag_hint
from pipeline.speech.voices.base import Backend
from pipeline.speech.voices.settings import AUTO, BACKENDS, VoiceSettings

HINT_NAMES_MAX = 20


class Voices:
    """The voices available under the given settings.

    Raises ConfigError if the settings name a back end or default voice that is not available. Relative paths in the
    settings are resolved from `base`.
    """

    def __init__(self, settings: VoiceSettings, base: Path = Path()) -> None:
        self._settings = settings
        self._base = base
        self._backends: dict[str, Backend | None] = {}
        if settings.backend != AUTO:
            self._backends[settings.backend] = _load(settings.backend, settings, base)
        for language, voice in settings.voices.items():
            if voice is not None:
                self._check_default(language, voice)

    def available(self, language: str) -> list[str]:
        """Full names of the voices for a language, best first."""
        return [f"{backend.name}:{voice}" for backend, voice in self._speaking(language)]

    def choose(self, language: str, voice: str | None) -> tuple[Backend, str]:
        """Choose the back end for a job, and its own name for the voice.

        `voice` is a full name, a bare name that only one back end has, or None for the default.
        Raises JobError `language` if no voice speaks it, `voice` if the voice does not exist.
        """
        best = next(self._speaking(language), None)
        if voice is None:
            best = self._default(language) or best
        if best is None:
            raise self._no_voice(language)
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
        """The configured voice, looked up under its own tag; None if not configured or no longer available."""
        for tag in _tags(language):
            voice = self._settings.voices.get(tag)
            if voice is not None:
                with contextlib.suppress(JobError):
                    return self._named(tag, voice)
        return None

    def _check_default(self, language: str, voice: str) -> None:
        """Raise ConfigError if a default voice is missing: the configuration is at fault, not a job."""
        try:
            self._named(language, voice)
        except JobError as error:
            raise ConfigError("tts_voice", error.message, field=f"tts.voices.{language}", hint=error.hint) from None

    def _speaking(self, language: str) -> Iterator[tuple[Backend, str]]:
        """All voices for a language, best first; a tag with a region falls back to the language alone."""
        for tag in _tags(language):
            found = [(backend, voice) for backend in self._present() for voice in backend.voices(tag)]
            if found:
                return iter(found)
        return iter(())

    def _present(self) -> Iterator[Backend]:
        names = [*BACKENDS] if self._settings.backend == AUTO else [self._settings.backend]
        for name in names:
            backend = self._backend(name)
            if backend is not None:
                yield backend

    def _backend(self, name: str) -> Backend | None:
        """The back end, started once; None if its engine is not installed."""
        if name not in self._backends:
            try:
                self._backends[name] = _load(name, self._settings, self._base)
            except ConfigError:
                self._backends[name] = None
        return self._backends[name]

    def _no_voice(self, language: str) -> JobError:
        hint = tag_hint(language)
        if self._settings.backend != AUTO:
            hint = f"tts.backend restricts voices to {self._settings.backend}"
        return JobError("language", f"no installed voice speaks {language!r}", field="language", hint=hint)


def _tags(language: str) -> Iterable[str]:
    """The language tag, then the tag without its region."""
    return dict.fromkeys([language, language.partition("-")[0]])


def _load(name: str, settings: VoiceSettings, base: Path) -> Backend:
    """Import and start a back end. Raises ConfigError if its engine is not installed."""
    module, _, implementation = BACKENDS[name].partition(":")
    backend: Backend = getattr(import_module(module), implementation).load(settings, base)
    return backend


def _listed(names: list[str]) -> str:
    """Voice names for a hint, shortened when there are many."""
    shown = ", ".join(names[:HINT_NAMES_MAX])
    rest = len(names) - HINT_NAMES_MAX
    return f"voices: {shown} and {rest} more" if rest > 0 else f"voices: {shown}"
