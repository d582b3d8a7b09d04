"""RHVoice: natural Russian and English voices, if installed (`make voices` installs it on Debian).

The library is loaded into the process through its C API; its core and its Debian voices need no network.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.errors import ConfigError, StageError
from pipeline.messages import Word
from pipeline.speech.stress import Stress, without_marks
from pipeline.speech.voices.base import About, Sex, Utterance
from pipeline.speech.voices.levels import INT16_SCALE, finished
from pipeline.speech.voices.natural import install_hint
from pipeline.speech.voices.settings import VoiceSettings

LIBRARY = "libRHVoice.so.5"
"""The release whose structs are declared here."""

PREFERRED = {"ru": ("anna", "irina", "elena", "aleksandr"), "en": ("slt", "clb", "bdl", "alan")}
"""Voices without non-commercial terms, best first; all other voices come after these."""

SEXES: dict[int, Sex] = {1: "male", 2: "female"}
LANGUAGE_NAMES = {"ru": "Russian", "en": "English"}

EARLY_SECONDS = 0.05
"""How early word events are on average: each comes before the block of 0.1 s in which the word starts or ends."""

_DO_NOT_CLIP_RATE = 1
_TEXT_MESSAGE = 0

_SetRate = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
_Play = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_uint, ctypes.c_void_p)

_WordEvent = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p)


class _Callbacks(ctypes.Structure):
    _fields_ = (
        ("set_sample_rate", _SetRate),
        ("play_speech", _Play),
        ("process_mark", ctypes.c_void_p),
        ("word_starts", _WordEvent),
        ("word_ends", _WordEvent),
        ("sentence_starts", ctypes.c_void_p),
        ("sentence_ends", ctypes.c_void_p),
        ("play_audio", ctypes.c_void_p),
        ("done", ctypes.c_void_p),
    )


class _InitParams(ctypes.Structure):
    _fields_ = (
        ("data_path", ctypes.c_char_p),
        ("config_path", ctypes.c_char_p),
        ("resource_paths", ctypes.c_void_p),
        ("callbacks", _Callbacks),
        ("options", ctypes.c_uint),
    )


class _VoiceInfo(ctypes.Structure):
    _fields_ = (
        ("language", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("gender", ctypes.c_int),
        ("country", ctypes.c_char_p),
    )


class _SynthParams(ctypes.Structure):
    _fields_ = (
        ("voice_profile", ctypes.c_char_p),
        ("absolute_rate", ctypes.c_double),
        ("absolute_pitch", ctypes.c_double),
        ("absolute_volume", ctypes.c_double),
        ("relative_rate", ctypes.c_double),
        ("relative_pitch", ctypes.c_double),
        ("relative_volume", ctypes.c_double),
        ("punctuation_mode", ctypes.c_int),
        ("punctuation_list", ctypes.c_char_p),
        ("capitals_mode", ctypes.c_int),
        ("flags", ctypes.c_int),
    )


class _Speaker(NamedTuple):
    """An installed voice."""

    name: str
    language: str
    gender: int


class _WordMark(NamedTuple):
    """A word event: bytes [start, stop) of the text, heard from this sample on or, at its end, until it."""

    start: int
    stop: int
    sample: int


class Rhvoice:
    """Speaks with RHVoice. Raises ConfigError `tts_missing` if it is not installed.

    `library` is the loaded shared library, `data` the folder with its languages and voices; default: the system's.
    """

    name: ClassVar[str] = "rhvoice"
    stress: ClassVar[Stress] = "ambiguous"
    """It has a large dictionary. It reads the marks as they are; a plus sign instead would be spoken with emphasis."""
    phonemes: ClassVar[bool] = False

    def __init__(self, library: Any = None, data: str | None = None) -> None:
        self._library = library or _system_library()
        self._lock = threading.Lock()
        self._sound: list[bytes] = []
        self._rate_hz = 0
        self._starts: list[_WordMark] = []
        self._ends: list[_WordMark] = []
        starts, ends = _WordEvent(self._word_starts), _WordEvent(self._word_ends)
        self._callbacks = _Callbacks(_SetRate(self._set_rate), _Play(self._take), word_starts=starts, word_ends=ends)
        path = data.encode() if data else None
        self._engine = self._library.RHVoice_new_tts_engine(_InitParams(path, None, None, self._callbacks, 0))
        if not self._engine:
            raise _missing("RHVoice found no voices")
        self._speakers = self._installed()

    @classmethod
    def load(cls, settings: VoiceSettings, base: Path) -> Rhvoice:
        """See `Backend`."""
        return cls()

    def voices(self, language: str) -> list[str]:
        """Names in lower case; voices without non-commercial terms come first."""
        base = language.lower().partition("-")[0]
        names = sorted(speaker.name for speaker in self._speakers if speaker.language == base)
        preferred = PREFERRED.get(base, ())
        return [name for name in preferred if name in names] + [name for name in names if name not in preferred]

    def about(self, voice: str) -> About:
        """See `Describing`."""
        own = next(speaker for speaker in self._speakers if speaker.name == voice)
        is_free = voice in PREFERRED.get(own.language, ())
        return About("natural", "LGPL-2.1-or-later" if is_free else "non-commercial", SEXES.get(own.gender))

    def languages(self) -> dict[str, str]:
        """See `Describing`."""
        return {speaker.language: LANGUAGE_NAMES.get(speaker.language, "") for speaker in self._speakers}

    def prepare(self, voice: str) -> Iterator[None]:
        """See `Preparing`."""
        self.speak("1", "", voice, 1.0)
        yield

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        """Speak one sentence; RHVoice reports words, but no phonemes."""
        params = _SynthParams(
            voice_profile=self._profile(voice).encode(),
            relative_rate=speed,
            relative_pitch=1.0,
            relative_volume=1.0,
            flags=_DO_NOT_CLIP_RATE,
        )
        with self._lock:
            self._sound, self._starts, self._ends = [], [], []
            content = text.replace("\0", " ").encode()
            self._say(content, params)
            samples = np.frombuffer(b"".join(self._sound), np.int16)
            rate_hz = self._rate_hz or 24_000
            words = _words(content, self._starts, self._ends, rate_hz)
        return finished(samples.astype(np.float32) / np.float32(INT16_SCALE), rate_hz, words=words)

    def _say(self, content: bytes, params: _SynthParams) -> None:
        message = self._library.RHVoice_new_message(
            self._engine, content, len(content), _TEXT_MESSAGE, ctypes.byref(params), None
        )
        if not message:
            raise StageError("tts_engine", f"RHVoice rejected the text for {params.voice_profile.decode()}")
        try:
            if not self._library.RHVoice_speak(message):
                raise StageError("tts_engine", "RHVoice failed to speak")
        finally:
            self._library.RHVoice_delete_message(message)

    def _profile(self, voice: str) -> str:
        """The voice, plus a voice of the same gender for words in the other script, such as Latin words in Russian."""
        own = next((speaker for speaker in self._speakers if speaker.name == voice), None)
        companions = (
            other.name
            for language, names in PREFERRED.items()
            for name in names
            for other in self._speakers
            if own and language != own.language and other.name == name and other.gender == own.gender
        )
        return "+".join([voice, *list(companions)[:1]])

    def _installed(self) -> list[_Speaker]:
        count = self._library.RHVoice_get_number_of_voices(self._engine)
        infos = self._library.RHVoice_get_voices(self._engine)
        return [
            _Speaker(infos[i].name.decode().lower(), infos[i].language.decode().lower(), infos[i].gender)
            for i in range(count)
        ]

    def _set_rate(self, rate_hz: int, _user_data: object) -> int:
        self._rate_hz = rate_hz
        return 1

    def _word_starts(self, position: int, length: int, _user_data: object) -> int:
        self._starts.append(_WordMark(position, position + length, self._heard_samples()))
        return 1

    def _word_ends(self, position: int, length: int, _user_data: object) -> int:
        self._ends.append(_WordMark(position, position + length, self._heard_samples()))
        return 1

    def _heard_samples(self) -> int:
        return sum(map(len, self._sound)) // 2

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _user_data: object) -> int:
        self._sound.append(ctypes.string_at(samples, 2 * count))
        return 1


def _words(content: bytes, starts: list[_WordMark], ends: list[_WordMark], rate_hz: int) -> tuple[Word, ...]:
    """Words from their events; none if a start or an end is missing."""
    if len(starts) != len(ends):
        return ()
    return tuple(
        Word(
            without_marks(content[start.start : start.stop].decode("utf-8", "ignore")),
            start.sample / rate_hz + EARLY_SECONDS,
            end.sample / rate_hz + EARLY_SECONDS,
        )
        for start, end in zip(starts, ends, strict=True)
    )


@cache
def _system_library() -> ctypes.CDLL:
    try:
        return described(ctypes.CDLL(LIBRARY))
    except OSError:
        raise _missing("RHVoice is not installed") from None


def described(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declare the function types: without them, pointers would be truncated to 32 bits."""
    pointer = ctypes.c_void_p
    library.RHVoice_new_tts_engine.argtypes = [ctypes.POINTER(_InitParams)]
    library.RHVoice_new_tts_engine.restype = pointer
    library.RHVoice_get_number_of_voices.argtypes = [pointer]
    library.RHVoice_get_voices.argtypes = [pointer]
    library.RHVoice_get_voices.restype = ctypes.POINTER(_VoiceInfo)
    library.RHVoice_new_message.argtypes = [
        *(pointer, ctypes.c_char_p, ctypes.c_uint, ctypes.c_int, ctypes.POINTER(_SynthParams), pointer)
    ]
    library.RHVoice_new_message.restype = pointer
    library.RHVoice_speak.argtypes = [pointer]
    library.RHVoice_delete_message.argtypes = [pointer]
    return library


def _missing(reason: str) -> ConfigError:
    return ConfigError("tts_missing", reason, field="tts.backend", hint=install_hint())
