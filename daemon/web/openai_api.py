"""OpenAI's API in terms of lipdrop: its objects and names."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from daemon.cli.submission import typed_job
from daemon.spool.claims import read_file
from daemon.spool.layout import CLAIMED, JOB
from daemon.spool.spool import Spool
from daemon.web.problems import Fault, ProblemError, of_faults
from daemon.web.states import JobState
from pipeline.errors import JobError
from pipeline.job_file import parse_json_object
from pipeline.speech.voices.settings import LanguageTag

LIPDROP = "lipdrop"
MODELS = (LIPDROP, "tts-1", "tts-1-hd", "gpt-4o-mini-tts", "sora-2", "sora-2-pro")
"""All are lipdrop: many clients do not let their users enter another name."""
MODELS_SINCE = 1_767_225_600
"""Unix time, which each model must have."""
DATED = re.compile(r"-\d{4}-\d{2}-\d{2}\Z")
"""The suffix of a model's snapshot."""

VOICES = frozenset(
    ("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse")
)
"""OpenAI's voices: each is the best voice of the text's language."""

INPUT_MAX_CHARACTERS = 4096
"""The API's limit."""

VIDEO_ID = re.compile(r"video_([0-9a-f]{14})[0-9a-f]{10}\Z")
"""The name of a job made here: its time in microseconds, and chance."""
VIDEO_PREFIX = "video_"
REFERENCE = "input_reference"
"""Field with a portrait."""
METADATA = "openai"
"""Key of a job's metadata with what the API needs later."""

CYRILLIC = frozenset(("be", "bg", "kk", "ky", "mk", "mn", "ru", "sr", "tg", "tt", "uk"))
"""Languages in that script."""
KAZAKH_LETTERS = frozenset("әғқңөұүһ")


class Model(BaseModel):
    """A name that requests may give as `model`."""

    id: str
    object: Literal["model"] = "model"
    created: int = MODELS_SINCE
    owned_by: str = LIPDROP


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


class SpeechRequest(BaseModel):
    """What to say, and how. Other keys are ignored."""

    input: str = Field(min_length=1, max_length=INPUT_MAX_CHARACTERS)
    model: str
    voice: str | dict[Literal["id"], str]
    """A voice of lipdrop, such as `espeak:en-gb`, or one of OpenAI's names: the best voice of the language."""
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    """pcm: 24 kHz, 16 bits, little-endian, mono, without a header."""
    speed: float = Field(1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"
    language: LanguageTag | None = None
    """lipdrop's own: the language of the text. Default: guessed from its letters."""

    @property
    def voice_name(self) -> str | None:
        """The voice as jobs name it; None: the best one."""
        return own_voice(self.voice if isinstance(self.voice, str) else self.voice.get("id", ""))


class VideoError(BaseModel):
    """Why a video failed."""

    code: str
    message: str


class Video(BaseModel):
    """A job."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    """In percent."""
    created_at: int
    """Unix time."""
    completed_at: int | None = None
    expires_at: None = None
    error: VideoError | None = None
    prompt: str | None = None
    """The text that is spoken."""
    seconds: str
    """Length once the video is completed, rounded; before that, `0`."""
    size: str
    """WIDTHxHEIGHT; `auto` until it is known."""
    remixed_from_video_id: None = None


class VideoList(BaseModel):
    """Some of the videos."""

    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeleted(BaseModel):
    """A video that is no longer there."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


def speech_request(body: bytes) -> SpeechRequest:
    """Read the body of a request. Raises ProblemError."""
    try:
        return SpeechRequest.model_validate_json(body)
    except ValidationError as error:
        raise of_faults([_fault(one) for one in error.errors(include_url=False)]) from error


def _fault(found: ErrorDetails) -> Fault:
    field = str(found["loc"][0]) if found["loc"] else None
    code = {"json_invalid": "not_json", "missing": "missing"}.get(found["type"], "range")
    return Fault(code=code, field=field, detail=f"{field}: {found['msg']}" if field else found["msg"])


def check_model(name: str) -> str:
    """A model's name. Raises ProblemError if it is not one."""
    if DATED.sub("", name) not in MODELS:
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            f"there is no model {name[:100]!r}",
            code="model_not_found",
            field="model",
            hint="models: " + ", ".join(MODELS),
        )
    return name


def own_voice(name: str) -> str | None:
    """A voice of lipdrop; None for one of OpenAI's names: the best one."""
    return None if name.lower() in VOICES else name


def guessed_language(text: str, configured: str) -> str:
    """The language of a text, as far as its letters show it; else the configured one."""
    letters = [letter for letter in text.lower() if letter.isalpha()]
    cyrillic = sum("\u0400" <= letter <= "\u04ff" for letter in letters)
    latin = sum(letter <= "\u024f" for letter in letters)
    is_cyrillic = configured.partition("-")[0] in CYRILLIC
    if cyrillic > latin:
        if KAZAKH_LETTERS.intersection(letters):
            return "kk"
        return configured if is_cyrillic else "ru"
    return "en" if latin and is_cyrillic else configured


def new_id() -> str:
    """A new video's id, which is its job's name. Ids sort by time."""
    return f"{VIDEO_PREFIX}{time.time_ns() // 1000:014x}{secrets.token_hex(5)}"


def video_job(fields: Mapping[str, str], language: str) -> dict[str, Any]:
    """The job for the fields of a form. `language`: the configured one. Raises JobError and ProblemError.

    `prompt` is the text; `seconds` has no effect, because the text has its own length. All other fields are keys of a
    job.
    """
    given = dict(fields)
    prompt, model = given.pop("prompt", ""), check_model(given.pop("model", "sora-2"))
    given.pop("seconds", None)
    if any(key.startswith(REFERENCE) for key in given):
        hint = "files are not fetched from elsewhere"
        raise JobError("type", f"{REFERENCE} must be an uploaded file", field=REFERENCE, hint=hint)
    if not prompt:
        raise JobError("missing", "a video needs a prompt: the text to speak", field="prompt")
    job = typed_job(given)
    if "voice" in job and own_voice(job["voice"]) is None:
        del job["voice"]
    own = job.get("metadata", {})
    metadata = {**own, METADATA: {"model": model}} if isinstance(own, dict) else own
    return {"language": guessed_language(prompt, language), **job, "text": prompt, "metadata": metadata}


def video(state: JobState, spool: Spool) -> Video:
    """A job as a video."""
    job, report = _job(spool, state.job), state.report or {}
    audio, picture, error = (report.get(key) or {} for key in ("audio", "video", "error"))
    asked = (job.get("metadata") or report.get("metadata") or {}).get(METADATA) or {}
    return Video(
        id=state.job,
        model=asked.get("model", LIPDROP) if isinstance(asked, dict) else LIPDROP,
        status={"queued": "queued", "running": "in_progress", "done": "completed", "failed": "failed"}[state.status],
        progress=state.progress,
        created_at=created_at(state.job),
        completed_at=_unix(report["finished_at"]) if "finished_at" in report else None,
        error=VideoError(code=error["code"], message=error["message"]) if error else None,
        prompt=job.get("text"),
        seconds=str(max(1, round(audio["seconds"]))) if audio.get("seconds") else "0",
        size=f"{picture['width']}x{picture['height']}" if picture else job.get("size") or "auto",
    )


def created_at(video_id: str) -> int:
    """The Unix time in an id."""
    match = VIDEO_ID.match(video_id)
    assert match is not None
    return int(match[1], 16) // 1_000_000


def _job(spool: Spool, name: str) -> dict[str, Any]:
    """A job's file, wherever it is now; empty if it cannot be read."""
    work, failed = spool.folder(name), spool.failed / name
    for file in (spool.dropped_file(name), work / CLAIMED, work / JOB, spool.done_file(name), failed / JOB):
        try:
            return parse_json_object(read_file(file))
        except (OSError, JobError):
            continue
    return {}


def _unix(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).timestamp())


def event(kind: str, **data: Any) -> str:
    """The data of a server-sent event."""
    return json.dumps({"type": kind, **data})
