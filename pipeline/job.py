"""The job: a user's request, checked against the configuration."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
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

from pipeline.brand.folder import find as brand_file
from pipeline.brand.settings import ClipKey, LogoKey, LogoSettings
from pipeline.composition.layout import size_of
from pipeline.config import BOTH, Config, Fps
from pipeline.errors import JobError, JobErrors, nearest_hint
from pipeline.extras import PRORES, TRANSPARENT, JobKind
from pipeline.files import as_spelt
from pipeline.job_file import parse_json_object, printable
from pipeline.media import codecs
from pipeline.media.mastering import Loudness
from pipeline.messages import FrameSize, Preset
from pipeline.overlay.settings import CaptionStyle, LabelKey, LabelSettings
from pipeline.settings import Section
from pipeline.speech.language_tags import is_read_in_wrong_script, tag_hint
from pipeline.speech.marks import PAUSE_SECONDS_MAX, doubtful, overlong_pause
from pipeline.speech.voices.settings import LanguageTag, Lexicon, LexiconEntry
from pipeline.webhooks import Webhook, receiver

WORD_CAPTIONS = "words"
METADATA_MAX_BYTES = 4 * 1024
SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})\Z")
ARTICULATION = (0.5, 1.5)
"""Limits of `articulation`."""
SCENES_MAX = 500
"""Of a job, whatever the configuration allows."""
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


class SceneKeys(BaseModel):
    """What is said, and who says it: the keys of a job that its scenes may have too."""

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
    avatar: Annotated[StrictStr, BeforeValidator(_composed)] | None = None
    """Name of an avatar. Default: `avatars.default` of the configuration."""
    articulation: Annotated[float, Field(strict=True, ge=ARTICULATION[0], le=ARTICULATION[1])] | None = None
    """How far the built-in engine's mouth moves, 1.0: as people's do. Default: the avatar's own."""
    background: Annotated[StrictStr, Field(min_length=1, max_length=255), BeforeValidator(_composed)] | None = None
    """What is behind the person: a colour as `#rrggbb`, the name of a picture or video in the backgrounds folder, or
    `transparent`: nothing, in a WebM beside the MP4. Default: what the avatar's picture shows."""


class Scene(SceneKeys):
    """A part of the video with an avatar and a voice of its own. What it leaves out is as the job says."""

    pause_seconds: Annotated[float, Field(strict=True, ge=0, le=PAUSE_SECONDS_MAX)] | None = None
    """Silence at its end. Default: after a text `tts.pause_seconds` of the configuration; after a recording and after
    the last scene none."""

    @model_validator(mode="after")
    def _one_source(self) -> Scene:
        if self.text is None and self.audio is None:
            raise PydanticCustomError("missing", "a scene needs text or audio", {"field": "text"})
        return self


class Job(SceneKeys):
    """What to say, who says it, and how the video is made.

    Defaults that depend on the configuration are null here and filled in when the job runs.
    """

    scenes: Annotated[list[Scene], Field(min_length=1, max_length=SCENES_MAX)] | None = None
    """Parts of the video, each with its own text or recording, avatar and voice, instead of `text` and `audio`. What
    they leave out is as the job says. All have the job's `size`, or that of the first scene's avatar."""
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
    size: StrictStr | None = None
    """Frame size as `WIDTHxHEIGHT`, both even, to which the picture is cut; or `vertical` (1080x1920), `square`
    (1080x1080) or `wide` (1920x1080), to which it is extended. Default: the avatar's own."""
    fps: Fps | None = None
    """Frames per second. Default: `video.fps` of the configuration."""
    codec: codecs.Name | None = None
    """Of the video. Default: `video.codec` of the configuration; a stream is always h264."""
    captions: Annotated[StrictBool | Literal["words"], BeforeValidator(_as_captions)] = False
    """Whether to write captions, as SRT and WebVTT; words: with the time of each word in the WebVTT."""
    loudness: Loudness | None = None
    """Integrated loudness of the sound: youtube (-14), podcast (-16), broadcast (-23), or a number of LUFS. No true
    peak is above -1 dBTP. Default: `loudness` of the configuration."""
    extras: list[JobKind] | None = None
    """Files beside the video: poster (a picture), strip (frames side by side), preview (a short animation), wav and mp3
    (the sound), prores (the same in ProRes 4444, if it is transparent). Default: `extras` of the configuration."""
    provenance: JobProvenance | None = None
    """What the video says about its origin, as far as a job may decide it. Default: as `provenance` of the
    configuration."""
    burn_captions: Annotated[
        CaptionStyle | None, BeforeValidator(_as_style, json_schema_input_type=StrictBool | CaptionStyle)
    ] = None
    """Whether captions are drawn into the picture, with the spoken word highlighted; or an object with their `font`,
    `size`, `colour`, `highlight`, `box` and `position`."""
    logo: LogoKey | None = None
    """A picture in a corner: its name in the folder of the brand, false for none, or an object with `file`, `place`,
    `size` and `opacity`. What it leaves out is as `brand.logo` of the configuration says."""
    intro: ClipKey | None = None
    """Name of a clip in the folder of the brand that the video begins with; false: none. Default: `brand.intro` of the
    configuration; none in streams."""
    outro: ClipKey | None = None
    """Name of a clip that it ends with; false: none. Default: `brand.outro` of the configuration; none in streams."""
    webhook: Annotated[Webhook, BeforeValidator(_as_webhook, json_schema_input_type=StrictStr | Webhook)] | None = None
    """URL to call when the job has ended, or an object with the URL and the events to send to it."""
    priority: Annotated[int, Field(ge=-10, le=10)] = 0
    """Jobs of higher priority run first."""
    metadata: dict[str, Any] = {}
    """Arbitrary data, copied unchanged to the timing JSON; at most 4 KiB as JSON."""

    @model_validator(mode="after")
    def _one_source(self) -> Job:
        if self.text is None and self.audio is None and self.scenes is None:
            raise PydanticCustomError("missing", "a job needs text or audio", {"field": "text"})
        return self

    @property
    def parts(self) -> tuple[Job, ...]:
        """Each of its scenes as a job of its own; of a job without scenes, the job itself."""
        return (self,) if self.scenes is None else tuple(map(self._part, self.scenes))

    def _part(self, scene: Scene) -> Job:
        own = {key: getattr(scene, key) for key in scene.model_fields_set & SceneKeys.model_fields.keys()}
        return self.model_copy(update={**own, "lexicon": {**self.lexicon, **scene.lexicon}, "scenes": None})

    def about(self, part: int) -> str:
        """What messages about one of its parts begin with: nothing if it has no scenes."""
        return "" if self.scenes is None else f"scenes.{part}: "

    @property
    def recordings(self) -> tuple[str, ...]:
        """The recordings that it names, each once."""
        return tuple(dict.fromkeys(part.audio for part in self.parts if part.audio is not None))

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

    in_pieces: bool = False
    """Whether it is spoken in pieces however short it is, since it has scenes."""

    @classmethod
    def of(cls, job: Job) -> Outline:
        """The outline of a job. That of several scenes is that of one with all their texts, and with their voices and
        avatars as one kind of its own."""
        parts = job.parts
        spoken = [(len(part.text), part.speed) for part in parts if part.text is not None and part.audio is None]
        characters, at_speed_one = sum(length for length, _ in spoken), sum(length / speed for length, speed in spoken)
        return cls(
            characters=characters if len(spoken) == len(parts) else None,
            language=_as_one(part.language for part in parts),
            voice=_as_one(part.voice for part in parts),
            speed=characters / at_speed_one if job.scenes is not None and at_speed_one else job.speed,
            mode=job.mode,
            num_workers=job.num_workers,
            avatar=_as_one(part.avatar for part in parts),
            size=job.size,
            fps=job.fps,
            in_pieces=job.scenes is not None,
        )


def _as_one(values: Iterable[str | None]) -> str | None:
    """What all parts of a job have in common, or the different values as one."""
    different = list(dict.fromkeys(values))
    return different[0] if len(different) == 1 else "+".join(value or "default" for value in different)


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
        *_for_each_part(job, config, partial(_check_text, config=config)),
        partial(_check_scenes, job, config),
        partial(_check_open, job),
        partial(_check_size, job, config),
        partial(_check_codec, job, config),
        partial(_check_font, job),
        partial(_check_brand, job, config),
        partial(_check_model, job, config),
        *_for_each_part(job, config, partial(_check_avatar, avatars=avatars)),
        *_for_each_part(job, config, partial(_check_background, config=config)),
        partial(_check_transparency, job),
        partial(_check_metadata, job),
        partial(_check_webhook, job, config),
        *(one for check in further for one in _for_each_part(job, config, check)),
    ]
    raise_all([*errors, *failures(checks)])
    return job


def _for_each_part(job: Job, config: Config, check: Callable[[Job], object]) -> Iterator[Callable[[], object]]:
    """A check of each scene of a job, or of a job without scenes. Too many scenes are not checked one by one."""
    for index, part in enumerate(job.parts[: config.limits.scenes]):
        yield partial(_check_part, check, part, index if job.scenes is not None else None)


def _check_part(check: Callable[[Job], object], part: Job, scene: int | None) -> None:
    try:
        check(part)
    except JobError as error:
        if scene is None:
            raise
        raise JobError(error.code, error.message, field=scene_field(scene, error.field), hint=error.hint) from None


def scene_field(scene: int, field: str | None) -> str:
    """The name of a scene's key in errors: `scenes.2.avatar`."""
    return f"scenes.{scene}.{field}" if field else f"scenes.{scene}"


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
    rest = _rest(raw, {place[0]: () for place in found if len(place) == 1})
    if isinstance(scenes := rest.get("scenes"), list):
        invalid = [{place[2:] for place in found if place[:2] == ("scenes", index)} for index in range(len(scenes))]
        rest["scenes"] = [_rest_of_scene(*each) for each in zip(scenes, invalid, strict=True)]
    return _validated(rest, errors)


def _rest(raw: dict[str, Any], invalid: Collection[object]) -> dict[str, Any]:
    """A job or a scene without its invalid keys, but with something to say: a missing text is not reported too."""
    rest = {key: value for key, value in raw.items() if key not in invalid}
    if SOURCES.intersection(map(str, invalid)) and all(rest.get(key) is None for key in SOURCES):
        rest["text"] = PLACEHOLDER
    return rest


def _rest_of_scene(scene: Any, invalid: Collection[tuple[Any, ...]]) -> Any:
    """A scene without its invalid keys. `invalid`: what is wrong with it; an empty place means the scene itself."""
    if () in invalid:
        return {**(scene if isinstance(scene, dict) else {}), "text": PLACEHOLDER}
    return _rest(scene, {place[0] for place in invalid}) if invalid else scene


SOURCES = frozenset({"text", "audio", "scenes"})
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
    "too_long": "too_long",
    "finite_number": "number",
}
"""Codes for pydantic's error types; all others are `type`."""


Place = tuple[str | int, ...]
"""Of a key in a job: its name, and `scenes` and a number before it if it is a scene's."""


def _job_errors(error: ValidationError) -> dict[Place, JobError]:
    """The first error of each key; an unknown key within it comes first, since it may be the one that is missing."""
    found: dict[Place, JobError] = {}
    for problem in error.errors(include_url=False):
        place = _place(problem)
        if place not in found or problem["type"] == "extra_forbidden":
            found[place] = _job_error(problem)
    return found


def _place(problem: Any) -> Place:
    """What must be left out of a job so that the rest can be checked: a key, a key of a scene, or a scene."""
    location: Place = problem["loc"] or (problem.get("ctx", {}).get("field", ""),)
    return location[: 3 if location[0] == "scenes" else 1]


def _job_error(problem: Any) -> JobError:
    missing = (problem["ctx"]["field"],) if "field" in problem.get("ctx", {}) else ()
    field = ".".join(str(part) for part in (*problem["loc"], *missing) if part != "[key]")
    if problem["type"] == "extra_forbidden":
        key = printable(str(problem["loc"][-1]))
        known = _model_at(problem["loc"][:-1]).model_fields
        within = printable(field) if problem["loc"][1:] else key
        return JobError("unknown_field", f"unknown key '{key}'", field=within, hint=nearest_hint(key, list(known)))
    code = PYDANTIC_CODES.get(problem["type"], "type")
    if code == "range" and problem["type"] == "literal_error" and not _same_type(problem):
        code = "type"
    if missing:
        return JobError(code, problem["msg"], field=field)
    if problem["loc"][-2:] == ("", "[key]"):
        field = field.removesuffix(".")
        return JobError(code, f"a key in {field} is empty", field=field)
    if problem["loc"][-1] == "language" and code == "range":
        tag = problem["input"][:100]
        return JobError(code, f"{tag!r} is not a language code", field=field, hint=tag_hint(tag))
    return JobError(code, _message(field, problem, code), field=field, hint=_hint(field, problem, code))


MODELS: dict[str, type[BaseModel]] = {
    "burn_captions": CaptionStyle,
    "label": LabelSettings,
    "logo": LogoSettings,
    "provenance": JobProvenance,
    "webhook": Webhook,
    "lexicon": LexiconEntry,
    "scenes": Scene,
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
    "Input should be a valid dictionary or instance of LogoSettings": "must be a file's name, false or an object",
    "Input should be a valid dictionary or instance of CaptionStyle": "must be true, false or an object",
    "Input should be a valid dictionary or instance of LabelSettings": "must be 'none', 'corner', 'intro' or an object",
    "Input should be a valid dictionary or instance of JobProvenance": "must be an object",
    "Input should be a valid dictionary or instance of Scene": "must be an object",
    "Input should be a valid dictionary": "must be an object",
    "Input should be a valid ": "must be a ",
    "Input should be less than or equal to ": "must be at most ",
    "Input should be greater than or equal to ": "must be at least ",
    "Input should be ": "must be ",
    "String should ": "must ",
    "List should have at least 1 item, not 0": "must not be empty",
    "List should have at most ": "must have at most ",
}
"""What the messages of pydantic begin with, and what ours say instead."""

KINDS = {str: "a string", bool: "true or false", list: "a list", dict: "an object", type(None): "null"}
"""What a value is called; all others are numbers."""


def _message(field: str, problem: Any, code: str) -> str:
    """What is wrong with the value of a key."""
    said: str = problem["msg"].replace(" after validation", "")
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
        key = field.rpartition(".")[2]
        return f'write {value.strip().lower()} without quotes, like "{key}": {value.strip().lower()}'
    if field == "loudness":
        return str(problem["ctx"]["hint"]) if "hint" in problem.get("ctx", {}) else None
    if problem["loc"][-1] == "text" and isinstance(value, list):
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
    from pipeline.speech.sentences import speakable  # loads num2words, which most commands do not need

    pause = overlong_pause(job.text)
    if pause is not None:
        hint = f"up to {PAUSE_SECONDS_MAX:g} seconds, like [pause 0.8]"
        raise JobError("range", f"the length of {pause} is out of range", field="text", hint=hint)

    if not speakable(job.text):
        raise JobError("no_speech", "the text contains nothing to speak", field="text", hint="add letters or digits")


def _check_scenes(job: Job, config: Config) -> None:
    if job.scenes is None:
        return
    for key in ("text", "audio"):
        if getattr(job, key) is not None:
            raise JobError("scenes", f"a job with scenes has no {key} of its own", field=key, hint="give it to a scene")
    if job.mode == "stream" and job.recordings:
        raise JobError("scenes", "scenes with recordings are not streamed", field="mode", hint="choose another mode")
    limits = config.limits
    if len(job.scenes) > limits.scenes:
        message = f"the job has {len(job.scenes)} scenes, the limit is {limits.scenes}"
        raise JobError("too_long", message, field="scenes", hint="divide it into several jobs")
    characters = sum(len(scene.text or "") for scene in job.scenes)
    if characters > limits.text_characters:
        message = f"the scenes' texts have {characters} characters, the limit is {limits.text_characters}"
        raise JobError("too_long", message, field="scenes", hint="divide it into several jobs")


def _check_open(job: Job) -> None:
    if job.keep_open and (job.mode != "stream" or job.text is None or job.audio is not None):
        hint = 'set "mode": "stream", and no audio or scenes'
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


def _check_codec(job: Job, config: Config) -> None:
    codec = job.codec or (codecs.H264 if job.mode == "stream" else config.video.codec)
    if codec == codecs.H264:
        return
    if job.mode == "stream":
        hint = "leave codec out, or choose another mode"
        raise JobError("codec", f"a stream is H.264, not {codec}", field="codec", hint=hint)
    from pipeline.media import ffmpeg  # loads numpy, which most commands do not need

    problem = ffmpeg.codec_problem(codec)
    if problem is not None:
        raise JobError("no_encoder", problem, field="codec", hint=ffmpeg.COMPLETE)


def _check_font(job: Job) -> None:
    if job.burn_captions is None:
        return
    from pipeline.overlay import fonts

    name = job.burn_captions.font
    if fonts.find(name) is None:
        hint = nearest_hint(name, fonts.names(), "fonts")
        raise JobError("font", f"there is no font {name!r}", field="burn_captions.font", hint=hint[:300])


def _check_brand(job: Job, config: Config) -> None:
    named = next((key for key in ("intro", "outro") if getattr(job, key)), None)
    if job.mode == "stream" and named is not None:
        hint = f"leave {named} out, or choose another mode"
        raise JobError("brand", f"a stream has no {named}: it is played while it is rendered", field=named, hint=hint)
    for key, file in brand_files(job, config).items():
        brand_file(file.parent, file.name, key)


def brand_files(job: Job, config: Config) -> dict[str, Path]:
    """The files of the brand that a job's video shows, by the key: logo, intro, outro."""
    folder, brand = config.path(config.brand.folder), config.brand
    names = {"logo": config.logo(job.logo).file}
    if job.mode != "stream":
        names["intro"] = brand.intro if job.intro is None else job.intro
        names["outro"] = brand.outro if job.outro is None else job.outro
    return {key: as_spelt(folder, name) for key, name in names.items() if name}


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


def _check_background(job: Job, config: Config) -> None:
    if job.background is None:
        return
    from pipeline.composition import names  # only few jobs need it

    names.check(job.background, config)
    if job.background == names.TRANSPARENT and job.mode == "stream":
        hint = "choose another mode, or a colour"
        raise JobError("background", "a stream cannot be transparent", field="background", hint=hint)


def _check_transparency(job: Job) -> None:
    if PRORES in (job.extras or []) and job.parts[0].background != TRANSPARENT:
        hint = 'set "background": "transparent", or leave prores out'
        raise JobError("background", "only a transparent video is also written as ProRes", field="extras", hint=hint)
    if len({part.background == TRANSPARENT for part in job.parts}) > 1:
        message, hint = "some scenes are transparent and others are not", "set background for the whole job"
        raise JobError("background", message, field="scenes", hint=hint)


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
    warnings = ((job.about(index), part_warnings(part, config)) for index, part in enumerate(job.parts))
    return [replace(one, message=about + one.message) for about, found in warnings for one in found]


def part_warnings(part: Job, config: Config) -> list[JobWarning]:
    """What may surprise the author of a scene, or of a job without scenes."""
    return [*_language_warnings(part, config), *_mark_warnings(part)]


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
