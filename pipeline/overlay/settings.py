"""What a configuration or a job may ask to be drawn into the picture."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from pipeline.messages import CaptionLook, Label
from pipeline.overlay import fonts
from pipeline.settings import Section

LABEL_CHARACTERS_MAX = 80
TEXTS = {"en": "AI-generated", "ru": "Создано с помощью ИИ", "kk": "ЖИ көмегімен жасалған"}
"""The label's words by language; English ones for all others."""

Show = Literal["none", "corner", "intro"]
Place = Literal["top-left", "top-right", "bottom-left", "bottom-right"]


def _printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise PydanticCustomError("value", "must be one line of text")
    return text.strip()


Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class CaptionStyle(Section):
    """How captions in the picture look."""

    font: Annotated[str, Field(min_length=1, max_length=100)] = fonts.DEFAULT
    """Name of a font: the one that comes with lipdrop, or one of the system."""
    size: Annotated[float, Field(ge=2, le=20)] = 5.5
    """Height of the font in percent of the frame's shorter side."""
    colour: Colour = "#ffffff"
    """Of the text, #rrggbb."""
    highlight: Colour | None = "#ffd500"
    """Of the word that is spoken; null: no word is highlighted."""
    box: Colour | None = "#000000"
    """Of the box behind the text, which the picture shines through; null: letters with an outline, without a box."""
    position: Literal["bottom", "middle", "top"] = "bottom"
    """Where they are."""

    @property
    def look(self) -> CaptionLook:
        """As stages get it."""
        return CaptionLook(self.font, self.size / 100, self.colour, self.highlight, self.box, self.position)


class LabelSettings(Section):
    """The visible label."""

    show: Show = "none"
    """corner: all the time; intro: in the first seconds; none: not at all."""
    text: Annotated[str, Field(max_length=LABEL_CHARACTERS_MAX), AfterValidator(_printable)] | None = None
    """What it says. Default: that the video was made by AI, in the language of the job."""
    place: Place = "top-right"
    """In which corner it is."""
    seconds: Annotated[float, Field(ge=0.5, le=60)] = 5.0
    """How long an intro is."""

    def label(self, language: str) -> Label | None:
        """What is drawn; None for nothing."""
        if self.show == "none":
            return None
        text = self.text or TEXTS.get(language.partition("-")[0], TEXTS["en"])
        return Label(text, self.place, self.seconds if self.show == "intro" else None)

    def changed_by(self, other: LabelSettings | None) -> LabelSettings:
        """These settings, but for what the others say."""
        return self if other is None else self.model_copy(update=other.model_dump(exclude_unset=True))


def as_label(value: Any) -> Any:
    """A plain word as settings; anything else is left for the caller's validation."""
    return {"show": value} if isinstance(value, str) else value


LabelKey = Annotated[LabelSettings, BeforeValidator(as_label, json_schema_input_type=Show | LabelSettings)]
