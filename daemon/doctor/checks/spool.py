"""The spool: its folders, their permissions and filesystem, free room, and its daemon."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from daemon.doctor.finding import Finding, broken, ok, warning
from daemon.doctor.machine import Machine
from daemon.spool.health import DEGRADED, PAUSED, health
from daemon.spool.layout import Layout

NETWORK_FILESYSTEMS = ("nfs", "cifs", "smb", "9p", "fuse", "ceph", "glusterfs")
"""Beginnings of the types of filesystems that may not report what other machines write."""

FREE_BYTES_LOW = 2 * 10**9
"""A long video with its frames' segments needs some hundred megabytes."""


class _Mount(NamedTuple):
    """Where a folder is mounted."""

    number: int
    """Renames work only within a mount, even if two mounts show the same filesystem."""
    kind: str
    """Type of the filesystem; empty if it is unknown, as in a chroot."""

    @property
    def shown(self) -> str:
        """The type in parentheses."""
        return f" ({self.kind})" if self.kind else ""


def check(machine: Machine) -> Iterator[Finding]:
    """Whether jobs can be dropped, moved and published."""
    layout = machine.spool
    if not layout.root.exists():
        yield from _missing(layout.root)
    else:
        yield from _folders(layout)
    yield from _room(layout.root, machine.config.limits.free_megabytes)
    if layout.root.exists():
        yield from _daemon(machine)


def _missing(root: Path) -> Iterator[Finding]:
    parent = _existing(root)
    if os.access(parent, os.W_OK | os.X_OK):
        yield ok(f"{root} does not exist yet: the first `lipdrop run` or `submit` creates it")
    else:
        yield broken(f"{root} does not exist, and {parent} does not let this user create it", _own("mkdir -p", root))


def _own(command: str, folder: Path) -> str:
    """A command by which root gives this user a folder."""
    quoted = shlex.quote(str(folder))
    return f"sudo {command} {quoted} && sudo chown $(id -u):$(id -g) {quoted}"


def _existing(path: Path) -> Path:
    """The nearest folder above that exists."""
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _folders(layout: Layout) -> Iterator[Finding]:
    folders = [layout.root, layout.inbox, layout.work, layout.outbox, layout.done, layout.failed, layout.run]
    folders += [layout.cancels, layout.webhooks]
    present = [folder for folder in folders if os.path.lexists(folder)]
    problems = [problem for folder in present for problem in _unusable(folder)]
    yield from problems
    if not problems:
        missing = len(folders) - len(present)
        later = f"; {missing} of its folders do not exist yet, `lipdrop run` creates them" if missing else ""
        yield ok(f"{layout.root} can be read and written by this user{later}")
    yield from _one_filesystem(layout.root, [folder for folder in present if folder.is_dir()])


def _unusable(folder: Path) -> Iterator[Finding]:
    quoted = shlex.quote(str(folder))
    if not folder.is_dir():
        what = "a link to nothing" if folder.is_symlink() and not folder.exists() else "not a folder"
        yield broken(f"{folder} is {what}", f"mv {quoted} {quoted}.away && mkdir {quoted}")
        return
    wanted = {"read": os.R_OK, "written": os.W_OK, "entered": os.X_OK}
    refused = [word for word, mode in wanted.items() if not os.access(folder, mode)]
    if refused:
        mine = folder.stat().st_uid == os.geteuid()
        fix = f"chmod u+rwx {quoted}" if mine else f"sudo chown -R $(id -u):$(id -g) {quoted}"
        yield broken(f"{folder} cannot be {' or '.join(refused)} by this user", fix)


def _one_filesystem(root: Path, folders: list[Path]) -> Iterator[Finding]:
    mounts = {folder: _mount(folder) for folder in folders}
    home = mounts.get(root)
    if home is None:
        return
    for folder, mount in mounts.items():
        if mount is not None and mount.number != home.number:
            target = shlex.quote(str(folder))
            yield broken(
                f"{folder} is on another filesystem{mount.shown} than {root}{home.shown}: jobs cannot be moved",
                f"rm {target} && mkdir {target}" if folder.is_symlink() else f"sudo umount {target}",
            )
    if all(mount is None or mount.number == home.number for mount in mounts.values()):
        yield ok(f"all folders are on one filesystem{home.shown}")
    if home.kind.startswith(NETWORK_FILESYSTEMS):
        yield warning(
            f"{home.kind} may not report new files: jobs are found within two seconds instead of at once", None
        )


def _mount(folder: Path) -> _Mount | None:
    """The mount of a folder, from Linux's view of an open descriptor; None if it cannot be opened or known."""
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        facts = Path(f"/proc/self/fdinfo/{descriptor}").read_text().split()
    finally:
        os.close(descriptor)
    number, device = facts[facts.index("mnt_id:") + 1], folder.stat().st_dev
    return _Mount(int(number), _kind(number, f"{os.major(device)}:{os.minor(device)}"))


def _kind(number: str, device: str) -> str:
    """The filesystem's type, by the mount's number, or by another mount of the device: a chroot hides its own."""
    mounts = [line.partition(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    places = [(place.split(), kind.split()[0]) for place, _, kind in mounts]
    own = (kind for place, kind in places if place[0] == number)
    other = (kind for place, kind in places if place[2] == device)
    return next(own, next(other, ""))


def _room(root: Path, needed_megabytes: int) -> Iterator[Finding]:
    free = shutil.disk_usage(_existing(root)).free
    text = f"{free / 1e9:.1f} GB free"
    largest = f"sudo du -xhd2 {shlex.quote(str(_existing(root)))} | sort -h | tail"
    if free < needed_megabytes * 1_000_000:
        yield broken(f"{text}, less than limits.free_megabytes ({needed_megabytes}): no new work starts", largest)
    elif free < FREE_BYTES_LOW:
        yield warning(f"only {text}", largest)
    else:
        yield ok(text)


def _daemon(machine: Machine) -> Iterator[Finding]:
    found = health(machine.spool)
    if found.state == "stale":
        yield broken(f"the daemon hangs: {found.why}", f"kill {found.report.pid if found.report else 'PID'}")
    elif found.state == PAUSED:
        yield warning(f"the daemon is paused: {found.why}", "lipdrop resume")
    elif found.state == DEGRADED:
        yield warning(f"the daemon works, but: {found.why}", "lipdrop status")
    elif found.state == "down":
        yield ok("no daemon is running on this spool", "lipdrop run")
    else:
        yield ok(f"the daemon is running ({found.state})")
