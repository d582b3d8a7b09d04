"""piper: the user's own neural voices, spoken by the `piper` program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from pipeline.errors import ConfigError
from pipeline.speech.lexicon import PHONEMES
from pipeline.speech.stress import MARK, Stress, without_marks
from pipeline.speech.voices.base import About, Utterance
from pipeline.speech.voices.decode import decoded
from pipeline.speech.voices.espeak import in_ipa
from pipeline.speech.voices.levels import finished
from pipeline.speech.voices.program import find_program, output_file, read_output, run_program
from pipeline.speech.voices.settings import PIPER_TIMEOUT_SECONDS, PiperSettings, VoiceSettings

PROGRAM_FIELD = "tts.piper.command"


class Piper:
    """Speaks with Piper voices. Raises ConfigError `tts_missing` if the program or the voices' folder is missing."""

    name: ClassVar[str] = "piper"

    def __init__(self, settings: PiperSettings, base: Path = Path()) -> None:
        """Relative paths are resolved from `base`."""
        if settings.folder is None:
            raise _missing("no folder of Piper voices is configured", "tts.piper.folder")
        self._folder = base / Path(settings.folder).expanduser()
        program = find_program(settings.command, base)
        if program is None:
            raise _missing(f"there is no program {settings.command}", PROGRAM_FIELD)
        self._program = program
        self._settings = settings

    @classmethod
    def load(cls, settings: VoiceSettings, base: Path) -> Piper:
        """See `Backend`."""
        return cls(settings.piper, base)

    def voices(self, language: str) -> list[str]:
        """Names of the voice files for a language; files added later are found too."""
        return [
            voice.name.removesuffix(".onnx")
            for voice in sorted(self._folder.glob("*.onnx"))
            if _speaks(voice, language)
        ]

    def about(self, voice: str) -> About:
        """See `Describing`. The files say neither sex nor licence."""
        return About("neural", "see its model card")

    def languages(self) -> dict[str, str]:
        """See `Describing`."""
        found = (_language(_description(voice)).partition("-")[0] for voice in sorted(self._folder.glob("*.onnx")))
        return dict.fromkeys(filter(None, found), "")

    @property
    def stress(self) -> Stress:
        """See `Stressing`."""
        return "none" if self._settings.stress == "none" else "every"

    @property
    def phonemes(self) -> bool:
        """See `Stressing`."""
        return self._settings.stress != "none"

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        """Run the program once for the sentence; Piper reports no phonemes."""
        model = self._folder / f"{voice}.onnx"
        with output_file(scratch) as output:
            argv = [self._program, "--model", str(model.absolute()), "--output_file", str(output)]
            argv += ["--length_scale", f"{1 / speed:.4f}"]
            line = " ".join(self._marked(text, language).split()) + "\n"
            run_program(argv, line, timeout_seconds=PIPER_TIMEOUT_SECONDS, field=PROGRAM_FIELD)
            audio = read_output(output, self._program, PROGRAM_FIELD)
        return finished(*decoded(audio))

    def _marked(self, text: str, language: str) -> str:
        """The text with phonemes, and with the stress of Russian words, as Piper understands them."""
        if not self.phonemes or not (MARK in text or "[[" in text):
            return without_marks(text)
        try:
            return in_ipa(text, language)
        except ConfigError:  # espeak-ng, which Piper contains, is not installed here
            return without_marks(PHONEMES.sub("", text))


def _speaks(voice: Path, language: str) -> bool:
    """Whether the JSON file of a voice names the language, with or without a region."""
    return _language(_description(voice)).partition("-")[0] == language.lower().partition("-")[0]


def _description(voice: Path) -> Any:
    """The JSON file of a voice; None if it cannot be read."""
    try:
        return json.loads(voice.with_name(voice.name + ".json").read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _language(description: Any) -> str:
    """The language tag in a voice's JSON file; older files only name the espeak-ng voice."""
    if not isinstance(description, dict):
        return ""
    for part, key in (("language", "code"), ("espeak", "voice")):
        section = description.get(part)
        if isinstance(section, dict) and isinstance(section.get(key), str):
            return str(section[key]).replace("_", "-").lower()
    return ""


def _missing(reason: str, field: str) -> ConfigError:
    return ConfigError("tts_missing", reason, field=field, hint=f"set {field}, or pip install piper-tts")
