"""The settings of the voices, `tts:` in the configuration. `BACKENDS` is where a back end is registered.

Light on purpose: reading the configuration imports this module, but no back end.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from pipeline.errors import nearest_hint
from pipeline.settings import Section
from pipeline.speech.language_tags import normalized

BACKENDS = {
    "http": "pipeline.speech.voices.http:Http",
    "openai": "pipeline.speech.voices.http:Openai",
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


HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]{0,1000}$")]


StressNotation = Literal["none", "acute", "plus"]
"""How the user's own voice is told the stress of Russian words: not at all, by an acute accent after the vowel, or by a
plus sign before it."""


class BackendSettings(Section):
    """Base of the settings of a back end that needs any: a field of `VoiceSettings` under the back end's name."""

    @property
    def sentence_seconds(self) -> float:
        """Maximum time that the back end may take for one sentence; 0 if it is not configured, or fast enough."""
        return 0.0


def _web_address(url: str | None) -> str | None:
    if url is not None:
        host = urlsplit(url).hostname
        if urlsplit(url).scheme not in ("http", "https") or not host or "{" in host:
            raise ValueError("must be an http:// or https:// address")
    return url


class ServiceSettings(BackendSettings):
    """What the settings of all speech services share."""

    url: Annotated[str | None, AfterValidator(_web_address)] = None
    """http or https; None: no service. It is called directly, never through a proxy."""
    key: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")] | None = None
    """Name of the secret, a systemd credential or an environment variable; None: the service asks for none."""
    voices: dict[LanguageTag, Words] = Field(default_factory=dict)
    """The service's voices by language, best first; empty: one voice called `default` for any language."""
    concurrency: Annotated[int, Field(ge=1, le=32)] = 1
    """How many sentences are requested at the same time."""
    timeout_seconds: Seconds = 30.0
    """For connecting, and again for the whole response; and the longest pause that `Retry-After` may ask for."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Retries if the service cannot be reached or responds with 429 or a 5xx status."""
    max_bytes: Annotated[int, Field(ge=1024)] = 50_000_000
    """Size limit of a response."""
    stress: StressNotation = "none"
    """How the service marks the stress of Russian words."""

    @property
    def sentence_seconds(self) -> float:
        """Every attempt may time out twice, and so may reading the response; each retry may have to wait."""
        if self.url is None:
            return 0.0
        attempts = 2 * self.timeout_seconds * (self.retries + 2) + self.timeout_seconds * self.retries
        return attempts + HTTP_BACKOFF_SECONDS * (1 << self.retries)


class HttpSettings(ServiceSettings):
    """The user's own speech service. `{text}`, `{language}`, `{voice}` and `{speed}` are filled in.

    In the address they are escaped.
    """

    body: dict[str, Any] | None = None
    """JSON body of a request; None: `{"text": "{text}", "lang": "{language}"}`."""
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")], HeaderValue] = Field(default_factory=dict)
    """Further headers; `{key}` in a value is the secret."""


class OpenaiSettings(ServiceSettings):
    """A server with OpenAI's API for speech; `url` ends before `/audio/speech`."""

    model: Annotated[str, Field(min_length=1)] = "tts-1"
    """As the server calls it."""


class PiperSettings(BackendSettings):
    """The user's own Piper voices."""

    folder: str | None = None
    """Contains NAME.onnx and NAME.onnx.json for each voice; None: no Piper voices."""
    command: Annotated[str, Field(min_length=1)] = "piper"
    """The program, by name or path."""
    stress: Literal["none", "phonemes"] = "phonemes"
    """Whether words that Piper would stress wrongly are given in phonemes, which piper-tts understands from 1.3 on."""

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
    stress: StressNotation = "none"
    """How the program marks the stress of Russian words."""

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


def _word(word: str) -> str:
    return _checked(word, r"[^\[\]\x00-\x1f]*\w[^\[\]\x00-\x1f]*", "must be a word")


def _said(said: str) -> str:
    pattern = r"\[\[[!-Z\\^-~ ]+\]\]|[^\[\]\x00-\x1f]*\w[^\[\]\x00-\x1f]*"
    return _checked(said, pattern, "must be a word, or phonemes like [[z'AmVk]]")


def _checked(text: str, pattern: str, message: str) -> str:
    if not re.fullmatch(pattern, text):
        raise PydanticCustomError("string_pattern_mismatch", "{message}", {"message": message})
    return text


LEXICON_MAX = 5000
"""Words of a language, or of a job."""


class LexiconEntry(Section):
    """How a word is said."""

    say: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_said)]
    """Respelled; with its stress marked, as `за́мок` or `з+амок`; or `[[phonemes]]` in espeak-ng's notation."""
    forms: bool = False
    """Whether the inflected forms of a Russian word are included."""


def _as_entry(value: Any) -> Any:
    """A plain string as an entry; anything else is left for the caller's validation."""
    return {"say": value} if isinstance(value, str) else value


Lexicon = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_word)],
        Annotated[LexiconEntry, BeforeValidator(_as_entry, json_schema_input_type=str | LexiconEntry)],
    ],
    Field(max_length=LEXICON_MAX),
]
"""Pronunciations by word."""


class VoiceSettings(Section):
    """Which voices speak, and how."""

    backend: Annotated[str, AfterValidator(_known_backend)] = AUTO
    """`auto`, or a name in `BACKENDS`: that back end for everything."""
    voices: dict[LanguageTag, str | None] = Field(default={"ru": None, "en": None, "kk": None})
    """Default voice per language, as `backend:voice`; None: the best installed."""
    pause_seconds: Annotated[float, Field(ge=0, le=10, strict=False)] = 0.25
    """Silence between sentences."""
    lexicon: dict[LanguageTag, Lexicon] = Field(default_factory=dict)
    """How words are said, by language."""
    other_languages: bool = True
    """Whether sentences that are clearly in another language are read by its rules, by a voice that speaks it."""
    http: HttpSettings = HttpSettings()
    openai: OpenaiSettings = OpenaiSettings()
    piper: PiperSettings = PiperSettings()
    command: CommandSettings = CommandSettings()

    @property
    def sentence_seconds(self) -> float:
        """Maximum time that the user's own service or program may take for a sentence; 0 if there is none."""
        limits = {name: section.sentence_seconds for name, section in self if isinstance(section, BackendSettings)}
        return max(limits.values()) if self.backend == AUTO else limits.get(self.backend, 0.0)
