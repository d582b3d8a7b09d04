"""Files beside the video that a job may ask for: a poster, a contact strip, an animated preview.

`moment.py` chooses the frame of the poster, `pictures.py` writes the files.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["poster", "strip", "preview"]

SUFFIXES: dict[str, str] = {"poster": ".jpg", "strip": ".strip.jpg", "preview": ".preview.webp"}
"""Of each kind: what follows the job's name in the outbox."""
