"""The publisher: shows the streams of running jobs, and publishes jobs that have ended."""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Collection, Iterator

from daemon.hooks import HookRunner
from daemon.metrics.observations import Observation
from daemon.outputs import captions, hls
from daemon.outputs.hls import Stream
from daemon.outputs.live import LiveStream
from daemon.outputs.measured import done_report, failed_flow_report
from daemon.outputs.report import (
    DoneReport,
    FailedReport,
    JobReport,
    Submission,
    failed_report,
    first_segment,
    repeated_report,
    timestamp,
)
from daemon.scheduling.flow import Flow
from daemon.scheduling.open_stream import OpenStream
from daemon.scheduling.scheduler import JobDone, Outcome
from daemon.scheduling.stream_flow import StreamFlow
from daemon.spool.hooks import Hook
from daemon.spool.spool import Spool
from daemon.spool.webhooks import Delivery
from pipeline.errors import ErrorReport, JobError

log = logging.getLogger(__name__)


class Publisher:
    """Makes the results of jobs visible to users. Used only by the supervision loop.

    If a write fails, e.g. because the disk is full, `retry` publishes the job later.
    """

    def __init__(
        self,
        spool: Spool,
        webhook_hosts: Collection[str],
        hooks: HookRunner,
        observe: Callable[[Observation], None],
    ) -> None:
        """`webhook_hosts`: the hosts that webhooks may name. `observe` is given each report when it is published."""
        self._spool = spool
        self._webhook_hosts = webhook_hosts
        self._hooks = hooks
        self._observe = observe
        self._submissions: dict[str, Submission] = {}
        self._streams: dict[str, Stream] = {}
        self._unpublished: dict[str, JobReport] = {}
        self.done = 0
        """Jobs done since the start."""
        self.failed = 0
        """Jobs failed since the start."""

    @property
    def unpublished(self) -> list[str]:
        """The jobs that have ended but could not be published yet."""
        return list(self._unpublished)

    def expect(self, name: str, submission: Submission) -> None:
        """Record when a job arrived. Must be called before the job ends."""
        self._submissions[name] = submission

    def forget(self, name: str) -> None:
        """Forget a job whose files have disappeared."""
        self._submissions.pop(name, None)

    # Streams

    def open_stream(self, flow: Flow) -> None:
        """Open the stream of a job, or continue a previous daemon's. Raises JobError and OSError."""
        if isinstance(flow, StreamFlow):
            hls.check_name(flow.name)
            self._spool.open_stream(flow.name, hls.ASSETS, fresh=not flow.journal.results)
            self._streams[flow.name] = LiveStream(flow) if isinstance(flow, OpenStream) else Stream(flow)

    def show_streams(self) -> None:
        """Show new playable pieces. After an OSError (e.g. disk full) the next call retries."""
        for name, stream in self._streams.items():
            try:
                self._show(name, stream)
            except OSError as error:
                log.warning("job %s: cannot update its stream yet: %s", name, error)

    def idle_seconds(self) -> float:
        """Time until the next pending stream may begin; infinity if there is none."""
        now = time.monotonic()
        begins = (stream.flow.begin_seconds - now for stream in self._streams.values() if not stream.shown)
        return min((begin for begin in begins if begin > 0), default=float("inf"))

    def _show(self, name: str, stream: Stream) -> None:
        if stream.has_news():
            self._spool.show(name, stream.files(), stream.texts(), stream.staying())
            if stream.shown == 0:
                self._report_first_segment(name)
            stream.mark_shown()
        elif stream.is_held_back(now := time.monotonic()):
            self._spool.announce(name, time.time() + stream.flow.begin_seconds - now)
            stream.announced_seconds = stream.flow.begin_seconds

    def _report_first_segment(self, name: str) -> None:
        """Leave the webhook call that a stream can be played. Raises OSError."""
        submission = self._submissions[name]
        delivery = self._spool.delivery(
            name, "segment", self._webhook_hosts, first_segment(name, submission), timestamp(time.time())
        )
        if delivery is not None:
            self._spool.leave(delivery)

    def _end_delivery(self, name: str, report: JobReport) -> Delivery | None:
        """The webhook call about a job's end; None if none is wanted."""
        return self._spool.delivery(name, report.status, self._webhook_hosts, report, report.finished_at)

    def _hook(self, name: str, report: JobReport) -> Hook | None:
        """The run of a command about a job's end; None if none is wanted."""
        return self._spool.hook(name, report) if self._hooks.is_enabled else None

    def _announce(self, report: JobReport) -> None:
        """A job's end is visible: count it, and run the command about it."""
        self._observe(report)
        self._hooks.notice()

    def _end_stream(self, name: str, report: JobReport) -> None:
        """Show the whole stream, or remove it if the job failed. Raises OSError."""
        stream = self._streams.get(name)
        if stream is not None and isinstance(report, DoneReport):
            self._show(name, stream)
        elif stream is not None:
            self._spool.remove_stream(name)
        self._streams.pop(name, None)

    # Jobs that have ended

    @contextlib.contextmanager
    def failing_job(self, name: str, stage: str) -> Iterator[None]:
        """Fail the job on any error in the block: an error that stopped the daemon would stop the next one too.

        OSError propagates: it is the machine's fault.
        """
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            self.fail(name, ErrorReport.of(error, stage=stage, traceback=traceback.format_exc()))

    def end(self, outcome: Outcome) -> None:
        """Publish a job that left the pipeline."""
        flow = outcome.flow
        with self.failing_job(flow.name, "publish"):
            if isinstance(outcome, JobDone):
                self._succeed(done_report(flow, self._submissions[flow.name], outcome.attempts))
            else:
                submission = self._submissions[flow.name]
                self._fail(failed_flow_report(flow, outcome.error, submission, outcome.attempts), outcome.error)

    def _succeed(self, report: DoneReport) -> None:
        self.done += 1
        log.info("job %s: done in %.2f s", report.job, report.timing.total_seconds)
        self.publish(report.job, report)

    def fail(self, name: str, error: ErrorReport) -> None:
        """Publish a job as failed that did not run."""
        self._fail(failed_report(name, error, self._submissions[name], 1, {}), error)

    def _fail(self, report: FailedReport, error: ErrorReport) -> None:
        self.failed += 1
        log.warning("job %s: failed: %s: %s", report.job, error.code, ascii(error.message))
        if error.traceback:
            log.warning("job %s: %s", report.job, error.traceback)
        self.publish(report.job, report)

    def repeat(self, name: str, earlier: DoneReport) -> None:
        """Publish a job whose outputs already exist."""
        log.info("job %s: identical to an earlier job", name)
        self.publish(name, repeated_report(earlier, self._submissions[name]))

    def refuse(self, name: str) -> None:
        """Reject a different job under a used name; the existing outputs are kept."""
        error = JobError("conflict", f"a job named {name} has already been done", hint="use another name")
        log.warning("job %s: refused: %s", name, error.message)
        report = failed_report(name, ErrorReport.of(error, stage="intake"), self._submissions[name], 1, {})
        self._spool.refuse(name, report.error, self._end_delivery(name, report), self._hook(name, report))
        self._announce(report)
        self.forget(name)
        self.failed += 1

    def retry(self) -> None:
        """Retry the jobs that could not be published."""
        for name, report in list(self._unpublished.items()):
            self.publish(name, report)

    def publish(self, name: str, report: JobReport) -> None:
        """Publish a job that has ended; on an OSError `retry` does it later."""
        try:
            if isinstance(report, DoneReport) and report.captions:
                captions.write(self._spool.folder(name), report)
            self._end_stream(name, report)
            self._spool.publish(name, report, self._end_delivery(name, report), self._hook(name, report))
        except OSError as error:
            if name not in self._unpublished:
                log.error("job %s: cannot be published yet: %s", name, error)
            self._unpublished[name] = report
        else:
            self._unpublished.pop(name, None)
            self.forget(name)
            self._announce(report)
