"""Report the daemon's state to systemd (the sd_notify protocol). Does nothing without systemd."""

from __future__ import annotations

import contextlib
import os
import socket


def ready() -> None:
    """Report that the daemon accepts jobs."""
    _send("READY=1")


def alive(status: str) -> None:
    """Feed the watchdog and set the status line of `systemctl status`. Call from the supervision loop only."""
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
