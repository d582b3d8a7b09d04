"""The job: a user's request, checked against the configuration."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.composition.layout import size_of
from pipeline.config import BOTH, Config, Fps
from pipeline.errors import JobError, JobErrors, nearest_hint
from pipeline.extras import Kind
from pipeline.job_file import parse_json_object, printable
from pipeline.messages import FrameSize, Preset
from pipeline.overlay.settings import CaptionStyle, LabelKey, LabelSettings
from pipeline.settings import Section
from pipeline.speech.language_tags import is_read_in_wrong_script, tag_hint
from pipeline.speech.marks import doubtful
from pipeline.speech.voices.settings import LanguageTag, Lexicon, LexiconEntry
from pipeline.webhooks import Webhook, receiver

WORD_CAPTIONS = "words"
METADATA_MAX_BYTES = 4 * 1024
SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})\Z")
ARTICULATION = (0.5, 1.5)
"""Limits of `articulation`."""
FRAME_SIDE_MIN = 64
FRAME_SIDE_MAX = 4096
"""Each side is limited too: a long thin frame has few pixels, but needs a huge scaled picture."""


def _as_webhook(value: Any) -> Any:
    """A plain URL as a webhook; anything else is left for the caller's validation."""
    return {"url": value} if isinstance(value, str) else value


def _as_captions(value: Any) -> Any:
    """Refuse what is neither true nor false nor `words`: one error instead of one for each of them."""
    if isinstance(value, bool) or value == WORD_CAPTIONS:
        return value
    kind = "range_error" if isinstance(value, str) and not _is_literal(value) else "bool_type"
    raise PydanticCustomError(kind, f"Input should be true, false or '{WORD_CAPTIONS}'")


def _as_style(value: Any) -> Any:
    """True and false as a style and none; anything else is left for the caller's validation."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


def _composed(value: Any) -> Any:
    """A name with composed letters, as avatars are listed; anything else is left for the caller's validation."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


class JobProvenance(Section):
    """What a job says about its video's origin."""

    label: LabelKey | None = None
    """Words in the picture that say that it was made by AI: none, corner or intro, or an object with `show`, `text`,
    `place` and `seconds`. What it leaves out is as the configuration says."""


class Job(BaseModel):
    """What to say, who says it, and how the video is made.

    Defaults that depend on the configuration are null here and filled in when the job runs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: StrictStr | None = None
    """The text to speak, or what the recording says. `text` or `audio` is required."""
    audio: StrictStr | None = None
    """The name of a recording in `inbox/` to lip-sync. With `text`, lips and captions follow that, where they match."""
    language: LanguageTag | None = None
    """Language of the text, such as `ru`, `en` or `kk`. Default: `language` of the configuration."""
    voice: Annotated[StrictStr, Field(min_length=1, max_length=200)] | None = None
    """Voice as `backend:voice`, such as `espeak:en-gb`. Default: the configured or best voice for the language."""
    other_languages: StrictBool | None = None
    """Whether sentences that are clearly in another language are read by its rules, by a voice that speaks it. Default:
    `tts.other_languages` of the configuration."""
    speed: Annotated[float, Field(strict=True, ge=0.5, le=2.0)] = 1.0
    """Rate of speech relative to the voice's normal rate."""
    lexicon: Lexicon = {}
    """How words of the text are said: by word a respelling, the word with its stress marked (`за́мок` or `з+амок`) or
    `[[phonemes]]` in espeak-ng's notation; or an object with `say` and `forms`. It takes precedence over `tts.lexicon`
    of the configuration."""
    mode: Literal["auto", "sequential", "parallel", "stream"] = "auto"
    """How the work is divided. sequential: one chunk on one worker; parallel: several chunks at once; stream: in
    pieces that can be played while later ones are rendered; auto: sequential for short audio, else parallel."""
    keep_open: StrictBool = False
    """Whether a stream of a text stays open: more is said when it is asked for, and in between the avatar listens."""
    window_seconds: Annotated[int, Field(ge=30, le=86_400)] | None = None
    """How much of a stream that stays open is kept, in the playlist and in the video. Default: all of it."""
    num_workers: Annotated[int, Field(ge=1, le=16)] | None = None
    """Maximum number of lip-sync workers for this job. Default: all."""
    model: StrictStr | None = None
    """A model of the configuration, or `both`: chunks alternate between the workers' models and cross-fade where they
    meet. Default: the first worker's model if the job is a single chunk (mode sequential), else `both`."""
    avatar: Annotated[StrictStr, BeforeValidator(_composed)] | None = None
    """Name of an avatar. Default: `avatars.default` of the configuration."""
    articulation: Annotated[float, Field(strict=True, ge=ARTICULATION[0], le=ARTICULATION[1])] | None = None
    """How far the built-in engine's mouth moves, 1.0: as people's do. Default: the avatar's own."""
    size: StrictStr | None = None
    """Frame size as `WIDTHxHEIGHT`, both even, to which the picture is cut; or `vertical` (1080x1920), `square`
    (1080x1080) or `wide` (1920x1080), to which it is extended. Default: the avatar's own."""
    fps: Fps | None = None
    """Frames per second. Default: `video.fps` of the configuration."""
    captions: Annotated[StrictBool | Literal["words"], BeforeValidator(_as_captions)] = False
    """Whether to write captions, as SRT and WebVTT; words: with the time of each word in the WebVTT."""
    extras: list[Kind] | None = None
    """Files beside the video: poster (a picture), strip (frames side by side), preview (a short animation). Default:
    `extras` of the configuration."""
    provenance: JobProvenance | None = None
    """What the video says about its origin, as far as a job may decide it. Default: as `provenance` of the
    configuration."""
    burn_captions: Annotated[
        CaptionStyle | None, BeforeValidator(_as_style, json_schema_input_type=StrictBool | CaptionStyle)
    ] = None
    """Whether captions are drawn into the picture, with the spoken word highlighted; or an object with their `font`,
    `size`, `colour`, `highlight`, `box` and `position`."""
    webhook: Annotated[Webhook, BeforeValidator(_as_webhook, json_schema_input_type=StrictStr | Webhook)] | None = None
    """URL to call when the job has ended, or an object with the URL and the events to send to it."""
    priority: Annotated[int, Field(ge=-10, le=10)] = 0
    """Jobs of higher priority run first."""
    metadata: dict[str, Any] = {}
    """Arbitrary data, copied unchanged to the timing JSON; at most 4 KiB as JSON."""

    @model_validator(mode="after")
    def _one_source(self) -> Job:
        if self.text is None and self.audio is None:
            raise PydanticCustomError("missing", "a job needs text or audio", {"field": "text"})
        return self

    @property
    def frame_size(self) -> FrameSize | None:
        """`size` as width and height in pixels, or as a preset."""
        return None if self.size is None else frame_size(self.size)


@dataclass(frozen=True, slots=True)
class Outline:
    """What a job's time and size depend on: small, so that those of thousands of jobs can be kept."""

    characters: int | None
    """Length of the text that is spoken; None for a recording."""
    language: str | None
    voice: str | None
    speed: float
    mode: str
    num_workers: int | None
    avatar: str | None
    size: str | None
    fps: int | None

    @classmethod
    def of(cls, job: Job) -> Outline:
        """The outline of a job."""
        characters = None if job.text is None or job.audio is not None else len(job.text)
        return cls(characters, *(getattr(job, field.name) for field in fields(cls)[1:]))


def parse_job(
    data: bytes, config: Config, avatars: Collection[str], further: Collection[Callable[[Job], object]] = ()
) -> Job:
    """Parse a job file and check it against the configuration and the names of the existing avatars.

    `further`: more checks, which raise JobError; they get a job without the keys that are invalid. Raises JobError,
    whose code names the broken rule; JobErrors if more than one rule is broken.
    """
    raw = parse_json_object(data)
    errors: list[JobError] = []
    job = _validated(raw, errors)
    checks: list[Callable[[], object]] = [
        partial(_check_text, job, config),
        partial(_check_open, job),
        partial(_check_size, job, config),
        partial(_check_font, job),
        partial(_check_model, job, config),
        partial(_check_avatar, job, avatars),
        partial(_check_metadata, job),
        partial(_check_webhook, job, config),
        *(partial(check, job) for check in further),
    ]
    raise_all([*errors, *failures(checks)])
    return job


def further_text(text: object, config: Config) -> str:
    """A text that an open stream is to say next, checked like that of a job. Raises JobError."""
    job = parse_job(json.dumps({"text": text}).encode(), config, ())
    assert job.text is not None
    return job.text


def failures(checks: Iterable[Callable[[], object]]) -> Iterator[JobError]:
    """Make all checks; return the errors of those that fail."""
    for check in checks:
        try:
            check()
        except JobError as error:
            yield error


def raise_all(errors: Collection[JobError]) -> None:
    """Raise JobError if there is one error, JobErrors if there are several."""
    if len(errors) == 1:
        raise next(iter(errors))
    if errors:
        raise JobErrors(list(errors))


def _validated(raw: dict[str, Any], errors: list[JobError]) -> Job:
    """The job without its invalid keys, so that the others can still be checked; adds what is wrong to `errors`."""
    try:
        return Job.model_validate(raw)
    except ValidationError as error:
        found = _job_errors(error)
    errors += found.values()
    rest = {key: value for key, value in raw.items() if key not in found}
    if found.keys() & SOURCES and all(rest.get(key) is None for key in SOURCES):  # do not report a missing one too
        rest["text"] = PLACEHOLDER
    return _validated(rest, errors)


SOURCES = frozenset({"text", "audio"})
"""The keys of which a job has at least one."""

PLACEHOLDER = "a"
"""A text that is valid."""


def requested_webhook(data: bytes) -> Webhook | None:
    """The webhook of a job file, even if the job is invalid otherwise; None if it has none that is valid."""
    try:
        return Webhook.model_validate(_as_webhook(parse_json_object(data).get("webhook")))
    except (JobError, ValidationError):
        return None


PYDANTIC_CODES = {
    "missing": "missing",
    "literal_error": "range",
    "range_error": "range",
    "greater_than_equal": "range",
    "less_than_equal": "range",
    "string_pattern_mismatch": "range",
    "string_too_short": "range",
    "string_too_long": "range",
    "too_short": "range",
    "finite_number": "number",
}
"""Codes for pydantic's error types; all others are `type`."""


def _job_errors(error: ValidationError) -> dict[str, JobError]:
    """The first error of each key; an unknown key within it comes first, since it may be the one that is missing."""
    found: dict[str, JobError] = {}
    for problem in error.errors(include_url=False):
        key = str(problem["loc"][0]) if problem["loc"] else problem.get("ctx", {}).get("field", "")
        if key not in found or problem["type"] == "extra_forbidden":
            found[key] = _job_error(problem)
    return found


def _job_error(problem: Any) -> JobError:
    field = ".".join(str(part) for part in problem["loc"] if part != "[key]") or problem.get("ctx", {}).get("field")
    if problem["type"] == "extra_forbidden":
        key = printable(str(problem["loc"][-1]))
        known = _model_at(problem["loc"][:-1]).model_fields
        within = printable(field) if problem["loc"][1:] else key
        return JobError("unknown_field", f"unknown key '{key}'", field=within, hint=nearest_hint(key, list(known)))
    code = PYDANTIC_CODES.get(problem["type"], "type")
    if code == "range" and problem["type"] == "literal_error" and not _same_type(problem):
        code = "type"
    if not problem["loc"]:
        return JobError(code, problem["msg"], field=field)
    if problem["loc"][-2:] == ("", "[key]"):
        field = field.removesuffix(".")
        return JobError(code, f"a key in {field} is empty", field=field)
    if field == "language" and code == "range":
        tag = problem["input"][:100]
        return JobError(code, f"{tag!r} is not a language code", field=field, hint=tag_hint(tag))
    return JobError(code, _message(field, problem, code), field=field, hint=_hint(field, problem, code))


MODELS: dict[str, type[BaseModel]] = {
    "burn_captions": CaptionStyle,
    "label": LabelSettings,
    "provenance": JobProvenance,
    "webhook": Webhook,
    "lexicon": LexiconEntry,
}
"""The models of the keys that may be objects."""


def _model_at(place: tuple[int | str, ...]) -> type[BaseModel]:
    """The model of the object at a place of a job."""
    return next((MODELS[str(key)] for key in reversed(place) if key in MODELS), Job)


PHRASES = {
    "Input should be a valid integer": "must be a whole number",
    "Input should be a valid boolean": "must be true or false",
    "Input should be a valid dictionary or instance of Webhook": "must be a URL or an object",
    "Input should be a valid dictionary or instance of LexiconEntry": "must be a string or an object",
    "Input should be a valid dictionary": "must be an object",
    "Input should be a valid ": "must be a ",
    "Input should be less than or equal to ": "must be at most ",
    "Input should be greater than or equal to ": "must be at least ",
    "Input should be ": "must be ",
    "String should ": "must ",
}
"""What the messages of pydantic begin with, and what ours say instead."""

KINDS = {str: "a string", bool: "true or false", list: "a list", dict: "an object", type(None): "null"}
"""What a value is called; all others are numbers."""


def _message(field: str, problem: Any, code: str) -> str:
    """What is wrong with the value of a key."""
    said: str = problem["msg"]
    for theirs, ours in PHRASES.items():
        if said.startswith(theirs):
            said = f"{field} {ours}{said.removeprefix(theirs)}"
            break
    else:
        return f"{field}: {said}"
    return f"{said}, not {KINDS.get(type(problem['input']), problem['input'])}" if code == "type" else said


def _hint(field: str, problem: Any, code: str) -> str | None:
    """What to write instead; None if that is clear or unknown."""
    value = problem["input"]
    if code == "type" and isinstance(value, str) and _is_literal(value):
        return f'write {value.strip().lower()} without quotes, like "{field}": {value.strip().lower()}'
    if field == "text" and isinstance(value, list):
        return "join the parts into one string"
    if code == "type" and problem["type"].startswith("bool"):
        return "write true or false"
    if code == "range" and problem["type"] == "literal_error" and isinstance(value, str):
        return nearest_hint(value[:100].lower(), re.findall(r"'(\w+)'", problem["ctx"]["expected"]))
    return None


def _is_literal(value: str) -> bool:
    """Whether a string is a number, `true` or `false` in quotes."""
    return re.fullmatch(r"\s*(-?[0-9]{1,9}(\.[0-9]{1,9})?|true|false)\s*", value, re.IGNORECASE) is not None


def _same_type(problem: Any) -> bool:
    """Whether a value outside a fixed choice has the type of the choices."""
    value = problem["input"]
    return (
        isinstance(value, int) and not isinstance(value, bool) if problem["loc"][0] == "fps" else isinstance(value, str)
    )


def _check_text(job: Job, config: Config) -> None:
    if job.text is None:
        return
    limit = config.limits.text_characters
    if len(job.text) > limit:
        raise JobError("too_long", f"the text has {len(job.text)} characters, the limit is {limit}", field="text")
    from pipeline.speech.marks import PAUSE_SECONDS_MAX, overlong_pause
    from pipeline.speech.sentences import speakable  # loads num2words, which most commands do not need

    pause = overlong_pause(job.text)
    if pause is not None:
        hint = f"up to {PAUSE_SECONDS_MAX:g} seconds, like [pause 0.8]"
        raise JobError("range", f"the length of {pause} is out of range", field="text", hint=hint)

    if not speakable(job.text):
        raise JobError("no_speech", "the text contains nothing to speak", field="text", hint="add letters or digits")


def _check_open(job: Job) -> None:
    if job.keep_open and (job.mode != "stream" or job.audio is not None):
        hint = 'set "mode": "stream", and no audio'
        raise JobError("keep_open", "only a stream of a text stays open", field="keep_open", hint=hint)
    if job.window_seconds is not None and not job.keep_open:
        hint = 'set "keep_open": true, or leave window_seconds out'
        raise JobError("keep_open", "only a stream that stays open has a window", field="window_seconds", hint=hint)


def _check_size(job: Job, config: Config) -> None:
    problem = None if job.size is None else frame_size_problem(job.size, config.limits.frame_pixels)
    if problem is not None:
        message, hint = problem
        raise JobError("range", message, field="size", hint=hint)


PRESET_NAMES = tuple(preset.value for preset in Preset)


def frame_size(size: str) -> FrameSize:
    """A valid size as width and height in pixels, or as a preset. Used for avatars too."""
    if size in PRESET_NAMES:
        return Preset(size)
    width, height = size.split("x")
    return int(width), int(height)


def frame_size_problem(size: str, pixels_max: int) -> tuple[str, str] | None:
    """The reason why `size` is not a valid video size, and a hint; None if it is valid. Used for avatars too."""
    match = SIZE.match(size)
    if match is None and size not in PRESET_NAMES:
        return f"size {size[:20]!r} is not WIDTHxHEIGHT", f'like "720x720", or {", ".join(PRESET_NAMES)}'
    width, height = size_of(Preset(size)) if match is None else (int(match[1]), int(match[2]))
    if width % 2 or height % 2:
        return f"size {size}: width and height must be even", 'like "720x720"'
    sides_fit = min(width, height) >= FRAME_SIDE_MIN and max(width, height) <= FRAME_SIDE_MAX
    if not sides_fit or width * height > pixels_max:
        bounds = f"sides from {FRAME_SIDE_MIN} to {FRAME_SIDE_MAX}, at most {pixels_max} pixels in total"
        return f"size {size} is out of bounds", bounds
    return None


def _check_font(job: Job) -> None:
    if job.burn_captions is None:
        return
    from pipeline.overlay import fonts

    name = job.burn_captions.font
    if fonts.find(name) is None:
        hint = nearest_hint(name, fonts.names(), "fonts")
        raise JobError("font", f"there is no font {name!r}", field="burn_captions.font", hint=hint[:300])


def _check_model(job: Job, config: Config) -> None:
    if job.model is not None and job.model != BOTH and job.model not in config.models:
        hint = config.model_hint(job.model, BOTH)
        raise JobError("range", f"there is no model {job.model[:100]!r}", field="model", hint=hint)


def _check_avatar(job: Job, avatars: Collection[str]) -> None:
    if job.avatar is not None and job.avatar not in avatars:
        raise JobError(
            "avatar",
            f"there is no avatar {job.avatar[:100]!r}",
            field="avatar",
            hint=nearest_hint(job.avatar[:100], avatars, "avatars"),
        )


def _check_metadata(job: Job) -> None:
    if len(json.dumps(job.metadata, ensure_ascii=False).encode()) > METADATA_MAX_BYTES:
        raise JobError("too_large", f"metadata is over {METADATA_MAX_BYTES} bytes", field="metadata")


def _check_webhook(job: Job, config: Config) -> None:
    if job.webhook is not None:
        receiver(job.webhook.url, config.web.webhook_hosts)


@dataclass(frozen=True)
class JobWarning:
    """Something about a valid job that its author may not expect."""

    code: str
    message: str
    hint: str


FORESEEN = frozenset({"default_language", "other_language", "text_mark"})
"""The codes of `job_warnings`."""


def job_warnings(job: Job, config: Config) -> list[JobWarning]:
    """What may surprise the author of a job."""
    return [*_language_warnings(job, config), *_mark_warnings(job)]


def _mark_warnings(job: Job) -> list[JobWarning]:
    found = list(doubtful(job.text or ""))
    if not found:
        return []
    message = f"{found[0]!r} is not a mark and is read out" + (f", like {len(found) - 1} more" if found[1:] else "")
    return [JobWarning("text_mark", message, "marks are [pause 0.8], in seconds, and [spell ABC]")]


def _language_warnings(job: Job, config: Config) -> list[JobWarning]:
    if job.text is None:
        return []
    language = job.language or config.language
    if job.language is None and job.voice is None and is_read_in_wrong_script(job.text, language):
        message = f"the text has only Latin letters, but the language of the job is {language!r}, the default"
        return [JobWarning("default_language", message, 'if it is English, set "language": "en"')]
    from pipeline.speech.written_language import other_language  # loads a model, which most commands do not need

    if (other := other_language(job.text, language)) is not None:
        message = f"the text seems to be written in {other!r}, but the language of the job is {language!r}"
        return [JobWarning("other_language", message, f'set "language": "{other}"')]
    return []
