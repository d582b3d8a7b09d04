"""The voices of the configured languages."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.doctor.finding import Finding, broken, ok, pip_install, warning
from daemon.doctor.machine import Machine, ProbeError
from pipeline.speech.voices.settings import AUTO

ROBOTIC = "robotic"
NATURAL_LANGUAGE = "ru"
"""English has hibari; the other languages have no natural voices to install."""


def check(machine: Machine) -> Iterator[Finding]:
    """Whether every configured language can be spoken, and how well."""
    try:
        found = machine.ask("voices")
    except ProbeError as error:
        yield broken(str(error), "lipdrop voices")
        return
    if found["aligner"]:
        missing = "espeak-ng is missing: it aligns texts with recordings, and with voices that tell no sounds"
        yield warning(missing, found["aligner"])
    for language, default in found["defaults"].items():
        if default is None:
            yield _silent(machine, language)
        elif default[1] == ROBOTIC and language.partition("-")[0] == NATURAL_LANGUAGE and found["natural"]:
            yield warning(f"{language}: {default[0]}, a robotic voice; natural ones can be installed", found["natural"])
        else:
            yield ok(f"{language}: {default[0]}{f', {default[1]}' if default[1] else ''}")


def _silent(machine: Machine, language: str) -> Finding:
    backend = machine.config.tts.backend
    why = "" if backend == AUTO else f", since tts.backend restricts voices to {backend}"
    report = broken if language == machine.config.language else warning
    return report(f"{language}: no voice{why}", "set tts.backend to auto" if why else pip_install("lipdrop[espeak]"))
