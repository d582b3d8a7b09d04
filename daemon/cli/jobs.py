"""The commands for jobs: submit, cancel, retry, status, play."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from daemon.cli.called import as_called
from daemon.cli.exit_codes import EXIT_NO_DAEMON
from daemon.cli.place import Place, placed
from daemon.cli.submission import Draft, check_names, drafts, drop, located


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--wait", is_flag=True, help="Wait until the jobs have ended; exit with 1 if one failed.")
@click.option("--dry-run", is_flag=True, help="Only check the jobs, do not drop them.")
@placed
def submit(place: Place, files: tuple[str, ...], wait: bool, dry_run: bool) -> None:
    """Check jobs and drop them into the inbox.

    FILES: .json is one job, .jsonl and .csv one job per line, .txt its text, - a JSON job on standard input.
    Jobs are dropped only if all are valid. Works while the daemon is down.
    """
    jobs = list(_checked_drafts(place, files))
    check_names(jobs, place.spool)
    place.spool.create()
    if wait and not dry_run:
        sys.exit(_drop_and_wait(place, jobs))
    for job in jobs:
        if not dry_run:
            drop(job, place.spool)
        if not wait:
            click.echo(job.name)


def _drop_and_wait(place: Place, jobs: list[Draft]) -> int:
    """Drop jobs and wait until all have ended; returns the exit code."""
    from daemon.cli.waiting import ending, wait

    if not place.spool.has_owner():
        click.echo(as_called(f"no daemon is running on {place.spool.root}; start one with: lipdrop run"), err=True)
        return EXIT_NO_DAEMON
    before = {job.name: ending(place.spool, job.name) for job in jobs}
    for job in jobs:
        drop(job, place.spool)
    return wait(place.spool, before)


def _checked_drafts(place: Place, files: tuple[str, ...]) -> Iterator[Draft]:
    # Heavy: they load num2words, OpenCV and numpy.
    from pipeline.avatars import Avatars
    from pipeline.job import parse_job

    names = Avatars(place.config).names()
    for file in files:
        try:
            data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        except OSError as error:
            raise click.UsageError(f"cannot read {file}: {error.strerror}") from error
        with located(file):
            for draft in drafts(file, data):
                audio = parse_job(draft.data, place.config, names).audio
                if audio is not None:
                    place.spool.find_recording(audio)
                yield draft


@click.command()
@click.argument("name")
@placed
def cancel(place: Place, name: str) -> None:
    """Cancel the job NAME, queued or running; it fails with the code `cancelled`.

    Works while the daemon is down: the next start cancels the job.
    """
    place.spool.create()
    if not place.spool.is_under_way(name):
        raise click.UsageError(f"no job {name} is queued or running")
    place.spool.request_cancel(name)


@click.command()
@click.argument("name")
@placed
def retry(place: Place, name: str) -> None:
    """Put the failed job NAME back into the inbox."""
    place.spool.create()
    data = place.spool.failed_job(name)
    if data is None:
        raise click.UsageError(f"there is no failed job {name}")
    drop(Draft(name, data), place.spool)


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--watch", is_flag=True, help="Refresh until Ctrl-C.")
@placed
def status(place: Place, name: str | None, as_json: bool, watch: bool) -> None:
    """Show the state of the daemon, or of the job NAME."""
    from daemon.cli.overview import live_view, overview

    if watch and (name is not None or as_json):
        raise click.UsageError("--watch cannot be combined with NAME or --json")
    if watch:
        live_view(place.spool)
    elif name is not None:
        _job_status(place, name, as_json)
    elif as_json:
        click.echo(json.dumps(overview(place.spool).as_dict()))
    else:
        overview(place.spool).show()


def _job_status(place: Place, name: str, as_json: bool) -> None:
    from daemon.cli.overview import overview

    found = overview(place.spool).of_job(place.spool, name)
    if found is None:
        raise click.UsageError(f"there is no job {name}")
    click.echo(json.dumps(found) if as_json else f"{name}: {found['state']}")


@click.command()
@click.argument("name")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: any free port.")
@placed
def play(place: Place, name: str, port: int) -> None:
    """Serve the stream of the job NAME to a browser on this machine, even while it renders; until Ctrl-C."""
    from daemon.cli.waiting import POLL_SECONDS
    from daemon.outputs import player_server

    while (folder := place.spool.stream(name)) is None:
        if not place.spool.is_under_way(name):
            raise click.UsageError(f'there is no stream {name}: set "mode": "stream" in its job')
        time.sleep(POLL_SECONDS)
    with player_server.serve(folder, port) as server:
        click.echo(player_server.address(server))
        server.serve_forever()
