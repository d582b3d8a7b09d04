"""The systemd units, if they are installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daemon.doctor.finding import Finding, broken, ok, warning
from daemon.doctor.machine import Machine, answer_of
from pipeline.checkout import make_command

UNITS = Path("/etc") / "systemd" / "system"
BOOTED = Path("/run") / "systemd" / "system"
"""Exists if systemd runs this machine."""

SHOWN = "LoadState,ActiveState,UnitFileState,Result,NRestarts"


def check(machine: Machine) -> Iterator[Finding]:
    """Whether the service is running."""
    names = [name for name in ("lipdrop", "lipdrop-web") if (UNITS / f"{name}.service").exists()]
    if not names:
        target = make_command("install-service")
        yield ok("not installed", f"sudo {target}" if target else None)
    elif not BOOTED.is_dir():
        yield ok(f"{' and '.join(names)} installed, but systemd is not running here")
    else:
        for name in names:
            yield _unit(name)


def _unit(name: str) -> Finding:
    shown = answer_of(["systemctl", "show", f"{name}.service", f"--property={SHOWN}"]) or ""
    facts = dict(line.partition("=")[::2] for line in shown.splitlines())
    state = facts.get("ActiveState", "unknown")
    if state == "failed":
        return broken(f"{name}: failed ({facts.get('Result', '?')})", f"journalctl --unit {name} --lines 50 --no-pager")
    if state != "active":
        start = f"sudo systemctl enable --now {name}"
        is_optional = name != "lipdrop"
        return ok(f"{name}: {state}", start) if is_optional else warning(f"{name}: {state}", start)
    restarts = int(facts.get("NRestarts") or 0)
    if restarts:
        return warning(f"{name}: active, restarted {restarts} times", f"journalctl --unit {name} --lines 50 --no-pager")
    return ok(f"{name}: active")
