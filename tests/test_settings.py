"""YAML settings files: duplicate keys, and the rules that `avatar.yaml` shares with the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline.avatars.settings import AvatarSettings
from pipeline.errors import JobError
from pipeline.settings import DuplicateKeyError, parse_yaml


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: 1\na: 2", "a"),
        ("a: {b: 1, b: 1}", "a.b"),
        ("- a: 1\n- {a: 1, a: 2}", "1.a"),
        ("a: [[{b: {c: 1, d: 2, c: 3}}]]", "a.0.0.b.c"),
        ("1: a\n1: b", "1"),
    ],
)
def test_a_duplicate_key_is_refused_at_any_depth(text: str, path: str) -> None:
    with pytest.raises(DuplicateKeyError) as caught:
        parse_yaml(text)
    assert caught.value.path == path


@pytest.mark.parametrize("text", ["", "# nothing", "a", "[a, a]", "{a: {a: 1}, b: {a: 1}}", "{a: &x {b: 1}, c: *x}"])
def test_other_documents_are_read_as_usual(text: str) -> None:
    assert parse_yaml(text) == yaml.safe_load(text)


def test_aliases_cost_no_more_than_their_text() -> None:
    """Given a document with 2 ** 40 paths through 40 nodes."""
    levels = ["&l0 {k: v}", *(f"&l{level} [*l{level - 1}, *l{level - 1}]" for level in range(1, 41))]
    assert len(parse_yaml("\n".join(f"- {level}" for level in levels))) == 41


def test_avatar_yaml_refuses_duplicate_keys(tmp_path: Path) -> None:
    (tmp_path / "avatar.yaml").write_text("size: 64x64\nblend: paste\nsize: 128x128")
    with pytest.raises(JobError, match="duplicate key 'size'"):
        AvatarSettings.load(tmp_path / "avatar.yaml", 10**6)


@pytest.mark.parametrize("setting", ["auto", "on", "off"])
@pytest.mark.parametrize("quote", ["", "'"])
def test_a_silence_gate_needs_no_quotes(setting: str, quote: str, tmp_path: Path) -> None:
    (tmp_path / "avatar.yaml").write_text(f"silence_gate: {quote}{setting}{quote}")
    assert AvatarSettings.load(tmp_path / "avatar.yaml", 10**6).silence_gate == setting


@pytest.mark.parametrize(
    ("written", "read"),
    [("off", "off"), ("false", "off"), ("true", "calm"), ("'calm'", "calm"), ("lively", "lively"), ("", "calm")],
)
def test_idle_motion_has_three_degrees_and_may_be_a_switch(written: str, read: str, tmp_path: Path) -> None:
    (tmp_path / "avatar.yaml").write_text(f"idle_motion: {written}" if written else "")
    assert AvatarSettings.load(tmp_path / "avatar.yaml", 10**6).idle_motion == read
