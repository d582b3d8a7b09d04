"""The voices of the configured languages."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.doctor.finding import Finding, broken, ok, pip_install, warning
from daemon.doctor.machine import Machine, ProbeError
from pipeline.speech.voices.settings import AUTO


def check(machine: Machine) -> Iterator[Finding]:
    """Whether every configured language can be spoken, and how well."""
    try:
        found: dict[str, list[str]] = machine.ask("voices")
    except ProbeError as error:
        yield broken(str(error), "lipdrop voices")
        return
    for language, names in found.items():
        yield _language(machine, language, names)


def _language(machine: Machine, language: str, names: list[str]) -> Finding:
    if not names:
        backend = machine.config.tts.backend
        why = "" if backend == AUTO else f", since tts.backend restricts voices to {backend}"
        report = broken if language == machine.config.language else warning
        return report(
            f"{language}: no voice{why}", "set tts.backend to auto" if why else pip_install("lipdrop[espeak]")
        )
    return ok(f"{language}: {names[0]}")
