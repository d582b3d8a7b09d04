"""Modules in the current folder are never imported, whatever their names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from daemon.bench.trial import Trial
from daemon.cli.main import check_environment
from pipeline.config import Config
from pipeline.errors import ConfigError
from tests.members import slow
from tests.running import ONE_PROCESS, ONE_WORKER

LIPDROP = Path(sys.executable).parent / "lipdrop"
TRAPS = ("daemon", "pipeline", "multiprocessing", "torch", "numpy", "click", "yaml", "json", "ctypes")
"""lipdrop's own packages, and others that its processes import first or last."""
JOB = {"text": "One.", "language": "en", "voice": "hibari:heart", "size": "64x64"}
COMMANDS = (("status",), ("voices",), ("avatars", "list"), ("--version",))


@pytest.fixture
def trapped(tmp_path: Path) -> Path:
    """A folder full of packages that write to `sprung` when they are imported."""
    for name in TRAPS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'a').write(__name__ + ' ')\n")
    return tmp_path


def sprung(folder: Path) -> str:
    """The names of the packages that were imported."""
    path = folder / "sprung"
    return path.read_text() if path.exists() else ""


def run(folder: Path, *argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=150, check=False)


def test_the_traps_work(trapped: Path) -> None:
    run(trapped, sys.executable, "-c", "import daemon, torch")
    assert sprung(trapped) == "daemon torch "


@pytest.mark.slow
def test_a_job_runs_in_a_folder_of_traps(trapped: Path) -> None:
    (trapped / "config.yaml").write_text(yaml.safe_dump(ONE_WORKER))
    (trapped / "hello.json").write_text(json.dumps(JOB))
    assert run(trapped, LIPDROP, "submit", "hello.json").returncode == 0
    ended = run(trapped, LIPDROP, "run", "--once")
    assert ended.returncode == 0, ended.stderr
    assert (trapped / "outbox" / "hello.mp4").exists()
    assert sprung(trapped) == ""


@pytest.mark.parametrize("command", [COMMANDS[0], *map(slow, COMMANDS[1:])], ids=" ".join)
def test_a_command_runs_in_a_folder_of_traps(command: tuple[str, ...], trapped: Path) -> None:
    assert run(trapped, LIPDROP, *command).returncode in (0, 1)
    assert sprung(trapped) == ""


def test_without_isolation_only_the_package_daemon_is_imported_from_the_folder(trapped: Path) -> None:
    """Given `python -m daemon`, for which Python searches the current folder first."""
    (trapped / "daemon" / "__init__.py").unlink()
    (trapped / "daemon").rmdir()
    assert run(trapped, sys.executable, "-m", "daemon", "health").returncode == 1
    assert sprung(trapped) == ""


@pytest.mark.slow
def test_a_measured_daemon_starts_in_a_folder_of_traps(trapped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started as `python -P -m daemon`; the previous tests start workers as processes."""
    monkeypatch.chdir(trapped)
    (trapped / "spool").mkdir()
    with Trial(trapped / "spool", Config.model_validate(ONE_PROCESS)) as trial:
        assert trial.run("hello", **JOB)[1].status == "done"
    assert sprung(trapped) == ""


def test_python_daemon_in_the_same_environment_is_an_error(tmp_path: Path) -> None:
    check_environment(tmp_path)
    (tmp_path / "daemon.py").touch()
    with pytest.raises(ConfigError, match="python-daemon"):
        check_environment(tmp_path)
