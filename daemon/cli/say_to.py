"""The command `say-to`: what an open stream says next."""

from __future__ import annotations

import click

from daemon.cli.place import ArgumentError, Place, placed
from daemon.cli.say import text_of
from pipeline.job import further_text


@click.command("say-to")
@click.argument("name")
@click.argument("text", nargs=-1)
@click.option("--stop", is_flag=True, help="Stop after the next word, and drop what was to be said.")
@click.option("--end", is_flag=True, help="End the stream once everything is said.")
@placed
def say_to(place: Place, *, name: str, text: tuple[str, ...], stop: bool, end: bool) -> None:
    """Say TEXT in the stream of the job NAME, which must have been submitted with "keep_open": true.

    Texts are said one after the other. TEXT may be the name of a text file; `-` reads standard input. With --stop, TEXT
    is said instead; with --end, last. Works while the daemon is down.
    """
    if not (text or stop or end):
        raise ArgumentError("say what: a TEXT, --stop or --end")
    spool, limit = place.spool, place.config.limits.text_characters
    found, said = spool.find(name) or name, further_text(text_of(text), place.config) if text else None
    if stop:
        spool.ask(found, "stop")
    if said is not None:
        spool.ask(found, "text", said, characters_max=limit)
    if end:
        spool.ask(found, "end")
