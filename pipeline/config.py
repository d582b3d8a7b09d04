"""The configuration: one commented YAML file, checked whole before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.errors import ConfigError, nearest_hint
from pipeline.speech.voices.settings import LanguageTag, VoiceSettings

CONFIG_FILE = "config.yaml"

ModelName = Literal["gan", "nogan"]
Fps = Literal[24, 25, 30, 50]


class Section(BaseModel):
    """Base of every part of the configuration: no unknown keys, no silent conversion, no change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AvatarsSettings(Section):
    """Where avatars are found."""

    folder: str = "avatars"
    default: str = "presenter"
    cache_bytes: Annotated[int, Field(ge=0)] = 10_000_000_000
    cache_days: Annotated[int, Field(ge=1)] = 30


class ModelSettings(Section):
    """What a model name stands for."""

    engine: Literal["builtin", "wav2lip"] = "builtin"
    checkpoint: str | None = None

    @model_validator(mode="after")
    def _checkpoint_where_needed(self) -> ModelSettings:
        if self.engine == "wav2lip" and self.checkpoint is None:
            raise ValueError("engine wav2lip needs a checkpoint")
        return self


class ModelsSettings(Section):
    """The two lip-sync models."""

    gan: ModelSettings = ModelSettings()
    nogan: ModelSettings = ModelSettings()


class WorkerSettings(Section):
    """One lip-sync worker process."""

    model: ModelName
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda:\d{1,2})$")] = "auto"


class SplitSettings(Section):
    """How a job is cut into chunks."""

    sequential_below_seconds: Annotated[float, Field(ge=0, strict=False)] = 10.0
    chunk_seconds: Annotated[float, Field(ge=2, strict=False)] = 15.0
    prefer_pauses: bool = True


class VideoSettings(Section):
    """How frames are encoded (libx264)."""

    fps: Fps = 25
    crf: Annotated[int, Field(ge=0, le=51)] = 20
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = (
        "veryfast"
    )


class LimitsSettings(Section):
    """Bounds that keep one job from costing the others."""

    text_characters: Annotated[int, Field(ge=1)] = 20_000
    audio_seconds: Annotated[int, Field(ge=1, le=7200)] = 1800
    frame_pixels: Annotated[int, Field(ge=64 * 64)] = 1920 * 1920
    picture_pixels: Annotated[int, Field(ge=64 * 64)] = 50_000_000
    avatar_seconds: Annotated[int, Field(ge=1, le=600)] = 120
    jobs_in_flight: Annotated[int, Field(ge=1)] = 8
    attempts: Annotated[int, Field(ge=1)] = 3
    boot_seconds: Annotated[float, Field(gt=0, strict=False)] = 120.0
    quiet_seconds: Annotated[float, Field(gt=0, strict=False)] = 2.0
    drain_seconds: Annotated[float, Field(ge=0, strict=False)] = 60.0
    free_megabytes: Annotated[int, Field(ge=0)] = 200


class RetentionSettings(Section):
    """How much is kept of jobs that have ended, in `done/` and in `failed/` each. Videos are never removed."""

    days: Annotated[int, Field(ge=1)] = 90
    megabytes: Annotated[int, Field(ge=1)] = 500


class Config(Section):
    """The whole configuration. Relative paths in it start at `base`, the folder of the file."""

    spool: str = "."
    language: LanguageTag = "ru"
    tts: VoiceSettings = VoiceSettings()
    avatars: AvatarsSettings = AvatarsSettings()
    models: ModelsSettings = ModelsSettings()
    workers: Annotated[tuple[WorkerSettings, ...], Field(min_length=1, max_length=16)] = (
        WorkerSettings(model="gan"),
        WorkerSettings(model="nogan"),
    )
    split: SplitSettings = SplitSettings()
    video: VideoSettings = VideoSettings()
    executor: Literal["processes", "threads"] = "processes"
    on_conflict: Literal["replace", "refuse"] = "replace"
    limits: LimitsSettings = LimitsSettings()
    retention: RetentionSettings = RetentionSettings()
    base: Annotated[Path, Field(exclude=True)] = Path()

    @field_validator("workers", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    def path(self, name: str) -> Path:
        """The absolute path of a file or folder that the configuration names."""
        return (self.base / Path(name).expanduser()).absolute()

    def model_settings(self, model: str) -> ModelSettings:
        """The settings of a model by its name."""
        settings: ModelSettings = getattr(self.models, model)
        return settings


def load_config(file: Path | None, *, spool: Path | None = None) -> Config:
    """Read `file`, or `config.yaml` of the current folder when there is one, or the defaults.

    `spool` overrides the file's own. Raises ConfigError.
    """
    if file is None:
        file = Path(CONFIG_FILE)
        raw = _read_yaml(file) if file.exists() else {}
    else:
        raw = _read_yaml(file)
    if "base" in raw:
        raise _unknown_key("base", list(Config.model_fields))
    if spool is not None:
        raw["spool"] = str(spool.absolute())
    config = _validated(raw, file)
    _check_checkpoints(config)
    return config


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError("config_unreadable", f"cannot read {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError("config_not_yaml", f"{file} is not valid YAML: {error}") from error
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError("config_not_mapping", f"{file} must be a mapping of settings")
    return raw


def _validated(raw: dict[str, Any], file: Path) -> Config:
    try:
        return Config.model_validate({**raw, "base": file.absolute().parent})
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise _unknown_key(path, _siblings(first["loc"])) from error
        raise ConfigError("config_value", f"{path}: {first['msg']}", field=path, hint=f"see {file}") from error


def _unknown_key(path: str, known: list[str]) -> ConfigError:
    hint = nearest_hint(path.rpartition(".")[2], known)
    return ConfigError("config_unknown_key", f"unknown key {path}", field=path, hint=hint)


def _siblings(location: tuple[int | str, ...]) -> list[str]:
    """The keys that are known where an unknown one was found."""
    model: Any = Config
    for part in location[:-1]:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = WorkerSettings if part == "workers" else annotation
    return [name for name in model.model_fields if name != "base"]


def _check_checkpoints(config: Config) -> None:
    for model in ModelsSettings.model_fields:
        settings = config.model_settings(model)
        if settings.checkpoint is None:
            continue
        path, key = config.path(settings.checkpoint), f"models.{model}.checkpoint"
        if not path.is_file():
            raise ConfigError(
                "checkpoint_missing",
                f"no checkpoint at {path}",
                field=key,
                hint=f"put the file there, or change {key}, or set models.{model}.engine: builtin",
            )
