"""The configuration file: what is accepted, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline.config import Config, load_config
from pipeline.errors import ConfigError

ROOT = Path(__file__).parent.parent


def load(tmp_path: Path, content: str) -> Config:
    file = tmp_path / "config.yaml"
    file.write_text(content, "utf-8")
    return load_config(file)


def test_the_shipped_file_holds_the_defaults() -> None:
    shipped = load_config(ROOT / "config.yaml").model_dump()
    assert shipped == Config().model_dump()


def test_the_shipped_file_names_every_key() -> None:
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    assert shipped == Config().model_dump(mode="json")


def test_no_file_means_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(None).model_dump() == Config().model_dump()


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "# nothing\n").model_dump() == Config().model_dump()


def test_paths_start_at_the_file(tmp_path: Path) -> None:
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
        ("tts: {http: {uri: 'http://x'}}", "tts.http.uri", "did you mean 'url'?"),
    ],
)
def test_an_unknown_key_is_named_with_its_path(content: str, field: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, content)
    assert (caught.value.code, caught.value.field, caught.value.hint) == ("config_unknown_key", field, hint)


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
        ("executor: magic", "executor"),
        ("limits: {attempts: 0}", "limits.attempts"),
    ],
)
def test_a_wrong_value_is_named_with_its_path(content: str, field: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, content)
    assert caught.value.field == field


def test_a_missing_checkpoint_says_which_file_and_where_it_is_configured(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "models: {gan: {engine: wav2lip, checkpoint: models/gan.pt}}")
    assert caught.value.code == "checkpoint_missing"
    assert caught.value.field == "models.gan.checkpoint"
    assert str(tmp_path / "models" / "gan.pt") in caught.value.message


@pytest.mark.parametrize("content", ["a: [", "- a", "just words", "\x00"])
def test_what_is_no_mapping_is_refused(content: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, content)


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "none.yaml")
