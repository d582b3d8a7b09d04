"""Hints name commands as the command itself was called."""

from __future__ import annotations

import json
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("status", "a"), "run it again with: {} retry a"),
        (("doctor",), "-> {} run"),
    ],
)
def test_what_commands_print_names_them_as_they_were_called(
    argv: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    called = os.path.relpath(SCRIPT, tmp_path)
    failed = tmp_path / "spool" / "failed" / "a"
    failed.mkdir(parents=True)
    error = {"code": "media", "message": "bad", "field": None, "stage": "split", "attempt": 1, "hint": None}
    (failed / "error.json").write_text(json.dumps(error))
    shown = subprocess.run(
        [called, *argv, "--spool", "spool"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout
    assert expected.format(called) in shown


@pytest.mark.parametrize("text", ["a file that lipdrop can read", "see mylipdrop run", "pip install lipdrop"])
def test_other_words_stay(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["./bin/lipdrop"])
    assert as_called(text) == text
    assert as_called("try lipdrop voices or `lipdrop run --once`") == (
        "try ./bin/lipdrop voices or `./bin/lipdrop run --once`"
    )
