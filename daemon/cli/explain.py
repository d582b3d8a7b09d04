"""The `explain` command."""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from collections.abc import Iterator
from difflib import get_close_matches

import click

from daemon.cli.place import ArgumentError
from daemon.explanations import DEFAULT_LANGUAGE, FILES, explanations

COLUMNS_MAX = 100
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The first one that is set decides."""

LABELS = {"en": ("Cause", "Fix"), "ru": ("Причина", "Что делать")}


def _codes(_context: click.Context, _argument: click.Parameter, beginning: str) -> list[str]:
    """The codes that complete what was typed."""
    return [code for code in explanations(DEFAULT_LANGUAGE) if code.startswith(beginning)]


@click.command()
@click.argument("code", required=False, shell_complete=_codes)
@click.option("--language", type=click.Choice(list(FILES)), help="Default: the language of the locale.")
def explain(code: str | None, language: str | None) -> None:
    """Explain the error CODE: its cause, and what to do. Without CODE, list all codes."""
    known = explanations(language or _locale())
    if code is None:
        click.echo("\n".join(_listed(known)))
    elif code not in known:
        raise ArgumentError(f"there is no error code {code[:100]!r}{_suggestion(code, list(known))}")
    else:
        click.echo("\n".join(_explained(code, known[code])))


def _locale() -> str:
    """The language of messages in the user's environment, if there are explanations in it."""
    chosen = next((value for name in LOCALE_VARIABLES if (value := os.environ.get(name))), "")
    language = re.split(r"[_.@-]", chosen)[0].lower()
    return language if language in FILES else DEFAULT_LANGUAGE


def _suggestion(code: str, known: list[str]) -> str:
    close = get_close_matches(code.lower(), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else "; `lipdrop explain` lists all codes"


def _explained(code: str, entry: dict[str, str]) -> Iterator[str]:
    yield f"{click.style(code, bold=True)}  {click.style(entry['group'], dim=True)}"
    for label, key in zip(LABELS[entry["language"]], ("cause", "fix"), strict=True):
        yield ""
        yield label
        yield from _wrapped(entry[key], "  ")


def _listed(known: dict[str, dict[str, str]]) -> Iterator[str]:
    """All codes below the titles of their groups."""
    groups: dict[str, list[str]] = {}
    for code, entry in known.items():
        groups.setdefault(entry["group"], []).append(code)
    for number, (group, codes) in enumerate(groups.items()):
        if number:
            yield ""
        yield click.style(group, bold=True)
        yield from _wrapped(", ".join(codes), "  ")


def _wrapped(text: str, indent: str) -> Iterator[str]:
    """Lines that fit the terminal."""
    columns = min(shutil.get_terminal_size().columns, COLUMNS_MAX)
    lines = textwrap.wrap(text, columns - len(indent), break_long_words=False, break_on_hyphens=False)
    return (indent + line for line in lines)
