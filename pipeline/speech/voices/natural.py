"""Where natural voices come from, for languages that otherwise only a robotic one speaks. Loads no back end."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pipeline.checkout import make_command
from pipeline.messages import Notice
from pipeline.speech.voices.settings import AUTO, VoiceSettings

PACKAGES = "librhvoice5 rhvoice-russian rhvoice-english"
ROBOTIC = "espeak"
VOICES_FOLDER = Path("/usr/share/RHVoice/voices")
LANGUAGE = "ru"
"""English has hibari; the other languages have no natural voices to install."""


def install_hint() -> str:
    """How to install RHVoice, true for a checkout and for an installed package."""
    command = make_command("voices")
    if command is not None:
        return f"sudo {command}"
    return f"sudo apt-get install {PACKAGES}, from Debian's component non-free"


@cache
def installed() -> tuple[str, ...]:
    """The names of RHVoice's voices, as they were at the first call: a daemon's workers keep the voices they found."""
    return tuple(sorted(folder.name for folder in VOICES_FOLDER.glob("*")))


def robotic_notice(voice: str, language: str, settings: VoiceSettings) -> Notice | None:
    """What to say about a voice that nobody chose, if it is robotic and natural ones can be installed."""
    speaks = language.partition("-")[0]
    is_chosen = settings.backend != AUTO or settings.voices.get(language, settings.voices.get(speaks)) is not None
    if is_chosen or speaks != LANGUAGE or voice.partition(":")[0] != ROBOTIC:
        return None
    message = f"{language!r} is spoken by {voice}, which sounds like a robot: no natural voice is installed"
    return Notice("robotic_voice", message, f"to install natural ones: {install_hint()}")
