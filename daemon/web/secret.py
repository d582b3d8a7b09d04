"""The file of the secret that signs webhooks. Used by the command line too, which needs no web packages for it."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.files import write_file

PREFIX = "whsec_"
SECRET_BYTES = 32
FIELD = "web.webhook_secret"


def read_secrets(file: Path) -> list[str]:
    """The secrets of a file. Raises ConfigError if it has none, or lines that are not secrets."""
    try:
        lines = file.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_secret(f"cannot read the webhooks' secret: {error}") from error
    for line in lines:
        _check(line, file)
    if not lines:
        raise _bad_secret(f"{file} is empty")
    return lines


def make_secret(file: Path) -> None:
    """Write a new secret into a file."""
    secret = PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    write_file(file, f"{secret}\n".encode())


def _check(line: str, file: Path) -> None:
    encoded = line.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if encoded == line or len(key) < SECRET_BYTES // 2:
        raise _bad_secret(f"{file} has a line that is not a secret")


def _bad_secret(message: str) -> ConfigError:
    return ConfigError("webhook_secret", message, field=FIELD, hint="write it with: lipdrop webhooks secret")
