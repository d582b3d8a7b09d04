"""The systemd units, and the daemon's reports to systemd."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import notify
from daemon.spool.health import STALE_SECONDS
from pipeline.config import Config
from pipeline.executors.processes import EXIT_SECONDS
from tests.running import CheapDaemon, until
from tests.service_root import service_root

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "systemd" / "lipdrop.service"
WEB_UNIT = ROOT / "systemd" / "lipdrop-web.service"
TMPFILES = ROOT / "systemd" / "lipdrop.tmpfiles"
SPOOL = "var/lib/lipdrop"
EXPOSURE_MAX = {UNIT: 2.3, WEB_UNIT: 1.9}
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


@needs_systemd
@pytest.mark.parametrize("source", EXPOSURE_MAX, ids=lambda unit: unit.name)
def test_systemd_accepts_the_unit(source: Path, tmp_path: Path) -> None:
    """The program's path is replaced with an existing one: otherwise systemd skips the other checks."""
    unit = tmp_path / source.name
    unit.write_text(source.read_text("utf-8").replace("/opt/lipdrop/.venv/bin/lipdrop", "/bin/true"), "utf-8")
    checked = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    errors = [line for line in checked.stderr.splitlines() if source.name in line]
    assert not errors
    assert checked.returncode == 0, checked.stderr


@needs_systemd
@pytest.mark.parametrize(("unit", "exposure_max"), EXPOSURE_MAX.items(), ids=str)
def test_the_unit_is_hardened(unit: Path, exposure_max: float) -> None:
    argv = ["systemd-analyze", "security", "--offline=true", str(unit)]
    shown = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", shown)
    assert exposure is not None, shown
    assert float(exposure[1]) <= exposure_max


def made_folders(root: Path) -> Path:
    """The service's spool below `root`, as systemd creates it."""
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={service_root(root)}", str(TMPFILES)], check=True)
    return root / SPOOL


@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd is not installed")
def test_a_running_service_recreates_a_removed_inbox_with_its_mode(tmp_path: Path) -> None:
    """The daemon recreates it even without a drop, and without setting a mode bit that the unit forbids."""
    spool = made_folders(tmp_path)
    inbox = spool / "inbox"
    assert (mode(spool), mode(inbox)) == (0o2750, 0o3770)
    with CheapDaemon(spool).start().ready() as daemon:
        inbox.rmdir()
        until(lambda: inbox.exists() or None, "new inbox", 10)
        assert mode(inbox) == 0o3770
        daemon.drop("after", text="1 hello")
        assert daemon.ending("after")["status"] == "done"
        assert mode(spool / "outbox") == 0o2750


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def setting(key: str) -> float:
    found = re.search(rf"^{key}=(\d+)$", UNIT.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_only_one_path_is_writable() -> None:
    """Two would be two mounts, and renames between mounts fail."""
    assert re.findall(r"^ReadWritePaths=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE) == [f"/{SPOOL}"]


def test_the_daemon_stops_within_the_units_stop_timeout() -> None:
    assert Config().limits.drain_seconds + EXIT_SECONDS + 15 <= setting("TimeoutStopSec")


def test_health_is_stale_before_the_watchdog_acts() -> None:
    assert setting("WatchdogSec") > 2 * STALE_SECONDS


def test_systemd_gets_readiness_and_watchdog_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify.ready()
        notify.alive("2 in flight")
        assert listener.recv(100) == b"READY=1"
        assert listener.recv(100) == b"WATCHDOG=1\nSTATUS=2 in flight"


def test_without_systemd_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", lambda *arguments: opened.append(arguments))
        notify.ready()
        notify.alive("idle")
    assert opened == []


def test_an_unreachable_systemd_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon must not exit because its service manager does. Messages to an abstract socket still arrive."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "missing"))
    notify.ready()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        name = f"lipdrop-test-{tmp_path.name}"
        listener.bind(f"\0{name}")
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        notify.ready()
        assert listener.recv(100) == b"READY=1"


DAEMON_USER, WEB_USER = 61234, 61235
"""Numbers that no user has."""


@pytest.fixture
def two_users() -> Iterator[Path]:
    """The spool of an installed service, whose two users are different; below a folder that both can enter."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        service_root(root)
        users = f"lipdrop:x:{DAEMON_USER}:{DAEMON_USER}::/:\nlipdrop-web:x:{WEB_USER}:{WEB_USER}::/:\n"
        (root / "etc/passwd").write_text(users)
        (root / "etc/group").write_text(f"lipdrop:x:{DAEMON_USER}:\nlipdrop-web:x:{WEB_USER}:\n")
        subprocess.run(["systemd-tmpfiles", "--create", f"--root={root}", str(TMPFILES)], check=True)
        yield root


def as_user(user: int, group: int, script: str, folder: Path) -> str:
    """Run a shell script as a user who is also a member of a group; returns what it prints."""
    argv = ["setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={group}", "sh", "-c", f"umask 027; {script}"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as other users")
def test_the_gateway_may_write_what_it_needs_and_no_more(two_users: Path) -> None:
    places = {
        *("inbox", "outbox", "work", "done", "failed", "run", "run/cancel", "webhooks", "."),
        *("../../../etc/lipdrop", "../../../etc/lipdrop/avatars", "../../../etc/lipdrop/web"),
    }
    spool = two_users / SPOOL
    as_user(DAEMON_USER, DAEMON_USER, "echo a >outbox/a.mp4; echo {} >run/health.json; echo {} >webhooks/a", spool)
    tries = "; ".join(f"touch {place}/new 2>/dev/null && echo {place}" for place in sorted(places))
    shown = as_user(WEB_USER, DAEMON_USER, tries, spool)
    assert set(shown.split()) == {"inbox", "run/cancel", "webhooks", "../../../etc/lipdrop/avatars"}
    reads = "cat outbox/a.mp4 run/health.json webhooks/a"
    assert as_user(WEB_USER, DAEMON_USER, reads, spool).split() == ["a", "{}", "{}"]
    harm = "rm -f outbox/a.mp4 run/health.json; echo b >outbox/a.mp4; mv outbox/a.mp4 inbox"
    as_user(WEB_USER, DAEMON_USER, harm, spool)
    assert (spool / "outbox" / "a.mp4").read_text() == "a\n"
    assert (spool / "run" / "health.json").exists()


@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as other users")
def test_other_members_of_the_group_cannot_forge_webhooks_or_read_tokens(two_users: Path) -> None:
    spool, member = two_users / SPOOL, 61236
    as_user(DAEMON_USER, DAEMON_USER, "echo {} >webhooks/a; echo a >outbox/a.mp4", spool)
    (two_users / "etc/lipdrop/web/tokens").write_text("secret")
    (two_users / "etc/lipdrop/web/tokens").chmod(0o640)
    tokens = "cat ../../../etc/lipdrop/web/tokens"
    assert as_user(WEB_USER, DAEMON_USER, tokens, spool) == "secret"
    tries = f"cat webhooks/a; ls webhooks; touch webhooks/b run/cancel/b; {tokens}; cat outbox/a.mp4"
    assert as_user(member, DAEMON_USER, tries, spool) == "a\n"
    assert not (spool / "webhooks" / "b").exists()
    assert not (spool / "run" / "cancel" / "b").exists()
