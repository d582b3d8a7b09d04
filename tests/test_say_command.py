"""The `say` command: how a text is read, and how it sounds."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli.main import cli
from daemon.cli.say import PLAYERS


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, with a program that plays sound."""
    monkeypatch.chdir(tmp_path)
    player = tmp_path / "bin" / PLAYERS[-1]
    player.parent.mkdir()
    player.write_text(f'#!/bin/sh\ncp "$1" {tmp_path}/played.wav\n')
    player.chmod(0o755)
    monkeypatch.setenv("PATH", str(player.parent), prepend=":")
    return tmp_path


def say(*arguments: str, standard_input: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["say", *arguments], input=standard_input)


def seconds(file: Path) -> float:
    with wave.open(str(file)) as recording:
        return float(recording.getnframes() / recording.getframerate())


def test_a_text_is_shown_as_it_is_read_and_played(place: Path) -> None:
    shown = say("В", "лесу белки. [pause 1.5]", "Это [spell США].", "--voice", "espeak:ru+f2")
    assert shown.output.splitlines() == [
        "espeak:ru+f2 (ru)",
        "    1  В лесу белки.",
        "    =  В лесу\u0301 бе\u0301лки.",
        "       1.5 s of silence",
        "    2  Это США.",
        "    =  Э\u0301то эс ша а.",
    ]
    assert seconds(place / "played.wav") > 2.5


def test_a_text_may_be_longer_than_a_files_name() -> None:
    shown = say("Сказано. " * 20, "--silent", "--voice", "espeak:ru")
    assert shown.output.count("Сказано") == 20


def test_the_sound_is_written_to_a_file(place: Path) -> None:
    (place / "text.txt").write_text("One. [pause 2] Two.")
    shown = say("text.txt", "--voice", "espeak:en-us", "-o", "out.wav")
    assert shown.output.splitlines()[-1] == "out.wav"
    assert seconds(place / "out.wav") > 2.4
    assert not (place / "played.wav").exists()


def test_the_configurations_lexicon_is_used_and_shown_as_json(place: Path) -> None:
    (place / "config.yaml").write_text("tts: {backend: espeak, lexicon: {en: {GIF: jif}}}")
    shown = say("-", "--json", "--silent", standard_input="A GIF\n")
    [sentence] = json.loads(shown.output)["sentences"]
    assert {key: value for key, value in sentence.items() if value is not None} == {
        "text": "A GIF",
        "spoken": "A jif",
        "language": "en",
    }


def test_without_a_player_a_file_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.cli.say.PLAYERS", ("no-such-player",))
    failed = say("Hello", "--voice", "espeak:en-us")
    assert "no program here plays sound (no-such-player); write a file with -o NAME.wav" in failed.output


def test_a_text_that_no_job_may_have_is_refused() -> None:
    failed = say("[pause 99] a", "--silent")
    assert "the length of [pause 99] is out of range" in str(failed.exception)
