"""The command `say`: how a text is cut, read and stressed, and how it sounds."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from daemon.cli.encodings import read_text
from daemon.cli.failures import warning_line
from daemon.cli.place import ArgumentError, Place, placed
from daemon.cli.reading import lines_of
from daemon.cli.sources import is_file
from daemon.make.language import guessed
from daemon.reading import Reader
from pipeline import programs
from pipeline.config import Config
from pipeline.job import Job, job_warnings, parse_job

PLAYERS = ("pw-play", "paplay", "aplay")
"""Programs that play a WAV file, from PipeWire, PulseAudio and ALSA."""
PLAYING_SECONDS_MAX = 7200.0


@click.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--voice", help="A name from `lipdrop voices`; default: the best one.")
@click.option("--language", help="Such as ru, en or kk; default: the configured one, if it has the text's letters.")
@click.option("--speed", type=float, default=1.0, help="Pace of the voice, 0.5 to 2.0.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write a WAV file, play nothing.")
@click.option("--silent", is_flag=True, help="Only show how the text is read.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@placed
def say(
    place: Place,
    *,
    text: tuple[str, ...],
    voice: str | None,
    language: str | None,
    speed: float,
    output: Path | None,
    silent: bool,
    as_json: bool,
) -> None:
    """Show how TEXT is cut, read and stressed, and speak it.

    TEXT may be the name of a text file; `-` reads standard input.
    """
    job = _job(place.config, text_of(text), voice, language, speed)
    for warning in job_warnings(job, place.config):
        click.echo(warning_line(warning), err=True)
    reader = Reader(place.config)
    name, sentences = reader.read(job)
    language = job.language or place.config.language
    if as_json:
        found = {"voice": name, "language": language, "sentences": [asdict(one) for one in sentences]}
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        click.echo("\n".join([f"{name} ({language})", *lines_of(sentences, language)]))
    if not silent:
        _speak(reader, job, output)


def text_of(words: tuple[str, ...]) -> str:
    """The text itself, that of a file, or standard input."""
    if words == ("-",):
        return read_text(sys.stdin.buffer.read()).strip()
    file = Path(words[0])
    if len(words) == 1 and file.suffix and is_file(words[0]):
        return read_text(file.read_bytes()).strip()
    return " ".join(words)


def _job(config: Config, text: str, voice: str | None, language: str | None, speed: float) -> Job:
    """The text as a job, checked like one. Raises JobError."""
    keys = {"text": text, "voice": voice, "language": language or guessed(text, config.language), "speed": speed}
    return parse_job(json.dumps({key: value for key, value in keys.items() if value is not None}).encode(), config, ())


def _speak(reader: Reader, job: Job, output: Path | None) -> None:
    """Speak into a file, or play the sound."""
    player = next(filter(None, map(shutil.which, PLAYERS)), None)
    if output is None and player is None:
        raise ArgumentError(f"no program here plays sound ({', '.join(PLAYERS)}); write a file with -o NAME.wav")
    with tempfile.TemporaryDirectory(prefix="lipdrop-") as folder:
        audio = reader.speak(job, Path(folder))
        if output is not None:
            shutil.copyfile(audio, output)
            click.echo(output)
        elif player is not None:
            _play(player, audio)


def _play(player: str, audio: Path) -> None:
    ended = programs.run([player, str(audio)], programs.Limits(PLAYING_SECONDS_MAX, output_bytes=1 << 20))
    if ended.returncode != 0:
        raise ArgumentError(f"{player} could not play the sound; write a file with -o NAME.wav")
