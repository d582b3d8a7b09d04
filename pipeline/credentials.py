"""Secrets that the configuration names but does not contain: from systemd's credentials or from the environment.

Values never appear in messages: an error names the secret only.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import ConfigError

FOLDER_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Set by systemd for units with LoadCredential=; it contains a file for each credential."""


def credential(name: str, field: str) -> str:
    """The secret called `name`: systemd's credential, or else the environment variable.

    Raises ConfigError `tts_missing` for `field` if there is none, or if it cannot be sent in a header.
    """
    value = (_from_systemd(name) or os.environ.get(name, "")).strip()
    if not value:
        hint = f"set the environment variable {name}, or LoadCredential={name}:FILE in the systemd unit"
        raise ConfigError("tts_missing", f"there is no secret {name}", field=field, hint=hint)
    if not value.isascii() or not value.isprintable():
        message = f"the secret {name} has characters that cannot be sent"
        raise ConfigError("tts_missing", message, field=field, hint="it must be one line of ASCII characters")
    return value


def _from_systemd(name: str) -> str:
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return ""
    try:
        return (Path(folder) / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
