"""Files beside the video: a poster, a contact strip, an animated preview, the same without a background.

`moment.py` chooses the frame of the poster, `pictures.py` writes the files.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["poster", "strip", "preview"]

TRANSPARENT = "transparent"
"""The video of a job with a transparent background, which no job asks for otherwise."""

SUFFIXES: dict[str, str] = {
    "poster": ".jpg",
    "strip": ".strip.jpg",
    "preview": ".preview.webp",
    TRANSPARENT: ".webm",
}
"""Of each kind: what follows the job's name in the outbox."""
