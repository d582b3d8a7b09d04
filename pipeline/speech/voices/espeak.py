"""espeak-ng: robotic, but speaks over a hundred languages, is always installed, and reports the time of every phoneme.

The library is loaded into the process through its C API. Its voice and callback are global to the process, so there is
one engine per process, behind a lock.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError, StageError
from pipeline.messages import Phoneme, Word
from pipeline.speech.stress import Stress, without_marks
from pipeline.speech.voices.base import ROBOTIC, About, Sex, Utterance
from pipeline.speech.voices.espeak_stress import respelled
from pipeline.speech.voices.levels import INT16_SCALE, finished
from pipeline.speech.voices.settings import VoiceSettings

VARIANT = "f2"
"""The female variant whose spectrum is nearest to natural female voices: the smallest mel-cepstral distance after
alignment of 23 variants, compared with RHVoice's Anna and Elena in Russian and hibari's heart in English."""
FIRST_DIALECT = {"en": "en-us"}
SEXES: dict[str, Sex] = {"female": "female", "male": "male"}
WORDS_PER_MINUTE = 175
VOLUME_PERCENT = 60
"""At the default of 100, several variants clip inside the engine; loudness is set afterwards."""
DATA_PATH_MAX = 110
"""Longer data paths overflow the engine's 160-byte buffer once file names are appended."""
CLOSURE_MAX_SECONDS = 0.09
"""Maximum length of the silence before a burst that belongs to the stop."""
CLOSURE_LEVEL = 0.05
"""Maximum amplitude of that silence, relative to the loudest sound nearby: the variants' echo reaches 0.03."""
VOWEL_START_SECONDS = 0.025
"""How late the engine marks a vowel after a nasal or a liquid, at speed 1.0: 15 to 32 ms measured."""

# From speak_lib.h.
_SYNCHRONOUS = 2
_PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 1, 2, 0x8000
_MNEMONICS, _IPA = 0, 2
_RATE, _VOLUME = 1, 2
_POSITION_CHARACTER, _CHARS_UTF8, _PHONEMES = 1, 1, 0x100
_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_OK = 0

_STOPS = frozenset("ptʈckq")
_NASALS_AND_LIQUIDS = frozenset("mɱnɳɲŋɴlɫɭʎrɾɹɻʀʁjwʋɥ")
_VOWELS = frozenset("iyɨʉɯuɪʏʊeøɘɵɤoəɚɛœɜɝɞʌɔæɐaɶɑɒᵻ")
_ATTACHED = frozenset("ʲʷːˑʰ")
_STRESS_MARKS = "ˈˌ"
_CORRECTIONS = {"ru": {"y": "ɨ", 'u"': "ʉ"}}
"""Symbols that a language's voices report in the engine's own notation although IPA was requested, and their IPA. A
Russian ы reported as y would be drawn with puckered lips."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Mark(NamedTuple):
    """A phoneme event: `symbol` is heard from this sample on. Pauses and language switches are marked too."""

    sample: int
    symbol: str


class _WordMark(NamedTuple):
    """A word event: the characters [start, stop) of the text are heard from this sample on."""

    sample: int
    start: int
    stop: int


class Espeak:
    """Speaks with espeak-ng. Raises ConfigError `tts_missing` if neither a package nor the system has the library."""

    name: ClassVar[str] = "espeak"
    stress: ClassVar[Stress] = "every"
    phonemes: ClassVar[bool] = True

    def __init__(self) -> None:
        self._engine = _engine()

    @classmethod
    def load(cls, settings: VoiceSettings, base: Path) -> Espeak:
        """See `Backend`."""
        return cls()

    def voices(self, language: str) -> list[str]:
        """`ru+f2`, `ru`, `ru+Annie` ...: every dialect of the language in every voice variant."""
        dialects = self._engine.dialects(language)
        others = [variant for variant in self._engine.variants if variant != VARIANT]
        endings = [f"+{VARIANT}", "", *(f"+{variant}" for variant in others)]
        return [dialect + ending for ending in endings for dialect in dialects]

    def about(self, voice: str) -> About:
        """See `Describing`. A voice without a variant sounds like a man."""
        variant = voice.partition("+")[2]
        return About(ROBOTIC, "GPL-3.0-or-later", self._engine.sex(variant) if variant else "male")

    def languages(self) -> dict[str, str]:
        """See `Describing`."""
        return self._engine.languages

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        """Speak one sentence, with the exact time of every phoneme and word."""
        said = self.rendered(text, voice, speed)
        return finished(said.samples, said.sample_rate_hz, said.phonemes, said.words)

    def rendered(self, text: str, voice: str, speed: float) -> Utterance:
        """The same as the engine says it: at its own level, with silence around it."""
        given = respelled(text, partial(self._engine.phonemes, voice))
        samples, marks, words = self._engine.synthesize(given.text, voice, round(WORDS_PER_MINUTE * speed))
        marks = _in_ipa(marks, voice)
        phonemes = _phonemes(marks, samples, self._engine.rate_hz, speed)
        places = [_WordMark(word.sample, *given.plain_place(word.start, word.stop)) for word in words]
        said = _words(without_marks(text), places, phonemes, self._engine.rate_hz)
        return Utterance(samples.astype(np.float32) / np.float32(INT16_SCALE), self._engine.rate_hz, phonemes, said)


def in_ipa(text: str, language: str) -> str:
    """A text in which phonemes between double brackets are in IPA, as Piper reads them, and so are Russian words that
    this engine would stress otherwise than they are marked. Raises ConfigError `tts_missing` as `Espeak` does."""
    engine = _engine()
    voice = next(iter(engine.dialects(language)), language)
    given = respelled(text, partial(engine.phonemes, voice)).text
    # Piper loses marks right after the brackets.
    return re.sub(r"\[\[(.+?)\]\]([,;:.!?]*)", lambda match: f"[[{engine.ipa(voice, match[1])}{match[2]}]]", given)


class _Engine:
    """The loaded library."""

    def __init__(self, library: ctypes.CDLL, data: str | None) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._sound: list[bytes] = []
        self._marks: list[_Mark] = []
        self._words: list[_WordMark] = []
        self._voice = ""
        self._callback = _Callback(self._take)
        self._data, self._data_folder = _short_path(data)
        self.rate_hz = self._start()
        self._tags: list[tuple[str, list[tuple[int, str]]]] = []
        self._identifiers: dict[str, str] = {}
        self.languages: dict[str, str] = {}
        for identifier, name, languages in _listed(library):
            self.languages.setdefault(languages[0][1], name)
            self._tags.append((languages[0][1], languages))
            self._identifiers.setdefault(languages[0][1], identifier)
        self._variants = _variants_folder(library)
        self.variants = _names(self._variants)

    def _start(self) -> int:
        """Prepare the library; returns the sample rate in Hz. Raises ConfigError."""
        library = self._library
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        options = _PHONEME_EVENTS | _PHONEME_IPA | _DONT_EXIT
        path = self._data.encode() if self._data else None
        rate_hz: int = library.espeak_Initialize(_SYNCHRONOUS, 0, path, options)
        if rate_hz <= 0:
            raise _missing("espeak-ng found no data")
        library.espeak_SetSynthCallback(self._callback)
        library.espeak_SetParameter(_VOLUME, VOLUME_PERCENT, 0)
        return rate_hz

    def dialects(self, language: str) -> list[str]:
        """Tags of the voices for a language, best match first."""
        found = [
            (not exact, priority, tag)
            for tag, languages in self._tags
            for exact, priority in [_match(language.lower(), languages)]
            if priority is not None
        ]
        tags = list(dict.fromkeys(tag for _, _, tag in sorted(found)))
        first = FIRST_DIALECT.get(language)
        return sorted(tags, key=lambda tag: tag != first)

    def sex(self, variant: str) -> Sex | None:
        """What a variant's file says; None if it says nothing."""
        try:
            lines = (self._variants / variant).read_text("utf-8", "replace").splitlines()
        except OSError:
            return None
        genders = [line.split()[1] for line in lines if line.startswith("gender ")]
        return SEXES.get(genders[0]) if genders else None

    def synthesize(
        self, text: str, voice: str, words_per_minute: int
    ) -> tuple[NDArray[np.int16], list[_Mark], list[_WordMark]]:
        """Synthesize a text: samples, phoneme marks and word marks.

        The engine interprets no markup in the text, except phonemes between double brackets.
        """
        content = text.replace("\0", " ").encode()
        with self._lock:
            self._sound, self._marks, self._words = [], [], []
            self._set_voice(voice)
            self._call("espeak_SetParameter", _RATE, words_per_minute, 0)
            size = ctypes.c_size_t(len(content) + 1)
            self._call("espeak_Synth", content, size, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8 | _PHONEMES, None, None)
            return np.frombuffer(b"".join(self._sound), np.int16), self._marks, self._words

    def phonemes(self, voice: str, words: Sequence[str]) -> list[str]:
        """How a voice says each of some words, in the engine's own notation."""
        with self._lock:
            if voice != self._voice:  # each change stays in a queue of 170 entries until something is spoken
                self._set_voice(voice)
            return [self._said(word, _MNEMONICS) for word in words]

    def ipa(self, voice: str, phonemes: str) -> str:
        """Phonemes in the engine's own notation as it would report them in IPA."""
        self.synthesize("", voice, WORDS_PER_MINUTE)  # only from then on does it understand double brackets
        with self._lock:
            return self._said(f"[[{phonemes}]]", _IPA)

    def _said(self, word: str, notation: int) -> str:
        text = ctypes.c_char_p(word.encode())
        said: bytes = self._library.espeak_TextToPhonemes(ctypes.byref(text), _CHARS_UTF8, notation)
        return said.decode()

    def _set_voice(self, voice: str) -> None:
        self._call("espeak_SetVoiceByName", self._engine_name(voice).encode())
        self._voice = voice

    def _engine_name(self, voice: str) -> str:
        """The name by which the engine finds a voice: the tag alone is not always enough."""
        tag, plus, variant = voice.partition("+")
        return self._identifiers.get(tag, tag) + plus + variant

    def _call(self, function: str, *arguments: object) -> None:
        result = getattr(self._library, function)(*arguments)
        if result != _OK:
            raise StageError("tts_engine", f"{function} failed with code {result}")

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        """Collect a block of audio and its events; called by the library."""
        if samples and count > 0:
            self._sound.append(ctypes.string_at(samples, 2 * count))
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                self._marks.append(_Mark(event.sample, event.name.decode("utf-8", "ignore")))
            elif event.type == _EVENT_WORD:
                first = event.text_position - 1
                self._words.append(_WordMark(event.sample, first, first + event.length))
            index += 1
        return 0


@cache
def _engine() -> _Engine:
    try:
        import espeakng_loader
    except ImportError:
        return _system_engine()
    return _Engine(ctypes.CDLL(espeakng_loader.get_library_path()), espeakng_loader.get_data_path())


def _system_engine() -> _Engine:
    try:
        return _Engine(ctypes.CDLL("libespeak-ng.so.1"), None)
    except OSError:
        raise _missing("the espeak-ng library is not installed") from None


def _missing(reason: str) -> ConfigError:
    return ConfigError("tts_missing", reason, field="tts.backend", hint="pip install espeakng-loader")


def _short_path(data: str | None) -> tuple[str | None, int | None]:
    """A path to the data that fits the engine's buffer, and the descriptor of the open folder that it uses, if any."""
    if data is None or len(data.encode()) <= DATA_PATH_MAX:
        return data, None
    folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    return f"/proc/self/fd/{folder}", folder


def _listed(library: ctypes.CDLL) -> Iterator[tuple[str, str, list[tuple[int, str]]]]:
    """Each voice's identifier and name, and its language tags with priorities (lower is better), its own tag first."""
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    voices = library.espeak_ListVoices(None)
    index = 0
    while voices[index]:
        voice = voices[index].contents
        languages = list(_voice_languages(voice.languages))
        if languages:
            yield voice.identifier.decode(), voice.name.decode("utf-8", "replace"), languages
        index += 1


def _voice_languages(address: int) -> Iterator[tuple[int, str]]:
    """Parse the list in the engine's memory: pairs of a priority byte and a zero-terminated tag, then a zero."""
    while (priority := ctypes.string_at(address, 1)) != b"\0":
        tag = ctypes.string_at(address + 1)
        yield priority[0], tag.decode("utf-8", "replace")
        address += len(tag) + 2


def _match(language: str, languages: list[tuple[int, str]]) -> tuple[bool, int | None]:
    """Whether a voice has exactly this language, and its priority for it; None if it does not speak it."""
    exact = [priority for priority, tag in languages if tag == language]
    if exact:
        return True, min(exact)
    regional = [priority for priority, tag in languages if tag.startswith(language + "-")]
    return False, min(regional, default=None)


def _variants_folder(library: ctypes.CDLL) -> Path:
    """The folder of voice variants in the engine's data."""
    data = ctypes.c_char_p()
    library.espeak_Info.restype = ctypes.c_char_p
    library.espeak_Info(ctypes.byref(data))
    return Path(os.fsdecode(data.value or b"")) / "voices" / "!v"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _in_ipa(marks: list[_Mark], voice: str) -> list[_Mark]:
    """Replace symbols that are not IPA; stress and length marks are kept."""
    corrections = _CORRECTIONS.get(voice.partition("+")[0].partition("-")[0], {})
    for wrong, right in corrections.items():
        marks = [mark._replace(symbol=mark.symbol.replace(wrong, right)) for mark in marks]
    return marks


def _phonemes(marks: list[_Mark], samples: NDArray[np.int16], rate_hz: int, speed: float) -> tuple[Phoneme, ...]:
    """Phonemes from marks: each lasts until the next mark, the last one until the end of the audio."""
    starts = [_start(mark, before, samples, rate_hz, speed) for before, mark in pairwise([_Mark(0, ""), *marks])]
    found: list[Phoneme] = []
    for mark, (start, end) in zip(marks, pairwise([*starts, len(samples)]), strict=True):
        phoneme = Phoneme(mark.symbol, start / rate_hz, end / rate_hz)
        if mark.symbol in _ATTACHED and found and found[-1].end_seconds == phoneme.start_seconds:
            found[-1] = Phoneme(found[-1].symbol + mark.symbol, found[-1].start_seconds, phoneme.end_seconds)
        elif start < end and _is_sound(mark.symbol):
            found.append(phoneme)
    return tuple(found)


def _words(text: str, marks: list[_WordMark], phonemes: tuple[Phoneme, ...], rate_hz: int) -> tuple[Word, ...]:
    """Words from marks: each lasts from its first phoneme to its last. Marks without sound are left out."""
    found: list[Word] = []
    for mark, following in zip(marks, [*(mark.sample for mark in marks[1:]), None], strict=True):
        start, end = mark.sample / rate_hz, None if following is None else following / rate_hz
        own = [p for p in phonemes if _middle(p) >= start and (end is None or _middle(p) < end)]
        if own:
            found.append(Word(text[mark.start : mark.stop], own[0].start_seconds, own[-1].end_seconds))
    return tuple(found)


def _middle(phoneme: Phoneme) -> float:
    return (phoneme.start_seconds + phoneme.end_seconds) / 2


def _is_sound(symbol: str) -> bool:
    """Whether a symbol is a phoneme: pauses are empty or an underscore, language switches a tag in brackets."""
    return bool(symbol.strip(_STRESS_MARKS + "_:")) and not symbol.startswith("(")


def _start(mark: _Mark, before: _Mark, samples: NDArray[np.int16], rate_hz: int, speed: float) -> int:
    """The sample at which a phoneme actually starts.

    The engine marks a voiceless stop at its burst, but lips and tongue close for the silence before it. It marks a
    vowel after a nasal or a liquid only once the transition into it is over.
    """
    letter, letter_before = mark.symbol.lstrip(_STRESS_MARKS)[:1], before.symbol[:1]
    if letter in _STOPS:
        earliest = (before.sample + mark.sample) // 2 if _is_sound(before.symbol) else before.sample
        return max(earliest, mark.sample - _silence_before(mark.sample, samples, rate_hz))
    if letter in _VOWELS and letter_before in _NASALS_AND_LIQUIDS:
        return max((before.sample + mark.sample) // 2, mark.sample - round(VOWEL_START_SECONDS / speed * rate_hz))
    return mark.sample


def _silence_before(sample: int, samples: NDArray[np.int16], rate_hz: int) -> int:
    """How many samples before this one are silent relative to the sound around them; echo counts as silence."""
    window = np.abs(samples[max(0, sample - round(CLOSURE_MAX_SECONDS * rate_hz)) : sample].astype(np.int32))
    around = np.abs(samples[max(0, sample - rate_hz // 4) : sample + rate_hz // 4].astype(np.int32))
    sounding = np.flatnonzero(window > CLOSURE_LEVEL * around.max(initial=0))
    return len(window) - (int(sounding[-1]) + 1 if len(sounding) else 0)
