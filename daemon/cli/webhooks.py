"""The `webhooks` commands: the secret that signs them, and the calls that are due."""

from __future__ import annotations

import time

import click
from pydantic import ValidationError

from daemon.cli.place import Place, placed
from daemon.web.secret import FIELD, make_secret, read_secrets
from pipeline.errors import ConfigError


@click.group()
def webhooks() -> None:
    """Print the secret of webhooks, list the calls that are due."""


@webhooks.command()
@placed
def secret(place: Place) -> None:
    """Print the secret that receivers check signatures with; write a new one if there is none yet."""
    if place.config.web.webhook_secret is None:
        raise ConfigError(
            "webhook_secret", "no file is configured for the secret", field=FIELD, hint="set it to a file"
        )
    file = place.config.path(place.config.web.webhook_secret)
    if not file.exists():
        make_secret(file)
    for line in read_secrets(file):
        click.echo(line)


@webhooks.command("list")
@placed
def list_calls(place: Place) -> None:
    """List the calls that are due: id, job, event, failed attempts, seconds until the next one."""
    for key in place.spool.delivery_ids():
        try:
            call = place.spool.read_delivery(key)
        except FileNotFoundError:
            continue
        except ValidationError:
            click.echo(f"{key}\tunreadable")
            continue
        wait = max(0, round(call.next_at - time.time()))
        click.echo(f"{key}\t{call.job}\t{call.event}\t{call.attempts}\t{wait}")
