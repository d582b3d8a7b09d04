"""The configuration and the spool of a command, from `--config` and `--spool`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from daemon.cli.called import as_called
from daemon.cli.exit_codes import EXIT_USAGE
from daemon.spool.spool import Spool
from pipeline.config import Config, load_config

SPOOL_UMASK = 0o027
"""Only a spool's owner and group may read it, whatever the shell's own umask: files are 0640, folders 0750."""


class ArgumentError(click.ClickException):
    """An argument that is used correctly, but names something that does not exist: no usage text follows."""

    exit_code = EXIT_USAGE


@dataclass(frozen=True)
class Place:
    """The configuration and the spool that a command works on."""

    config: Config
    spool: Spool


CONFIG_OPTION = click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="Configuration file (YAML)."
)
SPOOL_OPTION = click.option(
    "--spool", "root", type=click.Path(path_type=Path), help="Spool folder; overrides the configuration."
)


def placed(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--config` and `--spool` to a command; its first argument is the `Place` that they name."""

    @CONFIG_OPTION
    @SPOOL_OPTION
    @functools.wraps(command)
    def wrapper(config_file: Path | None, root: Path | None, **options: Any) -> None:
        os.umask(SPOOL_UMASK)
        config = load_config(config_file, spool=root)
        command(Place(config, Spool(config.path(config.spool))), **options)

    return wrapper


def hint_suffix(hint: str | None) -> str:
    """A hint in the form that is appended to an error message; it names commands as this one was called."""
    return f" ({as_called(hint)})" if hint else ""
