"""The configuration file: what is accepted, and how each mistake is reported."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline import config as config_module
from pipeline.config import Config, load_config
from pipeline.errors import ConfigError

ROOT = Path(__file__).parent.parent


def load(tmp_path: Path, content: str) -> Config:
    file = tmp_path / "config.yaml"
    file.write_text(content, "utf-8")
    return load_config(file)


def test_the_shipped_file_contains_the_defaults() -> None:
    shipped = load_config(ROOT / "config.yaml").model_dump()
    assert shipped == Config().model_dump()


def test_the_shipped_file_names_every_key() -> None:
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    assert shipped == Config().model_dump(mode="json")


def test_without_a_file_the_defaults_apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(None).model_dump() == Config().model_dump()


def test_an_empty_file_keeps_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "# nothing\n").model_dump() == Config().model_dump()


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, "avatars: {folder: faces}")
    assert config.path(config.avatars.folder) == tmp_path / "faces"


def test_four_gpus_are_four_lines(tmp_path: Path) -> None:
    lines = "\n".join(f"  - {{model: {'gan' if n % 2 else 'nogan'}, device: 'cuda:{n}'}}" for n in range(4))
    assert [worker.device for worker in load(tmp_path, f"workers:\n{lines}").workers] == [
        "cuda:0",
        "cuda:1",
        "cuda:2",
        "cuda:3",
    ]


@pytest.mark.parametrize(
    ("content", "field", "hint"),
    [
        ("spol: .", "spol", "did you mean 'spool'?"),
        ("split: {chunk_second: 3}", "split.chunk_second", "did you mean 'chunk_seconds'?"),
        ("workers: [{model: gan, devise: cpu}]", "workers.0.devise", "did you mean 'device'?"),
        ("models: {gan: {engin: builtin}}", "models.gan.engin", "did you mean 'engine'?"),
        ("tts: {http: {uri: 'http://x'}}", "tts.http.uri", "did you mean 'url'?"),
    ],
)
def test_an_unknown_key_is_named_with_its_path(content: str, field: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, content)
    assert (caught.value.code, caught.value.field, caught.value.hint) == ("config_unknown_key", field, hint)


@pytest.mark.parametrize(
    ("written", "read"), [("cuda", "cuda:0"), ("CUDA:1", "cuda:1"), ("' CPU '", "cpu"), ("Auto", "auto")]
)
def test_a_device_may_be_written_in_several_ways(written: str, read: str, tmp_path: Path) -> None:
    assert load(tmp_path, f"workers: [{{model: gan, device: '{written.strip(chr(39))}'}}]").workers[0].device == read


@pytest.mark.parametrize("device", ["gpu", "mps", "cuda:x", "cuda:-1", "0,1"])
def test_an_unknown_device_is_answered_with_those_of_the_machine(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gpu in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / gpu).mkdir(parents=True)
    monkeypatch.setattr(config_module, "NVIDIA_GPUS", tmp_path / "gpus")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"workers: [{{model: gan, device: '{device}'}}]")
    assert caught.value.hint == "this machine has: auto, cpu, cuda:0, cuda:1"


def test_languages_are_normalized(tmp_path: Path) -> None:
    config = load(tmp_path, "language: RU\ntts: {voices: {EN: null, rus: 'espeak:ru'}}")
    assert (config.language, set(config.tts.voices)) == ("ru", {"en", "ru"})


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("video: {fps: '25'}", "video.fps"),
        ("video: {fps: 26}", "video.fps"),
        ("video: {crf: 99}", "video.crf"),
        ("workers: []", "workers"),
        ("workers: [{model: gen}]", "workers.0.model"),
        ("workers: [{model: gan, device: gpu}]", "workers.0.device"),
        ("models: {gan: {engine: wav2lip}}", "models.gan"),
        ("models: {gan: {engine: 3}}", "models.gan.engine"),
        ("models: {gan: {silence_gate: auto}}", "models.gan.silence_gate"),
        ("models: {gan: builtin}", "models.gan"),
        ("models: {both: {engine: builtin}}", "models.both"),
        ("models: {'a b': {}}", "models.a b"),
        ("models: {1: {}}", "models.1"),
        ("models: [gan]", "models"),
        ("executor: magic", "executor"),
        ("limits: {attempts: 0}", "limits.attempts"),
    ],
)
def test_a_wrong_value_is_named_with_its_path(content: str, field: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, content)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: b: c", "config.yaml is not valid YAML at line 1, column 5: mapping values are not allowed here"),
        ("language: en\n\tspool: .", "config.yaml is not valid YAML at line 2, column 1: found character '\\t' "),
        ("spool: '\x00'", "config.yaml is not valid YAML: unacceptable character #x0000"),
        ("tts: null", "tts: must be a mapping"),
        ("workers: [gan]", "workers.0: must be a mapping"),
        ("workers: {model: gan}", "workers: must be a list"),
        ("workers: []", "workers: must not be empty"),
        ("spool: 5", "spool: must be a string"),
        ("limits: {attempts: many}", "limits.attempts: must be a whole number"),
        ("split: {prefer_pauses: 1}", "split.prefer_pauses: must be true or false"),
    ],
)
def test_a_mistake_is_described_in_one_plain_line(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, content)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_an_unknown_voice_back_end_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "tts: {backend: rvoice}")
    assert (caught.value.code, caught.value.field) == ("config_value", "tts.backend")
    assert caught.value.message == "tts.backend: unknown back end 'rvoice'"
    assert caught.value.hint == "did you mean 'rhvoice'?"


def test_gan_and_nogan_exist_without_being_configured(tmp_path: Path) -> None:
    assert list(load(tmp_path, "").models) == ["gan", "nogan"]
    assert list(load(tmp_path, "models: {mine: {}}").models) == ["gan", "nogan", "mine"]
    assert load(tmp_path, "models: {gan: {}}").models == Config().models


def test_only_gan_has_the_silence_gate_by_default(tmp_path: Path) -> None:
    (tmp_path / "a.pt").touch()
    wav2lip = "{engine: wav2lip, checkpoint: a.pt}"
    config = load(tmp_path, f"models: {{gan: {wav2lip}, nogan: {wav2lip}, mine: {wav2lip}}}")
    assert {name: model.silence_gate for name, model in config.models.items()} == {
        "gan": True,
        "nogan": False,
        "mine": False,
    }
    switched = load(tmp_path, "models: {gan: {silence_gate: off}, nogan: {silence_gate: on}}")
    assert [model.silence_gate for model in switched.models.values()] == [False, True]


def test_workers_run_models_of_any_name(tmp_path: Path) -> None:
    lines = "\n".join(f"  - {{model: {name}}}" for name in ("c", "a", "c", "gan"))
    config = load(tmp_path, f"models: {{a: {{}}, b: {{}}, c: {{}}}}\nworkers:\n{lines}")
    assert config.worker_models == ("c", "a", "gan")
    assert config.worker_turns == ("c", "a", "gan", "c")


def test_jobs_on_the_side_use_no_cluster() -> None:
    workers = [{"model": "nogan", "count": 30}, {"model": "gan", "count": 30}]
    cluster = Config.model_validate({"executor": "ray", "workers": workers, "tts_workers": 9, "merge_workers": 9})
    aside = cluster.without_effects()
    assert (aside.executor, aside.worker_models, len(aside.workers)) == ("processes", ("nogan", "gan"), 2)
    assert (aside.tts_workers, aside.split_workers, aside.merge_workers) == (1, 1, 1)
    assert Config(tts_workers=2).without_effects() == Config(tts_workers=2)


def test_equal_workers_are_counted_and_not_without_end() -> None:
    counted = Config.model_validate({"workers": [{"model": "gan", "count": 3}, {"model": "nogan"}]})
    assert [worker.model for worker in counted.workers] == ["gan", "gan", "gan", "nogan"]
    assert Config(workers=counted.workers) == counted
    with pytest.raises(ValueError, match="more than 1024 workers"):
        Config.model_validate({"workers": [{"model": "gan", "count": 1000}, {"model": "nogan", "count": 25}]})


def test_a_worker_with_an_unknown_model_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "models: {studio: {}}\nworkers: [{model: gan}, {model: studo}]")
    assert (caught.value.field, caught.value.hint) == ("workers.1.model", "did you mean 'studio'?")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("spool: a\nspool: b", "spool"),
        ("models:\n  gan: {}\n  gan: {}", "models.gan"),
        ("models: {gan: {engine: builtin, engine: builtin}}", "models.gan.engine"),
        ("workers:\n  - {model: gan}\n  - {model: gan, device: cpu, device: cpu}", "workers.1.device"),
        ("tts: {voices: {ru: a, 'ru': b}}", "tts.voices.ru"),
    ],
)
def test_a_duplicate_key_is_named_with_its_path(content: str, field: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, content)
    assert (caught.value.code, caught.value.field) == ("config_duplicate_key", field)


def test_equal_keys_of_different_mappings_are_not_duplicates(tmp_path: Path) -> None:
    shared = "models: {a: &model {engine: builtin}, b: *model}\nworkers: [{model: a}, {model: b}]"
    assert load(tmp_path, shared).worker_models == ("a", "b")


@pytest.mark.parametrize("content", ["&a {b: *a}", "a: " + "[" * 5000, "a: &a [" + "*a, " * 9 + "]"])
def test_yaml_that_loops_or_nests_too_deeply_is_refused(content: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, content)


def test_a_missing_checkpoint_says_which_file_and_where_it_is_configured(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "models: {gan: {engine: wav2lip, checkpoint: models/gan.pt}}")
    assert caught.value.code == "checkpoint_missing"
    assert caught.value.field == "models.gan.checkpoint"
    assert str(tmp_path / "models" / "gan.pt") in caught.value.message


@pytest.mark.parametrize("content", ["a: [", "- a", "just words", "\x00"])
def test_a_file_that_is_not_a_mapping_is_refused(content: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, content)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "none.yaml")
