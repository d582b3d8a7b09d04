"""What travels: the files that an item needs, and those that a result names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from pipeline.composition import names
from pipeline.config import Config
from pipeline.errors import StageError
from pipeline.executors.base import WorkerSpec
from pipeline.files import as_spelt, visible_files
from pipeline.messages import AlignItem, Chunk, Item, TtsItem

AVATARS, BACKGROUNDS, MODELS = "avatars", "backgrounds", "models"
"""Folders of a mirror, beside those of the spool."""

VOICES = ("avatar.yaml",)
"""The file of an avatar that says how it speaks."""

NOT_READ = frozenset({"folder", "track"})
"""Fields of items with paths that workers with a mirror do not read: folders, and the sound that only merging needs."""

HINT = "retried automatically; if it remains, check the network, the nodes' disks and the settings ray.transfer"

T = TypeVar("T")


def failure(message: str) -> StageError:
    """The error of a file that could not be moved."""
    return StageError("transfer", message, hint=HINT)


@dataclass(frozen=True)
class Parcel:
    """A file that travels to a node, or from it."""

    place: str
    """Its path within the spool, and within a mirror of it."""
    source: Path
    """Where the sender has it."""
    bytes: int
    digest: str
    """SHA-256."""
    job: str | None
    """The job that it belongs to; None: it outlives jobs, like the files of avatars."""


@dataclass(frozen=True)
class Cargo:
    """Everything that a worker needs for an item, or to start."""

    parcels: tuple[Parcel, ...] = ()
    folders: tuple[str, ...] = ()
    """Folders that must exist, with these files and no others."""
    absent: tuple[str, ...] = ()
    """Folders that must not exist."""

    def __add__(self, other: Cargo) -> Cargo:
        return Cargo(self.parcels + other.parcels, self.folders + other.folders, self.absent + other.absent)


def of_item(item: Item, config: Config, spool: Path) -> Cargo:
    """What a worker needs for an item. Raises StageError if a file cannot be read."""
    assert isinstance(item, (TtsItem, AlignItem, Chunk))
    files = tuple(_parcel(path, _place(path, spool), item.job) for path in paths(item, NOT_READ))
    cargo = Cargo(files, (_place(item.folder, spool),))
    match item:
        case TtsItem(avatar=str(avatar)):
            return cargo + _avatar(avatar, config, VOICES)
        case Chunk():
            models = filter(None, (item.model, item.fade_from))
            return cargo + _avatar(item.avatar, config) + _background(item.background, config) + _models(models, config)
    return cargo


def of_worker(spec: WorkerSpec) -> Cargo:
    """What a worker needs to start. Raises StageError if a file cannot be read."""
    if spec.model is None:
        return _avatar(spec.config.avatars.default, spec.config, VOICES)
    return _avatar(spec.config.avatars.default, spec.config) + _models([spec.model], spec.config)


def localized(config: Config, mirror: Path) -> Config:
    """The configuration of a worker with a mirror."""
    models = {
        model: settings.model_copy(
            update={key: str(mirror / _model_place(model, key, file)) for key, file in settings.files.items()}
        )
        for model, settings in config.models.items()
    }
    avatars = config.avatars.model_copy(update={"folder": str(mirror / AVATARS)})
    backgrounds = config.backgrounds.model_copy(update={"folder": str(mirror / BACKGROUNDS)})
    changed = {"spool": str(mirror), "avatars": avatars, "backgrounds": backgrounds, "models": models}
    return config.model_copy(update=changed)


def paths(value: object, skipped: Collection[str] = ()) -> Iterator[Path]:
    """All paths in a message, but for fields of some names."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from paths(part, skipped)
    elif is_dataclass(value):
        for field in fields(value):
            if field.name not in skipped:
                yield from paths(getattr(value, field.name), skipped)


def relocated(value: T, before: Path, after: Path) -> T:
    """The same message with all paths below one folder below another one."""
    if isinstance(value, Path):
        return after / value.relative_to(before) if value.is_relative_to(before) else value
    if isinstance(value, tuple):
        return tuple(relocated(part, before, after) for part in value)  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: relocated(getattr(value, field.name), before, after) for field in fields(value)}
        return replace(value, **changed)
    return value


def describe(source: Path, place: str, job: str | None) -> Parcel:
    """A file as it is now. Raises OSError."""
    return Parcel(place, source, source.stat().st_size, _digest(source, _identity(source)), job)


def _parcel(source: Path, place: str, job: str | None = None) -> Parcel:
    try:
        return describe(source, place, job)
    except OSError as error:
        raise failure(f"cannot send {source.name} to a node: {error.strerror}") from error


def _place(path: Path, spool: Path) -> str:
    return str(path.relative_to(spool))


def _avatar(name: str, config: Config, wanted: Collection[str] | None = None) -> Cargo:
    """The folder of an avatar; nothing if it comes with lipdrop. `wanted`: its files that are needed; None: all."""
    folder = as_spelt(config.path(config.avatars.folder), name)
    place = f"{AVATARS}/{name}"
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where this returns False
        return Cargo(absent=(place,))
    files = [file for file in visible_files(folder) if wanted is None or file in wanted]
    return Cargo(tuple(_parcel(as_spelt(folder, file), f"{place}/{file}") for file in files), (place,))


def _background(background: str | None, config: Config) -> Cargo:
    file = names.file_of(background, config)
    return Cargo() if file is None else Cargo((_parcel(file, f"{BACKGROUNDS}/{background}"),))


def _models(models: Iterable[str], config: Config) -> Cargo:
    """The checkpoints of models."""
    files = [
        _parcel(config.path(file), _model_place(model, key, file))
        for model in models
        for key, file in config.model_settings(model).files.items()
    ]
    return Cargo(tuple(files))


def _model_place(model: str, key: str, file: str) -> str:
    return f"{MODELS}/{model}/{key}/{Path(file).name}"


def _identity(file: Path) -> tuple[int, ...]:
    info = file.stat()
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


@lru_cache(maxsize=256)
def _digest(file: Path, _identity: tuple[int, ...]) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
