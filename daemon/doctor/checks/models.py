"""The lip-sync models and their checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daemon.doctor.finding import Finding, broken, ok, warning
from daemon.doctor.machine import Machine, ProbeError, one_line
from pipeline.engines.settings import BuiltinSettings, ModelSettings, Wav2LipSettings

HEAD_BYTES = 512
LFS_POINTER = b"version https://git-lfs.github.com/"


def check(machine: Machine) -> Iterator[Finding]:
    """Whether every model has the files that it needs."""
    builtin = [name for name, settings in machine.config.models.items() if isinstance(settings, BuiltinSettings)]
    if builtin:
        yield ok(f"{' and '.join(builtin)}: the built-in engine, which needs no checkpoint")
    for name, settings in machine.config.models.items():
        if name not in builtin:
            yield from _files(machine, name, settings)


def _files(machine: Machine, model: str, settings: ModelSettings) -> Iterator[Finding]:
    for key, file in settings.files.items():
        path, name = machine.config.path(file), f"models.{model}.{key}"
        try:
            wrong = _wrong_file(path)
        except OSError as error:
            wrong = one_line(error)
        if wrong is not None:
            yield broken(f"{model}: {path} {wrong}", f"download the file to {path}, or set {name} to where it is")
        elif isinstance(settings, Wav2LipSettings):
            yield _checkpoint(machine, model, path, name)
        else:
            yield ok(f"{model}: {path}, {path.stat().st_size / 1e6:.0f} MB")
    if not settings.files:
        yield ok(f"{model}: engine {settings.engine}")
    if model not in machine.config.worker_models:
        yield warning(f"{model}: no worker uses this model", f"add {{model: {model}}} to `workers`")


def _checkpoint(machine: Machine, model: str, path: Path, key: str) -> Finding:
    try:
        found = machine.ask("checkpoint", [str(path), key])
    except ProbeError as error:
        return broken(f"{model}: {error}", f"download the file to {path} again, or set {key} to another one")
    size = f"{path.stat().st_size / 1e6:.0f} MB"
    return ok(f"{model}: {path}: Wav2Lip, {found['kind']}, {size}, SHA-256 {found['sha256'][:16]}")


def _wrong_file(path: Path) -> str | None:
    """What a file is that was downloaded wrongly; None if it may be a checkpoint. Raises OSError."""
    if not path.exists():
        return "does not exist"
    if not path.is_file():
        return "is not a file"
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        return "is empty"
    if head.startswith(LFS_POINTER):
        return "is a Git LFS pointer, not the file itself: run `git lfs pull` in its repository"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not a checkpoint: its link leads to a page from which the file has to be downloaded"
    return None
