"""What is drawn into the picture, and when, as an ASS file for libass.

Times are those of the job, so a frame looks the same in whichever chunk it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.messages import CaptionLook, Label
from pipeline.overlay import fonts
from pipeline.speech.cues import LINE_CHARACTERS, Cue

LABEL_SIZE, LABEL_SIZE_MIN = 0.045, 13
"""Height of the label's font in parts of the frame's shorter side, and in pixels at least."""
LABEL_FADE_MILLISECONDS = 300
CAPTION_SIZE_MIN = 10
"""Pixels."""
CAPTION_HEIGHT = 3.3
"""Of two lines in their box, in heights of the font."""
LETTER_WIDTH = 0.6
"""Of a bold letter, on average, in heights of the font."""
LINE_CHARACTERS_MIN = 8
BOX_ALPHA = "60"
"""Transparency of the box behind captions, of FF."""
WHITE, BLACK = "&H00FFFFFF", "&H00000000"
SHADE = "&H70000000"
"""The box behind a text: black, a little more than half."""
ALIGNMENTS = {"bottom-left": 1, "bottom": 2, "bottom-right": 3, "middle": 5, "top-left": 7, "top": 8, "top-right": 9}
"""As on a numeric keypad."""
OUTLINED, BOXED = 1, 4
"""Border styles: letters with an outline; one box behind all lines (an extension of libass)."""
VERTICAL = 1.2
"""Height by width from which a frame counts as vertical: phones show controls over it."""
FOREVER_SECONDS = 9 * 3600.0


@dataclass(frozen=True)
class Margins:
    """The border of a frame that stays free of text, in pixels."""

    left: int
    right: int
    top: int
    bottom: int


def margins(size: tuple[int, int]) -> Margins:
    """5 % on each side, as broadcasters keep free; in vertical frames also what the controls of players cover."""
    width, height = size
    if height < VERTICAL * width:
        return Margins(*(round(0.05 * side) for side in (width, width, height, height)))
    return Margins(round(0.06 * width), round(0.12 * width), round(0.10 * height), round(0.22 * height))


@dataclass(frozen=True)
class Captions:
    """What is shown of what is said."""

    look: CaptionLook
    cues: Sequence[Cue]
    """With the times of the job."""
    end_seconds: float
    """Where the last one ends at the latest."""


@dataclass(frozen=True)
class Style:
    """How a text looks: a row of the document."""

    name: str
    font: str
    pixels: int
    colour: str
    outline: str
    box: str | None
    """None: there is no box."""
    line_width: float
    padding: float
    place: str
    edge: int
    """Distance from the edge that `place` names, in pixels."""

    def row(self, free: Margins) -> str:
        """As the document has it."""
        colours = (self.colour, self.colour, self.outline, self.box or BLACK)
        border, padding = (OUTLINED, 0.0) if self.box is None else (BOXED, self.padding)
        shape = (border, f"{self.line_width:g}", f"{padding:g}", ALIGNMENTS[self.place])
        inside = math.ceil(padding)  # the box is drawn around the text
        place = (free.left + inside, free.right + inside, self.edge + inside, -1)  # -1: the text decides its direction
        fields = (self.name, self.font, self.pixels, *colours, -1, 0, 0, 0, 100, 100, 0, 0, *shape, *place)
        return "Style: " + ",".join(map(str, fields))


def document(size: tuple[int, int], label: Label | None, captions: Captions | None = None) -> str:
    """The whole file."""
    free = margins(size)
    styles, events = [], []
    if label is not None:
        styles.append(_label_style(size, label).row(free))
        events.append(_label_event(label))
    if captions is not None:
        styles.append(_caption_style(size, captions.look, label).row(free))
        events += _caption_events(captions)
    return "\n".join([*_head(size), *styles, "", *EVENTS_HEAD, *events, ""])


def _head(size: tuple[int, int]) -> Iterator[str]:
    yield from ("[Script Info]", "ScriptType: v4.00+", f"PlayResX: {size[0]}", f"PlayResY: {size[1]}")
    yield from ("ScaledBorderAndShadow: yes", "WrapStyle: 0", "", "[V4+ Styles]")
    yield (
        "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, "
        "Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, "
        "MarginR, MarginV, Encoding"
    )


EVENTS_HEAD = (
    "[Events]",
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text",
)


def label_pixels(size: tuple[int, int]) -> int:
    """Height of the label's font."""
    return max(LABEL_SIZE_MIN, round(LABEL_SIZE * min(size)))


def beyond_texts(size: tuple[int, int], place: str, label: Label | None, captions: CaptionLook | None) -> int:
    """How far from the top or bottom edge a corner is free of texts, in pixels. `place`: like that of a label."""
    free, edge = margins(size), place.partition("-")[0]
    distance = free.top if edge == "top" else free.bottom
    has_captions = captions is not None and captions.position == edge
    if label is not None and (label.place == place or (has_captions and label.place.startswith(edge))):
        distance += 2 * label_pixels(size)
    if captions is not None and has_captions:
        distance += round(CAPTION_HEIGHT * _caption_pixels(size, captions))
    return distance


def _label_style(size: tuple[int, int], label: Label) -> Style:
    pixels, free = label_pixels(size), margins(size)
    edge = free.top if label.place.startswith("top") else free.bottom
    padding = max(2.0, round(pixels / 6))
    look = (WHITE, BLACK, SHADE, pixels / 20)
    return Style("label", fonts.DEFAULT, pixels, *look, padding, label.place, edge)


def _label_event(label: Label) -> str:
    fade = f"{{\\fad(0,{LABEL_FADE_MILLISECONDS})}}" if label.seconds is not None else ""
    return event("label", 0.0, label.seconds or FOREVER_SECONDS, fade + escaped(label.text), layer=1)


def event(style: str, start_seconds: float, end_seconds: float, text: str, *, layer: int = 0) -> str:
    """A text for a while. Texts of one layer move aside for each other; those of different layers do not."""
    return f"Dialogue: {layer},{_clock(start_seconds)},{_clock(end_seconds)},{style},,0,0,0,,{text}"


def line_characters(size: tuple[int, int], look: CaptionLook) -> int:
    """How many letters fit into a line of captions."""
    free = margins(size)
    fit = int((size[0] - free.left - free.right) / (LETTER_WIDTH * _caption_pixels(size, look)))
    return min(max(fit, LINE_CHARACTERS_MIN), LINE_CHARACTERS)


def _caption_pixels(size: tuple[int, int], look: CaptionLook) -> int:
    return max(CAPTION_SIZE_MIN, round(look.size * min(size)))


def _caption_style(size: tuple[int, int], look: CaptionLook, label: Label | None) -> Style:
    """The style; where the label is at the same edge, captions keep away from it."""
    pixels, free = _caption_pixels(size, look), margins(size)
    edge = 0 if look.position == "middle" else free.top if look.position == "top" else free.bottom
    if label is not None and label.place.startswith(look.position):
        edge += 2 * label_pixels(size)
    return Style(
        name="captions",
        font=look.font,
        pixels=pixels,
        colour=_colour(look.colour),
        outline=WHITE if _is_dark(look.colour) else BLACK,
        box=None if look.box is None else _colour(look.box, BOX_ALPHA),
        line_width=pixels / (20 if look.box else 12),
        padding=max(2.0, round(pixels / 5)),
        place=look.position,
        edge=edge,
    )


def _caption_events(captions: Captions) -> Iterator[str]:
    """Each cue; with highlighted words, once for each word, so that the lines stay as they are."""
    for cue in captions.cues:
        end_seconds = min(cue.end_seconds, captions.end_seconds)
        if captions.look.highlight is None:
            yield event("captions", cue.start_seconds, end_seconds, escaped(cue.text))
            continue
        starts = [cue.start_seconds, *(min(part.start_seconds, end_seconds) for part in cue.parts[1:]), end_seconds]
        for number, (start, end) in enumerate(pairwise(starts)):
            if _clock(start) < _clock(end):
                yield event("captions", start, end, _highlighted(cue, number, _colour(captions.look.highlight)))


def _highlighted(cue: Cue, number: int, colour: str) -> str:
    words = [escaped(part.text) for part in cue.parts]
    words[number] = f"{{\\1c{colour}&}}{words[number]}{{\\r}}"
    return "".join(word + escaped(part.gap) for word, part in zip(words, cue.parts, strict=True))


def _colour(rgb: str, alpha: str = "00") -> str:
    """A colour as libass has it: transparency, blue, green, red."""
    return f"&H{alpha}{rgb[5:7]}{rgb[3:5]}{rgb[1:3]}".upper()


def _is_dark(rgb: str) -> bool:
    red, green, blue = (int(rgb[at : at + 2], 16) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 80


def _clock(seconds: float) -> str:
    minutes, hundredths = divmod(round(seconds * 100), 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{hundredths // 100:02d}.{hundredths % 100:02d}"


def escaped(text: str) -> str:
    """A text without what libass takes for commands: a word joiner, which is invisible, ends a backslash's effect."""
    return text.replace("\\", "\\\u2060").replace("{", "\\{").replace("}", "\\}").replace("\n", "\\N")
