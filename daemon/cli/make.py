"""The command `make`: one video, without a daemon or an inbox."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from daemon.cli.called import as_called
from daemon.cli.encodings import read_text
from daemon.cli.exit_codes import EXIT_BAD_JOB, EXIT_JOB_FAILED
from daemon.cli.failures import line, warning_line
from daemon.cli.place import ArgumentError
from daemon.cli.sources import is_file
from daemon.cli.steps import Step
from daemon.cli.views import view
from daemon.outputs.report import DoneReport, FailedReport
from daemon.spool.spool import Spool
from pipeline.config import Config, load_config
from pipeline.extras import JobKind
from pipeline.job import WORD_CAPTIONS
from pipeline.media.codecs import CODECS
from pipeline.media.mastering import PRESETS

if TYPE_CHECKING:
    from daemon.make.request import Request

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
STREAM = "stream"
MODES = ("auto", "sequential", "parallel", STREAM)
BRAND_KEYS = ("logo", "intro", "outro")
KEYS = (
    "voice",
    "language",
    "avatar",
    "size",
    "mode",
    "captions",
    "burn_captions",
    "extras",
    "background",
    "codec",
    "loudness",
    *BRAND_KEYS,
)
"""The options that are keys of the job."""


@click.command()
@click.argument("text", nargs=-1)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The video's file: NAME.mp4.")
@click.option("--photo", type=FILE, help="A picture or video of one face, which speaks instead of an avatar.")
@click.option("--voice", help="A name from `lipdrop voices`; default: the best one.")
@click.option("--language", help="Such as ru, en or kk; default: the configured one, if it has the text's letters.")
@click.option("--avatar", help="A name from `lipdrop avatars list`.")
@click.option("--audio", type=FILE, help="A recording to speak; TEXT, if given, is what it says.")
@click.option("--size", help="WIDTHxHEIGHT in pixels, vertical, square or wide; default: the avatar's.")
@click.option("--background", help="Behind the person: '#rrggbb', a file of the backgrounds folder, or transparent.")
@click.option("--logo", help="A picture of the brand folder, in a corner of the video.")
@click.option("--intro", help="A video of the brand folder, before what is said.")
@click.option("--outro", help="The same, after it.")
@click.option("--no-brand", is_flag=True, help="Without the configured logo, intro and outro.")
@click.option("--loudness", type=click.Choice(tuple(PRESETS)), help="Of the sound; default: as the configuration says.")
@click.option("--codec", type=click.Choice(tuple(CODECS)), help="Of the video; default: the configured one, h264.")
@click.option("--mode", type=click.Choice(MODES), help="How the work is divided; default: auto.")
@click.option("--captions", is_flag=True, help="Also write the captions: NAME.srt and NAME.vtt.")
@click.option("--burn-captions", is_flag=True, help="Draw captions into the picture, the spoken word highlighted.")
@click.option("--word-captions", is_flag=True, help="The same, with the time of each word in NAME.vtt.")
@click.option(
    "--extra",
    "extras",
    multiple=True,
    type=click.Choice(get_args(JobKind)),
    help="A file beside the video, such as NAME.jpg, NAME.preview.webp or NAME.mp3. Can be repeated.",
)
@click.option("--play", is_flag=True, help="Play the video in a browser while it renders; until Ctrl-C.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@click.option("-v", "--verbose", is_flag=True, help="Show the log instead of the progress.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file (YAML).")
def make(config_file: Path | None, play: bool, quiet: bool, verbose: bool, word_captions: bool, **options: Any) -> None:
    """Make one video of TEXT, or of standard input if TEXT is `-`, and print its path.

    Needs no running daemon and no inbox, and leaves nothing behind but the video.
    """
    config = load_config(config_file)
    options["extras"] = list(options["extras"] or config.extras)
    options["captions"] = WORD_CAPTIONS if word_captions else options["captions"]
    request = _request(config, play=play, **options)
    if not quiet and options["language"] is None and "language" in request.job:
        guess = f"language: {request.job['language']}, guessed from the letters; --language chooses another"
        click.echo(guess, err=True)
    sys.exit(_make(request, config, config_file, play=play, quiet=quiet, verbose=verbose))


def _request(config: Config, *, text: tuple[str, ...], play: bool, no_brand: bool, **options: Any) -> Request:
    """The request of a command line. Raises UsageError."""
    from daemon.make.language import guessed
    from daemon.make.request import Request

    keys = {key: options[key] for key in KEYS if options[key]}
    if no_brand:
        keys = dict.fromkeys(BRAND_KEYS, False) | keys
    spoken = _text(text)
    if spoken is None and options["audio"] is None:
        raise click.UsageError("give a text, --audio FILE, or both")
    if options["photo"] and options["avatar"]:
        raise click.UsageError("give either --photo or --avatar")
    if play and keys.setdefault("mode", STREAM) != STREAM:
        raise click.UsageError(f"--play needs --mode {STREAM}")
    if spoken is not None:
        keys["text"] = spoken
        if "language" not in keys and (language := guessed(spoken, config.language)) != config.language:
            keys["language"] = language
    request = Request(options["output"], keys, options["photo"], options["audio"], options["force"])
    request.check()
    return request


def _text(words: tuple[str, ...]) -> str | None:
    """The text to speak; None if there is none. Raises ArgumentError."""
    if words == ("-",):
        return read_text(sys.stdin.buffer.read()).strip()
    if len(words) == 1 and Path(words[0]).suffix and is_file(words[0]):
        hint = as_called(f"lipdrop make - -o NAME.mp4 < {words[0]}")
        raise ArgumentError(f"{words[0]} is a file; to speak the text in it: {hint}")
    return " ".join(words) or None


def _make(request: Request, config: Config, config_file: Path | None, *, play: bool, quiet: bool, verbose: bool) -> int:
    """Render and save the video; returns the exit code."""
    from daemon.make import rendering
    from daemon.make.playing import Player
    from daemon.make.request import with_avatars
    from daemon.make.scratch import scratch_folder

    with scratch_folder(request.unfinished) as root:
        spool, photos = Spool(root / "spool"), root / "avatars" if request.photo else None
        shown = view(quiet=quiet or verbose)
        player = Player(spool, shown.say) if play else None

        def watch(step: Step) -> None:
            shown.show([replace(step, job=request.output.name)])
            if player is not None:
                player.open()

        with shown, rendering.running(spool, config_file, photos, verbose=verbose) as process:
            request.submit(with_avatars(config, photos) if photos else config, spool)
            try:
                report = rendering.follow(process, spool, watch)
            except rendering.DaemonEnded as ended:
                click.echo(ended.reason, err=True)
                return ended.exit_code
        if isinstance(report, FailedReport):
            return _failure(report)
        request.save(spool)
        with player.until_interrupted() if player else contextlib.nullcontext():
            if not quiet:
                click.echo(_summary(report), err=True)
                for warning in report.warnings:
                    click.echo(warning_line(warning), err=True)
            click.echo(request.output)
    return 0


def _failure(report: FailedReport) -> int:
    error = report.error
    for one in error.mistakes:
        click.echo(f"lipdrop: {line(one)}", err=True)
    return EXIT_BAD_JOB if error.stage == "intake" else EXIT_JOB_FAILED


def _summary(report: DoneReport) -> str:
    video, voice = report.video, report.audio.voice
    spoken = f", voice {voice}" if voice else ""
    return f"{video.frames / video.fps:.1f} s, {video.width}x{video.height}, {video.bytes / 1e6:.1f} MB{spoken}"
