"""command: any speech program, run with an argument template from the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pipeline.errors import ConfigError
from pipeline.speech.stress import Stress, with_pluses
from pipeline.speech.voices.base import About, Utterance
from pipeline.speech.voices.decode import decoded
from pipeline.speech.voices.levels import finished
from pipeline.speech.voices.program import find_program, output_file, read_output, run_program
from pipeline.speech.voices.settings import CommandSettings, VoiceSettings
from pipeline.speech.voices.template import filled, mentions

DEFAULT_VOICE = "default"
FIELD = "tts.command.argv"


class Command:
    """Speaks with the configured program. Raises ConfigError `tts_missing` if it does not exist."""

    name: ClassVar[str] = "command"
    phonemes: ClassVar[bool] = False

    def __init__(self, settings: CommandSettings, base: Path = Path()) -> None:
        """A relative program path is resolved from `base`."""
        if settings.argv is None:
            raise _missing("no speech program is configured")
        program = find_program(settings.argv[0], base)
        if program is None:
            raise _missing(f"there is no program {settings.argv[0]}")
        self._template = (program, *settings.argv[1:])
        self._settings = settings

    @classmethod
    def load(cls, settings: VoiceSettings, base: Path) -> Command:
        """See `Backend`."""
        return cls(settings.command, base)

    @property
    def stress(self) -> Stress:
        """See `Stressing`."""
        return "none" if self._settings.stress == "none" else "every"

    def voices(self, language: str) -> list[str]:
        """The configured names; `default` for any language if none are configured."""
        configured = self._settings.voices
        return list(configured.get(language, ())) if configured else [DEFAULT_VOICE]

    def about(self, voice: str) -> About:
        """See `Describing`."""
        return About("your program")

    def languages(self) -> dict[str, str]:
        """See `Describing`: only those that the configuration names."""
        return dict.fromkeys(self._settings.voices, "")

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        """Run the program once for the sentence. If it takes no speed, the tempo of its audio is changed."""
        text = with_pluses(text) if self._settings.stress == "plus" else text
        with output_file(scratch) as output:
            values = {"language": language, "voice": voice, "speed": f"{speed:g}", "output": str(output)}
            argv = [filled(argument, values | {"text": _not_an_option(text)}) for argument in self._template]
            stdin = "" if self._has("text") else text
            written = run_program(argv, stdin, timeout_seconds=self._settings.timeout_seconds, field=FIELD)
            audio = read_output(output, argv[0], FIELD) if self._has("output") else written
        return finished(*decoded(audio, tempo=1.0 if self._has("speed") else speed))

    def _has(self, placeholder: str) -> bool:
        return mentions(self._template, placeholder)


def _not_an_option(text: str) -> str:
    """Text that a program cannot mistake for an option or a file name."""
    return text if text[:1].isalnum() else f" {text}"


def _missing(reason: str) -> ConfigError:
    return ConfigError("tts_missing", reason, field=FIELD, hint=f"set {FIELD}")
