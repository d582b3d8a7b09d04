"""Describing, checking and adding avatars. The web gateway uses this too, in a process that it starts each time."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.config import AvatarsSettings, Config
from pipeline.errors import JobError, StageError
from pipeline.job_file import JOB_NAME
from pipeline.job_names import legal_name

if TYPE_CHECKING:
    from pipeline.avatars import Avatars
    from pipeline.messages import Notice

SETTINGS_FILE = "avatar.yaml"

NAME_HINT = "use letters, digits, '.', '_' and '-', starting with a letter or a digit"


BOX = "X1,Y1,X2,Y2"
TURNS = (90, 180, 270)
"""Degrees clockwise by which a picture may be turned."""


@dataclass(frozen=True)
class Summary:
    """An avatar in a list."""

    name: str
    is_own: bool
    """Whether it is in the user's folder; else it comes with lipdrop."""
    kind: str = ""
    """picture or video; empty if its files cannot be read."""
    width: int = 0
    height: int = 0
    voice: dict[str, list[str]] = field(default_factory=dict)
    """Its own voices by language; under the empty key those of all other languages."""
    problem: str | None = None
    """Why its files cannot be read."""

    @property
    def text(self) -> str:
        """In a few words."""
        return f"unusable: {self.problem}" if self.problem else f"{self.kind} of {self.width}x{self.height}"


def summaries(config: Config) -> list[Summary]:
    """All avatars, without finding their faces."""
    with _without_cache(config) as library:
        return [_summary(config, library, name) for name in library.names()]


def _summary(config: Config, library: Avatars, name: str) -> Summary:
    is_own = (config.path(config.avatars.folder) / name).is_dir()
    try:
        avatar = library.load(name)
        columns, rows = avatar.sides
    except (JobError, StageError) as error:
        return Summary(name, is_own, problem=error.message)
    voices = {language: list(wishes) for language, wishes in avatar.settings.voice.items()}
    return Summary(name, is_own, "video" if avatar.moves else "picture", columns, rows, voices)


class Inspected(NamedTuple):
    """What a check has found in an avatar that can speak."""

    text: str
    """One line."""
    notices: tuple[Notice, ...]
    """The warnings that its jobs get."""


def inspect(config: Config, name: str) -> Inspected:
    """Check an avatar as a job does. Raises JobError if it cannot speak."""
    from pipeline.avatars import FaceLandmarks, readiness

    with _without_cache(config) as library:
        avatar = library.load(name)
        place = readiness.check(avatar)
    assert isinstance(place.landmarks, FaceLandmarks)
    lips = place.landmarks.lips_outer
    mouth = float((lips[..., 0].max(-1) - lips[..., 0].min(-1)).mean())
    (columns, rows), (width, height) = avatar.sides, place.layout.size
    kind = "video" if avatar.moves else "picture"
    description = f"{kind} of {columns}x{rows}, frames of {width}x{height}, {_judged(mouth)}"
    if avatar.moves and place.unseen:
        spans = ", ".join(f"{start} to {stop - 1}" for start, stop in place.unseen)
        description += f", no face in frames {spans} (no_face: {avatar.settings.no_face})"
    return Inspected(description, place.notices)


def settings_of(rotate: int | None, face: int | None = None, /, **boxes: tuple[int, ...] | None) -> str:
    """The `avatar.yaml` of a new avatar: what differs from the defaults. `boxes`: in pixels of the turned picture."""
    rows = {"rotate": rotate, "face": face, **{key: box and list(box) for key, box in boxes.items()}}
    return "".join(f"{key}: {value}\n" for key, value in rows.items() if value)


def consent_of(statement: str, now: datetime) -> str:
    """The line of an `avatar.yaml` that records a person's consent; none if it is empty. Raises JobError."""
    if not statement.strip():
        return ""
    from pydantic import ValidationError

    from pipeline.avatars.settings import CONSENT_CHARACTERS_MAX, Consent

    try:
        found = Consent(statement=statement, recorded_at=f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    except ValidationError as error:
        hint = f"one line of up to {CONSENT_CHARACTERS_MAX} characters"
        raise JobError(
            "range", "consent is not a statement that can be recorded", field="consent", hint=hint
        ) from error
    return f"consent: {json.dumps(found.model_dump(), ensure_ascii=False)}\n"


def undated(settings: str) -> str:
    """An `avatar.yaml` without the date of the consent: whether two are the same does not depend on it."""
    return re.sub(r'(?m)^(consent: .*), "recorded_at": "[^"]*"}$', r"\1}", settings)


def box_of(text: str) -> tuple[int, ...]:
    """The four numbers of a box. Raises ValueError."""
    x1, y1, x2, y2 = (int(number) for number in text.strip("[] ").split(","))
    return x1, y1, x2, y2


def _judged(mouth: float) -> str:
    """The width of a mouth in pixels of a frame, and whether it is enough."""
    from pipeline.avatars.notices import SHARP_MOUTH_PIXELS

    small = "small: it will look soft; use a picture in which the face is larger"
    return f"mouth {mouth:.0f} pixels wide ({'fine' if mouth >= SHARP_MOUTH_PIXELS else small})"


def check_name(name: str) -> None:
    """Raise JobError if an avatar cannot have this name. The rules are those of job names."""
    if JOB_NAME.match(name) is None:
        like = f", such as {legal_name(name)!r}" if name.strip() else ""
        raise JobError("avatar", f"invalid avatar name {name[:100]!r}", field="name", hint=NAME_HINT + like)


def install(config: Config, file: Path, name: str, settings: str = "") -> Inspected:
    """Copy a picture or video into a new avatar folder if it can speak; return what `inspect` finds.

    `settings`: the content of its `avatar.yaml`; none if empty. Raises JobError if it cannot speak, or if the name is
    invalid or taken.
    """
    from pipeline.avatars.folder import require_media

    check_name(name)
    require_media(file)
    if name in names_of(config):
        raise JobError("avatar", f"avatar {name!r} already exists", field="name", hint="choose another name")
    folder = config.path(config.avatars.folder)
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:
        unfinished = Path(scratch) / name
        unfinished.mkdir()
        copy = Path(shutil.copyfile(file, unfinished / f"{name}{file.suffix.lower()}"))
        # The daemon may run as a different user.
        unfinished.chmod(0o755)
        copy.chmod(0o644)
        if settings:
            (unfinished / SETTINGS_FILE).write_text(settings, "utf-8")
            (unfinished / SETTINGS_FILE).chmod(0o644)
        found = inspect(config.model_copy(update={"avatars": _only(config, scratch)}), name)
        unfinished.rename(folder / name)
    return found


def _only(config: Config, folder: str) -> AvatarsSettings:
    return config.avatars.model_copy(update={"folder": folder})


def names_of(config: Config) -> list[str]:
    """The names of all avatars."""
    from pipeline.avatars import Avatars

    return Avatars(config).names()


@contextmanager
def _without_cache(config: Config) -> Iterator[Avatars]:
    """The avatars, with a temporary cache: the spool's cache belongs to the daemon's user."""
    from pipeline.avatars import Avatars

    with tempfile.TemporaryDirectory(prefix="lipdrop-") as scratch:
        yield Avatars(config, Path(scratch))
