"""The part of the configuration that says who speaks: `tts:` in the YAML file."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

BackendName = Literal["http", "command", "rhvoice", "hibari", "piper", "espeak"]


def _listed(value: Any) -> Any:
    """YAML has lists where the settings, which never change, hold tuples."""
    return tuple(value) if isinstance(value, list) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9-]{1,20})?$")]
HTTP_BACKOFF_SECONDS = 0.3
"""The pause before the second further attempt is twice as long, and doubles with each one after it."""
PIPER_TIMEOUT_SECONDS = 120.0
"""For one sentence."""

Seconds = Annotated[float, Field(gt=0, le=3600, strict=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class HttpSettings(_Section):
    """A speech service of the user's own."""

    url: str | None = None
    """http or https; None: there is no service. It is called directly, never through a proxy."""
    timeout_seconds: Seconds = 30.0
    """For connecting, and again for the whole answer."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Further attempts when the service cannot be reached or answers with a 5xx status."""
    max_bytes: Annotated[int, Field(ge=1024)] = 50_000_000
    """The largest answer that is read."""

    @property
    def sentence_seconds(self) -> float:
        """The longest that a sentence may take: every attempt may time out twice, and so may reading the answer."""
        return 2 * self.timeout_seconds * (self.retries + 2) + HTTP_BACKOFF_SECONDS * (1 << self.retries)

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise ValueError("must be an http:// or https:// address")
        return url


class PiperSettings(_Section):
    """The user's own Piper voices."""

    folder: str | None = None
    """Holds NAME.onnx with NAME.onnx.json; None: there are no such voices."""
    command: Annotated[str, Field(min_length=1)] = "piper"
    """The program, by name or path."""


class CommandSettings(_Section):
    """Any speech program of the user's own."""

    argv: Words | None = None
    """The program and its arguments; None: there is no such program.

    `{language}`, `{voice}`, `{speed}`, `{text}` and `{output}` are filled in. Without `{text}` the text arrives on
    standard input; without `{output}` the audio is read from standard output.
    """
    timeout_seconds: Seconds = 60.0
    """For one sentence."""
    voices: dict[LanguageTag, Words] = {}
    """The program's voices by language, best first; empty: any language, by one voice called `default`."""

    @field_validator("argv")
    @classmethod
    def _names_a_program(cls, argv: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if argv is not None and (not argv or not argv[0] or "\0" in "".join(argv)):
            raise ValueError("must begin with a program")
        return argv


class VoiceSettings(_Section):
    """Who speaks, and how."""

    backend: Literal["auto"] | BackendName = "auto"
    """One backend for everything, or the best that is present for each language."""
    voices: dict[LanguageTag, str | None] = {"ru": None, "en": None, "kk": None}
    """Default voice per language, as `backend:voice`; None: the best present."""
    pause_seconds: Annotated[float, Field(ge=0, le=10, strict=False)] = 0.25
    """Silence between sentences."""
    http: HttpSettings = HttpSettings()
    piper: PiperSettings = PiperSettings()
    command: CommandSettings = CommandSettings()

    @property
    def sentence_seconds(self) -> float:
        """The longest that the user's own service or programs may take for a sentence; 0: there are none."""
        limits = {
            "http": self.http.sentence_seconds if self.http.url is not None else 0.0,
            "command": self.command.timeout_seconds if self.command.argv is not None else 0.0,
            "piper": PIPER_TIMEOUT_SECONDS if self.piper.folder is not None else 0.0,
        }
        return max(limits.values()) if self.backend == "auto" else limits.get(self.backend, 0.0)
