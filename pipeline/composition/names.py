"""What jobs call their backgrounds: a colour, a file of the backgrounds folder, or `transparent`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import JobError, nearest_hint
from pipeline.files import as_spelt, visible_files
from pipeline.job_file import printable
from pipeline.media.kinds import identify

TRANSPARENT = "transparent"
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}\Z")
FIELD = "background"


def file_of(background: str | None, config: Config) -> Path | None:
    """The file of a background, whether it exists or not; None if it has none."""
    if background is None or background == TRANSPARENT or background.startswith("#"):
        return None
    return as_spelt(config.path(config.backgrounds.folder), background)


def check(background: str, config: Config) -> None:
    """Check a job's background, without decoding its file. Raises JobError."""
    file = file_of(background, config)
    if file is not None:
        _check_file(background, file)
    elif background != TRANSPARENT and COLOUR.match(background) is None:
        raise JobError("range", f"{background[:20]!r} is not a colour", field=FIELD, hint='like "#00b140"')


def _check_file(background: str, file: Path) -> None:
    if Path(background).name != background or background.startswith(".") or not background.isprintable():
        hint = f'copy it to {file.parent} and write "background": "{printable(Path(background).name)}"'
        raise JobError("background", "background must be a colour or a file's name, not a path", field=FIELD, hint=hint)
    if not os.path.isfile(file):  # noqa: PTH113
        known = visible_files(file.parent)
        hint = nearest_hint(background[:100], known, "backgrounds") if known else f"put it into {file.parent}"
        raise JobError("background", f"there is no background {background[:100]!r}", field=FIELD, hint=hint)
    _check_kind(file)


def _check_kind(file: Path) -> None:
    """Refuse what is not a picture or a video, by its first bytes. Raises JobError."""
    try:
        kind = identify(file)
    except OSError as error:
        raise JobError("media", f"{file.name} cannot be read: {error.strerror}", field=FIELD) from error
    if kind is None or kind.medium == "other":
        what = "not a picture or a video" if kind is None else f"{kind.name}, which lipdrop cannot read"
        hint = "save it as a JPEG or PNG picture, or as an MP4 video"
        raise JobError("media", f"{file.name} is {what}", field=FIELD, hint=hint)
