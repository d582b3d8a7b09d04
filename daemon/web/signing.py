"""Signatures of webhooks: Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

from datetime import datetime
from math import floor
from pathlib import Path

from standardwebhooks import Webhook

from daemon.web.secret import read_secrets


class Signer:
    """Signs with every secret of a file, one per line: while it changes, receivers may know either."""

    def __init__(self, file: Path) -> None:
        """Raises ConfigError unless the file has a secret."""
        self._keys = [Webhook(secret) for secret in read_secrets(file)]

    def headers(self, delivery_id: str, at: datetime, body: str) -> dict[str, str]:
        """The headers that identify and sign a call."""
        return {
            "webhook-id": delivery_id,
            "webhook-timestamp": str(floor(at.timestamp())),
            "webhook-signature": " ".join(key.sign(delivery_id, at, body) for key in self._keys),
        }
