"""Hints name commands as the command itself was called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli.called import as_called

SCRIPT = Path(sys.executable).parent / "lipdrop"


def hint(*argv: str, folder: Path, path: str = "/usr/bin:/bin") -> str:
    """The last line that `submit --wait` prints when no daemon runs."""
    (folder / "job.txt").write_text("Hello")
    environment = {"PATH": path, "PYTHONPATH": str(Path(__file__).parent.parent)}
    argv = (*argv, "submit", "--wait", "job.txt")
    return subprocess.run(
        argv, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, check=False
    ).stderr.strip()


def test_a_script_outside_the_path_is_named_as_it_was_called(tmp_path: Path) -> None:
    called = os.path.relpath(SCRIPT, tmp_path)
    assert hint(called, folder=tmp_path).endswith(f"start one with: {called} run")


def test_a_script_on_the_path_is_named_by_its_name(tmp_path: Path) -> None:
    path = f"{SCRIPT.parent}:/usr/bin:/bin"
    assert hint("sh", "-c", 'lipdrop "$@"', "sh", folder=tmp_path, path=path).endswith("start one with: lipdrop run")


def test_a_module_is_named_as_a_module(tmp_path: Path) -> None:
    assert hint(sys.executable, "-m", "daemon", folder=tmp_path).endswith(f"with: {sys.executable} -m daemon run")


@pytest.mark.parametrize("text", ["a file that lipdrop can read", "see mylipdrop run", "pip install lipdrop"])
def test_other_words_stay(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["./bin/lipdrop"])
    assert as_called(text) == text
    assert as_called("try lipdrop voices or `lipdrop run --once`") == (
        "try ./bin/lipdrop voices or `./bin/lipdrop run --once`"
    )
