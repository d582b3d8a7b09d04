"""`make install-service` below a temporary root, with fakes for the commands that change the machine."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service_root import service_root

ROOT = Path(__file__).parent.parent
PARTS = ("daemon", "pipeline", "scripts", "systemd", "docs", "examples", "ops")
FILES = (
    *("config.yaml", "setup.cfg", "pyproject.toml", "requirements.txt"),
    *("Makefile", "README.md", "README.ru.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"),
)
COMMANDS = {
    "id": '[ "$1" = -u ] && echo 0',
    "make": 'mkdir -p "$3/.venv/bin" && touch "$3/.venv/bin/lipdrop" && chmod u+x "$3/.venv/bin/lipdrop"',
    "useradd": "true",
    "systemctl": "true",
}
"""Fake commands; all record their arguments."""

pytestmark = pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd is not installed")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A private checkout, the fake commands, and a root on which systemd runs."""
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / "checkout" / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, tmp_path / "checkout" / file)
    subprocess.run(["chmod", "-R", "go-rwx", str(tmp_path / "checkout")], check=True)
    (tmp_path / "bin").mkdir()
    for name, body in COMMANDS.items():
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\necho {name} "$@" >>"{tmp_path}/calls"\n{body}\n')
        (tmp_path / "bin" / name).chmod(0o755)
    (service_root(tmp_path / "root") / "run" / "systemd" / "system").mkdir(parents=True)
    return tmp_path


def install(place: Path) -> list[str]:
    """Run the script with the strictest umask; returns the lines that it prints."""
    environment = {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "DESTDIR": str(place / "root")}
    script = place / "checkout" / "scripts" / "install-service.sh"
    ended = subprocess.run([script], env=environment, umask=0o077, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def closed(folder: Path) -> Iterator[Path]:
    """Paths that other users cannot read or enter."""
    for path in (folder, *folder.rglob("*")):
        needed = 0o055 if path.is_dir() else 0o044
        if stat.S_IMODE(path.stat().st_mode) & needed != needed:
            yield path


def test_the_service_can_read_installed_files_whatever_the_umask(place: Path) -> None:
    shown = install(place)
    root = place / "root"
    assert shown == [
        f"program:       {root}/opt/lipdrop",
        "users:         lipdrop, lipdrop-web",
        f"spool:         {root}/var/lib/lipdrop (members of the group lipdrop may drop jobs)",
        f"configuration: {root}/etc/lipdrop/config.yaml",
        f"units:         {root}/etc/systemd/system/lipdrop.service, lipdrop-web.service",
    ]
    for folder in ("opt", "etc/lipdrop", "etc/tmpfiles.d", "etc/systemd"):
        assert [path for path in closed(root / folder) if path != root / "etc/lipdrop/web"] == []
    assert stat.S_IMODE((root / "etc/lipdrop/web").stat().st_mode) == 0o2750
    assert os.access(root / "opt" / "lipdrop" / ".venv" / "bin" / "lipdrop", os.X_OK)
    assert stat.S_IMODE((root / "var" / "lib" / "lipdrop" / "inbox").stat().st_mode) == 0o3770
    calls = (place / "calls").read_text().splitlines()
    assert [call for call in calls if call.startswith("useradd")] == [
        "useradd --system --user-group --home-dir /var/lib/lipdrop --shell /usr/sbin/nologin lipdrop",
        "useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin lipdrop-web",
    ]
    assert {"systemctl enable --quiet lipdrop.service", "systemctl restart lipdrop.service"} <= set(calls)
    assert [call for call in calls if "lipdrop-web.service" in call] == ["systemctl try-restart lipdrop-web.service"]


def test_an_update_renews_the_program_and_keeps_configuration_and_spool(place: Path) -> None:
    install(place)
    root = place / "root"
    settings, dropped = root / "etc/lipdrop/config.yaml", root / "var/lib/lipdrop/inbox/a.json"
    settings.write_text("language: en\n")
    dropped.write_text("{}")
    for part in ("daemon/gone.py", "docs/gone.md"):
        (root / "opt/lipdrop" / part).touch()
    (place / "checkout" / "daemon" / "new.py").touch()
    install(place)
    assert settings.read_text() == "language: en\n"
    assert dropped.exists()
    assert not list((root / "opt/lipdrop").glob("*/gone.*"))
    assert (root / "opt/lipdrop/daemon/new.py").exists()


def test_files_that_the_readme_links_to_are_installed(place: Path) -> None:
    install(place)
    home = place / "root" / "opt" / "lipdrop"
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (home / "README.md").read_text("utf-8"))
    assert links
    assert [path for path in links if not (home / path).exists()] == []


def test_the_service_gets_no_development_tools(place: Path) -> None:
    install(place)
    call = next(call for call in (place / "calls").read_text().splitlines() if call.startswith("make"))
    extras = next(word for word in call.split() if word.startswith("EXTRAS="))
    dry_run = ["make", "--dry-run", "--always-make", "-C", str(ROOT), ".venv/.installed", extras]
    steps = subprocess.run(dry_run, capture_output=True, text=True, check=True).stdout
    assert "--editable '.[espeak,web]'" in steps
