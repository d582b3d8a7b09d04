"""Choosing the back end and voice for a job.

A voice's full name is `backend:voice`. Back ends are imported and started on first use. One whose engine is not
installed is skipped, unless the configuration names it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import get_args

from pipeline.errors import ConfigError, JobError
from pipeline.speech.language_tags import tag_hint
from pipeline.speech.voices.base import ROBOTIC, About, Backend, Describing, Sex
from pipeline.speech.voices.settings import AUTO, BACKENDS, VoiceSettings

HINT_NAMES_MAX = 6

FEW_OF_BACKEND = 8
"""So many voices of a back end are in a list of the best."""

SEXES = get_args(Sex)


@dataclass(frozen=True)
class VoiceEntry:
    """A voice in a list."""

    name: str
    """Full name."""
    about: About


class Voices:
    """The voices available under the given settings.

    Raises ConfigError if the settings name a back end or default voice that is not available. Relative paths in the
    settings are resolved from `base`.
    """

    def __init__(self, settings: VoiceSettings, base: Path = Path()) -> None:
        self._settings = settings
        self._base = base
        self._backends: dict[str, Backend | None] = {}
        self._absent: dict[str, ConfigError] = {}
        """Why a back end is not used."""
        if settings.backend != AUTO:
            self._backends[settings.backend] = _load(settings.backend, settings, base)
        for language, voice in settings.voices.items():
            if voice is not None:
                self._check_default(language, voice)

    def available(self, language: str) -> list[str]:
        """Full names of the voices for a language, best first."""
        return [f"{backend.name}:{voice}" for backend, voice in self._speaking(language)]

    def described(self, language: str) -> list[VoiceEntry]:
        """The voices for a language with their descriptions, best first."""
        return [
            VoiceEntry(f"{backend.name}:{voice}", _about(backend, voice)) for backend, voice in self._speaking(language)
        ]

    def best(self, language: str) -> list[VoiceEntry]:
        """The few voices for a language that are worth listing, best first; a language has hundreds of espeak's."""
        chosen: list[VoiceEntry] = []
        groups: dict[str, list[tuple[Backend, str]]] = {}
        for backend, voice in self._speaking(language):
            groups.setdefault(backend.name, []).append((backend, voice))
        for name, voices in groups.items():
            entries = (VoiceEntry(f"{name}:{voice}", _about(backend, voice)) for backend, voice in voices)
            chosen += _first_few(entries, len(voices))
        return chosen

    def languages(self) -> dict[str, str]:
        """Tags of the languages that can be spoken, with their English names where they are known."""
        found: dict[str, str] = dict.fromkeys(self._settings.voices, "")
        for backend in self._present():
            for tag, name in backend.languages().items() if isinstance(backend, Describing) else ():
                found[tag] = found.get(tag) or name
        return {tag: found[tag] for tag in sorted(found) if self.available(tag)}

    def absent(self) -> dict[str, ConfigError]:
        """Why each back end that is not used cannot be used."""
        list(self._present())
        return self._absent

    def choose(self, language: str, voice: str | None, wishes: Sequence[str] = ()) -> tuple[Backend, str]:
        """Choose the back end for a job, and its own name for the voice.

        `voice` is a full name, a bare name that only one back end has, or None for the default. `wishes` come before
        the default: names of voices, which are used if they exist, or a sex. The default voice is kept if it fits.
        Raises JobError `language` if no voice speaks it, `voice` if the voice does not exist.
        """
        best = next(self._speaking(language), None)
        if best is None:
            raise self._no_voice(language)
        if voice is not None:
            return self._named(language, voice)
        wished = (self._wished(language, wish) for wish in wishes)
        return next(filter(None, wished), None) or self._default(language) or best

    def _wished(self, language: str, wish: str) -> tuple[Backend, str] | None:
        """The voice for a wish; None if there is none. A voice whose sex is unknown fits both."""
        if wish not in SEXES:
            with contextlib.suppress(JobError):
                return self._named(language, wish)
            return None
        default = self._default(language)
        candidates = [default] if default else []
        return next((found for found in (*candidates, *self._speaking(language)) if _fits(wish, *found)), None)

    def _named(self, language: str, voice: str) -> tuple[Backend, str]:
        speaking = list(self._speaking(language))
        matches = [(backend, name) for backend, name in speaking if voice in (name, f"{backend.name}:{name}")]
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = [f"{backend.name}:{name}" for backend, name in matches]
            hint = f"use one of: {', '.join(names[:HINT_NAMES_MAX])}"
            raise JobError("voice", f"several voices are called {voice!r}", field="voice", hint=hint)
        raise self._no_such_voice(language, voice)

    def _no_such_voice(self, language: str, voice: str) -> JobError:
        """The error for a name that no voice has: its back end may not be installed."""
        message, prefix = f"there is no voice {voice[:100]!r} for language {language!r}", voice.partition(":")[0]
        if self._settings.backend not in (AUTO, prefix) and prefix in BACKENDS:
            hint = f"tts.backend restricts voices to {self._settings.backend}"
            return JobError("voice", message, field="voice", hint=hint)
        absent = self._absent.get(prefix)
        if absent is not None:
            return JobError("voice", f"{message}: {absent.message}", field="voice", hint=absent.hint)
        spoken = self._language_of(voice)
        if spoken is not None:
            return JobError("voice", message, field="voice", hint=f'it speaks {spoken!r}: set "language": "{spoken}"')
        names = self.available(language)
        bare = {name.partition(":")[2]: name for name in reversed(names)}
        close = get_close_matches(voice[:100], [*names, *bare], n=1)
        guess = f"did you mean {bare.get(close[0], close[0])!r}? " if close else ""
        return JobError("voice", message, field="voice", hint=guess + self._few(language, len(names)))

    def _language_of(self, voice: str) -> str | None:
        """The first language that a voice speaks; None if there is no such voice."""
        for backend in self._present():
            for tag in backend.languages() if isinstance(backend, Describing) else ():
                if voice in (name for own in backend.voices(tag) for name in (own, f"{backend.name}:{own}")):
                    return tag
        return None

    def _few(self, language: str, count: int) -> str:
        """The best voices for a language, for a hint."""
        names = [entry.name for entry in self.best(language)][:HINT_NAMES_MAX]
        rest = count - len(names)
        more = f" and {rest} more, see `lipdrop voices --language {language} --all`" if rest > 0 else ""
        return f"voices: {', '.join(names)}{more}"

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
            except ConfigError as error:
                self._backends[name], self._absent[name] = None, error
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


def _about(backend: Backend, voice: str) -> About:
    return backend.about(voice) if isinstance(backend, Describing) else About()


def _fits(sex: str, backend: Backend, voice: str) -> bool:
    """Whether a voice may be of a sex."""
    return _about(backend, voice).sex in (sex, None)


def _first_few(entries: Iterator[VoiceEntry], count: int) -> list[VoiceEntry]:
    """The first of a back end's `count` voices. Robotic ones differ little: one of each sex will do."""
    first = list(islice(entries, FEW_OF_BACKEND))
    if count > len(first) and first[0].about.kind == ROBOTIC:
        return _first_of_each_sex(chain(first, entries))
    return first


def _first_of_each_sex(entries: Iterable[VoiceEntry]) -> list[VoiceEntry]:
    """The first entry of each sex; the first of all if no sex is known."""
    found: dict[Sex | None, VoiceEntry] = {}
    for entry in entries:
        found.setdefault(entry.about.sex, entry)
        if set(SEXES) <= found.keys():
            break
    known = [entry for sex, entry in found.items() if sex is not None]
    return known or list(found.values())
