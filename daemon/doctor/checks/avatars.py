"""The avatars: the default one, and those that cannot be used."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from daemon.doctor.finding import Finding, broken, ok, warning
from daemon.doctor.machine import Machine, ProbeError


def check(machine: Machine) -> Iterator[Finding]:
    """Whether avatars can be read; `lipdrop avatars check` also looks for their faces, which takes longer."""
    try:
        found: list[tuple[str, str, str | None]] = machine.ask("avatars")
    except ProbeError as error:
        yield broken(f"avatars cannot be read: {error}", "lipdrop avatars check")
        return
    default = machine.config.avatars.default
    names = [name for name, _, _ in found]
    if default not in names:
        fix = f"set avatars.default to one of: {', '.join(names)}"
        yield broken(f"avatars.default is {default!r}, which does not exist", fix)
    for name, _, problem in found:
        if problem is not None:
            report = broken if name == default else warning
            yield report(f"{name}: {problem}", f"lipdrop avatars check {shlex.quote(name)}")
    usable = [name for name, _, problem in found if problem is None]
    if usable:
        yield ok(f"{', '.join(usable)} (default: {default})")
