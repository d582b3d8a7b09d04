"""The job: a user's request, checked against the configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
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

from pipeline.config import BOTH, Config, Fps
from pipeline.errors import JobError, nearest_hint
from pipeline.job_file import parse_json_object, printable
from pipeline.speech.voices.settings import LanguageTag
from pipeline.webhooks import Webhook, receiver

METADATA_MAX_BYTES = 4 * 1024
SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})\Z")
FRAME_SIDE_MIN = 64
FRAME_SIDE_MAX = 4096
"""Each side is limited too: a long thin frame has few pixels, but needs a huge scaled picture."""


def _as_webhook(value: Any) -> Any:
    """A plain URL as a webhook; anything else is left for the caller's validation."""
    return {"url": value} if isinstance(value, str) else value


class Job(BaseModel):
    """What to say, who says it, and how the video is made.

    Defaults that depend on the configuration are null here and filled in when the job runs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: StrictStr | None = None
    """The text to speak. Exactly one of `text` and `audio` is required."""
    audio: StrictStr | None = None
    """The name of a recording in `inbox/` to lip-sync instead of a text."""
    language: LanguageTag | None = None
    """Language of the text, such as `ru`, `en` or `kk`. Default: `language` of the configuration."""
    voice: Annotated[StrictStr, Field(min_length=1, max_length=200)] | None = None
    """Voice as `backend:voice`, such as `espeak:en-gb`. Default: the configured or best voice for the language."""
    speed: Annotated[float, Field(strict=True, ge=0.5, le=2.0)] = 1.0
    """Rate of speech relative to the voice's normal rate."""
    mode: Literal["auto", "sequential", "parallel", "stream"] = "auto"
    """How the work is divided. sequential: one chunk on one worker; parallel: several chunks at once; stream: in
    pieces that can be played while later ones are rendered; auto: sequential for short audio, else parallel."""
    num_workers: Annotated[int, Field(ge=1, le=16)] | None = None
    """Maximum number of lip-sync workers for this job. Default: all."""
    model: StrictStr | None = None
    """A model of the configuration, or `both`: chunks alternate between the workers' models and cross-fade where they
    meet. Default: the first worker's model if the job is a single chunk (mode sequential), else `both`."""
    avatar: StrictStr | None = None
    """Name of an avatar. Default: `avatars.default` of the configuration."""
    size: StrictStr | None = None
    """Frame size as `WIDTHxHEIGHT`, both even. Default: the avatar's own."""
    fps: Fps | None = None
    """Frames per second. Default: `video.fps` of the configuration."""
    captions: StrictBool = False
    """Whether to write captions, as SRT and WebVTT."""
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
        if self.text is not None and self.audio is not None:
            raise PydanticCustomError("conflict", "a job has either text or audio, not both", {"field": "audio"})
        return self

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """`size` as width and height in pixels."""
        if self.size is None:
            return None
        width, height = self.size.split("x")
        return int(width), int(height)


def parse_job(data: bytes, config: Config, avatars: Collection[str]) -> Job:
    """Parse a job file and check it against the configuration and the names of the existing avatars.

    Raises JobError, whose code names the broken rule.
    """
    raw = parse_json_object(data)
    try:
        job = Job.model_validate(raw)
    except ValidationError as error:
        raise _job_error(error) from None
    _check_text(job, config)
    _check_size(job, config)
    _check_model(job, config)
    _check_avatar(job, avatars)
    _check_metadata(job)
    if job.webhook is not None:
        receiver(job.webhook.url, config.web.webhook_hosts)
    return job


def requested_webhook(data: bytes) -> Webhook | None:
    """The webhook of a job file, even if the job is invalid otherwise; None if it has none that is valid."""
    try:
        return Webhook.model_validate(_as_webhook(parse_json_object(data).get("webhook")))
    except (JobError, ValidationError):
        return None


PYDANTIC_CODES = {
    "missing": "missing",
    "conflict": "conflict",
    "literal_error": "range",
    "greater_than_equal": "range",
    "less_than_equal": "range",
    "string_pattern_mismatch": "range",
    "string_too_short": "range",
    "string_too_long": "range",
    "too_short": "range",
    "finite_number": "number",
}
"""Codes for pydantic's error types; all others are `type`."""


def _job_error(error: ValidationError) -> JobError:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or first.get("ctx", {}).get("field")
    if first["type"] == "extra_forbidden":
        key = printable(str(first["loc"][-1]))
        known = Job.model_fields if len(first["loc"]) == 1 else Webhook.model_fields
        return JobError("unknown_field", f"unknown key '{key}'", field=key, hint=nearest_hint(key, list(known)))
    code = PYDANTIC_CODES.get(first["type"], "type")
    if code == "range" and first["type"] == "literal_error" and not _same_type(first):
        code = "type"
    message = f"{field}: {first['msg']}" if first["loc"] else first["msg"]
    return JobError(code, message, field=field)


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

    if not speakable(job.text):
        raise JobError("no_speech", "the text contains nothing to speak", field="text", hint="add letters or digits")


def _check_size(job: Job, config: Config) -> None:
    problem = None if job.size is None else frame_size_problem(job.size, config.limits.frame_pixels)
    if problem is not None:
        message, hint = problem
        raise JobError("range", message, field="size", hint=hint)


def frame_size_problem(size: str, pixels_max: int) -> tuple[str, str] | None:
    """The reason why `size` is not a valid video size, and a hint; None if it is valid. Used for avatars too."""
    match = SIZE.match(size)
    if match is None:
        return f"size {size[:20]!r} is not WIDTHxHEIGHT", 'like "720x720"'
    width, height = int(match[1]), int(match[2])
    if width % 2 or height % 2:
        return f"size {size}: width and height must be even", 'like "720x720"'
    sides_fit = min(width, height) >= FRAME_SIDE_MIN and max(width, height) <= FRAME_SIDE_MAX
    if not sides_fit or width * height > pixels_max:
        bounds = f"sides from {FRAME_SIDE_MIN} to {FRAME_SIDE_MAX}, at most {pixels_max} pixels in total"
        return f"size {size} is out of bounds", bounds
    return None


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
            hint="avatars: " + ", ".join(sorted(avatars)),
        )


def _check_metadata(job: Job) -> None:
    if len(json.dumps(job.metadata, ensure_ascii=False).encode()) > METADATA_MAX_BYTES:
        raise JobError("too_large", f"metadata is over {METADATA_MAX_BYTES} bytes", field="metadata")
