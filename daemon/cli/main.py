"""The command line. Data goes to standard output, progress and logs to standard error."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from daemon import logs
from daemon.cli import avatar_folders as avatar_commands
from daemon.cli import submission
from daemon.cli.overview import live_view, overview
from daemon.cli.submission import Draft
from daemon.outputs import player_server as playing
from daemon.outputs.report import Failure
from daemon.spool.health import health
from daemon.spool.layout import ERROR
from daemon.spool.spool import Spool, SpoolOwned
from pipeline.avatars import Avatars
from pipeline.config import Config, load_config
from pipeline.errors import BootError, ConfigError, JobError, LipdropError, StageError
from pipeline.job import parse_job

EXIT_JOB_FAILED = 1
EXIT_UNHEALTHY = 1
EXIT_BAD_JOB = 65
EXIT_NO_DAEMON = 69
EXIT_BOOT = 70
EXIT_IO = 74
EXIT_OWNED = 75
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130

EXIT_CODES: dict[type[LipdropError], int] = {
    JobError: EXIT_BAD_JOB,
    SpoolOwned: EXIT_OWNED,
    ConfigError: EXIT_CONFIG,
    BootError: EXIT_BOOT,
    StageError: EXIT_IO,
}
"""The exit code of each expected error. An OSError ends with EXIT_IO (EX_IOERR)."""

POLL_SECONDS = 0.2

SPOOL_UMASK = 0o027
"""A spool is its owner's and its group's, whatever the shell's own umask: files are made 0640, folders 0750."""


@dataclass(frozen=True)
class Place:
    """The configuration and the spool that a command works on."""

    config: Config
    spool: Spool


def placed(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--config` and `--spool`, and hand it the `Place` they mean."""

    @click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file (YAML).")
    @click.option("--spool", "root", type=click.Path(path_type=Path), help="Spool folder; overrides the configuration.")
    @functools.wraps(command)
    def wrapper(config_file: Path | None, root: Path | None, **options: Any) -> None:
        os.umask(SPOOL_UMASK)
        config = load_config(config_file, spool=root)
        command(Place(config, Spool(config.path(config.spool))), **options)

    return wrapper


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lipdrop")
def cli() -> None:
    """Drop a text job into a folder, get a talking, lip-synced avatar video back.

    Exit codes: 0 well, 1 a job failed, 2 usage, 65 bad job, 69 no daemon, 70 no worker can be started,
    74 the system refused a read or a write, 75 another daemon owns this spool, 78 bad config, 130 interrupted.
    """


@cli.command()
@click.option("--once", is_flag=True, help="Work until the inbox is empty and nothing is in flight, then exit.")
@click.option("--log-json", is_flag=True, help="Write the log as JSON lines.")
@placed
def run(place: Place, once: bool, log_json: bool) -> None:
    """Run the daemon in the foreground.

    The first SIGTERM or Ctrl-C finishes the jobs in flight, the second stops at once; a job that was stopped is
    taken up again by the next start.
    """
    # Imported here: the other commands must start fast, and these load torch.
    from daemon.scheduling.workers import worker_specs
    from daemon.supervisor import Supervisor
    from pipeline.executors import make_executor

    logs.set_up(as_json=log_json)
    place.spool.create()
    executor = make_executor(place.config)
    specs = worker_specs(place.config, executor.gpu_count())
    supervisor = Supervisor(place.config, place.spool, executor, specs)
    sys.exit(supervisor.run(once=once))


@cli.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--wait", is_flag=True, help="Wait until the jobs have ended; exit with 1 if one failed.")
@click.option("--dry-run", is_flag=True, help="Check only, drop nothing.")
@placed
def submit(place: Place, files: tuple[str, ...], wait: bool, dry_run: bool) -> None:
    """Check jobs and drop them into the inbox.

    FILES: .json is one job, .jsonl and .csv one job a line, .txt its text, - a JSON job on standard input.
    Nothing is dropped unless all are good. Works while the daemon is down.
    """
    jobs = list(_checked_drafts(place, files))
    submission.check_names(jobs, place.spool)
    place.spool.create()
    if wait and not dry_run and not place.spool.has_owner():
        click.echo(f"no daemon owns {place.spool.root}; start one with: lipdrop run", err=True)
        sys.exit(EXIT_NO_DAEMON)
    before = {job.name: _ending(place.spool, job.name) for job in jobs}
    for job in jobs:
        if not dry_run:
            submission.drop(job, place.spool)
        if not wait:
            click.echo(job.name)
    if wait and not dry_run:
        sys.exit(_wait(place.spool, before))


def _checked_drafts(place: Place, files: tuple[str, ...]) -> Iterator[Draft]:
    names = Avatars(place.config).names()
    for file in files:
        try:
            data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        except OSError as error:
            raise click.UsageError(f"cannot read {file}: {error.strerror}") from error
        with submission.located(file):
            for draft in submission.drafts(file, data):
                audio = parse_job(draft.data, place.config, names).audio
                if audio is not None:
                    place.spool.find_recording(audio)
                yield draft


Identity = tuple[int, int] | None
"""Inode and modification time of a file; None where there is none."""


@dataclass(frozen=True)
class Ending:
    """What tells one ending of a job from another."""

    timing: Identity
    error: Identity


def _ending(spool: Spool, name: str) -> Ending:
    return Ending(_identity(spool.report_file(name)), _identity(spool.failed / name / ERROR))


def _identity(file: Path) -> Identity:
    try:
        info = file.stat()
    except FileNotFoundError:
        return None
    return info.st_ino, info.st_mtime_ns


def _wait(spool: Spool, before: dict[str, Ending]) -> int:
    """Print each job's video as it is done, or its error; the exit code tells whether all ended well."""
    waiting, missing, code = set(before), set[str](), 0
    while waiting:
        for name in sorted(waiting):
            if spool.is_under_way(name):  # endings that are there may be those of an earlier job of its name
                continue
            ending = _ending(spool, name)
            if ending == before[name] and name not in missing:
                missing.add(name)  # gone, or between two places: seen again by the next round
                continue
            waiting.discard(name)
            code = max(code, _tell_ending(spool, name, ending, before[name]))
        if waiting and not spool.has_owner():
            click.echo("the daemon has stopped; the jobs stay queued", err=True)
            return EXIT_NO_DAEMON
        time.sleep(POLL_SECONDS)
    return code


def _tell_ending(spool: Spool, name: str, ending: Ending, before: Ending) -> int:
    if ending == before:
        click.echo(f"{name}: removed before it ended", err=True)
        return EXIT_JOB_FAILED
    if ending.error in (None, before.error):
        click.echo(spool.video_file(name))
        return 0
    error = Failure.model_validate_json((spool.failed / name / ERROR).read_bytes())
    click.echo(f"{name}: failed: {error.code}: {error.message}{_hint(error.hint)}", err=True)
    return EXIT_JOB_FAILED


@cli.command()
@click.argument("name")
@placed
def cancel(place: Place, name: str) -> None:
    """End the job NAME, queued or running; it ends as failed, with the code `cancelled`.

    Works while the daemon is down: its next start does it.
    """
    place.spool.create()
    if not place.spool.is_under_way(name):
        raise click.UsageError(f"there is no job {name} queued or running")
    place.spool.ask_to_cancel(name)


@cli.command()
@click.argument("name")
@placed
def retry(place: Place, name: str) -> None:
    """Put the failed job NAME back into the inbox."""
    place.spool.create()
    data = place.spool.failed_job(name)
    if data is None:
        raise click.UsageError(f"there is no failed job {name}")
    submission.drop(Draft(name, data), place.spool)


@cli.command()
@click.argument("name")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: any that is free.")
@placed
def play(place: Place, name: str, port: int) -> None:
    """Let a browser on this machine play the stream of the job NAME, also while it renders; until Ctrl-C."""
    while (folder := place.spool.stream(name)) is None:
        if not place.spool.is_under_way(name):
            raise click.UsageError(f'there is no stream {name}: a job asks for one with "mode": "stream"')
        time.sleep(POLL_SECONDS)
    with playing.serve(folder, port) as server:
        click.echo(playing.address(server))
        server.serve_forever()


@cli.command()
@placed
def pause(place: Place) -> None:
    """Take no jobs in until `resume`; those in flight run on. Outlives restarts of the daemon."""
    place.spool.create()
    place.spool.pause()


@cli.command()
@placed
def resume(place: Place) -> None:
    """Take jobs in again."""
    place.spool.resume()


@cli.command("health")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@placed
def show_health(place: Place, as_json: bool) -> None:
    """Tell whether jobs are being worked on; exit with 1 if not: down, stale (its loop hangs) or paused."""
    found = health(place.spool)
    if as_json:
        report = found.report.model_dump() if found.report else {}
        click.echo(json.dumps({**report, "state": found.state, "why": found.why}))
    else:
        click.echo(f"{found.state}: {found.why}" if found.why else found.state)
    sys.exit(0 if found.is_well else EXIT_UNHEALTHY)


@cli.command()
@click.option("--language", help="Only this language; default: the configured one.")
@placed
def voices(place: Place, language: str | None) -> None:
    """List the voices that are at hand, best first, as a job may name them."""
    from pipeline.speech.voices.catalogue import Voices

    for voice in Voices(place.config.tts, place.config.base).available(language or place.config.language):
        click.echo(voice)


@cli.group()
def avatars() -> None:
    """List, check and add avatars: pictures and videos of one face."""


@avatars.command("list")
@placed
def list_avatars(place: Place) -> None:
    """List the avatars that a job may name."""
    for name in Avatars(place.config).names():
        try:
            told = avatar_commands.described(place.config, name)
        except (JobError, StageError) as error:
            told = f"unusable: {error.message}"
        click.echo(f"{name}\t{told}")


@avatars.command()
@click.argument("names", nargs=-1)
@placed
def check(place: Place, names: tuple[str, ...]) -> None:
    """Look for the face of the avatars NAMES, or of all, as a job would; exit with 65 if one cannot speak."""
    code = 0
    for name in names or Avatars(place.config).names():
        try:
            click.echo(f"{name}\t{avatar_commands.check(place.config, name)}")
        except (JobError, StageError) as error:
            click.echo(f"{name}: {error.code}: {error.message}{_hint(error.hint)}", err=True)
            code = EXIT_BAD_JOB
    sys.exit(code)


@avatars.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="The avatar's name; default: the file's.")
@placed
def add(place: Place, file: Path, name: str | None) -> None:
    """Add the picture or video FILE to the avatars, if its face can speak."""
    name = name or file.stem
    click.echo(f"{name}\t{avatar_commands.add(place.config, file, name)}")


@cli.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--watch", is_flag=True, help="Keep showing until Ctrl-C.")
@placed
def status(place: Place, name: str | None, as_json: bool, watch: bool) -> None:
    """Show what the daemon does, or where the job NAME is."""
    if watch and (name is not None or as_json):
        raise click.UsageError("--watch shows all jobs, on a screen: it goes with neither NAME nor --json")
    if watch:
        live_view(place.spool)
    elif name is not None:
        _job_status(place.spool, name, as_json)
    elif as_json:
        click.echo(json.dumps(overview(place.spool).as_dict()))
    else:
        overview(place.spool).show()


def _job_status(spool: Spool, name: str, as_json: bool) -> None:
    found = overview(spool).of_job(spool, name)
    if found is None:
        raise click.UsageError(f"there is no job {name}")
    click.echo(json.dumps(found) if as_json else f"{name}: {found['state']}")


@cli.command()
@click.option("--quick", is_flag=True, help="Fewer and shorter jobs: one or two minutes instead of several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@placed
def bench(place: Place, quick: bool, as_json: bool) -> None:
    """Measure this machine with the configured workers; nothing else should run meanwhile.

    Both engines make videos on a daemon and a spool of their own. No checkpoint is needed: Wav2Lip runs with weights
    of the full size that say nothing.
    """
    from rich.console import Console

    from daemon.bench import measure as benchmark

    with Console(stderr=True).status("") as status:
        report = benchmark.measure(place.config, benchmark.QUICK if quick else benchmark.FULL, status.update)
    if as_json:
        click.echo(json.dumps(report.as_dict()))
    else:
        benchmark.show(report, Console(width=benchmark.WIDTH))


def _hint(hint: str | None) -> str:
    return f" ({hint})" if hint else ""


def main() -> None:
    """Run a command; every expected error ends in one line and its exit code."""
    try:
        cli(standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except LipdropError as error:
        where = f" [{error.field}]" if error.field and error.field not in error.message else ""
        click.echo(f"lipdrop: {error.code}: {error.message}{where}{_hint(error.hint)}", err=True)
        sys.exit(EXIT_CODES.get(type(error), EXIT_BOOT))
    except OSError as error:
        where = f": {os.fsdecode(error.filename)!r}" if isinstance(error.filename, (str, bytes)) else ""
        click.echo(f"lipdrop: io: {' '.join((error.strerror or str(error)).split())}{where}", err=True)
        sys.exit(EXIT_IO)
