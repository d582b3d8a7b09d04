"""The `compare` command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.exit_codes import EXIT_JOB_FAILED
from daemon.cli.place import ArgumentError, Place, placed
from daemon.cli.sources import is_file
from daemon.cli.submission import drafts
from daemon.spool.recordings import RECORDING_SUFFIXES
from pipeline.job_file import JOB_NAME, parse_json_object

if TYPE_CHECKING:
    from rich.console import Console

    from daemon.bench.compare import Comparison, Subject, Way

JOB_SUFFIXES = frozenset({".json", ".txt"})
DROPPED_KEYS = frozenset({"mode", "num_workers", "webhook", "priority", "metadata", "captions"})
"""Keys of a job that have no part in a comparison, or that it sets itself."""

WIDTH = 200
"""Of the tables in a file, in characters."""


def _list(convert: Callable[[str], Any] = str) -> Callable[[click.Context, click.Parameter, str | None], list[Any]]:
    """Read an option as a list with commas."""

    def read(context: click.Context, parameter: click.Parameter, value: str | None) -> list[Any]:
        try:
            return [convert(part) for part in value.split(",") if part] if value else []
        except ValueError:
            raise click.BadParameter("must be numbers separated by commas") from None

    return read


def _workers(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 16:
        raise ValueError(text)
    return count


@click.command()
@click.argument("what", required=False)
@click.option("--suite", is_flag=True, help="Measure 10, 20, 30 and 60 s of speech instead.")
@click.option("--stream", is_flag=True, help="Also as a stream.")
@click.option("--models", callback=_list(), help="Also in parallel with each of these models, like gan,nogan.")
@click.option("--engines", callback=_list(), help="Also in parallel with each of these engines, like builtin,wav2lip.")
@click.option("--workers", callback=_list(_workers), help="Also in parallel with these numbers of workers, like 1,2,4.")
@click.option("--language", help="Of TEXT; default: the configured language.")
@click.option("--voice", help="Of TEXT; default: the best one.")
@click.option("--avatar", help="Default: the job's, or the configured one.")
@click.option("--runs", type=click.IntRange(1, 20), default=3, show_default=True, help="Measured runs of each.")
@click.option(
    "--at-least", type=click.FloatRange(0), metavar="X", help="Exit with 1 unless parallel is X times as fast."
)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder; default: compare-NAME.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@placed
def compare(place: Place, what: str | None, suite: bool, output: Path | None, as_json: bool, **options: Any) -> None:
    """Make the same speech sequentially and in parallel, and measure how long each takes.

    WHAT is a text, a file (.json, .txt or a recording), or the name of a job that has ended. A temporary daemon runs
    the jobs, taking turns; the machine should be otherwise idle. The videos, their times and an HTML page on which they
    play in step are written to a folder.
    """
    if suite == (what is not None):
        raise click.UsageError("name a text, a file or a job, or use --suite")
    if suite:
        found = _suite(place, options, output or Path("compare-suite"), as_json=as_json)
    else:
        assert what is not None
        found = [_one(place, _subject(place, what, options), options, output, as_json=as_json)]
    least = options["at_least"]
    slow = [comparison for comparison in found if least and comparison.speed_up(comparison.parallel) < least]
    if slow:
        click.echo(f"parallel is less than {least:g} times as fast as sequential", err=True)
        sys.exit(EXIT_JOB_FAILED)


def _ways(options: dict[str, Any]) -> tuple[Way, ...]:
    from daemon.bench.compare import ways

    return ways(**{key: options[key] for key in ("stream", "models", "engines", "workers")})


def _console(*, stderr: bool = False) -> Console:
    """As wide as the terminal; wide enough for a whole table if there is none."""
    from rich.console import Console

    found = Console(stderr=stderr)
    return found if found.is_terminal else Console(stderr=stderr, width=WIDTH)


def _suite(place: Place, options: dict[str, Any], folder: Path, *, as_json: bool) -> list[Comparison]:
    from daemon.bench.compare import Plan, trial_config
    from daemon.bench.compare_tables import show_suite
    from daemon.bench.suite import measure_suite
    from daemon.bench.suite_page import suite_page

    chosen = _ways(options)
    config = trial_config(place.config, chosen, options["engines"])
    with _console(stderr=True).status("") as progress:
        rows = measure_suite(config, Plan(chosen, options["runs"], folder), progress.update)
    for row in rows:
        _write(row.comparison, f"{row.length.seconds} s", folder / row.length.name)
    times = [row.as_dict() for row in rows]
    (folder / "index.html").write_text(suite_page(rows).html, "utf-8")
    (folder / "times.json").write_text(json.dumps(times, indent=1), "utf-8")
    if as_json:
        click.echo(json.dumps(times))
    else:
        show_suite(rows, _console())
        click.echo(f"\n{folder / 'index.html'}")
    return [row.comparison for row in rows]


def _one(place: Place, subject: Subject, options: dict[str, Any], output: Path | None, *, as_json: bool) -> Comparison:
    from daemon.bench.compare import Plan, measure, trial_config
    from daemon.bench.compare_tables import show

    chosen, folder = _ways(options), output or Path(f"compare-{subject.name}")
    config = trial_config(place.config, chosen, options["engines"])
    folder.mkdir(parents=True, exist_ok=True)
    with _console(stderr=True).status("") as progress:
        found = measure(config, subject, Plan(chosen, options["runs"], folder), progress.update)
    _write(found, subject.name, folder)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
    else:
        show(found, _console())
        click.echo(f"\n{folder / 'index.html'}")
    return found


def _write(found: Comparison, title: str, folder: Path) -> None:
    from daemon.bench.compare_page import compare_page

    (folder / "index.html").write_text(compare_page(found, title).html, "utf-8")
    (folder / "times.json").write_text(json.dumps(found.as_dict(), indent=1), "utf-8")


# What is compared


def _subject(place: Place, what: str, options: dict[str, Any]) -> Subject:
    """Read the argument WHAT. Raises ArgumentError and JobError."""
    from daemon.bench.compare import Subject
    from pipeline.avatars import Avatars
    from pipeline.job import parse_job

    name, job, recording = _read(place, what)
    asked = {key: options[key] for key in ("language", "voice", "avatar") if options[key]}
    job = {key: value for key, value in {**job, **asked}.items() if key not in DROPPED_KEYS}
    parsed = parse_job(json.dumps(job).encode(), place.config, Avatars(place.config).names())
    if parsed.scenes is not None and (parsed.recordings or options["stream"]):
        raise ArgumentError("scenes are compared if all have texts, and without --stream")
    return Subject(name, job, recording)


def _read(place: Place, what: str) -> tuple[str, dict[str, Any], Path | None]:
    """Name, job and recording."""
    path = Path(what)
    suffix = path.suffix.lower()
    if suffix in RECORDING_SUFFIXES and is_file(what):
        return "recording", {"audio": f"recording{suffix}"}, path
    if suffix in JOB_SUFFIXES and is_file(what):
        [draft] = drafts(what, path.read_bytes())
        return draft.name, *_with_recording(draft.data, (path.parent, place.spool.inbox))
    data = _ended_job(place, what)
    if data is not None:
        return what, *_with_recording(data, (place.spool.inbox,), place.spool.video_file(what))
    if suffix in JOB_SUFFIXES | RECORDING_SUFFIXES and " " not in what:
        raise ArgumentError(f"there is no file {what}")
    return "text", {"text": what}, None


def _ended_job(place: Place, name: str) -> bytes | None:
    """The file of a job that has ended; None if there is none."""
    if JOB_NAME.match(name) is None:
        return None
    try:
        return place.spool.done_file(name).read_bytes()
    except FileNotFoundError:
        return place.spool.failed_job(name)


def _with_recording(
    data: bytes, folders: Sequence[Path], video: Path | None = None
) -> tuple[dict[str, Any], Path | None]:
    """A job with its recording, which is in one of the folders; if it is gone, the job's video has the same sound."""
    job = parse_json_object(data)
    audio = job.get("audio")
    if not isinstance(audio, str):
        return job, None
    named = [folder / audio for folder in folders if Path(audio).name == audio]
    found = next((file for file in (*named, video) if file is not None and file.is_file()), None)
    if found is None:
        raise ArgumentError(f"the recording {audio[:100]!r} is not there any more")
    return job, found
