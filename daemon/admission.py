"""Admission: takes jobs from the inbox to the scheduler, and cancels them on request."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

from daemon.outputs import extras
from daemon.outputs.report import DoneReport, Submission
from daemon.publisher import Publisher
from daemon.scheduling.estimates import work
from daemon.scheduling.fingerprints import Reading, StillReadingError, fingerprint, is_quick
from daemon.scheduling.flow import Flow
from daemon.scheduling.forecast import Queued
from daemon.scheduling.job_flow import CHARACTERS_PER_SECOND
from daemon.scheduling.journal import Journal
from daemon.scheduling.make_flow import make_flow
from daemon.scheduling.open_records import Request
from daemon.scheduling.scheduler import Scheduler, cancelled
from daemon.spool.claims import shown_file_name
from daemon.spool.copying import Copy, StillCopyingError
from daemon.spool.intake import Intake
from daemon.spool.layout import JOB_SUFFIX
from daemon.spool.spool import Spool
from daemon.spool.watcher import Watcher
from pipeline.avatars import Avatars
from pipeline.composition import names
from pipeline.config import Config
from pipeline.errors import ErrorReport, JobError
from pipeline.job import Job, brand_files, parse_job
from pipeline.overlay import fonts

SCAN_SECONDS = 2.0
"""Longest time between two scans of the inbox, even if the watcher reports nothing."""

SCAN_SHARE = 10
"""Pause after a scan, as a multiple of its duration: large inboxes are scanned less often."""

EXPECTED_SECONDS = 1.0
EXPECTED_SHARE = 100
"""The expected ends of the jobs in the inbox are kept for this time, or this multiple of the time to compute them."""

EXPECTED_MAX = 1000
"""Jobs of which that is computed."""

log = logging.getLogger(__name__)


@dataclass
class _Claimed:
    """A claimed job that has not been started. Times are monotonic."""

    seen_seconds: float
    next_try_seconds: float = 0.0
    readings: dict[tuple[Path, ...], Reading] = field(default_factory=dict)
    """Fingerprints that are taken in other threads, by the recordings."""

    @property
    def is_reading(self) -> bool:
        """Whether it waits for a fingerprint."""
        return not all(reading.is_done for reading in self.readings.values())


class Admission:
    """The jobs that are not running yet. Used only by the supervision loop."""

    def __init__(
        self, config: Config, spool: Spool, scheduler: Scheduler, publisher: Publisher, wake: Callable[[], None]
    ) -> None:
        """`wake` ends the scheduler's wait; it is called from another thread when the inbox changes."""
        self._config = config
        self._spool = spool
        self._scheduler = scheduler
        self._publisher = publisher
        self._avatars = Avatars(config)
        self._intake = Intake(spool, config.limits.quiet_seconds)
        self._watcher = Watcher([spool.inbox, spool.cancels], wake)
        self._claimed: dict[str, _Claimed] = {}
        """Claimed jobs by name. They wait here while the disk is full, or their files are copied or read."""
        self._copies: dict[str, Copy] = {}
        self._wake = wake
        self._next_scan_seconds = self._rescan_after_seconds = 0.0
        self._expected: dict[str, float] = {}
        self._next_expected_seconds = 0.0
        self._alive_seconds = 0.0
        """When a previous daemon was last known to be alive; monotonic."""

    @property
    def waiting(self) -> int:
        """Job files in the inbox at the last scan."""
        return self._intake.waiting

    @property
    def claimed(self) -> list[str]:
        """The claimed jobs that have not been started."""
        return list(self._claimed)

    def expected_ends(self, *, is_open: bool) -> dict[str, float]:
        """When the jobs in the inbox are expected to have ended; monotonic. As far as enough is known of them.

        `is_open`: whether they are taken up.
        """
        now = time.monotonic()
        if not is_open:
            self._scheduler.waiting = ()
            return {}
        if now >= self._next_expected_seconds:
            in_flight = self._scheduler.jobs
            self._scheduler.waiting = [job for job in self._queued() if job.name not in in_flight]
            found = self._scheduler.etas(self._scheduler.waiting)
            names = [job.name for job in self._scheduler.waiting] if None not in found.values() else []
            self._expected = {name: round(now + (found[name] or 0.0), 1) for name in names}
            end = time.monotonic()
            self._next_expected_seconds = end + max(EXPECTED_SECONDS, EXPECTED_SHARE * (end - now))
        return self._expected

    def _queued(self) -> Iterator[Queued]:
        """The jobs in the inbox, up to the first of which too little is known."""
        for job in islice(self._intake.outlines(), EXPECTED_MAX):
            found = work(self._scheduler.pace, job.outline, self._config)
            if found is None:
                return
            seconds = (job.outline.characters or 0) / CHARACTERS_PER_SECOND
            yield Queued((-job.priority, job.seen_seconds + seconds), job.name, found)

    def is_exhausted(self) -> bool:
        """Whether no job is left to start."""
        self._intake.scan()
        return not (self._claimed or self._intake.waiting)

    @property
    def copying(self) -> dict[str, float]:
        """How much of the recording of each claimed job is copied, from 0 to 1, if it must be copied."""
        return {name: copy.share for name, copy in self._copies.items()}

    def close(self) -> None:
        """Stop watching the inbox, and copying."""
        self._watcher.close()
        for copy in self._copies.values():
            copy.stop()

    def recover(self, alive_seconds: float) -> None:
        """Resume the jobs that a previous daemon left in flight. Raises OSError.

        `alive_seconds`: when it was last known to be alive; monotonic.
        """
        self._alive_seconds = alive_seconds
        for name in self._spool.recover():
            sealed = self._spool.sealed(name)
            if sealed is None:
                log.info("job %s: resumed", name)
                self._claimed[name] = _Claimed(time.monotonic())
            else:
                self._publisher.publish(name, sealed)

    def watch(self) -> None:
        """Be woken by what arrives in the inbox, and by requests."""
        self._watcher.refresh()

    def cancel_requested(self) -> None:
        """Cancel the jobs that users asked to cancel: in flight, claimed or still in the inbox."""
        for name in self._spool.cancel_requests():
            file = self._spool.file_of(name)
            if name in self._scheduler.jobs:
                self._scheduler.cancel(name)
            elif name in self._claimed or (file is not None and self._spool.claim(name, file)):
                self._claimed.pop(name, None)
                if name in self._copies:
                    self._copies.pop(name).stop()
                self._publisher.expect(name, self._submission(name, time.monotonic()))
                self._publisher.fail(name, ErrorReport.of(cancelled(name), stage="queued"))
            elif file is None and not self._spool.is_under_way(name):
                # Otherwise try again later: a full disk prevents claiming.
                self._spool.remove_cancel_request(name)

    def hear_requests(self) -> None:
        """Pass on what users ask of open streams, and ask those to end that have listened for too long."""
        settings = self._config.stream
        for flow in self._scheduler.open_streams:
            for asked in self._spool.asked(flow.name, flow.state.heard):
                log.info("job %s: asked: %s", flow.name, asked.kind)
                flow.hear(Request(asked.number, asked.text if asked.kind == "text" else None, asked.kind == "end"))
            self._spool.forget_asked(flow.name, flow.state.finished())
            if flow.is_over_due(settings.close_after_seconds, settings.longest_seconds):
                with contextlib.suppress(JobError):  # it was asked just now
                    self._spool.ask(flow.name, "end")

    def claim_jobs(self) -> None:
        """Scan the inbox if needed, and claim jobs up to the limit of jobs in flight."""
        self._scan()
        while self._is_below_limit():
            name = self._intake.next(self._in_flight())
            if name is None:
                return
            file, seen_seconds = self._intake.take(name)
            if self._spool.claim(name, file):
                if file != f"{name}{JOB_SUFFIX}":
                    log.info("job %s: made from %s", name, ascii(file))
                self._claimed[name] = _Claimed(seen_seconds)

    def start_claimed(self) -> None:
        """Check the claimed jobs and start the valid ones."""
        now = time.monotonic()
        for name, claimed in list(self._claimed.items()):
            if now < claimed.next_try_seconds or not self._is_copied(name) or claimed.is_reading:
                continue
            try:
                with self._publisher.failing_job(name, "intake"):
                    self._admit(name, claimed.seen_seconds)
            except (StillCopyingError, StillReadingError):
                continue
            except FileNotFoundError:
                log.exception("job %s: its files are missing from work/", name)
                self._publisher.forget(name)
            except OSError as error:
                log.warning("job %s: cannot be started yet: %s", name, error)
                claimed.next_try_seconds = now + SCAN_SECONDS
                claimed.readings.clear()
                continue
            del self._claimed[name]
            self._copies.pop(name, None)

    def idle_seconds(self, *, is_open: bool) -> float:
        """How long to wait for events; 0 if the intake is open and a job can be claimed now."""
        if is_open and self._is_below_limit() and self._intake.next(self._in_flight()):
            return 0.0
        now, pause = time.monotonic(), SCAN_SECONDS / 4 if self._intake.unsettled() else SCAN_SECONDS
        return min(pause, self._rescan_after_seconds - now) if now < self._rescan_after_seconds else pause

    def _is_below_limit(self) -> bool:
        return len(self._in_flight()) < self._scheduler.jobs_max

    def _in_flight(self) -> set[str]:
        """Names in use: a new job of the same name waits until the old one is published."""
        return {*self._scheduler.jobs, *self._claimed, *self._publisher.unpublished}

    def _scan(self) -> None:
        """Scan the inbox if it has changed, and at least every `SCAN_SECONDS`.

        After a long scan the next one is delayed, unless files were left unread.
        """
        start = time.monotonic()
        if start < self._rescan_after_seconds:
            return
        if self._watcher.changed() or self._intake.unsettled() or start >= self._next_scan_seconds:
            with contextlib.suppress(OSError):  # e.g. disk full; retried by the next scan
                self._spool.keep_inbox()
            self._intake.scan()
            end = time.monotonic()
            self._rescan_after_seconds = end if self._intake.behind() else end + SCAN_SHARE * (end - start)
            self._next_scan_seconds = end + SCAN_SECONDS

    def _admit(self, name: str, seen_seconds: float) -> None:
        """Check a claimed job and start it, unless it has already been done. Raises JobError and OSError."""
        submission = self._submission(name, seen_seconds)
        self._publisher.expect(name, submission)
        earlier = self._spool.earlier_report(name)
        if earlier is not None and self._is_unchanged(name, earlier):
            self._publisher.repeat(name, earlier)
        elif self._config.on_conflict == "refuse" and self._spool.has_succeeded(name):
            self._publisher.refuse(name)
        else:
            self._start(self._make_flow(name, seen_seconds), submission)

    def _submission(self, name: str, seen_seconds: float) -> Submission:
        file = self._spool.dropped_as(name)
        return Submission(self._spool.submitted_at(name), seen_seconds, shown_file_name(file) if file else None)

    def _is_unchanged(self, name: str, earlier: DoneReport) -> bool:
        """Whether a repeated job would give the same video: so do its recordings, its avatars and the settings.

        True also if one of them is gone, so that there is nothing to make another video of.
        """
        try:
            job = parse_job(self._spool.job_bytes(name), self._config, self._avatars.names())
            recordings = [self._spool.find_recording(audio) for audio in job.recordings]
        except JobError:
            return True
        if job.keep_open:  # what it says is not in the job
            return False
        return self._fingerprint(name, job, recordings) == earlier.fingerprint

    def _fingerprint(self, name: str, job: Job, recordings: Iterable[Path]) -> str:
        """A claimed job's fingerprint. Raises StillReadingError while a thread reads large files for it."""
        backgrounds = (names.file_of(part.background, self._config) for part in job.parts)
        brand = brand_files(job, self._config).values()
        readings = self._claimed[name].readings
        font = None if job.burn_captions is None else fonts.find(job.burn_captions.font)
        files = (*recordings, *brand, *filter(None, dict.fromkeys((font, *backgrounds))))
        if files not in readings:
            avatars = dict.fromkeys(part.avatar or self._config.avatars.default for part in job.parts)
            request = self._config, tuple(avatars), files
            take = partial(fingerprint, self._spool.job_bytes(name), *request)
            if is_quick(*request):
                return take()
            readings[files] = Reading(take, self._wake)
            readings[files].start()
        return readings[files].result()

    def _start(self, flow: Flow, submission: Submission) -> None:
        self._publisher.open_stream(flow)
        log.info("job %s: started", flow.name)
        self._publisher.expect(flow.name, replace(submission, seen_seconds=flow.journal.seen_seconds))
        self._scheduler.add(flow)

    def _make_flow(self, name: str, seen_seconds: float) -> Flow:
        """Make the job's flow. It keeps a previous daemon's results; unfinished files are removed."""
        data, folder, config = self._spool.job_bytes(name), self._spool.folder(name), self._config
        job = parse_job(data, config, self._avatars.names())
        config.credentials()  # it may have expired since the start; the job should fail before it is rendered
        recordings = {audio: self._taken(name, audio, number) for number, audio in enumerate(job.recordings)}
        mark = self._fingerprint(name, job, recordings.values())
        journal = Journal(folder, mark, seen_seconds, self._alive_seconds)
        self._spool.clear(name, journal.files)
        submitted_at = self._spool.submitted_at(name)
        flow = make_flow(
            name,
            job,
            folder=folder,
            recordings=recordings,
            config=config,
            journal=journal,
            submitted_at=submitted_at,
            pace=self._scheduler.pace,
        )
        extras.check_name(name, flow.extras)
        return flow

    def _is_copied(self, name: str) -> bool:
        return name not in self._copies or self._copies[name].is_done

    def _taken(self, name: str, audio: str, number: int) -> Path:
        """A recording in the job's folder. Raises JobError and OSError; StillCopyingError while it is copied."""
        copy = self._copies.pop(name, None)
        if copy is not None:
            copy.check()
        taken = self._spool.take_recording(name, audio, number)
        if taken is None:
            log.info("job %s: copying its recording, which cannot be linked", name)
            self._copies[name] = Copy(self._spool, name, audio, number, self._wake)
            self._copies[name].start()
            raise StillCopyingError
        return taken
