"""The `voices` command."""

from __future__ import annotations

import click

from daemon.cli.place import Place, placed


@click.command()
@click.option("--language", help="Default: the configured language.")
@placed
def voices(place: Place, language: str | None) -> None:
    """List the available voices, best first, as named in jobs."""
    from pipeline.speech.voices.catalogue import Voices

    for voice in Voices(place.config.tts, place.config.base).available(language or place.config.language):
        click.echo(voice)
