"""The settings of a lip-sync model, one class per engine. Engines are registered in `ENGINES`.

Deliberately light: reading the configuration imports this module, but no engine and thus not torch.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.errors import nearest_hint
from pipeline.settings import Section

IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z", re.ASCII)


class ModelSettings(Section):
    """An entry of `models`. An engine with additional settings adds fields in a subclass."""

    implementation: ClassVar[str]
    """Import path `module:Class` of the engine (see `pipeline.engines.base.Engine`), imported by workers only."""

    engine: str
    """A name in `ENGINES`, or the import path `module:Class` of a subclass of ModelSettings."""
    checkpoint: str | None = None
    """The file with the weights, for engines that need one."""
    silence_gate: bool = False
    """Whether the avatar's own mouth is shown in pauses instead of the engine's; the avatar's setting takes precedence.
    Engines that close the mouth in pauses ignore it."""

    @property
    def files(self) -> dict[str, str]:
        """The files that rendered frames depend on, by their keys."""
        return {} if self.checkpoint is None else {"checkpoint": self.checkpoint}

    @property
    def look(self) -> str:
        """Equal for two models that render the same frames: their chunks need no cross-fade."""
        return self.model_dump_json()


class BuiltinSettings(ModelSettings):
    """The built-in engine. It has no settings: all its models are the same."""

    implementation: ClassVar[str] = "pipeline.engines.builtin:BuiltinEngine"
    engine: Literal["builtin"] = "builtin"

    @property
    def look(self) -> str:
        """The same for all models."""
        return self.engine


class Wav2LipSettings(ModelSettings):
    """Wav2Lip with a checkpoint."""

    implementation: ClassVar[str] = "pipeline.engines.wav2lip:Wav2LipEngine"
    engine: Literal["wav2lip"] = "wav2lip"
    batch_frames: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Frames that the network computes at once; None: as many as suit the kind of device. All workers that share jobs
    need the same: with another number, frames may differ in their last bits."""

    @model_validator(mode="after")
    def _has_checkpoint(self) -> Wav2LipSettings:
        if self.checkpoint is None:
            raise PydanticCustomError("checkpoint", "engine wav2lip needs a checkpoint")
        return self


ENGINES: dict[str, type[ModelSettings]] = {"builtin": BuiltinSettings, "wav2lip": Wav2LipSettings}
"""The engines that come with lipdrop, by their names for `engine:`."""


DEFAULT_ENGINE = "builtin"


class UnknownEngineError(ValueError):
    """No engine has this name."""

    def __init__(self, message: str, hint: str) -> None:
        """`hint`: a suggested fix."""
        super().__init__(message)
        self.hint = hint


def settings_class(engine: str) -> type[ModelSettings]:
    """The settings class of an engine, registered or imported. Raises UnknownEngineError."""
    if engine in ENGINES:
        return ENGINES[engine]
    if IMPORT_PATH.match(engine) is None:
        raise UnknownEngineError(f"unknown engine {engine[:100]!r}", nearest_hint(engine[:100], list(ENGINES)))
    module, _, name = engine.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        hint = "install its package into lipdrop's environment"
        raise UnknownEngineError(f"cannot import engine {engine!r}: {error}", hint) from error
    if not (isinstance(found, type) and issubclass(found, ModelSettings)):
        raise UnknownEngineError(f"{engine!r} is not a subclass of ModelSettings", "see pipeline/engines/settings.py")
    return found
