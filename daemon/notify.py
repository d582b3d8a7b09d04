"""Telling systemd how the daemon is (the sd_notify protocol); silent where there is no systemd."""

from __future__ import annotations

import contextlib
import os
import socket


def ready() -> None:
    """The daemon takes jobs now."""
    _send("READY=1")


def alive(status: str) -> None:
    """Feed the watchdog and show a line in `systemctl status`. Called from the supervision loop only."""
    _send(f"WATCHDOG=1\nSTATUS={status}")


def _send(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
    ):
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        sender.sendall(message.encode())
