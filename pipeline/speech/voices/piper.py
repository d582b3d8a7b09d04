"""Piper: the user's own neural voices, spoken by the `piper` program in a separate process."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from pipeline.errors import ConfigError
from pipeline.speech.voices.base import Utterance
from pipeline.speech.voices.decode import decoded
from pipeline.speech.voices.levels import finished
from pipeline.speech.voices.program import read_answer, run_program
from pipeline.speech.voices.settings import PIPER_TIMEOUT_SECONDS, PiperSettings


class Piper:
    """Speaks with Piper voices. Raises ConfigError `tts_missing` without a folder of voices or the program."""

    name: ClassVar[str] = "piper"

    def __init__(self, settings: PiperSettings, base: Path = Path()) -> None:
        """`base` is where relative paths start."""
        if settings.folder is None:
            raise _missing("no folder of Piper voices is configured", "tts.piper.folder")
        self._folder = base / Path(settings.folder).expanduser()
        program = shutil.which(settings.command) or shutil.which(base / settings.command)
        if program is None:
            raise _missing(f"there is no program {settings.command}", "tts.piper.command")
        self._program = str(Path(program).absolute())

    def voices(self, language: str) -> list[str]:
        """Names of the voice files for a language; files added later are found too."""
        return [
            voice.name.removesuffix(".onnx")
            for voice in sorted(self._folder.glob("*.onnx"))
            if _speaks(voice, language)
        ]

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        """Run the program once for the sentence; Piper reports no phonemes."""
        with tempfile.TemporaryDirectory(prefix="lipdrop-", dir=scratch) as folder:
            output = Path(folder).absolute() / "speech.wav"
            model = self._folder / f"{voice}.onnx"
            argv = [self._program, "--model", str(model.absolute()), "--output_file", str(output)]
            run_program(
                [*argv, "--length_scale", f"{1 / speed:.4f}"],
                " ".join(text.split()) + "\n",
                timeout_seconds=PIPER_TIMEOUT_SECONDS,
                field="tts.piper.command",
            )
            audio = read_answer(output, argv[0], "tts.piper.command")
        return finished(*decoded(audio))


def _speaks(voice: Path, language: str) -> bool:
    """Whether the description of a voice names the language, with or without a region."""
    try:
        description = json.loads(voice.with_name(voice.name + ".json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return _language(description).partition("-")[0] == language.lower().partition("-")[0]


def _language(description: Any) -> str:
    """The language tag in a voice's description; older ones only name espeak-ng's voice."""
    if not isinstance(description, dict):
        return ""
    for part, key in (("language", "code"), ("espeak", "voice")):
        section = description.get(part)
        if isinstance(section, dict) and isinstance(section.get(key), str):
            return str(section[key]).replace("_", "-").lower()
    return ""


def _missing(reason: str, field: str) -> ConfigError:
    return ConfigError("tts_missing", reason, field=field, hint=f"set {field}, or pip install piper-tts")
