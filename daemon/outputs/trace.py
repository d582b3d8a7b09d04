"""A job's timeline in the trace event format, which Perfetto (ui.perfetto.dev) and chrome://tracing show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from daemon.outputs.report import JobReport, RunReport

PROCESS = 1
QUEUE_THREAD = 0
MICROSECONDS = 1_000_000


def trace(report: JobReport) -> dict[str, Any]:
    """The trace of a job that has ended: a thread for each worker, and one for the queue."""
    return {
        "traceEvents": list(_events(report)),
        "displayTimeUnit": "ms",
        "otherData": report.model_dump(mode="json", exclude_unset=True, exclude={"runs", "chunks", "sentences"}),
    }


def _events(report: JobReport) -> Iterator[dict[str, Any]]:
    workers = list(dict.fromkeys(run.worker for run in report.runs))
    yield _name("process_name", QUEUE_THREAD, f"lipdrop {report.job}")
    for thread, name in enumerate(["queue", *workers]):
        yield _name("thread_name", thread, name)
        yield {**_name("thread_sort_index", thread, ""), "args": {"sort_index": thread}}
    if report.runs:
        yield _complete("queued", "queue", QUEUE_THREAD, 0, report.runs[0].start_seconds)
    for run in report.runs:
        yield from _run(run, workers.index(run.worker) + 1)
    yield _instant(report.status, QUEUE_THREAD, report.timing.total_seconds)


def _run(run: RunReport, thread: int) -> Iterator[dict[str, Any]]:
    numbered = f"{run.stage} {run.index + 1}" if run.stage in ("lipsync", "pack") else run.stage
    error = {"error": run.error.model_dump()} if run.error else {}
    yield {
        **_complete(numbered, run.stage, thread, run.start_seconds, run.end_seconds),
        "args": {"index": run.index, **error},
        **({"cname": "terrible"} if error else {}),
    }
    if run.error:
        yield _instant(f"{run.error.code}: {run.error.message}", thread, run.end_seconds)


def _name(kind: str, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": PROCESS, "tid": thread, "args": {"name": name}}


def _complete(name: str, category: str, thread: int, start: float, end: float) -> dict[str, Any]:
    times = {"ts": round(start * MICROSECONDS), "dur": round((end - start) * MICROSECONDS)}
    return {"ph": "X", "name": name, "cat": category, "pid": PROCESS, "tid": thread, **times}


def _instant(name: str, thread: int, at: float) -> dict[str, Any]:
    return {"ph": "i", "s": "t", "name": name, "pid": PROCESS, "tid": thread, "ts": round(at * MICROSECONDS)}
