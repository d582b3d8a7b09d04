"""Access tokens: a file with a name and a hash per line, read again whenever it changes."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.files import write_file

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63}) (?P<hash>[0-9a-f]{64})\Z")
TOKEN_BYTES = 32
COOKIE = "lipdrop_token"
"""Browsers send the token in it after a login."""


class Tokens:
    """The tokens of a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._hashes: dict[str, str] = {}

    def hashes(self) -> Mapping[str, str]:
        """The hash of each token by its name; none if there is no file. Raises ConfigError."""
        try:
            info = self._file.stat()
        except FileNotFoundError:
            self._stamp, self._hashes = None, {}
            return self._hashes
        stamp = (info.st_ino, info.st_mtime_ns)
        if stamp != self._stamp:
            self._hashes = dict(self._read())
            self._stamp = stamp
        return self._hashes

    def owner(self, token: str) -> str | None:
        """The name of a token; None if it is not one. Takes the same time whichever token it is."""
        given, found = _hash(token), None
        for name, known in self.hashes().items():
            if hmac.compare_digest(given, known):
                found = name
        return found

    def add(self, name: str) -> str:
        """Create a token; it cannot be read again later. Raises ConfigError if the name is invalid or taken."""
        if NAME.match(name) is None:
            raise ConfigError("token_name", f"invalid token name {name[:100]!r}", hint="letters, digits, '.', '_', '-'")
        if name in self.hashes():
            raise ConfigError(
                "token_name", f"there already is a token {name!r}", hint="revoke it, or choose a new name"
            )
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._write({**self.hashes(), name: _hash(token)})
        return token

    def revoke(self, name: str) -> bool:
        """Remove a token; False if there is none of that name. Takes effect with the next request."""
        left = {other: known for other, known in self.hashes().items() if other != name}
        if len(left) == len(self.hashes()):
            return False
        self._write(left)
        return True

    def _read(self) -> list[tuple[str, str]]:
        pairs = []
        for number, line in enumerate(self._file.read_text("utf-8").splitlines(), start=1):
            match = LINE.match(line)
            if match is None:
                message = f"line {number} of {self._file} is not a name and a hash"
                raise ConfigError("tokens", message, field="web.tokens", hint="write it with `lipdrop tokens`")
            pairs.append((match["name"], match["hash"]))
        return pairs

    def _write(self, hashes: Mapping[str, str]) -> None:
        write_file(self._file, "".join(f"{name} {known}\n" for name, known in hashes.items()).encode())


def _hash(token: str) -> str:
    """Tokens are random and long, so a plain hash cannot be reversed."""
    return hashlib.sha256(token.encode()).hexdigest()
