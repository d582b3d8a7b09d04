"""The commands for jobs that were dropped: status, cancel, play."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import Any

import click

from daemon.cli.place import ArgumentError, Place, at_spool, placed
from daemon.spool.front import Front


@click.command()
@click.argument("name")
@at_spool
def cancel(spool: Front, name: str) -> None:
    """Cancel the job NAME, queued or running; it fails with the code `cancelled`.

    NAME may also be that of the file that was dropped. Works while the daemon is down: the next start cancels the job.
    """
    spool.create()
    found = spool.find(name)
    if found is None:
        raise ArgumentError(f"no job {name} is queued or running")
    spool.request_cancel(found)


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--watch", is_flag=True, help="Refresh until Ctrl-C; with NAME, until the job has ended.")
@click.option("-q", "--quiet", is_flag=True, help="With --watch: no bars.")
@at_spool
def status(spool: Front, name: str | None, as_json: bool, watch: bool, quiet: bool) -> None:
    """Show the state of the daemon, or of the job NAME."""
    from daemon.cli.overview import overview

    if watch and name is None:
        from daemon.cli.watching import watch as watch_spool

        watch_spool(spool, as_json=as_json, quiet=quiet)
    elif name is not None:
        _job_status(spool, name, as_json=as_json, watch=watch, quiet=quiet)
    elif as_json:
        click.echo(json.dumps(overview(spool).as_dict()))
    else:
        overview(spool).show()


def _job_status(spool: Front, name: str, *, as_json: bool, watch: bool, quiet: bool) -> None:
    from daemon.cli.overview import job_text, overview

    name = spool.find(name) or name
    if watch:
        from daemon.cli.waiting import ending
        from daemon.cli.watching import watch_job

        before = ending(spool, name)
        if spool.is_under_way(name):
            sys.exit(watch_job(spool, name, before, as_json=as_json, quiet=quiet))
    found = overview(spool).of_job(spool, name)
    if found is None:
        raise ArgumentError(f"there is no job {name}")
    click.echo(json.dumps(found) if as_json else job_text(found))
    if not as_json and "status" in found:
        _show_timeline(found)


def _show_timeline(found: dict[str, Any]) -> None:
    """Show what the workers did for a job that has ended."""
    from daemon.cli.timeline import timeline
    from daemon.outputs.report import REPORT

    shown = timeline(REPORT.validate_python(found), shutil.get_terminal_size().columns, sys.stdout.encoding or "")
    if shown:
        click.echo(shown)


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
            raise ArgumentError(f'there is no stream {name}: set "mode": "stream" in its job')
        time.sleep(POLL_SECONDS)
    with player_server.serve(folder, port) as server:
        click.echo(player_server.address(server))
        server.serve_forever()
