"""Pronunciations that people give for words: in the configuration, and in a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daemon.scheduling.fingerprints import fingerprint
from pipeline.config import Config, read_config
from pipeline.errors import ConfigError, JobError
from pipeline.executors.base import WorkerSpec
from pipeline.job import Job, parse_job
from pipeline.messages import Speech, TtsItem
from pipeline.speech.lexicon import Lexicon, lexicon_for, pronunciations
from pipeline.speech.reading import read
from pipeline.stages.tts import TtsStage
from tests.test_voices import wav

CONFIG = Config()


def lexicon(entries: dict[str, Any], language: str = "ru") -> Lexicon:
    job = parse_job(json.dumps({"text": "а", "lexicon": entries}).encode(), CONFIG, ())
    return Lexicon(pronunciations(job.lexicon), language)


@pytest.mark.parametrize(
    ("entries", "text", "said"),
    [
        ({"SMM": "эс-эм-эм"}, "SMM и smm, SMMщик", "эс-эм-эм и smm, SMMщик"),
        ({"питон": "пайтон"}, "Питон, ПИТОН и питоны", "пайтон, пайтон и питоны"),
        ({"C++": "си плюс плюс"}, "Пишу на C++.", "Пишу на си плюс плюс."),
        ({"Нью Васюки": "Нью Васюки\u0301", "Нью": "Нев"}, "Нью Васюки", "Нью Васюки\u0301"),
        ({"дома": "д+ома"}, "дома", "до\u0301ма"),
        ({"творог": {"say": "творо\u0301г", "forms": True}}, "творогом", "творо\u0301гом"),
        ({"Лукойл": {"say": "Луко\u0301йл", "forms": True}}, "Лукойлу", "Луко\u0301йлу"),
        ({"шопер": {"say": "шоппер", "forms": True}}, "шоперами", "шопперами"),
        ({"стол": {"say": "сто\u0301л", "forms": False}}, "столу", "столу"),
        ({"Á": "а"}, "A\u0301", "а"),
    ],
)
def test_words_are_respelled(entries: dict[str, Any], text: str, said: str) -> None:
    assert lexicon(entries).respelled(text) == said
    assert lexicon(entries).with_phonemes(text) == text


def test_a_respelling_is_read_as_text_and_not_shown() -> None:
    (sentence,) = read("Наш SMM: 5 кг!", "ru", lexicon({"SMM": "эс-эм-эм № 2"}))
    assert sentence.text == "Наш SMM: 5 кг!"
    assert sentence.spoken == "Наш эс-эм-эм номер два: пять килограммов!"


@pytest.mark.parametrize(
    ("entries", "code", "field", "hint"),
    [
        ({"a": {"say": "б", "form": True}}, "unknown_field", "lexicon.a.form", "did you mean 'forms'?"),
        ({"a": {"forms": True}}, "missing", "lexicon.a.say", None),
        ({"a": 3}, "type", "lexicon.a", None),
        ({"a": "[[a"}, "range", "lexicon.a.say", None),
        ({"...": "a"}, "range", "lexicon....", None),
        ({"": "a"}, "range", "lexicon", None),
        ([], "type", "lexicon", None),
    ],
)
def test_what_is_wrong_with_an_entry_is_said(entries: Any, code: str, field: str, hint: str | None) -> None:
    with pytest.raises(JobError) as caught:
        lexicon(entries)
    assert (caught.value.code, caught.value.field, caught.value.hint) == (code, field, hint)


def test_the_configuration_has_a_lexicon_for_each_language(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("tts: {lexicon: {en: {gif: jif}, en-gb: {gif: gif, route: root}}}", "utf-8")
    settings = read_config(file).tts
    assert lexicon_for(settings, "en-gb").respelled("gif route") == "gif root"
    assert lexicon_for(settings, "en").respelled("gif route") == "jif route"
    file.write_text("tts: {lexicon: {en: {gif: {sey: jif}}}}", "utf-8")
    with pytest.raises(ConfigError) as caught:
        read_config(file)
    assert (caught.value.code, caught.value.field) == ("config_unknown_key", "tts.lexicon.en.gif.sey")
    assert caught.value.hint == "did you mean 'say'?"


def test_the_voice_is_given_the_jobs_words_before_the_configurations(tmp_path: Path) -> None:
    (tmp_path / "speech.wav").write_bytes(wav(0.5, 22_050))
    program = tmp_path / "say"
    program.write_text(f"#!/bin/sh\ncat >> {tmp_path}/heard\ncat {tmp_path}/speech.wav\n")
    program.chmod(0o755)
    settings = {"command": {"argv": [str(program)]}, "lexicon": {"en": {"gif": "jif", "SQL": "sequel"}}}
    stage = TtsStage(WorkerSpec("tts-0", "tts", "", Config.model_validate({"tts": settings})))
    stage.setup("cpu")
    words = pronunciations(Job.model_validate({"text": "a", "lexicon": {"gif": "ghif", "cat": "[[k'at]]"}}).lexicon)
    item = TtsItem("a", tmp_path / "work", "A gif of a cat in SQL", "en", None, 1.0, lexicon=words)
    (speech,) = (result for result in stage.process(item) if isinstance(result, Speech))
    assert speech.sentences[0].text == "A gif of a cat in SQL"
    assert (tmp_path / "heard").read_text() == "A ghif of a cat in sequel"


def test_espeak_says_the_phonemes_of_an_entry(tmp_path: Path) -> None:
    stage = TtsStage(WorkerSpec("tts-0", "tts", "", CONFIG))
    stage.setup("cpu")
    words = pronunciations(Job.model_validate({"text": "a", "lexicon": {"cat": "[[d'0g]]"}}).lexicon)
    item = TtsItem("a", tmp_path / "work", "A cat.", "en", "espeak:en-us", 1.0, lexicon=words)
    (speech,) = (result for result in stage.process(item) if isinstance(result, Speech))
    assert speech.phonemes is not None
    assert "".join(symbol for symbol, _, _ in json.loads(speech.phonemes.read_text())).endswith("dˈɑːɡ")
    assert [word.text for word in speech.sentences[0].words] == ["A", "cat."]


def test_a_changed_lexicon_is_another_job() -> None:
    """A repeated job is answered with the earlier video only if its fingerprint is the same."""
    one, two = (
        Config.model_validate({"tts": {"lexicon": {"ru": {"дома": say}}}}) for say in ("до\u0301ма", "дома\u0301")
    )
    assert len({fingerprint(b"{}", config, ["presenter"], []) for config in (CONFIG, one, two)}) == 3
