"""Publisher: shows the streams of running jobs, and publishes jobs that have ended."""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from collections.abc import Iterator
from typing import Any

from daemon.outputs import captions, hls
from daemon.outputs.hls import Stream
from daemon.outputs.measured import done_report
from daemon.outputs.report import DoneReport, JobReport, Submission, failed_report, repeated_report
from daemon.scheduling.flow import Flow
from daemon.scheduling.scheduler import Done, Outcome
from daemon.scheduling.stream_flow import StreamFlow
from daemon.spool.spool import Spool
from pipeline.errors import ErrorReport, JobError

log = logging.getLogger(__name__)


class Publisher:
    """Everything that a job's user gets to see. Used by the supervision loop only.

    When the disk is full or the machine refuses a write for another reason, publishing is retried by `retry`.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._submissions: dict[str, Submission] = {}
        self._streams: dict[str, Stream] = {}
        self._unpublished: dict[str, JobReport] = {}
        self.done = 0
        """Jobs done since the start."""
        self.failed = 0
        """Jobs failed since the start."""

    @property
    def unpublished(self) -> list[str]:
        """The jobs that have ended and could not be published yet."""
        return list(self._unpublished)

    def expect(self, name: str, submission: Submission) -> None:
        """Note when a job arrived. To be called before the job ends in any way."""
        self._submissions[name] = submission

    def forget(self, name: str) -> None:
        """Forget a job whose files have disappeared."""
        self._submissions.pop(name, None)

    # Streams

    def open_stream(self, flow: Flow) -> None:
        """Start showing a streamed job, or continue the stream of an earlier daemon. Raises JobError and OSError."""
        if isinstance(flow, StreamFlow):
            hls.check_name(flow.name)
            self._spool.open_stream(flow.name, hls.ASSETS, fresh=not flow.journal.results)
            self._streams[flow.name] = Stream(flow)

    def show_streams(self) -> None:
        """Show the pieces that have become playable. An OSError, as with a full disk, is retried by the next call."""
        for name, stream in self._streams.items():
            try:
                self._show(name, stream)
            except OSError as error:
                log.warning("job %s: its stream has to wait: %s", name, error)

    def idle_seconds(self) -> float:
        """How long until a stream that is not shown yet may begin; infinity if there is none."""
        now = time.monotonic()
        begins = (stream.flow.begin_seconds - now for stream in self._streams.values() if not stream.shown)
        return min((begin for begin in begins if begin > 0), default=float("inf"))

    def _show(self, name: str, stream: Stream) -> None:
        if stream.has_news():
            self._spool.show(name, stream.files(), stream.texts())
            stream.mark_shown()

    def _end_stream(self, name: str, report: JobReport) -> None:
        """Show the whole stream, or remove it if the job failed. Raises OSError."""
        stream = self._streams.get(name)
        if stream is not None and isinstance(report, DoneReport):
            self._show(name, stream)
        elif stream is not None:
            self._spool.remove_stream(name)
        self._streams.pop(name, None)

    # Endings

    @contextlib.contextmanager
    def failing_job(self, name: str, stage: str) -> Iterator[None]:
        """Fail the job on any error in the block: if the error ended the daemon, it would end the next one too.

        OSError is the machine's fault and passes.
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
            if isinstance(outcome, Done):
                self._succeed(done_report(flow, self._submissions[flow.name], outcome.attempts))
            else:
                self.fail(flow.name, outcome.error, outcome.attempts, flow.job.metadata)

    def _succeed(self, report: DoneReport) -> None:
        self.done += 1
        log.info("job %s: done in %.2f s", report.job, report.timing.total_seconds)
        self.publish(report.job, report)

    def fail(self, name: str, error: ErrorReport, attempts: int = 1, metadata: dict[str, Any] | None = None) -> None:
        """Publish a job as failed."""
        self.failed += 1
        log.warning("job %s: failed: %s: %s", name, error.code, ascii(error.message))
        if error.traceback:
            log.warning("job %s: %s", name, error.traceback)
        self.publish(name, failed_report(name, error, self._submissions[name], attempts, metadata or {}))

    def repeat(self, name: str, earlier: DoneReport) -> None:
        """Publish a job whose outputs exist already."""
        log.info("job %s: identical to an earlier job", name)
        self.publish(name, repeated_report(earlier, self._submissions[name]))

    def refuse(self, name: str) -> None:
        """Reject a different job under a name that was used before; the existing outputs stay as they are."""
        error = JobError("conflict", f"a job {name} was done before", hint="drop it under another name")
        log.warning("job %s: refused: %s", name, error.message)
        report = failed_report(name, ErrorReport.of(error, stage="intake"), self._submissions[name], 1, {})
        self._spool.refuse(name, report.error)
        self.forget(name)
        self.failed += 1

    def retry(self) -> None:
        """Try again to publish the jobs that could not be published."""
        for name, report in list(self._unpublished.items()):
            self.publish(name, report)

    def publish(self, name: str, report: JobReport) -> None:
        """Publish a job that has ended, now or later."""
        try:
            if isinstance(report, DoneReport) and report.captions:
                captions.write(self._spool.folder(name), report)
            self._end_stream(name, report)
            self._spool.publish(name, report)
        except OSError as error:
            if name not in self._unpublished:
                log.error("job %s: cannot be published yet: %s", name, error)
            self._unpublished[name] = report
        else:
            self._unpublished.pop(name, None)
            self.forget(name)
