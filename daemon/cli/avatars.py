"""The `avatars` commands: list, check, add."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from daemon.cli.avatar_files import (
    BOX,
    TURNS,
    Inspected,
    Summary,
    box_of,
    consent_of,
    inspect,
    install,
    names_of,
    settings_of,
    summaries,
)
from daemon.cli.called import as_called
from daemon.cli.exit_codes import EXIT_BAD_JOB
from daemon.cli.failures import warning_line
from daemon.cli.place import Place, hint_suffix, placed
from daemon.cli.tables import Row, for_people, table
from pipeline.errors import JobError, StageError


@click.group()
def avatars() -> None:
    """List, check and add avatars: pictures and videos of one face."""


@avatars.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@placed
def list_avatars(place: Place, as_json: bool) -> None:
    """List the avatars that a job may name."""
    found, default = summaries(place.config), place.config.avatars.default
    if as_json:
        listed = [{**asdict(summary), "is_default": summary.name == default} for summary in found]
        click.echo(json.dumps(listed, ensure_ascii=False))
    elif for_people():
        click.echo("\n".join(table(("avatar", "is a", "voice", "from"), (_row(summary, default) for summary in found))))
        click.echo(as_called("\nSee whether their faces can be used: lipdrop avatars check"))
    else:
        click.echo("".join(f"{summary.name}\t{summary.text}\n" for summary in found), nl=False)


def _row(summary: Summary, default: str) -> Row:
    voices = (f"{language}: {wishes[0]}" if language else wishes[0] for language, wishes in summary.voice.items())
    origin = "your folder" if summary.is_own else "lipdrop"
    remark = "default" if summary.name == default else ""
    return (summary.name, summary.text, ", ".join(voices), origin), remark


@avatars.command()
@click.argument("names", nargs=-1)
@placed
def check(place: Place, names: tuple[str, ...]) -> None:
    """Find the face of the avatars NAMES (default: all) as a job would; exit with 65 if one is unusable."""
    code = 0
    for name in names or names_of(place.config):
        try:
            _show(name, inspect(place.config, name))
        except (JobError, StageError) as error:
            click.echo(f"{name}: {error.code}: {error.message}{hint_suffix(error.hint)}", err=True)
            code = EXIT_BAD_JOB
    sys.exit(code)


def _show(name: str, found: Inspected) -> None:
    """What was found on standard output, warnings on standard error."""
    click.echo(f"{name}\t{found.text}")
    for notice in found.notices:
        click.echo(f"{name}: {warning_line(notice)}", err=True)


ADD_HINTS = {
    "several_faces": "use --face N for the one that should speak, counted from the left; or --crop, or --face-box",
    "no_face": f"use a well-lit picture of one face from the front, or --face-box {BOX}",
    "face_too_small": f"use a picture with a larger face; in a large video use --crop {BOX}",
}
"""Hints for an avatar that does not exist yet, so that there is no avatar.yaml to edit."""


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


QUESTION = "If a real person is shown: who agrees to this use, how and when? (Enter: nothing is recorded)\n"


def _asked() -> str:
    """The statement of consent that is typed; empty if there is nobody to ask."""
    if not is_terminal():
        return ""
    answer: str = click.prompt(QUESTION, default="", show_default=False, prompt_suffix="> ", err=True)
    return answer


def _box(ctx: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Four numbers, as in avatar.yaml."""
    if value is None:
        return None
    try:
        return box_of(value)
    except ValueError:
        raise click.BadParameter(f"expected {BOX}, four whole numbers", ctx, option) from None


@avatars.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="The avatar's name; default: the file's.")
@click.option("--face", type=click.IntRange(1), metavar="N", help="Which of several faces speaks, from the left.")
@click.option(
    "--face-box", metavar=BOX, callback=_box, help="Where the face is, if several are in the picture or none is found."
)
@click.option("--crop", metavar=BOX, callback=_box, help="The part of the picture to use.")
@click.option(
    "--rotate",
    type=click.Choice([str(turn) for turn in TURNS]),
    help="Turn it by so many degrees clockwise, before --face-box and --crop.",
)
@click.option(
    "--consent",
    metavar="STATEMENT",
    help="That the person who is shown agrees: kept with the avatar and in its videos.",
)
@placed
def add(
    place: Place,
    file: Path,
    *,
    name: str | None,
    face: int | None,
    face_box: tuple[int, ...] | None,
    crop: tuple[int, ...] | None,
    rotate: str | None,
    consent: str | None,
) -> None:
    """Add the picture or video FILE as an avatar if its face is usable."""
    name = name or file.stem
    settings = settings_of(int(rotate) if rotate else None, face, face_box=face_box, crop=crop)
    settings += consent_of(_asked() if consent is None else consent, datetime.now(UTC))
    try:
        _show(name, install(place.config, file, name, settings))
    except JobError as error:
        if face is not None:
            error.hint = (error.hint or "").replace("set face: ", "use --face ").replace(" in avatar.yaml", "") or None
        if "avatar.yaml" in (error.hint or ""):
            error.hint = ADD_HINTS.get(error.code, error.hint)
        raise
