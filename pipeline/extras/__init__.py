"""Files beside the video: poster, contact strip, animated preview, the sound alone, the video without a background.

`moment.py` chooses the frame of the poster, `pictures.py` writes the pictures, `sounds.py` the sound.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["poster", "strip", "preview", "wav", "mp3"]
JobKind = Literal[Kind, "prores"]
"""What a job may ask for: the last one if it is transparent."""

PRORES = "prores"
TRANSPARENT = "transparent"
"""The video of a job with a transparent background, which no job asks for otherwise."""

SUFFIXES: dict[str, str] = {
    "poster": ".jpg",
    "strip": ".strip.jpg",
    "preview": ".preview.webp",
    TRANSPARENT: ".webm",
    PRORES: ".mov",
    "wav": ".wav",
    "mp3": ".mp3",
}
"""Of each kind: what follows the job's name in the outbox."""
