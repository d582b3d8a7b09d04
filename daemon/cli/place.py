"""The configuration and the spool of a command, from `--config` and `--spool`.

To check the configuration takes longer than all that commands like `status` do. They only need the spool, so they trust
a configuration that the spool's daemon has accepted.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.called import as_called
from daemon.cli.exit_codes import EXIT_USAGE
from daemon.spool.front import Front

if TYPE_CHECKING:
    from daemon.spool.spool import Spool
    from pipeline.config import Config

CONFIG_FILE = Path("config.yaml")
"""The configuration if there is no `--config`, if it exists."""

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
    config_file: Path | None = None
    """`--config`."""

    def note_accepted(self) -> None:
        """Let later commands trust the configuration. Raises OSError."""
        self.spool.accept_config(_digest(self.config_file))


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
        command(_place(config_file, root), **options)

    return wrapper


def at_spool(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--config` and `--spool` to a command that needs only the spool; its first argument is the spool's front."""

    @CONFIG_OPTION
    @SPOOL_OPTION
    @functools.wraps(command)
    def wrapper(config_file: Path | None, root: Path | None, **options: Any) -> None:
        os.umask(SPOOL_UMASK)
        command(_trusted(config_file, root) or _place(config_file, root).spool, **options)

    return wrapper


def _place(config_file: Path | None, root: Path | None) -> Place:
    """Read and check the configuration. Raises ConfigError."""
    from daemon.spool.spool import Spool
    from pipeline.config import load_config

    config = load_config(config_file, spool=root)
    return Place(config, Spool(config.path(config.spool)), config_file)


def _trusted(config_file: Path | None, root: Path | None) -> Front | None:
    """The spool whose daemon has accepted this configuration; None if it has not, or there is no such spool."""
    try:
        front = Front(_named_spool(config_file) if root is None else root)
        return front if front.has_accepted(_digest(config_file)) else None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _named_spool(config_file: Path | None) -> Path:
    """The spool of a configuration that may be invalid. Raises OSError, ValueError, TypeError and AttributeError."""
    data, file = _read(config_file), config_file or CONFIG_FILE
    if not data:
        return Path()
    import yaml

    try:
        content = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(data).get_single_data()
    except yaml.YAMLError as error:
        raise ValueError from error
    return file.absolute().parent / Path((content or {}).get("spool", ".")).expanduser()


def _digest(config_file: Path | None) -> str:
    """Identifies the content of a configuration. Raises OSError."""
    return hashlib.sha256(_read(config_file)).hexdigest()


def _read(config_file: Path | None) -> bytes:
    """The configuration's file; empty if none is asked for and there is none. Raises OSError."""
    return b"" if config_file is None and not CONFIG_FILE.exists() else (config_file or CONFIG_FILE).read_bytes()


def hint_suffix(hint: str | None) -> str:
    """A hint in the form that is appended to an error message; it names commands as this one was called."""
    return f" ({as_called(hint)})" if hint else ""
