"""The `avatars` commands: list, check, add."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from daemon.cli.avatar_files import describe, inspect, install, names_of
from daemon.cli.exit_codes import EXIT_BAD_JOB
from daemon.cli.place import Place, hint_suffix, placed
from pipeline.errors import JobError, StageError


@click.group()
def avatars() -> None:
    """List, check and add avatars: pictures and videos of one face."""


@avatars.command("list")
@placed
def list_avatars(place: Place) -> None:
    """List the avatars that a job may name."""
    for name in names_of(place.config):
        try:
            description = describe(place.config, name)
        except (JobError, StageError) as error:
            description = f"unusable: {error.message}"
        click.echo(f"{name}\t{description}")


@avatars.command()
@click.argument("names", nargs=-1)
@placed
def check(place: Place, names: tuple[str, ...]) -> None:
    """Find the face of the avatars NAMES (default: all) as a job would; exit with 65 if one is unusable."""
    code = 0
    for name in names or names_of(place.config):
        try:
            click.echo(f"{name}\t{inspect(place.config, name)}")
        except (JobError, StageError) as error:
            click.echo(f"{name}: {error.code}: {error.message}{hint_suffix(error.hint)}", err=True)
            code = EXIT_BAD_JOB
    sys.exit(code)


@avatars.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="The avatar's name; default: the file's.")
@placed
def add(place: Place, file: Path, name: str | None) -> None:
    """Add the picture or video FILE as an avatar if its face is usable."""
    name = name or file.stem
    click.echo(f"{name}\t{install(place.config, file, name)}")
