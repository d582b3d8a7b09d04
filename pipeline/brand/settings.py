"""What a configuration or a job may ask for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from pipeline.overlay.settings import Place
from pipeline.settings import Section


def _plain_name(name: str) -> str:
    """Refuse paths: a job must not reach other files."""
    if "/" in name or "\\" in name or name.startswith(".") or not name.isprintable():
        raise PydanticCustomError("range_error", "Input should be the name of a file, not a path")
    return name


FileName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain_name)]
"""The name of a file in the folder of the brand."""


class LogoSettings(Section):
    """A picture in a corner of the frames."""

    file: FileName | None = None
    """Name of a picture in the folder of the brand; null: no logo."""
    place: Place = "top-left"
    """In which corner it is."""
    size: Annotated[float, Field(ge=0.02, le=0.5)] = 0.15
    """Its longer side, in parts of the frame's shorter side."""
    opacity: Annotated[float, Field(ge=0.05, le=1)] = 1.0
    """1: as it is; less: the frames shine through."""

    def changed_by(self, other: LogoSettings | None) -> LogoSettings:
        """These settings, but for what the others say."""
        return self if other is None else self.model_copy(update=other.model_dump(exclude_unset=True))


def as_logo(value: Any) -> Any:
    """A plain name, or false, as settings; anything else is left for the caller's validation."""
    if value is False:
        return {"file": None}
    return {"file": value} if isinstance(value, str) else value


LogoKey = Annotated[
    LogoSettings, BeforeValidator(as_logo, json_schema_input_type=FileName | Literal[False] | LogoSettings)
]


def _or_no_clip(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    return NO_CLIP if value is False else check(value)


NO_CLIP = ""
"""The name of no file: no clip, although the configuration has one."""
ClipKey = Annotated[FileName, WrapValidator(_or_no_clip, json_schema_input_type=FileName | Literal[False])]
"""The name of a clip; false: none, although the configuration has one."""


class BrandSettings(Section):
    """What makes videos recognizable."""

    folder: str = "brand"
    """Folder of the files that this section and jobs name."""
    logo: LogoKey = LogoSettings()
    """The logo of all videos. A job may choose another one, or another place, size or opacity."""
    intro: FileName | None = None
    """Name of a clip in the folder that finished videos begin with, unless the job names another one."""
    outro: FileName | None = None
    """Name of a clip in the folder that they end with."""
