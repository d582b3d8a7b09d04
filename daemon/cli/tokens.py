"""The `tokens` commands: who may use the web gateway."""

from __future__ import annotations

import click

from daemon.cli.place import ArgumentError, Place, placed
from daemon.web.tokens import Tokens
from pipeline.errors import ConfigError


@click.group()
def tokens() -> None:
    """Add, list and revoke the access tokens of the web gateway."""


@tokens.command()
@click.argument("name")
@placed
def add(place: Place, name: str) -> None:
    """Create a token called NAME and print it. It is not shown again: only its hash is kept."""
    click.echo(_tokens(place).add(name))


@tokens.command("list")
@placed
def list_tokens(place: Place) -> None:
    """List the names of the tokens."""
    for name in _tokens(place).hashes():
        click.echo(name)


@tokens.command()
@click.argument("name")
@placed
def revoke(place: Place, name: str) -> None:
    """Remove the token called NAME; a running gateway refuses it from the next request on."""
    if not _tokens(place).revoke(name):
        raise ArgumentError(f"there is no token {name[:100]!r}")


def _tokens(place: Place) -> Tokens:
    if place.config.web.tokens is None:
        hint = "set it to a file, like tokens"
        raise ConfigError("tokens", "no file is configured for tokens", field="web.tokens", hint=hint)
    return Tokens(place.config.path(place.config.web.tokens))
