"""The `voices` command."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.called import as_called
from daemon.cli.place import ArgumentError, Place, placed
from daemon.cli.tables import Row, for_people, table
from pipeline.errors import JobError
from pipeline.speech.language_tags import normalized, tag_hint

if TYPE_CHECKING:
    from pipeline.speech.voices.catalogue import VoiceEntry, Voices

NATURAL = ("rhvoice", "ru")
"""The back end without which a language has only robotic voices."""


@click.command()
@click.option("--language", help="Only this language; default: all that the configuration names.")
@click.option("--all", "wants_all", is_flag=True, help="All voices, not only the best few of each language.")
@click.option("--languages", "wants_languages", is_flag=True, help="List the languages that can be spoken.")
@click.option("--sample", metavar="VOICE", help="Write a short sample of a voice to a WAV file.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="The sample's file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@placed
def voices(
    place: Place,
    *,
    language: str | None,
    wants_all: bool,
    wants_languages: bool,
    sample: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """List the voices that jobs may name, best first, or write a sample of one.

    Without a terminal, prints all of them, one per line.
    """
    from pipeline.speech.voices.catalogue import Voices

    catalogue = Voices(place.config.tts, place.config.base)
    if wants_languages:
        _show_languages(catalogue, place.config.languages, as_json)
        return
    if language is not None:
        language = normalized(language)
        _check(catalogue, language)
    languages = place.config.languages if language is None else [language]
    if sample is not None:
        _write_sample(catalogue, sample, languages, output or Path(f"{sample.replace(':', '-').replace('/', '-')}.wav"))
        return
    listed = catalogue.described if wants_all or not (as_json or for_people()) else catalogue.best
    found = {tag: listed(tag) for tag in languages}
    if as_json:
        click.echo(json.dumps([_entry(tag, entry) for tag, entries in found.items() for entry in entries]))
    elif for_people():
        click.echo(as_called("\n".join(_tables(catalogue, found))))
    else:
        click.echo("".join(f"{entry.name}\n" for entries in found.values() for entry in entries), nl=False)


def _check(catalogue: Voices, language: str) -> None:
    """Raise ArgumentError if no voice speaks a language."""
    if not catalogue.available(language):
        listed = f"{tag_hint(language)} (`lipdrop voices --languages` lists all)"
        raise ArgumentError(f"no installed voice speaks {language[:100]!r}; {listed}")


def _entry(language: str, entry: VoiceEntry) -> dict[str, str | None]:
    return {"voice": entry.name, "language": language, **asdict(entry.about)}


def _tables(catalogue: Voices, found: dict[str, list[VoiceEntry]]) -> Iterator[str]:
    """A table for each language, and how to see and hear more."""
    names = catalogue.languages()
    for tag, entries in found.items():
        yield click.style(f"{names.get(tag) or tag} ({tag})", bold=True)
        if entries:
            default = ":".join(_default(catalogue, tag))
            yield from table(("voice", "sex", "kind", "licence"), (_row(entry, default) for entry in entries))
        yield from _notes(catalogue, tag, len(entries))
        yield ""
    first = next((entry.name for entries in found.values() for entry in entries), "VOICE")
    yield f"Hear one: lipdrop voices --sample {first}"
    yield f"{len(names)} languages can be spoken: lipdrop voices --languages"


def _default(catalogue: Voices, language: str) -> tuple[str, str]:
    backend, voice = catalogue.choose(language, None)
    return backend.name, voice


def _row(entry: VoiceEntry, default: str) -> Row:
    about = entry.about
    return (entry.name, about.sex or "", about.kind, about.licence), "default" if entry.name == default else ""


def _notes(catalogue: Voices, language: str, shown: int) -> Iterator[str]:
    rest = len(catalogue.available(language)) - shown
    if not shown and not rest:
        yield "  no voice: pip install 'lipdrop[espeak]'"
    if rest:
        yield f"  {rest} more: lipdrop voices --language {language} --all"
    absent, speaks = NATURAL
    if language.partition("-")[0] == speaks and absent in catalogue.absent():
        yield f"  Natural voices: {catalogue.absent()[absent].hint}"


def _show_languages(catalogue: Voices, configured: Iterable[str], as_json: bool) -> None:
    found = catalogue.languages()
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    elif for_people():
        rows = [((tag, name), "configured" if tag in set(configured) else "") for tag, name in found.items()]
        click.echo("\n".join(table(("tag", "language"), rows)))
    else:
        click.echo("".join(f"{tag}\t{name}\n" for tag, name in found.items()), nl=False)


def _write_sample(catalogue: Voices, voice: str, languages: list[str], file: Path) -> None:
    """Speak the sample text of the first language that the voice speaks. Raises JobError if there is no such voice."""
    from pipeline.media.pcm import as_int16, write_wav
    from pipeline.speech.samples import sample_text

    language = _language_of(catalogue, voice, languages)
    backend, name = catalogue.choose(language, voice)
    utterance = backend.speak(sample_text(language), language, name, 1.0)
    with file.open("wb") as target:
        write_wav(target, as_int16(utterance.samples), utterance.sample_rate_hz)
    click.echo(file)


def _language_of(catalogue: Voices, voice: str, languages: list[str]) -> str:
    """The first of the languages that a voice speaks, else one after which espeak named it."""
    for language in (*languages, voice.rpartition(":")[2].partition("+")[0]):
        if any(voice in (name, name.partition(":")[2]) for name in catalogue.available(language)):
            return language
    if len(languages) > 1 and voice.partition(":")[0] not in catalogue.absent():
        known = f"one of {', '.join(languages)}"
        raise JobError(
            "voice", f"there is no voice {voice[:100]!r} for {known}", field="voice", hint="see `lipdrop voices`"
        )
    return languages[0]
