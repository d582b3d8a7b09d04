"""The `doctor` command."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from daemon.cli.called import as_called
from daemon.cli.exit_codes import EXIT_UNHEALTHY
from daemon.cli.failures import one_line
from daemon.cli.place import CONFIG_OPTION, SPOOL_OPTION

COLUMNS = (40, 120)
"""Least and greatest width of the text."""
LABEL_COLUMNS = 11
COLOURS = {"ok": "green", "warning": "yellow", "broken": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@CONFIG_OPTION
@SPOOL_OPTION
def doctor(config_file: Path | None, root: Path | None, as_json: bool) -> None:
    """Check this machine: programs, folders, limits, GPUs, models, voices, avatars, service.

    Each problem comes with the command that mends it. Exits with 1 if something is broken; warnings do not count.
    """
    from daemon.doctor.examination import Examination, examine
    from daemon.doctor.finding import Level
    from daemon.doctor.machine import this_machine

    groups = {}
    for title, findings in examine(this_machine(config_file, root)):
        groups[title] = findings
        if not as_json:
            click.secho(title, bold=True)
            for finding in findings:
                click.echo("\n".join(_lines(finding.level, finding.text, finding.fix)))
    examination = Examination(groups)
    is_broken = examination.count(Level.BROKEN) > 0
    if as_json:
        click.echo(json.dumps(examination.as_dict(), ensure_ascii=False))
    else:
        click.echo(f"\n{_summary(examination.count(Level.BROKEN), examination.count(Level.WARNING))}")
    sys.exit(EXIT_UNHEALTHY if is_broken else 0)


def _lines(level: str, text: str, fix: str | None) -> Iterator[str]:
    """A finding within the terminal's width. Commands are not wrapped, so that they can be copied."""
    columns = min(max(shutil.get_terminal_size().columns, COLUMNS[0]), COLUMNS[1])
    indent = " " * LABEL_COLUMNS
    wrapped = textwrap.wrap(
        one_line(as_called(text)), columns - LABEL_COLUMNS, break_long_words=False, break_on_hyphens=False
    ) or [""]
    yield click.style(f"  {level:<{LABEL_COLUMNS - 2}}", fg=COLOURS[level], bold=level == "broken") + wrapped[0]
    yield from (indent + line for line in wrapped[1:])
    if fix is not None:
        yield indent + click.style(f"-> {one_line(as_called(fix))}", dim=level == "ok", bold=level != "ok")


def _summary(broken: int, warnings: int) -> str:
    if not broken and not warnings:
        return click.style("Everything is in order.", fg="green")
    counts = [(broken, "problem", "red"), (warnings, "warning", "yellow")]
    parts = [click.style(f"{count} {word}{'s' * (count != 1)}", fg=colour) for count, word, colour in counts if count]
    return " and ".join(parts) + "."
