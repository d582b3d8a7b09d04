"""The `certificate` command: a certificate for this machine, to sign videos with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from daemon.cli.called import as_called
from daemon.cli.place import ArgumentError
from pipeline.files import replace_file
from pipeline.provenance import certificates

DAYS_MAX = 3650
CHAIN, KEY, AUTHORITY = "certificate.pem", "key.pem", "authority.pem"

WORTH = """
What it is worth: it shows that a video is as you signed it, to people who know that authority.pem is yours: give it to
them, and they check with `lipdrop inspect --trust authority.pem VIDEO`. Anybody can make one in any name, so everybody
else, such as platforms, sees a valid signature of an unknown signer. A certificate that is trusted everywhere comes
from an authority on C2PA's trust list."""


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", default="lipdrop", show_default=True, help="In whose name: your own or your organisation's.")
@click.option("--days", type=click.IntRange(1, DAYS_MAX), default=365, show_default=True, help="How long it is valid.")
def certificate(folder: Path, *, name: str, days: int) -> None:
    """Make a local certificate in FOLDER that signs videos, and say what it is worth."""
    files = [folder / file for file in (CHAIN, KEY, AUTHORITY)]
    if existing := next((file for file in files if file.exists()), None):
        raise ArgumentError(f"{existing} already exists; certificates are never replaced")
    if not (name.strip() and name.isprintable() and len(name) <= 64):
        raise ArgumentError("--name must be up to 64 characters of text")
    try:
        made = certificates.make_local(name, days, certificates.utc_now())
    except ImportError as error:
        raise certificates.not_installed() from error
    folder.mkdir(parents=True, exist_ok=True)
    _write_secret(files[1], made.key)
    replace_file(files[0], made.chain)
    replace_file(files[2], made.authority)
    paths = {"certificate": str(files[0].absolute()), "key": str(files[1].absolute())}
    click.echo(f"provenance:\n  sign: {json.dumps(paths, ensure_ascii=False)}")
    click.echo(as_called(WORTH), err=True)


def _write_secret(file: Path, data: bytes) -> None:
    """Write a new file that only its owner can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(data)
