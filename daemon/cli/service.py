"""The commands for the daemon as a whole: run, pause, resume, health."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from daemon.cli.exit_codes import EXIT_UNHEALTHY
from daemon.cli.place import Place, at_spool, placed
from daemon.spool.front import Front
from daemon.spool.health import health as read_health


@click.command()
@click.option("--once", is_flag=True, help="Exit once the inbox is empty and no job is in flight.")
@click.option("--log-json", is_flag=True, help="Write the log as JSON lines.")
@placed
def run(place: Place, once: bool, log_json: bool) -> None:
    """Run the daemon in the foreground.

    The first SIGTERM or Ctrl-C finishes the jobs in flight, the second stops at once; the next start resumes
    interrupted jobs.
    """
    # These load numpy and OpenCV.
    from daemon import logs
    from pipeline.avatars import Avatars
    from pipeline.executors import make_executor

    Avatars(place.config).check_default(place.config.avatars.default)
    place.spool.create()
    place.note_accepted()
    logs.set_up(as_json=log_json, level=place.config.log.level, spool=place.spool)
    executor = make_executor(place.config)
    # After the server that workers are forked from has started: it imports torch meanwhile.
    from daemon.scheduling.workers import worker_specs
    from daemon.supervisor import Supervisor

    specs = worker_specs(place.config, executor.gpu_count())
    supervisor = Supervisor(place.config, place.spool, executor, specs)
    sys.exit(supervisor.run(once=once))


@click.command()
@at_spool
def pause(spool: Front) -> None:
    """Stop taking jobs until `resume`; jobs in flight continue. Survives restarts of the daemon."""
    spool.create()
    spool.pause()


@click.command()
@at_spool
def resume(spool: Front) -> None:
    """Start taking jobs again after `pause`."""
    spool.resume()


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@at_spool
def health(spool: Front, as_json: bool) -> None:
    """Report whether jobs are processed; exit with 1 if not: down, stale (its loop hangs) or paused."""
    found = read_health(spool)
    if as_json:
        report = asdict(found.report) if found.report else {}
        click.echo(json.dumps({**report, "state": found.state, "why": found.why}))
    else:
        click.echo(f"{found.state}: {found.why}" if found.why else found.state)
    sys.exit(0 if found.is_healthy else EXIT_UNHEALTHY)
