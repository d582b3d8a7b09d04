"""The `report` command."""

from __future__ import annotations

import json
from pathlib import Path

import click
from pydantic import ValidationError

from daemon.cli.place import ArgumentError, Place, placed
from daemon.outputs.report import JobReport, read_report
from pipeline.job_file import JOB_NAME


@click.command()
@click.argument("name")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Default: NAME.html here.")
@click.option(
    "--trace",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a trace for Perfetto or chrome://tracing; the page only if --output is given too.",
)
@placed
def report(place: Place, name: str, output: Path | None, trace: Path | None) -> None:
    """Write an HTML page about the ended job NAME: video, sound, timeline, settings, machine.

    The page is one file that can be sent to others; it carries the video unless that is over 64 MiB.
    """
    found = ended_report(place, name)
    if trace is not None:
        _write_trace(found, trace)
    if output is not None or trace is None:
        _write_page(place, found, output or Path(f"{name}.html"))


def ended_report(place: Place, name: str) -> JobReport:
    """The timing JSON of a job that has ended. Raises ArgumentError."""
    if JOB_NAME.match(name) is None:
        raise ArgumentError(f"invalid job name {name[:100]!r}")
    if place.spool.is_under_way(name):
        raise ArgumentError(f"job {name} has not ended yet")
    try:
        return read_report(place.spool.report_file(name).read_bytes())
    except FileNotFoundError:
        raise ArgumentError(f"there is no job {name}") from None
    except ValidationError:
        raise ArgumentError(f"{place.spool.report_file(name)} is not a timing JSON of lipdrop") from None


def _write_page(place: Place, found: JobReport, output: Path) -> None:
    from daemon.outputs.report_page import report_page

    output.write_text(report_page(found, place.spool.video_file(found.job), output).html, "utf-8")
    click.echo(output)


def _write_trace(found: JobReport, file: Path) -> None:
    from daemon.outputs.trace import trace

    file.write_text(json.dumps(trace(found), ensure_ascii=False), "utf-8")
    click.echo(file)
