"""What is drawn into the picture, and when, as an ASS file for libass.

Times are those of the job, so a frame looks the same in whichever chunk it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.messages import Label
from pipeline.overlay import fonts

LABEL_SIZE, LABEL_SIZE_MIN = 0.045, 13
"""Height of the label's font in parts of the frame's shorter side, and in pixels at least."""
LABEL_FADE_MILLISECONDS = 300
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
class Style:
    """How a text looks: a row of the document."""

    name: str
    font: str
    pixels: int
    colour: str
    border: int
    line_width: float
    padding: float
    place: str
    edge: int
    """Distance from the edge that `place` names, in pixels."""

    def row(self, free: Margins) -> str:
        """As the document has it."""
        colours = (self.colour, self.colour, BLACK, SHADE)
        shape = (self.border, f"{self.line_width:g}", f"{self.padding:g}", ALIGNMENTS[self.place])
        place = (free.left, free.right, self.edge, -1)  # -1: the direction of the text decides, not a code page
        fields = (self.name, self.font, self.pixels, *colours, -1, 0, 0, 0, 100, 100, 0, 0, *shape, *place)
        return "Style: " + ",".join(map(str, fields))


def document(size: tuple[int, int], label: Label) -> str:
    """The whole file."""
    free = margins(size)
    styles, events = [_label_style(size, label).row(free)], [_label_event(label)]
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


def _label_style(size: tuple[int, int], label: Label) -> Style:
    pixels, free = label_pixels(size), margins(size)
    edge = free.top if label.place.startswith("top") else free.bottom
    padding = max(2.0, round(pixels / 6))
    return Style("label", fonts.DEFAULT, pixels, WHITE, BOXED, pixels / 20, padding, label.place, edge)


def _label_event(label: Label) -> str:
    fade = f"{{\\fad(0,{LABEL_FADE_MILLISECONDS})}}" if label.seconds is not None else ""
    return event("label", 0.0, label.seconds or FOREVER_SECONDS, fade + escaped(label.text), layer=1)


def event(style: str, start_seconds: float, end_seconds: float, text: str, *, layer: int = 0) -> str:
    """A text for a while. Texts of one layer move aside for each other; those of different layers do not."""
    return f"Dialogue: {layer},{_clock(start_seconds)},{_clock(end_seconds)},{style},,0,0,0,,{text}"


def _clock(seconds: float) -> str:
    minutes, hundredths = divmod(round(seconds * 100), 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{hundredths // 100:02d}.{hundredths % 100:02d}"


def escaped(text: str) -> str:
    """A text without what libass takes for commands: a word joiner, which is invisible, ends a backslash's effect."""
    return text.replace("\\", "\\\u2060").replace("{", "\\{").replace("}", "\\}").replace("\n", "\\N")
