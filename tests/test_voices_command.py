"""The `voices` command, for people and for programs."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daemon.cli.main import cli


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output is shown to a person."""
    monkeypatch.setattr("daemon.cli.voices.for_people", lambda: True)


def voices(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["voices", *arguments])


def test_programs_get_every_voice_on_its_own_line() -> None:
    listed = voices("--language", "en").output.splitlines()
    assert "hibari:heart" in listed[:20]
    assert len(listed) > 500
    assert [line for line in listed if ":" not in line or " " in line.replace("Mr serious", "")] == []


@pytest.mark.usefixtures("terminal")
def test_people_get_a_short_table_of_every_configured_language() -> None:
    shown = voices().output.splitlines()
    assert [line for line in shown if line.endswith(("(ru)", "(en)", "(kk)"))] == [
        *("Russian (ru)", "English (en)", "Kazakh (kk)")
    ]
    assert ["hibari:heart", "female", "neural", "Apache-2.0"] in [line.split()[:4] for line in shown]
    assert len([line for line in shown if line.endswith("  default")]) == 3
    assert len(shown) < 60
    assert max(len(line) for line in shown if "Natural voices: " not in line) <= 80
    assert any(line.endswith("more: lipdrop voices --language en --all") for line in shown)


@pytest.mark.usefixtures("terminal")
def test_all_voices_and_all_languages_can_be_listed() -> None:
    assert len(voices("--language", "kk", "--all").output.splitlines()) > 100
    languages = voices("--languages").output.splitlines()
    assert "  kk                  Kazakh  configured" in languages


def test_json_has_what_is_known_about_each_voice() -> None:
    found = json.loads(voices("--json").output)
    assert {entry["language"] for entry in found} == {"ru", "en", "kk"}
    heart = {"voice": "hibari:heart", "language": "en", "kind": "neural", "licence": "Apache-2.0", "sex": "female"}
    assert heart in found
    assert len(json.loads(voices("--json", "--all", "--language", "ru").output)) > 100
    assert json.loads(voices("--languages", "--json").output)["ru"] == "Russian"


def test_an_unknown_language_is_an_error_that_names_the_list() -> None:
    refused = voices("--language", "xx")
    assert refused.exit_code == 2
    assert (
        "no installed voice speaks 'xx'; write a language's code, such as 'en', 'ru' or 'kk' (`lipdrop voices"
        in refused.output
    )


@pytest.mark.parametrize("voice", ["hibari:heart", "espeak:de+f2"])
def test_a_sample_can_be_heard(place: Path, voice: str) -> None:
    assert voices("--sample", voice, "-o", "sample.wav").output == "sample.wav\n"
    with wave.open(str(place / "sample.wav")) as file:
        assert file.getnframes() > file.getframerate()
    voices("--sample", voice)
    assert (place / f"{voice.replace(':', '-')}.wav").exists()


def test_no_sample_of_a_voice_that_does_not_exist(place: Path) -> None:
    refused = voices("--sample", "nobody")
    assert refused.exception is not None
    assert "there is no voice 'nobody'" in str(refused.exception)
    assert list(place.iterdir()) == []
