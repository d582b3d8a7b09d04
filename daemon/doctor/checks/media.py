"""ffmpeg, ffprobe and their encoders."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.doctor.finding import Finding, broken, ok, warning
from daemon.doctor.machine import Machine

INSTALL = "sudo apt-get install ffmpeg"

NEEDED_ENCODERS = ("libx264", "aac")
WEB_ENCODERS = ("libmp3lame", "libopus", "flac")
"""For speech in the formats of OpenAI's API, and samples of voices."""


def check(machine: Machine) -> Iterator[Finding]:
    """Whether videos can be read and written."""
    from pipeline.media.ffmpeg import encoders, versions

    found = versions()
    for program, number in found.items():
        yield ok(f"{program} {number}") if number else broken(f"{program} is not installed", INSTALL)
    if None in found.values():
        return
    listed = encoders()
    missing = [name for name in NEEDED_ENCODERS if name not in listed]
    if missing:
        yield broken(f"no encoder {' or '.join(missing)}: install a complete build", INSTALL)
    else:
        yield ok(f"encoders {' and '.join(NEEDED_ENCODERS)}")
    missing = [name for name in WEB_ENCODERS if name not in listed]
    if missing:
        yield warning(f"no encoder {' or '.join(missing)}: the gateway cannot speak in that format", INSTALL)
