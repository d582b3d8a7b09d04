"""A job's timeline as text. Formatted by hand: importing rich would take as long as the rest of `lipdrop status`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

from daemon.cli.failures import one_line
from daemon.outputs.report import DoneReport, JobReport, RunReport

LABELS = {"tts": "voice", "split": "split", "pack": "merge", "sound": "merge", "merge": "merge"}
STAGES = ("tts", "split", "lipsync", "pack", "sound", "merge")
COLOURS = {"tts": "magenta", "split": "blue", "lipsync": "cyan", **dict.fromkeys(("pack", "sound", "merge"), "green")}
BAR, BAR_END, LOST, LOST_END = "█", "▌", "░", "✕"
PLAIN = str.maketrans({BAR: "#", BAR_END: "|", LOST: "-", LOST_END: "x", "–": "-", "·": "-"})
"""For terminals that cannot show these characters."""

WIDTH_MIN, WIDTH_MAX = 40, 120
TICK_COLUMNS = 10
STEPS_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


def timeline(report: JobReport, width: int, encoding: str) -> str:
    """What the workers did for a job that has ended: a row of bars for each, and the runs that did not succeed.

    With ANSI colours, which `click.echo` removes if the output is not a terminal. `width`: of the terminal.
    """
    text = "\n".join(_lines(report, max(WIDTH_MIN, min(width, WIDTH_MAX)))) if report.runs else ""
    return text.translate(PLAIN) if _is_limited(encoding) else text


def _is_limited(encoding: str) -> bool:
    try:
        (BAR + BAR_END + LOST + LOST_END).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def _lines(report: JobReport, width: int) -> Iterator[str]:
    rows: dict[str, list[RunReport]] = {}
    for run in sorted(report.runs, key=lambda run: STAGES.index(run.stage) if run.stage in STAGES else len(STAGES)):
        rows.setdefault(LABELS.get(run.stage, run.worker), []).append(run)
    label_width = max(len("seconds"), *map(len, rows))
    end = max(report.timing.total_seconds, *(run.end_seconds for run in report.runs))
    scale = Scale(end or 1.0, width - label_width - 3)
    yield f" {_summary(report)}"
    for label, runs in rows.items():
        yield f" {label:<{label_width}}  {_bars(runs, scale)}".rstrip()
    yield click.style(f" {'seconds':<{label_width}}  {scale.ticks()}".rstrip(), dim=True)
    yield from (f" {line}" for line in _lost(report))


def _summary(report: JobReport) -> str:
    if report.cached:
        return "the video was made earlier; this is how"
    queued = report.timing.queued_seconds if isinstance(report, DoneReport) else report.runs[0].start_seconds
    total = f"{report.timing.total_seconds:.2f} s in total, {queued:.2f} s of them queued"
    if not isinstance(report, DoneReport):
        return total
    scenes = f"{len(report.scenes)} scenes, " if report.scenes else ""
    return f"{report.audio.seconds:.1f} s of video, {scenes}{report.mode} · {total}"


@dataclass(frozen=True)
class Scale:
    """Seconds as columns."""

    seconds: float
    columns: int

    def column(self, seconds: float) -> int:
        """How many columns there are before a moment."""
        return min(self.columns, max(0, round(seconds / self.seconds * self.columns)))

    def ticks(self) -> str:
        """The numbers below the bars."""
        wanted = self.seconds * TICK_COLUMNS / self.columns
        step = next((step for step in STEPS_SECONDS if step >= wanted), STEPS_SECONDS[-1])
        decimals = 2 if step < 0.1 else 1 if step < 1 else 0
        line = ""
        for number in range(int(self.seconds / step) + 1):
            text = f"{number * step:.{decimals}f}"
            line = line.ljust(self.column(number * step))
            line += text if len(line) + len(text) <= self.columns else ""
        return line


def _bars(runs: list[RunReport], scale: Scale) -> str:
    """The runs of one worker. Where two share a column, the later one is seen."""
    cells = [" "] * scale.columns
    for run in runs:
        start = min(scale.column(run.start_seconds), scale.columns - 1)
        length = max(1, scale.column(run.end_seconds) - start)
        for offset, letter in enumerate(_letters(run, length)):
            cells[start + offset] = click.style(letter, fg="red" if run.error else COLOURS.get(run.stage))
    return "".join(cells)


def _letters(run: RunReport, length: int) -> str:
    """A bar, with the number of the chunk or piece if there is room."""
    bar = LOST * (length - 1) + LOST_END if run.error else BAR * (length - 1) + (BAR_END if length > 1 else BAR)
    number = str(run.index + 1) if run.stage in ("lipsync", "pack") else ""
    at = (length - len(number)) // 2
    return bar if len(number) + 2 > length else f"{bar[:at]}{number}{bar[at + len(number) :]}"


def _lost(report: JobReport) -> Iterator[str]:
    for run in report.runs:
        if run.error is not None:
            what = f"chunk {run.index + 1}" if run.stage == "lipsync" else LABELS.get(run.stage, run.stage)
            when = f"{run.start_seconds:.2f} – {run.end_seconds:.2f} s"
            yield f"{click.style(LOST_END, fg='red')} {run.worker} · {what} · {when} · {one_line(run.error.message)}"
