"""All jobs of all files of a `submit`, checked: none is dropped unless all are valid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from daemon.cli import sources
from daemon.cli.checks import Checker
from daemon.cli.failures import warning_line
from daemon.cli.place import Place
from daemon.cli.submission import Draft, changed, check_names, collecting, drafts
from daemon.cli.tables import printable
from pipeline.errors import JobError
from pipeline.job import Job, job_warnings, raise_all
from pipeline.job_names import requested_name

WARNINGS_MAX = 5
"""Warnings that are printed; more are only counted."""


def checked_jobs(
    place: Place, checker: Checker, files: Sequence[str], name: str | None, changes: Mapping[str, Any]
) -> list[tuple[Draft, Job]]:
    """The jobs of the files, renamed and changed as asked. Prints other names and warnings on standard error.

    Raises JobErrors with the errors of all jobs of all files, and ArgumentError.
    """
    errors: list[JobError] = []
    found = [(draft, job) for file in sources.files(files) for draft, job in _of_file(file, checker, changes, errors)]
    raise_all(errors)
    if name is not None:
        found = _renamed(found, requested_name(name))
    check_names([draft for draft, _ in found], place.spool)
    _warn(place, found)
    return found


def _of_file(
    file: str, checker: Checker, changes: Mapping[str, Any], errors: list[JobError]
) -> Iterator[tuple[Draft, Job]]:
    """The valid jobs of a file; adds the errors of the others to `errors`."""
    with collecting(errors, file):
        draft = None
        for draft in drafts(file, sources.read(file)):
            with collecting(errors, f"{file}: {draft.where}" if draft.where else file):
                final = changed(draft, changes)
                yield final, checker.check(final.data)
        if draft is None:
            click.echo(f"{printable(file)}: no jobs in it", err=True)


def _renamed(jobs: Sequence[tuple[Draft, Job]], name: str) -> list[tuple[Draft, Job]]:
    """The jobs under another name; several are numbered."""
    if len(jobs) == 1:
        return [(draft.renamed(name), job) for draft, job in jobs]
    return [(draft.renamed(f"{name[:90]}-{number:04d}"), job) for number, (draft, job) in enumerate(jobs, 1)]


def _warn(place: Place, jobs: Sequence[tuple[Draft, Job]]) -> None:
    for draft, _ in jobs:
        if draft.file:
            click.echo(f"{printable(draft.file)}: the job is named {draft.name}", err=True)
    found = [(draft.name, warning) for draft, job in jobs for warning in job_warnings(job, place.config)]
    for name, warning in found[:WARNINGS_MAX]:
        click.echo(f"{name}: {warning_line(warning)}", err=True)
    if len(found) > WARNINGS_MAX:
        click.echo(f"lipdrop: and {len(found) - WARNINGS_MAX} more warnings", err=True)
