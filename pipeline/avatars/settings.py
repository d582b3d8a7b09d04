"""The settings of an avatar: its `avatar.yaml`."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from pipeline.avatars.folder import read_text, refuse
from pipeline.errors import JobError, nearest_hint
from pipeline.job import ARTICULATION, FRAME_SIDE_MIN, frame_size_problem
from pipeline.media.clips import Cut
from pipeline.media.pictures import WHITE, Look
from pipeline.settings import DuplicateKeyError, parse_yaml

VOICES_MAX = 20

Pad = Annotated[int, Field(ge=-10_000, le=10_000)]

ANY_LANGUAGE = ""
"""As a key of `voice`: every language without a key of its own."""

Language = Annotated[str, Field(pattern=r"^([a-z]{2,3}(-[A-Za-z0-9-]{1,20})?)?$")]
Wishes = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(min_length=1, max_length=VOICES_MAX)
]

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels; x2 and y2 are exclusive."""

FACES_MAX = 100
"""Limit of `face`."""
BOX_FORMAT = "[x1, y1, x2, y2] in pixels of the picture, x1 < x2 and y1 < y2"
CONSENT_CHARACTERS_MAX = 1000
FORMATS = {
    "face_box": BOX_FORMAT,
    "face": f"the number of the face that speaks, counted from the left, 1 to {FACES_MAX}",
    "pads": "[top, bottom, left, right], whole pixels from -10000 to 10000",
    "crop": BOX_FORMAT,
    "beyond_crop": "true or false: whether vertical, square and wide show the picture beyond crop",
    "rotate": "0, 90, 180 or 270, degrees clockwise",
    "background": "a colour like '#ffffff', in quotes",
    "size": "WIDTHxHEIGHT, like 720x720, or vertical, square or wide",
    "blend": "feather or paste",
    "silence_gate": "auto, on or off",
    "idle_motion": "off, calm or lively",
    "articulation": "how far the mouth moves: {} to {}, where 1 is as people's do".format(*ARTICULATION),
    "no_face": "hold, interpolate, passthrough or fail",
    "voice": "male, female or a voice's name; or these by language, like {ru: rhvoice:aleksandr, en: male}",
    "consent": f"a statement of up to {CONSENT_CHARACTERS_MAX} characters in one line",
}
"""The values that each key takes, for hints."""


def _one_line(text: str) -> str:
    """Refuse what metadata cannot hold."""
    if not (text.isprintable() and text.strip()):
        raise ValueError("must be one line of text")
    return text.strip()


def _switch(value: Any) -> Any:
    """YAML reads a plain `on` or `off` as true or false."""
    return ("off", "on")[value] if isinstance(value, bool) else value


def _liveliness(value: Any) -> Any:
    """YAML reads a plain `off` as false; true and false are also accepted."""
    return ("off", "calm")[value] if isinstance(value, bool) else value


def _by_language(value: Any) -> Any:
    """The voices of all languages, and lists instead of single names."""
    by_language = value if isinstance(value, dict) else {ANY_LANGUAGE: value}
    return {tag: [wish] if isinstance(wish, str) else wish for tag, wish in by_language.items()}


def _as_consent(value: Any) -> Any:
    """A plain statement; anything else is left for the caller's validation."""
    return {"statement": value} if isinstance(value, str) else value


class Consent(BaseModel):
    """A record that the person who is shown agrees to be made to speak."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    statement: Annotated[str, Field(min_length=1, max_length=CONSENT_CHARACTERS_MAX), AfterValidator(_one_line)]
    """In the words of whoever added the avatar."""
    recorded_at: Annotated[str, Field(max_length=40)] | None = None
    """RFC 3339, UTC."""


class AvatarSettings(BaseModel):
    """The keys of an `avatar.yaml`, all optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    face_box: Box | None = None
    """x1, y1, x2, y2 of the face in pixels of the picture; None: detected."""
    face: Annotated[int, Field(ge=1, le=FACES_MAX, strict=True)] | None = None
    """The number of the face that speaks, counted from the left; None: the largest one."""
    pads: tuple[Pad, Pad, Pad, Pad] = (0, 10, 0, 0)
    """Pixels added to the box: top, bottom, left, right."""
    crop: Box | None = None
    """x1, y1, x2, y2 of the part of the picture to use, in its pixels; None: all of it."""
    beyond_crop: Annotated[bool, Field(repr=False)] = False
    """Whether the frames of presets show what is beyond the crop where the crop ends inside them. Cached files are
    kept by the part that is shown."""
    rotate: Literal[0, 90, 180, 270] = 0
    """Degrees by which the picture or video is turned clockwise. All coordinates are those of the turned picture."""
    background: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = WHITE
    """The colour under transparent parts, #rrggbb."""
    size: str | None = None
    """WIDTHxHEIGHT of the avatar's videos, or a preset, with the same limits as a job's size."""
    blend: Literal["feather", "paste"] = "feather"
    """How Wav2Lip's face is put into the picture: feather: with a soft border; paste: unchanged."""
    silence_gate: Annotated[Literal["auto", "on", "off"], BeforeValidator(_switch)] = "auto"
    """Whether Wav2Lip's mouth fades to the avatar's own in pauses; auto: as the model's `silence_gate` says."""
    idle_motion: Annotated[Literal["off", "calm", "lively"], BeforeValidator(_liveliness)] = "calm"
    """How a still picture blinks, sways and breathes; lively: it nods and raises its brows on stressed speech."""
    articulation: Annotated[float, Field(ge=ARTICULATION[0], le=ARTICULATION[1], repr=False)] = 1.0
    """How far the built-in engine's mouth moves; a job may choose otherwise. No cached file depends on it."""
    no_face: Literal["hold", "interpolate", "passthrough", "fail"] = "hold"
    """Video frames without a face: hold: show the last frame with a face; interpolate: draw the mouth where the face
    should be; passthrough: show the frame unchanged; fail: fail the job."""

    voice: Annotated[dict[Language, Wishes], BeforeValidator(_by_language)] = Field(default_factory=dict, repr=False)
    """Voices by language, in order of preference: names, or `male` or `female`. Not part of the representation, which
    is the key of cached files: no picture depends on it."""

    consent: Annotated[Consent | None, BeforeValidator(_as_consent), Field(repr=False)] = None
    """The person's consent, as recorded. It goes into the metadata of videos; no cached file depends on it."""

    @property
    def look(self) -> Look:
        """How the settings change what the file shows."""
        return Look(self.background.lower(), self.rotate)

    @field_validator("face_box", "crop")
    @classmethod
    def _is_valid_box(cls, box: Box | None) -> Box | None:
        if box is not None and not (all(map(math.isfinite, box)) and box[0] < box[2] and box[1] < box[3]):
            raise ValueError("x1, y1, x2, y2 must be finite numbers with x1 < x2 and y1 < y2")
        return box

    def voices(self, language: str) -> tuple[str, ...]:
        """The voices that the avatar should speak a language with, in order of preference; may be empty."""
        tags = (language, language.partition("-")[0], ANY_LANGUAGE)
        return next((self.voice[tag] for tag in tags if tag in self.voice), ())

    def cropped_area(self, sides: tuple[int, int]) -> Cut:
        """The part of a picture to use; `sides`: its width and height. Raises JobError if the part is too small."""
        if self.crop is None:
            return (0, 0, *sides)
        left, top, right, bottom = (
            min(max(round(edge), 0), side) for edge, side in zip(self.crop, sides * 2, strict=True)
        )
        if min(right - left, bottom - top) < FRAME_SIDE_MIN:
            message = f"crop leaves {max(right - left, 0)}x{max(bottom - top, 0)} of {sides[0]}x{sides[1]} pixels"
            hint = f"crop: {BOX_FORMAT}, at least {FRAME_SIDE_MIN} pixels wide and high"
            raise JobError("avatar", message, field="avatar", hint=hint)
        return left, top, right - left, bottom - top

    def shown_area(self, sides: tuple[int, int]) -> Cut:
        """The part of a picture that the frames of presets may show. Raises JobError."""
        area = self.cropped_area(sides)
        return (0, 0, *sides) if self.beyond_crop else area

    @classmethod
    def load(cls, file: Path, frame_pixels: int) -> AvatarSettings:
        """Read the file if it exists; `frame_pixels` limits its `size`. Raises JobError."""
        if not os.path.lexists(file):
            return cls()
        try:
            raw = parse_yaml(read_text(file))
        except DuplicateKeyError as error:
            refuse(file, str(error), "keep one of them")
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            refuse(file, f"invalid YAML: {error}", f"use 'key: value' lines; keys: {', '.join(FORMATS)}")
        if raw is not None and not isinstance(raw, dict):
            refuse(file, f"expected keys and values, not a {type(raw).__name__}", "for example size: 720x720")
        settings = _validated(file, raw or {})
        problem = None if settings.size is None else frame_size_problem(settings.size, frame_pixels)
        if problem is not None:
            refuse(file, *problem)
        return settings


def _validated(file: Path, raw: dict[Any, Any]) -> AvatarSettings:
    known = list(AvatarSettings.model_fields)
    unknown = next((str(key) for key in raw if key not in known), None)
    if unknown is not None:
        refuse(file, f"unknown key {unknown[:100]!r}", nearest_hint(unknown[:100], known))
    try:
        return AvatarSettings.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"] if part not in (ANY_LANGUAGE, "[key]"))
        key = str(first["loc"][0])
        refuse(file, f"{place}: {first['msg']}", f"{key}: {FORMATS[key]}")
