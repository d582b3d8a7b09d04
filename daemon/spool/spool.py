"""The spool: the folders on disk that hold every job's state, and every rename between them.

A job is a file that moves: `inbox/NAME.json` -> `work/NAME/` -> `done/NAME.json` or `failed/NAME/`. A rename is
atomic, so after a crash at any point each job is in exactly one place. A job is published by its
`work/NAME/timing.json`: from the moment that file is there, `publish` can be run any number of times and
ends in the same state.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import shutil
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from pipeline.errors import JobError, LipdropError, is_full
from pipeline.files import move, sync, write_file
from pipeline.job import JOB_MAX_BYTES, JOB_NAME

JOB_SUFFIX = ".json"
CAPTION_SUFFIXES = (".srt", ".vtt")
RECORDING_SUFFIXES = frozenset(
    {".wav", ".mp3", ".m4a", ".mp4", ".mov", ".mkv", ".webm", ".ogg", ".opus", ".flac", ".aac", ".avi", ".aiff", ".wma"}
)
"""What a recording may be called without being taken for a job that was named wrongly."""
RECORDING_MAX_BYTES = 2 << 30
"""Two hours of uncompressed stereo at 48 kHz are 1.4 GB; where it has to be copied, the daemon waits for it."""
PLACEHOLDER = ".gitkeep"
CLAIMED, JOB, TIMING, ERROR = "claimed.json", "job.json", "timing.json", "error.json"
RECORDING, VIDEO = "recording", "video.mp4"
PLAYLIST, PLAYER = "index.m3u8", "player.html"
"""In the folder of a stream."""

HEALTH_BYTES = 4096
"""The least size of the health file: a block of most disks."""

log = logging.getLogger(__name__)

OWNER_PATIENCE_SECONDS = 1.0
"""A command that only asks whether there is an owner holds the lock for an instant; a daemon waits that out."""


class SpoolOwned(LipdropError):
    """Another daemon works on this spool."""


@dataclass(frozen=True)
class Dropped:
    """A job file seen in the inbox."""

    name: str
    path: str
    bytes: int
    changed_at: float
    """Modification time, seconds since the epoch."""


class Spool:
    """One spool directory. All folders lie on one filesystem, so that renames work between them."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.inbox = self.root / "inbox"
        self.outbox = self.root / "outbox"
        self.work = self.root / "work"
        self.done = self.root / "done"
        self.failed = self.root / "failed"
        self.run = self.root / "run"
        self.health = self.run / "health.json"
        self._pause = self.run / "paused"
        self._cancels = self.run / "cancel"
        self._inbox_mode = 0o750

    def create(self) -> None:
        """Make the folders that are missing."""
        for folder in (self.outbox, self.work, self.done, self.failed, self.run, self._cancels):
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self.keep_inbox()

    def keep_inbox(self) -> None:
        """Make the inbox if it is missing, with the mode that it had when it was last seen.

        The setgid bit comes from the spool's folder: the service may not set one itself.
        """
        try:
            self._inbox_mode = stat.S_IMODE(self.inbox.stat().st_mode)
        except FileNotFoundError:
            umask = os.umask(0)
            try:
                self.inbox.mkdir(mode=self._inbox_mode & ~stat.S_ISGID, exist_ok=True)
            finally:
                os.umask(umask)

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Own the spool for the length of a block. The kernel gives the lock up when the owner dies.

        Raises SpoolOwned when another daemon has it.
        """
        with (self.run / "lock").open("a") as file:
            deadline = time.monotonic() + OWNER_PATIENCE_SECONDS
            while not _locked(file):
                if time.monotonic() > deadline:
                    raise SpoolOwned("owned", f"another daemon works on {self.root}")
                time.sleep(OWNER_PATIENCE_SECONDS / 20)
            yield

    def has_owner(self) -> bool:
        """Whether a daemon works on this spool right now."""
        try:
            with (self.run / "lock").open() as file:
                return not _locked(file, fcntl.LOCK_SH)
        except FileNotFoundError:
            return False

    def tell(self, health: dict[str, Any]) -> None:
        """Replace the daemon's health file; it says how things stand now and need not survive a power cut.

        Two files take turns and keep their blocks, so that a full disk can be told of too.
        """
        spare, last = self.run / "health.spare", self.run / "health.last"
        with spare.open("r+b" if spare.exists() else "wb") as file:
            file.write(json.dumps(health).encode().ljust(HEALTH_BYTES))
            file.truncate()
        last.unlink(missing_ok=True)
        if self.health.exists():
            os.link(self.health, last)
        spare.rename(self.health)
        if last.exists():
            last.rename(spare)

    def told(self) -> dict[str, Any] | None:
        """The daemon's health file; None where there is none."""
        try:
            health: dict[str, Any] = json.loads(self.health.read_bytes())
        except FileNotFoundError:
            return None
        return health

    def free_bytes(self) -> int:
        """What is free on the spool's disk."""
        return shutil.disk_usage(self.root).free

    # Requests: files that the daemon's loop looks for, so that they work while it is down too

    def pause(self) -> None:
        """Ask for no job to be taken in until `resume`."""
        self._pause.touch()

    def resume(self) -> None:
        """Take `pause` back."""
        self._pause.unlink(missing_ok=True)

    def is_paused(self) -> bool:
        """Whether no job is to be taken in."""
        return self._pause.exists()

    def ask_to_cancel(self, name: str) -> None:
        """Ask for a job to be ended."""
        (self._cancels / name).touch()

    def cancel_requests(self) -> list[str]:
        """The jobs that are to be ended."""
        try:
            return sorted(entry.name for entry in self._cancels.iterdir() if JOB_NAME.match(entry.name))
        except FileNotFoundError:
            return []

    def forget_cancelling(self, name: str) -> None:
        """Drop the request to end a job: it has ended, or there is none."""
        (self._cancels / name).unlink(missing_ok=True)

    # Intake

    def scan(self) -> tuple[list[Dropped], list[str]]:
        """The job files in the inbox, oldest first, and the names of entries that are neither jobs nor recordings."""
        jobs, strangers = [], []
        with contextlib.suppress(FileNotFoundError), os.scandir(self.inbox) as entries:
            for entry in entries:
                dropped = _dropped(entry)
                if dropped is not None:
                    jobs.append(dropped)
                elif Path(entry.name).suffix.lower() not in RECORDING_SUFFIXES and entry.name != PLACEHOLDER:
                    strangers.append(entry.name)
        return sorted(jobs, key=lambda job: (job.changed_at, job.name)), strangers

    def claim(self, name: str) -> bool:
        """Take a job out of the inbox; False when it is gone meanwhile. What it says from now on is what runs."""
        folder = self.folder(name)
        try:
            self.create()
            folder.mkdir(mode=0o750)
        except OSError as error:
            log.warning("job %s: cannot be taken in yet: %s", name, error.strerror)
            return False
        try:
            (self.inbox / f"{name}{JOB_SUFFIX}").rename(folder / CLAIMED)
        except OSError as error:
            folder.rmdir()
            if not isinstance(error, FileNotFoundError):
                log.warning("inbox: %s%s cannot be claimed: %s", name, JOB_SUFFIX, error.strerror)
            return False
        return self._snapshot(folder)

    def _snapshot(self, folder: Path) -> bool:
        """Copy the claimed file: its writer may still hold it open.

        False when that is not possible: what cannot be read is put aside, and where nothing can be written, as on a
        full disk, the file goes back to the inbox.
        """
        claimed = folder / CLAIMED
        try:
            data, changed_ns = read_file(claimed), claimed.lstat().st_mtime_ns
        except OSError as error:
            log.warning("job %s: cannot be read and is put aside: %s", folder.name, error.strerror)
            self._put_aside(folder)
            return False
        try:
            write_file(folder / JOB, data)
        except OSError as error:
            log.warning("job %s: cannot be taken in yet: %s", folder.name, error.strerror)
            self._put_back(folder)
            return False
        os.utime(folder / JOB, ns=(changed_ns, changed_ns))
        claimed.unlink()
        return True

    def _put_back(self, folder: Path) -> None:
        """Undo a claim; where a newcomer has taken the place in the inbox, the claimed file is put aside."""
        place = self.inbox / f"{folder.name}{JOB_SUFFIX}"
        if os.path.lexists(place):
            self._put_aside(folder)
        else:
            (folder / CLAIMED).rename(place)
            shutil.rmtree(folder)

    def _put_aside(self, folder: Path) -> None:
        """Move what was claimed to `failed/`, under a name that is free there."""
        kept = self.failed / f"{folder.name}.{time.time_ns()}"
        (folder / JOB).unlink(missing_ok=True)
        folder.rename(kept)

    def take_recording(self, name: str, audio: str) -> Path:
        """Bring a recording from the inbox into the job's folder, where nobody can remove it.

        Raises JobError unless it is a plain file directly inside the inbox, OSError when there is no room for it.
        """
        taken = self.folder(name) / RECORDING
        try:
            if not os.path.lexists(taken):
                _link_or_copy(self.find_recording(audio), taken)
            self._check_recording(taken)
        except OSError as error:
            if is_full(error):
                raise
            raise self._no_recording(error.strerror) from None
        return taken

    def find_recording(self, audio: str) -> Path:
        """The recording that a job names. Raises JobError unless it is a plain file directly inside the inbox.

        A link is refused: it could show any file of the daemon's user.
        """
        path = self.inbox / audio
        if Path(audio).name != audio:
            raise self._no_recording("no plain file there")
        try:
            self._check_recording(path)
        except OSError as error:
            raise self._no_recording(error.strerror) from None
        return path

    def _check_recording(self, path: Path) -> None:
        """Refuse all but plain files of a sensible size; asked again of what was taken, as it may have been swapped."""
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode):
            raise self._no_recording("no plain file there")
        if info.st_size > RECORDING_MAX_BYTES:
            message = f"the recording is over {RECORDING_MAX_BYTES} bytes"
            raise JobError("too_large", message, field="audio")

    def _no_recording(self, reason: str | None) -> JobError:
        message = f"audio must name a file inside the inbox: {reason}"
        return JobError("audio", message, field="audio", hint=f"copy the file itself to {self.inbox}")

    def folder(self, name: str) -> Path:
        """The work folder of a job."""
        return self.work / name

    def submitted_at(self, name: str) -> float:
        """When the job in flight was written, seconds since the epoch."""
        return (self.folder(name) / JOB).stat().st_mtime

    def job_bytes(self, name: str) -> bytes:
        """The job file of a job in flight."""
        return (self.folder(name) / JOB).read_bytes()

    def is_repeat(self, name: str) -> dict[str, Any] | None:
        """The timing JSON of an earlier run, when the claimed job is the same and its outputs are still there."""
        try:
            same = (self.done / f"{name}{JOB_SUFFIX}").read_bytes() == self.job_bytes(name)
            timing: dict[str, Any] = json.loads((self.outbox / f"{name}{JOB_SUFFIX}").read_bytes())
            whole = timing["video"]["bytes"] == (self.outbox / f"{name}.mp4").stat().st_size
            whole &= timing.get("mode") != "stream" or (self.outbox / name / PLAYLIST).exists()
            return timing if same and whole and timing["status"] == "done" else None
        except (OSError, ValueError, LookupError, TypeError, RecursionError):  # gone, or not what lipdrop wrote there
            return None

    def failed_job(self, name: str) -> bytes | None:
        """The job file of a job that ended badly; None where there is none."""
        if JOB_NAME.match(name) is None:
            return None
        try:
            return (self.failed / name / JOB).read_bytes()
        except FileNotFoundError:  # or pruned just now
            return None

    def was_done(self, name: str) -> bool:
        """Whether a job of this name has been done before."""
        return (self.done / f"{name}{JOB_SUFFIX}").exists()

    # Streams: a folder in the outbox that grows while the job runs

    def open_stream(self, name: str, assets: Collection[Path], *, anew: bool) -> None:
        """Make the folder of a job's stream, with what plays it; `anew`: without what an earlier job left there."""
        folder = self.outbox / name
        if anew:
            self.remove_stream(name)
        folder.mkdir(mode=0o750, exist_ok=True)
        for asset in assets:
            _replace(folder / asset.name, asset.read_bytes())

    def show(self, name: str, files: Mapping[str, Path], texts: Mapping[str, str]) -> None:
        """Put files into a job's stream, then texts in their order, each whole from the moment that it is visible.

        A file that is there is left as it is: it has been shown. Nothing is synced: a stream does not outlive a boot.
        """
        folder = self.outbox / name
        for file_name, file in files.items():
            if not (folder / file_name).exists():
                _link_or_copy(file, folder / file_name)
        for text_name, text in texts.items():
            _replace(folder / text_name, text.encode())

    def is_under_way(self, name: str) -> bool:
        """Whether a job waits or runs.

        Looked for in the order in which it moves: its folder in `work/` is there before its file leaves the inbox.
        """
        places = (self.inbox / f"{name}{JOB_SUFFIX}", self.folder(name))
        return JOB_NAME.match(name) is not None and any(place.exists() for place in places)

    def stream(self, name: str) -> Path | None:
        """The folder of a job's stream; None where there is none."""
        folder = self.outbox / name
        is_stream = JOB_NAME.match(name) and ((folder / PLAYLIST).exists() or (folder / PLAYER).exists())
        return folder if is_stream else None

    def remove_stream(self, name: str) -> None:
        """Remove a job's stream, if there is one."""
        folder = self.stream(name)
        if folder is not None:
            (folder / PLAYLIST).unlink(missing_ok=True)  # first: nothing may look like a stream that goes on
            shutil.rmtree(folder)

    # Publishing

    def publish(self, name: str, timing: dict[str, Any]) -> None:
        """Make a job's outputs visible, its timing JSON last, and clear its work folder.

        Every step may have been done already by an attempt that failed or by a daemon that died.
        """
        self.create()
        folder = self.folder(name)
        if not (folder / TIMING).exists():
            if timing["status"] == "failed":
                self.clear(name)  # its stage files may be what fills the disk
            else:
                self._keep_video(name, timing)
            self._seal(folder, timing)
        self.forget_cancelling(name)
        if timing["status"] == "done":
            self._publish_outputs(name, timing)
            with contextlib.suppress(FileNotFoundError):  # moved before
                os.utime(folder / JOB)  # by which its age is told; until now it was told when the user wrote it
            move(folder / JOB, self.done / f"{name}{JOB_SUFFIX}")
            shutil.rmtree(self.failed / name, ignore_errors=True)  # an earlier attempt that went badly is made good
        else:
            self._keep_failed(name)
        move(folder / TIMING, self.outbox / f"{name}{JOB_SUFFIX}")
        shutil.rmtree(folder)

    def _keep_video(self, name: str, timing: dict[str, Any]) -> None:
        """Make sure that a job's video is whole and on disk. Raises FileNotFoundError where it is not."""
        if not self._has_video(name, timing):
            raise FileNotFoundError(errno.ENOENT, "its video is gone", f"{name}.mp4")
        if (self.folder(name) / VIDEO).exists():
            sync(self.folder(name) / VIDEO)

    def _has_video(self, name: str, timing: dict[str, Any]) -> bool:
        """Whether a job's video is there in its full size, in its folder or already in the outbox."""
        places = (self.folder(name) / VIDEO, self.outbox / f"{name}.mp4")
        return any(place.exists() and place.stat().st_size == timing["video"]["bytes"] for place in places)

    def _seal(self, folder: Path, timing: dict[str, Any]) -> None:
        """Write down how a job ended: from now on it has. A traceback is for the error's own file only."""
        if "error" in timing:
            write_file(folder / ERROR, _json_bytes(timing["error"]))
            timing = {**timing, "error": {k: v for k, v in timing["error"].items() if k != "traceback"}}
        write_file(folder / TIMING, _json_bytes(timing))

    def sealed(self, name: str) -> dict[str, Any] | None:
        """The timing JSON of a job that has ended and is not quite published."""
        try:
            timing: dict[str, Any] = json.loads((self.folder(name) / TIMING).read_bytes())
        except FileNotFoundError:
            return None
        return timing

    def _publish_outputs(self, name: str, timing: dict[str, Any]) -> None:
        """Put video and captions into the outbox. An earlier run's JSON goes first: it must not describe this video."""
        folder = self.folder(name)
        if timing.get("mode") != "stream":
            self.remove_stream(name)  # of an earlier job
        if (folder / VIDEO).exists():
            (self.outbox / f"{name}{JOB_SUFFIX}").unlink(missing_ok=True)
            move(folder / VIDEO, self.outbox / f"{name}.mp4")
        for suffix in CAPTION_SUFFIXES:
            if f"{name}{suffix}" in timing.get("captions", []):
                move(folder / f"captions{suffix}", self.outbox / f"{name}{suffix}")
            else:
                (self.outbox / f"{name}{suffix}").unlink(missing_ok=True)

    def refuse(self, name: str, error: dict[str, Any]) -> None:
        """Turn a job away and leave the outbox, where another job of its name has its outputs, as it is."""
        write_file(self.folder(name) / ERROR, _json_bytes(error))
        self.forget_cancelling(name)
        self._keep_failed(name)
        shutil.rmtree(self.folder(name))

    def _keep_failed(self, name: str) -> None:
        """Keep the job file and the error of a job that ended badly."""
        kept = self.failed / name
        kept.mkdir(mode=0o750, exist_ok=True)
        for file in (ERROR, JOB):
            move(self.folder(name) / file, kept / file)

    def clear(self, name: str, keep: Collection[Path] = ()) -> None:
        """Remove a job's stage files but those to keep; the job file and its recording stay."""
        folder = self.folder(name)
        inside = (path.relative_to(folder) for path in keep if path.is_relative_to(folder))
        kept = {JOB, RECORDING, TIMING, *(path.parts[0] for path in inside)}
        for entry in folder.iterdir():
            if entry.name not in kept:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def recover(self) -> list[str]:
        """Bring what an earlier daemon left in `work/` to order; return the names of the jobs in flight."""
        folders = [entry for entry in sorted(self.work.iterdir()) if entry.is_dir() and JOB_NAME.match(entry.name)]
        return [folder.name for folder in folders if self._recovered(folder)]

    def _recovered(self, folder: Path) -> bool:
        if (folder / TIMING).exists():
            return True
        if os.path.lexists(folder / CLAIMED) and not self._snapshot(folder):
            return False
        if not (folder / JOB).exists():
            shutil.rmtree(folder)
            return False
        return True


def _locked(file: IO[str], kind: int = fcntl.LOCK_EX) -> bool:
    """Try to lock a file until it is closed."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _dropped(entry: os.DirEntry[str]) -> Dropped | None:
    """The entry as a job file; None for anything that is not a plain file with a legal name."""
    name = entry.name.removesuffix(JOB_SUFFIX)
    if name == entry.name or JOB_NAME.match(name) is None:
        return None
    try:
        info = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(info.st_mode):
        return None
    return Dropped(name, entry.path, info.st_size, info.st_mtime)


def read_file(path: Path) -> bytes:
    """Read a job file that a stranger wrote: never through a link, never blocking, never more than is legal."""
    with _opened(path) as file:
        return file.read(JOB_MAX_BYTES + 1)


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _replace(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all; a power cut may undo it."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(data)
    unfinished.rename(path)


def _link_or_copy(source: Path, target: Path) -> None:
    """Link a stranger's plain file, or copy it where linking is not allowed. Never through a link of theirs."""
    try:
        os.link(source, target, follow_symlinks=False)
    except PermissionError:
        unfinished = target.with_suffix(".part")
        try:
            _copy(source, unfinished)
            unfinished.rename(target)
        finally:
            unfinished.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a stranger's plain file. Its room is taken first: what does not fit is not begun."""
    with _opened(source) as reader, target.open("wb") as writer:
        size = os.fstat(reader.fileno()).st_size
        if size > 0:
            os.posix_fallocate(writer.fileno(), 0, size)
        shutil.copyfileobj(reader, writer)
        writer.truncate()


def _json_bytes(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
