"""The command line. Data goes to standard output, progress and logs to standard error.

To add a command, write its module and register both in `COMMANDS`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import click

import daemon
from daemon.cli.exit_codes import EXIT_BOOT, EXIT_CODES, EXIT_INTERRUPTED, EXIT_IO
from daemon.cli.place import hint_suffix
from pipeline.errors import ConfigError, LipdropError, all_errors

COMMANDS: dict[str, Iterable[str]] = {
    "service": ("run", "pause", "resume", "health"),
    "jobs": ("submit", "cancel", "retry", "status", "play"),
    "avatars": ("avatars",),
    "voices": ("voices",),
    "report": ("report",),
    "compare": ("compare",),
    "bench": ("bench",),
    "gateway": ("serve",),
    "logs": ("logs",),
    "tokens": ("tokens",),
    "webhooks": ("webhooks",),
    "doctor": ("doctor",),
    "explain": ("explain",),
    "completion": ("completion",),
}
"""The commands that each module of this package defines, as functions of the same name."""

ERRORS_MAX = 20
"""Errors of a file with jobs that are printed; more are only counted."""

MODULES = {command: module for module, commands in COMMANDS.items() for command in commands}


class LazyGroup(click.Group):
    """Imports a command's module when the command is used, so that each command loads only what it needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all command names, sorted."""
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if it does not exist."""
        if cmd_name not in MODULES:
            return None
        command: click.Command = getattr(import_module(f"daemon.cli.{MODULES[cmd_name]}"), cmd_name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lipdrop")
def cli() -> None:
    """Drop a text job into a folder, get a talking, lip-synced avatar video back.

    Exit codes: 0 success, 1 a job failed, 2 usage error, 65 bad job, 69 no daemon, 70 a worker cannot start,
    74 I/O error, 75 another daemon owns this spool, 78 bad configuration, 130 interrupted.
    """


def main() -> None:
    """Run a command; report each expected error as one line on standard error and an exit code."""
    try:
        check_environment(Path(daemon.__path__[0]))
        cli(standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except LipdropError as error:
        for one in all_errors(error)[:ERRORS_MAX]:
            where = f" [{one.field}]" if one.field and one.field not in one.message else ""
            click.echo(f"lipdrop: {one.code}: {one.message}{where}{hint_suffix(one.hint)}", err=True)
        more = len(all_errors(error)) - ERRORS_MAX
        if more > 0:
            click.echo(f"lipdrop: and {more} more errors", err=True)
        sys.exit(EXIT_CODES.get(type(error), EXIT_BOOT))
    except OSError as error:
        where = f": {os.fsdecode(error.filename)!r}" if isinstance(error.filename, (str, bytes)) else ""
        click.echo(f"lipdrop: io: {' '.join((error.strerror or str(error)).split())}{where}", err=True)
        sys.exit(EXIT_IO)


def check_environment(package: Path) -> None:
    """Raise ConfigError if python-daemon, which also installs a package `daemon`, has overwritten lipdrop's."""
    if (package / "daemon.py").exists():
        raise ConfigError(
            "environment",
            "python-daemon is installed in this environment; its package 'daemon' overwrites part of lipdrop",
            hint="install lipdrop in a separate environment: pipx install lipdrop, or python3 -m venv",
        )
