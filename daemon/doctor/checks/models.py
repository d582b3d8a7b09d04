"""The lip-sync models and their checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daemon.doctor.finding import Finding, broken, ok, warning
from daemon.doctor.machine import Machine, ProbeError, one_line
from pipeline.engines.settings import BuiltinSettings, ModelSettings, Wav2LipSettings
from pipeline.engines.wrong_files import wrong_file


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
        wrong = _wrong_file(path)
        if wrong is not None:
            what, advice = wrong
            yield broken(f"{model}: {path} {what}", f"{advice}; or set {name} to where the file is")
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
    faces = f"faces of {found['pixels']} pixels"
    return ok(f"{model}: {path}: {found['network']}, {faces}, {found['kind']}, {size}, SHA-256 {found['sha256'][:16]}")


def _wrong_file(path: Path) -> tuple[str, str] | None:
    """What is wrong with a file that cannot be a checkpoint, and what to do; None if it may be one."""
    again = f"download the file to {path}"
    if not path.exists():
        return "does not exist", again
    if not path.is_file():
        return "is not a file", again
    try:
        wrong = wrong_file(path)
    except OSError as error:
        return one_line(error), again
    return None if wrong is None else (f"is {wrong.what}", wrong.advice)
