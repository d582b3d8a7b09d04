"""`make install-service` below a temporary root, with fakes for the commands that change the machine."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
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
    "make": (
        'bin="$3/.venv/bin"; mkdir -p "$bin"; printf "#!%s/python\\n" "$bin" >"$bin/lipdrop"\n'
        f'printf "#!/bin/sh\\nexec {sys.executable} \\"\\$@\\"\\n" >"$bin/python"; chmod u+x "$bin"/*'
    ),
    "useradd": "true",
    "userdel": "true",
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


def run(place: Path, script: str, **variables: str) -> list[str]:
    """Run a script with the strictest umask; returns the lines that it prints."""
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    ended = subprocess.run(
        [place / "checkout" / "scripts" / script],
        env={"PATH": path, "PYTHONPATH": str(ROOT), **variables},
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def install(place: Path) -> list[str]:
    """Install the service as usual, below the temporary root."""
    return run(place, "install-service.sh", TEST_ROOT=str(place / "root"))


@pytest.mark.parametrize(
    ("destination", "has_venv", "installs", "code"),
    [("", True, True, 0), ("stage", True, False, 0), ("stage", False, False, 1)],
)
def test_a_staged_installation_installs_no_system_packages(
    destination: str, has_venv: bool, installs: bool, code: int, tmp_path: Path
) -> None:
    """On a machine without ffmpeg, as root."""
    programs = {"id": "echo 0", "python": "exit " + ("0" if has_venv else "1"), "apt-get": f"touch {tmp_path}/ran"}
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    for name in ("bash", "sh", "touch"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    ended = subprocess.run(
        ["/bin/bash", ROOT / "scripts" / "install-system.sh", "python"],
        env={"PATH": str(tmp_path), "DESTDIR": destination},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ((tmp_path / "ran").exists(), ended.returncode) == (installs, code), ended.stderr
    assert ("lipdrop needs: python3-venv" in ended.stderr) == (code == 1)


def files(root: Path) -> set[str]:
    """All files below a folder, without the program's own."""
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or path.is_file()}
    return {path for path in found if not path.startswith("opt/lipdrop/") and path not in ("etc/passwd", "etc/group")}


def closed(folder: Path) -> Iterator[Path]:
    """Paths that other users cannot read or enter."""
    for path in (folder, *folder.rglob("*")):
        needed = 0o055 if path.is_dir() else 0o044
        if stat.S_IMODE(path.stat().st_mode) & needed != needed:
            yield path


@pytest.mark.slow
def test_the_service_can_read_installed_files_whatever_the_umask(place: Path) -> None:
    shown = install(place)
    root = place / "root"
    assert shown == [
        f"program:       {root}/opt/lipdrop",
        f"command:       {root}/usr/local/bin/lipdrop, with its man page and completions",
        "users:         lipdrop, lipdrop-web",
        f"spool:         {root}/var/lib/lipdrop (members of the group lipdrop may drop jobs)",
        f"configuration: {root}/etc/lipdrop/config.yaml",
        f"units:         {root}/etc/systemd/system/lipdrop.service, lipdrop-web.service",
    ]
    (root / "usr/local/bin/lipdrop").unlink()  # a link to where the program will be
    for folder in ("opt", "etc/lipdrop", "etc/tmpfiles.d", "etc/sysusers.d", "etc/systemd", "usr"):
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_files_that_the_readme_links_to_are_installed(place: Path) -> None:
    install(place)
    home = place / "root" / "opt" / "lipdrop"
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (home / "README.md").read_text("utf-8"))
    assert links
    assert [path for path in links if not (home / path).exists()] == []


@pytest.mark.slow
def test_the_service_gets_no_development_tools(place: Path) -> None:
    install(place)
    call = next(call for call in (place / "calls").read_text().splitlines() if call.startswith("make"))
    extras = next(word for word in call.split() if word.startswith("EXTRAS="))
    dry_run = ["make", "--dry-run", "--always-make", "-C", str(ROOT), ".venv/.installed", extras]
    steps = subprocess.run(dry_run, capture_output=True, text=True, check=True).stdout
    assert "--editable '.[espeak,web]'" in steps


SHARED = "usr/local/share"
COMMAND_FILES = {
    "usr/local/bin/lipdrop",
    f"{SHARED}/man/man1/lipdrop.1",
    f"{SHARED}/bash-completion/completions/lipdrop",
    f"{SHARED}/zsh/site-functions/_lipdrop",
    f"{SHARED}/fish/vendor_completions.d/lipdrop.fish",
}
UNIT_FILES = {
    "etc/systemd/system/lipdrop.service",
    "etc/systemd/system/lipdrop-web.service",
    "etc/tmpfiles.d/lipdrop.conf",
    "etc/sysusers.d/lipdrop.conf",
}


@pytest.mark.slow
def test_a_staged_install_changes_nothing_outside_its_folder(place: Path) -> None:
    """Not even a systemd that seems to run there gets a command, and no user is created or needed."""
    stage = place / "stage"
    (stage / "run" / "systemd" / "system").mkdir(parents=True)
    (place / "bin" / "id").write_text(f'#!/bin/sh\necho id "$@" >>"{place}/calls"\necho 1000\n')
    before = {path for path in place.rglob("*") if not path.is_relative_to(stage)}
    shown = run(place, "install-service.sh", DESTDIR="../stage")  # relative to the checkout, as with make
    assert shown[-1].startswith("On the machine itself: systemd-sysusers && systemd-tmpfiles --create")
    assert {path for path in place.rglob("*") if not path.is_relative_to(stage)} - before <= {place / "calls"}
    assert {call.split()[0] for call in (place / "calls").read_text().splitlines()} == {"make"}
    assert files(stage) == COMMAND_FILES | UNIT_FILES | {"etc/lipdrop/config.yaml"}
    assert (stage / "opt/lipdrop/.venv/bin/lipdrop").read_text() == "#!/opt/lipdrop/.venv/bin/python\n"
    assert str((stage / "usr/local/bin/lipdrop").readlink()) == "/opt/lipdrop/.venv/bin/lipdrop"
    assert (stage / SHARED / "man/man1/lipdrop.1").read_text().startswith(".TH LIPDROP 1")
    assert "_LIPDROP_COMPLETE=bash_complete" in (stage / SHARED / "bash-completion/completions/lipdrop").read_text()


def test_the_users_of_a_staged_install_are_those_of_the_service() -> None:
    users = re.findall(r"^u (\S+) ", (ROOT / "systemd" / "lipdrop.sysusers").read_text("utf-8"), re.MULTILINE)
    units = [(ROOT / "systemd" / f"{name}.service").read_text("utf-8") for name in ("lipdrop", "lipdrop-web")]
    assert users == [re.findall(r"^User=(.*)$", unit, re.MULTILINE)[0] for unit in units]


def test_uninstalling_removes_the_program_and_keeps_the_data(place: Path) -> None:
    install(place)
    root = place / "root"
    (root / "var/lib/lipdrop/outbox/a.mp4").touch()
    (root / "usr/local/bin/other").touch()
    (place / "calls").unlink()
    shown = run(place, "uninstall-service.sh", TEST_ROOT=str(root))
    assert "PURGE=yes removes them too" in shown[-1]
    assert not (root / "opt/lipdrop").exists()
    assert files(root) == {"etc/lipdrop/config.yaml", "var/lib/lipdrop/outbox/a.mp4", "usr/local/bin/other"}
    calls = (place / "calls").read_text().splitlines()
    assert [call for call in calls if not call.startswith("id")] == [
        *("systemctl disable --quiet --now lipdrop-web.service", "systemctl disable --quiet --now lipdrop.service"),
        "systemctl daemon-reload",
    ]
    (place / "bin" / "id").write_text("#!/bin/sh\necho 0\n")  # the users exist
    run(place, "uninstall-service.sh", TEST_ROOT=str(root), PURGE="yes")
    assert files(root) == {"usr/local/bin/other"}
    calls = (place / "calls").read_text().splitlines()
    assert {"userdel lipdrop", "userdel lipdrop-web"} <= set(calls)


def test_a_staged_install_is_removed_without_touching_the_machine(place: Path) -> None:
    stage = place / "stage"
    run(place, "install-service.sh", DESTDIR=str(stage))
    (place / "calls").unlink()
    shown = run(place, "uninstall-service.sh", DESTDIR=str(stage), PURGE="yes")
    assert not any("users" in line for line in shown)
    assert files(stage) == set()
    assert not (place / "calls").exists()


def test_a_program_of_the_same_name_stays(place: Path) -> None:
    program = place / "root" / "usr" / "local" / "bin" / "lipdrop"
    program.parent.mkdir(parents=True)
    program.write_text("mine")
    install(place)
    run(place, "uninstall-service.sh", TEST_ROOT=str(place / "root"))
    assert program.read_text() == "mine"
