"""The `tokens` commands, and the file that they write."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from daemon.web.tokens import Tokens
from pipeline.errors import ConfigError
from tests.running import in_process


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("web: {tokens: tokens}\n")
    return tmp_path


def tokens(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return in_process("tokens", *arguments, cwd=place)


def test_a_token_is_added_listed_and_revoked(place: Path) -> None:
    added = tokens(place, "add", "anna").stdout.strip()
    other = tokens(place, "add", "web-shop.1").stdout.strip()
    assert tokens(place, "list").stdout.split() == ["anna", "web-shop.1"]
    assert [Tokens(place / "tokens").owner(token) for token in (added, other, "", added[:-1])] == [
        *("anna", "web-shop.1"),
        *(None, None),
    ]
    assert len(added) >= 43  # 32 random bytes
    assert tokens(place, "revoke", "anna").returncode == 0
    assert tokens(place, "list").stdout.split() == ["web-shop.1"]
    assert Tokens(place / "tokens").owner(added) is None


def test_the_file_has_no_token_and_is_closed_to_others(place: Path) -> None:
    token = tokens(place, "add", "anna").stdout.strip()
    assert token not in (place / "tokens").read_text()
    assert (place / "tokens").stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("name", ["", "-x", "a b", "é", "x" * 65, "a/b", "a\nb"])
def test_an_invalid_name_is_refused(name: str, place: Path) -> None:
    shown = tokens(place, "add", "--", name)
    assert (shown.returncode, "token_name" in shown.stderr) == (78, True)
    assert not (place / "tokens").exists()


def test_a_name_is_used_once(place: Path) -> None:
    tokens(place, "add", "anna")
    shown = tokens(place, "add", "anna")
    assert (shown.returncode, shown.stdout) == (78, "")


def test_an_unknown_token_cannot_be_revoked(place: Path) -> None:
    shown = tokens(place, "revoke", "nobody")
    assert (shown.returncode, "nobody" in shown.stderr) == (2, True)


def test_tokens_need_a_file(tmp_path: Path) -> None:
    shown = tokens(tmp_path, "add", "anna")
    assert (shown.returncode, "web.tokens" in shown.stderr) == (78, True)


@pytest.mark.parametrize("line", ["anna", "anna 12", f"anna {'0' * 63}g", f"an na {'0' * 64}", f"anna  {'0' * 64}"])
def test_a_damaged_file_is_an_error(line: str, place: Path) -> None:
    (place / "tokens").write_text(f"{line}\n")
    with pytest.raises(ConfigError, match="line 1"):
        Tokens(place / "tokens").owner("x")
    assert tokens(place, "list").returncode == 78
