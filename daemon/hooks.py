"""Runs the command `hooks.on_done` after each job, and tries again until it succeeds.

The queue is the folder `hooks/`, so a run that a crash interrupts is repeated at the next start. Everything happens in
threads: neither a hanging command nor a defect here can hold up the supervision loop.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator

from pydantic import ValidationError

from daemon.metrics.observations import HookRan, Observation
from daemon.spool.hooks import Hook
from daemon.spool.spool import Spool
from pipeline import programs
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.programs import Limits, OutputTooLarge

RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0, 3600.0)
"""Pauses between attempts; after the last attempt a run is given up."""

POLL_SECONDS = 60.0
"""How often the folder is read even if nothing was left there."""

PENDING_SECONDS = 0.1
"""The same while a run waits until its job is published."""

SAID_CHARACTERS = 300
"""How much of a failed command's last error line is logged."""

PLACEHOLDER = re.compile(r"\{(job|status|code|report|video|attempt)\}")

PRIVATE = ("LIPDROP_", "NOTIFY_SOCKET", "WATCHDOG_")
"""Beginnings of the names of variables that commands do not get: lipdrop's own, and systemd's channel to the daemon."""

log = logging.getLogger(__name__)


class HookRunner:
    """The runs of one spool. Methods may be called from any thread, and return at once."""

    def __init__(
        self, config: Config, spool: Spool, observe: Callable[[Observation], None], wake: Callable[[], None]
    ) -> None:
        """`wake` is called when runs have ended. Raises ConfigError if the program does not exist."""
        self._settings = config.hooks
        self._argv = _found_argv(config)
        self._spool = spool
        self._observe = observe
        self._wake = wake
        self._changed = threading.Condition()
        self._pending: dict[str, Hook] = {}
        """By id, without the reports, which may be large."""
        self._running: set[str] = set()
        self._unreadable: set[str] = set()
        self._noticed, self._read = 1, 0
        """How often something was left in the folder, and how often before it was last read."""
        self._is_closed = False

    @property
    def is_enabled(self) -> bool:
        """Whether a command is configured."""
        return bool(self._argv)

    def start(self) -> None:
        """Begin with what an earlier daemon left."""
        if self.is_enabled:
            threading.Thread(target=self._run, name="hooks", daemon=True).start()

    def notice(self) -> None:
        """A job was published: its run is due."""
        with self._changed:
            self._noticed += 1
            self._changed.notify_all()

    def is_idle(self) -> bool:
        """Whether nothing runs, and each run that is due has been tried at least once."""
        if not self.is_enabled:
            return True
        with self._changed:
            tried = (hook.attempts or not self._spool.may_run(hook) for hook in self._pending.values())
            return self._read == self._noticed and not self._running and all(tried)

    def close(self) -> None:
        """Start no more runs. Those that are running end with the daemon, and are repeated at the next start."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    # The queue

    def _run(self) -> None:
        while not self._is_closed:
            self._load()
            with self._changed:
                for hook in list(self._due()):
                    self._begin(hook)
                if self._read == self._noticed and not self._is_closed:
                    self._changed.wait(self._idle_seconds())

    def _load(self) -> None:
        """Read the runs that are new."""
        noticed = self._noticed
        for key in self._spool.hook_ids():
            if key in self._pending or key in self._unreadable:
                continue
            try:
                found = self._spool.read_hook(key)
            except FileNotFoundError:
                continue
            except (OSError, ValidationError) as error:
                log.warning("hook %s cannot be read: %s", key, type(error).__name__)
                self._unreadable.add(key)
            else:
                with self._changed:
                    self._pending[key] = _light(found)
        self._read = noticed

    def _due(self) -> Iterator[Hook]:
        """The runs to start now, those first that wait longest."""
        now, free = time.time(), self._settings.at_once - len(self._running)
        for hook in sorted(self._pending.values(), key=lambda hook: (hook.next_at, hook.left_at)):
            if free > 0 and hook.id not in self._running and hook.next_at <= now and self._spool.may_run(hook):
                free -= 1
                yield hook

    def _idle_seconds(self) -> float:
        if len(self._running) >= self._settings.at_once:
            return POLL_SECONDS
        waiting = [hook.next_at - time.time() for key, hook in self._pending.items() if key not in self._running]
        return min([POLL_SECONDS, *(max(PENDING_SECONDS, seconds) for seconds in waiting)])

    def _begin(self, hook: Hook) -> None:
        self._running.add(hook.id)
        threading.Thread(target=self._attempt, args=(hook,), name=f"hook-{hook.job}", daemon=True).start()

    # One run

    def _attempt(self, hook: Hook) -> None:
        """Run the command once, and record its result. The kernel kills the command if this thread dies."""
        start = time.monotonic()
        kept: Hook | None = _postponed(hook)
        try:
            whole = self._spool.read_hook(hook.id)
            kept = self._record(whole, self._failure(whole), time.monotonic() - start)
        except OSError as error:
            log.warning("job %s: its hook cannot be read or recorded: %s", hook.job, error)
        finally:
            self._end(hook, kept)

    def _end(self, hook: Hook, kept: Hook | None) -> None:
        with self._changed:
            self._running.discard(hook.id)
            self._pending.pop(hook.id, None)
            if kept is not None:
                self._pending[hook.id] = _light(kept)
            self._changed.notify_all()
        self._wake()

    def _failure(self, hook: Hook) -> str:
        """Run the command; return why it failed, or an empty text."""
        values = self._values(hook)
        argv = [PLACEHOLDER.sub(lambda match: values[match[1]], argument) for argument in self._argv]
        environment = {**_environment(), **{f"LIPDROP_{key.upper()}": value for key, value in values.items()}}
        limit = self._settings.timeout_seconds
        try:
            ended = programs.run(argv, Limits(limit), hook.report.encode(), environment)
        except TimeoutError:
            return f"killed after {limit:g} s (hooks.timeout_seconds)"
        except OutputTooLarge:
            return "killed: too much output"
        except OSError as error:
            return str(error)
        return f"exit code {ended.returncode}{_said(ended.errors)}" if ended.returncode else ""

    def _values(self, hook: Hook) -> dict[str, str]:
        """What the command learns, by the names of its placeholders."""
        report, video = self._spool.report_file(hook.job), self._spool.video_file(hook.job)
        return {
            "job": hook.job,
            "status": hook.status,
            "code": hook.code,
            "report": "" if hook.is_refused else str(report),
            "video": str(video) if hook.status == "done" else "",
            "attempt": str(hook.attempts + 1),
        }

    def _record(self, hook: Hook, failure: str, seconds: float) -> Hook | None:
        """Remove a run that has succeeded or is given up; plan the next attempt of any other. Raises OSError."""
        attempts = hook.attempts + 1
        is_final = not failure or attempts > len(RETRY_SECONDS)
        if not failure:
            log.info("job %s: hook done in %.2f s", hook.job, seconds)
        else:
            then = "; given up" if is_final else f"; next in {RETRY_SECONDS[attempts - 1]:g} s"
            log.warning("job %s: hook failed (attempt %d): %s%s", hook.job, attempts, failure, then)
        self._observe(HookRan("ok" if not failure else "given_up" if is_final else "retried"))
        if is_final:
            self._spool.remove_hook(hook.id)
            return None
        kept = _postponed(hook)
        self._spool.leave_hook(kept)
        return kept


def _environment() -> dict[str, str]:
    """The daemon's environment without what only it and its workers may use."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}


def _light(hook: Hook) -> Hook:
    return hook.model_copy(update={"report": ""})


def _postponed(hook: Hook) -> Hook:
    """A run that failed, as it is tried again."""
    pause = RETRY_SECONDS[min(hook.attempts, len(RETRY_SECONDS) - 1)]
    return hook.model_copy(update={"attempts": hook.attempts + 1, "next_at": time.time() + pause})


def _found_argv(config: Config) -> tuple[str, ...]:
    """The configured command with the path of its program; empty if there is none. Raises ConfigError."""
    argv = config.hooks.on_done
    if argv is None:
        return ()
    program = str(config.path(argv[0])) if "/" in argv[0] else argv[0]
    if shutil.which(program) is None:
        hint = "set it to a program that exists and is executable"
        raise ConfigError("hook_missing", f"there is no program {program}", field="hooks.on_done", hint=hint)
    return (program, *argv[1:])


def _said(errors: bytes) -> str:
    """The last line of a command's standard error, for the log."""
    lines = errors.decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[-SAID_CHARACTERS:]!a}" if last else ""
