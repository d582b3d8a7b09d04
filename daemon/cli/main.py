"""The command line. Data goes to standard output, progress and logs to standard error.

To add a command, write its module and register both in `COMMANDS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

import click

import daemon
from daemon.cli.failures import reported
from pipeline.errors import ConfigError

COMMANDS: dict[str, Iterable[str]] = {
    "service": ("run", "pause", "resume", "health"),
    "submit": ("submit", "retry"),
    "jobs": ("status", "cancel", "play"),
    "avatars": ("avatars",),
    "voices": ("voices",),
    "say": ("say",),
    "say_to": ("say-to",),
    "report": ("report",),
    "inspect": ("inspect",),
    "certificate": ("certificate",),
    "compare": ("compare",),
    "bench": ("bench",),
    "make": ("make",),
    "gateway": ("serve",),
    "logs": ("logs",),
    "tokens": ("tokens",),
    "webhooks": ("webhooks",),
    "doctor": ("doctor",),
    "explain": ("explain",),
    "completion": ("completion",),
}
"""The commands that each module of this package defines, as functions of the same name."""

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
        command: click.Command = getattr(import_module(f"daemon.cli.{MODULES[cmd_name]}"), cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one, fail with the name that was probably meant."""
        close = get_close_matches(args[0], MODULES, n=1)
        if close and args[0] not in MODULES:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lipdrop")
def cli() -> None:
    """Drop a text job into a folder, get a talking, lip-synced avatar video back.

    Exit codes: 0 success, 1 a job failed, 2 usage error, 65 bad job, 69 no daemon, 70 a worker cannot start,
    74 I/O error, 75 another daemon owns this spool, 78 bad configuration, 130 interrupted.
    """


def main() -> None:
    """Run a command; report each expected error as one line on standard error and an exit code."""
    with reported():
        check_environment(Path(daemon.__path__[0]))
        cli(standalone_mode=False)


def check_environment(package: Path) -> None:
    """Raise ConfigError if python-daemon, which also installs a package `daemon`, has overwritten lipdrop's."""
    if (package / "daemon.py").exists():
        raise ConfigError(
            "environment",
            "python-daemon is installed in this environment; its package 'daemon' overwrites part of lipdrop",
            hint="install lipdrop in a separate environment: pipx install lipdrop, or python3 -m venv",
        )
