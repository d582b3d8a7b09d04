"""The settings of the voices, `tts:` in the configuration. `BACKENDS` is where a back end is registered.

Light on purpose: reading the configuration imports this module, but no back end.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from pipeline.errors import nearest_hint
from pipeline.settings import Section
from pipeline.speech.language_tags import normalized

BACKENDS = {
    "http": "pipeline.speech.voices.http:Http",
    "command": "pipeline.speech.voices.command:Command",
    "rhvoice": "pipeline.speech.voices.rhvoice:Rhvoice",
    "hibari": "pipeline.speech.voices.hibari:Hibari",
    "piper": "pipeline.speech.voices.piper:Piper",
    "espeak": "pipeline.speech.voices.espeak:Espeak",
}
"""The import path `module:Class` of each back end (see `pipeline.speech.voices.base.Backend`), by name, best first: a
configured service or program, then the most natural voices."""
AUTO = "auto"
"""As `backend`: the best that is installed for each language."""

HTTP_BACKOFF_SECONDS = 0.3
"""The pause before the second retry is twice as long, and doubles with each one after it."""
PIPER_TIMEOUT_SECONDS = 120.0
"""Per sentence."""


def _list_to_tuple(value: Any) -> Any:
    """YAML has lists where the settings, which are immutable, have tuples."""
    return tuple(value) if isinstance(value, list) else value


def _known_backend(name: str) -> str:
    if name not in (AUTO, *BACKENDS):
        values = {"name": repr(name[:100]), "hint": nearest_hint(name[:100], [AUTO, *BACKENDS])}
        raise PydanticCustomError("unknown_backend", "unknown back end {name}", values)
    return name


Words = Annotated[tuple[str, ...], BeforeValidator(_list_to_tuple)]


def _normalized(value: Any) -> Any:
    """A language tag in its usual form; anything else is left for the caller's validation."""
    return normalized(value) if isinstance(value, str) else value


LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9-]{1,20})?$"), BeforeValidator(_normalized)]
Seconds = Annotated[float, Field(gt=0, le=3600, strict=False)]


class BackendSettings(Section):
    """Base of the settings of a back end that needs any: a field of `VoiceSettings` under the back end's name."""

    @property
    def sentence_seconds(self) -> float:
        """Maximum time that the back end may take for one sentence; 0 if it is not configured, or fast enough."""
        return 0.0


class HttpSettings(BackendSettings):
    """The user's own speech service."""

    url: str | None = None
    """http or https; None: no service. It is called directly, never through a proxy."""
    timeout_seconds: Seconds = 30.0
    """For connecting, and again for the whole response."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Retries if the service cannot be reached or responds with a 5xx status."""
    max_bytes: Annotated[int, Field(ge=1024)] = 50_000_000
    """Size limit of a response."""

    @property
    def sentence_seconds(self) -> float:
        """Every attempt may time out twice, and so may reading the response."""
        if self.url is None:
            return 0.0
        return 2 * self.timeout_seconds * (self.retries + 2) + HTTP_BACKOFF_SECONDS * (1 << self.retries)

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise ValueError("must be an http:// or https:// address")
        return url


class PiperSettings(BackendSettings):
    """The user's own Piper voices."""

    folder: str | None = None
    """Contains NAME.onnx and NAME.onnx.json for each voice; None: no Piper voices."""
    command: Annotated[str, Field(min_length=1)] = "piper"
    """The program, by name or path."""

    @property
    def sentence_seconds(self) -> float:
        """The fixed timeout."""
        return PIPER_TIMEOUT_SECONDS if self.folder is not None else 0.0


class CommandSettings(BackendSettings):
    """The user's own speech program."""

    argv: Words | None = None
    """The program and its arguments; None: no program.

    `{language}`, `{voice}`, `{speed}`, `{text}` and `{output}` are filled in. Without `{text}` the text arrives on
    standard input; without `{output}` the audio is read from standard output.
    """
    timeout_seconds: Seconds = 60.0
    """Per sentence."""
    voices: dict[LanguageTag, Words] = Field(default_factory=dict)
    """The program's voices by language, best first; empty: one voice called `default` for any language."""

    @property
    def sentence_seconds(self) -> float:
        """The configured timeout."""
        return self.timeout_seconds if self.argv is not None else 0.0

    @field_validator("argv")
    @classmethod
    def _names_a_program(cls, argv: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if argv is not None and (not argv or not argv[0] or "\0" in "".join(argv)):
            raise ValueError("must begin with a program")
        return argv


class VoiceSettings(Section):
    """Which voices speak, and how."""

    backend: Annotated[str, AfterValidator(_known_backend)] = AUTO
    """`auto`, or a name in `BACKENDS`: that back end for everything."""
    voices: dict[LanguageTag, str | None] = Field(default={"ru": None, "en": None, "kk": None})
    """Default voice per language, as `backend:voice`; None: the best installed."""
    pause_seconds: Annotated[float, Field(ge=0, le=10, strict=False)] = 0.25
    """Silence between sentences."""
    http: HttpSettings = HttpSettings()
    piper: PiperSettings = PiperSettings()
    command: CommandSettings = CommandSettings()

    @property
    def sentence_seconds(self) -> float:
        """Maximum time that the user's own service or program may take for a sentence; 0 if there is none."""
        limits = {name: section.sentence_seconds for name, section in self if isinstance(section, BackendSettings)}
        return max(limits.values()) if self.backend == AUTO else limits.get(self.backend, 0.0)
