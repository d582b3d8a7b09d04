"""The commands that drop jobs: submit, retry."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from daemon.cli.called import as_called
from daemon.cli.exit_codes import EXIT_INTERRUPTED, EXIT_NO_DAEMON
from daemon.cli.place import ArgumentError, Place, placed
from daemon.cli.submission import Draft, drop, typed_job


def json_value(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """The values of `--set KEY=VALUE` as keys of a job."""
    found: dict[str, str] = {}
    for value in values:
        key, sign, text = value.partition("=")
        if not key or not sign:
            raise click.BadParameter(f"{value!r} is not KEY=VALUE")
        found[key.strip()] = text
    return typed_job(found)


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--wait", is_flag=True, help="Show the progress until the jobs have ended; exit with 1 if one failed.")
@click.option("--dry-run", is_flag=True, help="Only check the jobs and show what they would become.")
@click.option("--name", help="Name of the job; of several jobs, what their names begin with.")
@click.option("--priority", type=click.IntRange(-10, 10), help="Priority of the jobs.")
@click.option(
    "--set", "changes", metavar="KEY=VALUE", multiple=True, callback=json_value, help="Set a key of all jobs."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@placed
def submit(
    place: Place,
    files: tuple[str, ...],
    *,
    wait: bool,
    dry_run: bool,
    name: str | None,
    priority: int | None,
    changes: dict[str, Any],
    as_json: bool,
    quiet: bool,
) -> None:
    """Check jobs and drop them into the inbox.

    FILES: .json is one job, .jsonl and .csv one job per line, .txt its text, - a JSON job on standard input; or folders
    and patterns. Jobs are dropped only if all are valid. Works while the daemon is down.
    """
    # Heavy: they load num2words, OpenCV and numpy.
    from daemon.cli.batch import checked_jobs
    from daemon.cli.checks import Checker

    if priority is not None:
        changes["priority"] = priority
    checker = Checker(place)
    jobs = checked_jobs(place, checker, files, name, changes)
    if dry_run:
        from daemon.cli.rehearsal import show

        show(place, checker, [(draft.name, job) for draft, job in jobs], as_json=as_json)
        return
    place.spool.create()
    drafts = [draft for draft, _ in jobs]
    if wait:
        sys.exit(_drop_and_wait(place, drafts, as_json=as_json, quiet=quiet))
    for draft in drafts:
        drop(draft, place.spool)
        click.echo(_queued(draft) if as_json else draft.name)


def _queued(draft: Draft) -> str:
    """A line of JSON about a job that was dropped."""
    source = {"dropped_as": draft.file} if draft.file else {}
    return json.dumps({"job": draft.name, "event": "queued", **source}, ensure_ascii=False)


def _drop_and_wait(place: Place, jobs: list[Draft], *, as_json: bool, quiet: bool) -> int:
    """Drop jobs and wait until all have ended; returns the exit code."""
    from daemon.cli.views import view
    from daemon.cli.waiting import ending, wait

    if not place.spool.has_owner():
        click.echo(as_called(f"no daemon is running on {place.spool.root}; start one with: lipdrop run"), err=True)
        return EXIT_NO_DAEMON
    before = {job.name: ending(place.spool, job.name) for job in jobs}
    try:
        for job in jobs:
            drop(job, place.spool)
        return wait(place.spool, before, view(as_json=as_json, quiet=quiet))
    except KeyboardInterrupt:
        click.echo(as_called(_they_go_on(place, [job.name for job in jobs])), err=True)
        return EXIT_INTERRUPTED


def _they_go_on(place: Place, names: list[str]) -> str:
    """What to say when the user stops waiting."""
    where = "" if place.spool.root == Path.cwd() else f" --spool {shlex.quote(str(place.spool.root))}"
    left = [name for name in names if place.spool.is_under_way(name)]
    if len(left) == 1:
        watch, stop = f"lipdrop status {left[0]} --watch{where}", f"lipdrop cancel {left[0]}{where}"
        return f"\nThe job goes on. Watch it: {watch}\nCancel it: {stop}"
    watch, stop = f"lipdrop status --watch{where}", f"lipdrop cancel NAME{where}"
    return f"\n{len(left)} jobs go on. Watch them: {watch}\nCancel one: {stop}"


@click.command()
@click.argument("name")
@placed
def retry(place: Place, name: str) -> None:
    """Put the failed job NAME back into the inbox."""
    place.spool.create()
    data = place.spool.failed_job(name)
    if data is None:
        raise ArgumentError(f"there is no failed job {name}")
    drop(Draft(name, data), place.spool)
