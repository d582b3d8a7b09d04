"""The tables that `lipdrop compare` prints, as Markdown."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from daemon.bench.compare import Comparison, Measured
from daemon.bench.equality import Difference
from daemon.bench.suite import SuiteRow
from daemon.outputs.machine import this_machine

COLUMNS = ("total", "spread", "speed-up", "frames that differ")
DETAILS = ("voice", "split", "lip-sync", "merge", "first picture")
"""Shown only if there is room."""

DETAILED_WIDTH = 130
"""In characters."""

SPREAD_MAX = 1.3
"""If the slowest run takes more than this times as long as the fastest one, the speed-up is uncertain."""


def show(comparison: Comparison, console: Console) -> None:
    """Print the comparison of one speech."""
    first = comparison.measured[0]
    _say(console, f"{first.typical.audio.seconds:.1f} s of speech. Seconds, {_runs(first)}\n")
    is_detailed = console.width >= DETAILED_WIDTH
    table = _table("", *COLUMNS, *(DETAILS if is_detailed else ()), wraps=console.is_terminal)
    for measured in comparison.measured:
        details = _details(measured) if is_detailed else ()
        table.add_row(measured.way.title, *_cells(comparison, measured), *details)
    console.print(table)
    _say_all(console, notes(comparison))


def _runs(measured: Measured) -> str:
    count = len(measured.reports)
    return "one run" if count == 1 else f"median of {count} runs"


def _cells(comparison: Comparison, measured: Measured) -> Iterator[str]:
    yield f"{measured.median_seconds:.2f}"
    yield f"{min(measured.totals):.2f} – {max(measured.totals):.2f}"
    yield "" if measured is comparison.measured[0] else f"{comparison.speed_up(measured):.2f}×"
    yield "" if measured.difference is None else said_difference(measured.difference)


def _details(measured: Measured) -> Iterator[str]:
    timing = measured.typical.timing
    yield f"{timing.tts_seconds:.2f}"
    yield f"{timing.convert_seconds + timing.split_seconds:.2f}"
    yield f"{timing.lipsync_seconds:.2f}"
    yield f"{timing.merge_seconds:.2f}"
    yield f"{timing.first_segment_seconds:.2f}"


def said_difference(found: Difference) -> str:
    """How much of a video differs: `none of 512`, `12 of 512 (≥ 44.1 dB)`."""
    if found.differing == 0:
        return f"none of {found.frames}"
    alike = "" if found.least_psnr_db is None else f" (≥ {found.least_psnr_db} dB)"
    return f"{found.differing} of {found.frames}{alike}"


def notes(comparison: Comparison) -> Iterator[str]:
    """What a reader of the figures has to know."""
    yield from _doubts(comparison)
    if comparison.is_recorded:
        yield (
            "\nThe speech was made once and is the same in all runs; making it is not part of the times, and the mouth "
            "follows its sound alone."
        )
    if any(measured.difference and measured.difference.least_psnr_db for measured in comparison.measured):
        yield (
            "\nFrames that differ are compared by their PSNR: above about 40 dB the difference is hardly visible. The "
            "encoder starts again with each chunk, so even frames that were rendered alike are not encoded alike."
        )


def _doubts(comparison: Comparison) -> Iterator[str]:
    """Why the speed-up may mean less than it seems to."""
    if len(comparison.measured[0].reports) == 1:
        yield "\nOne run each: how much equal runs differ is unknown."
    spread = max(max(measured.totals) / min(measured.totals) for measured in comparison.measured)
    if spread > SPREAD_MAX:
        yield (
            f"\nUncertain: equal runs took up to {spread:.1f} times as long as each other, so other work slowed some "
            "of them. Measure again on an idle machine."
        )


def machine_line() -> str:
    """This machine, today."""
    found = this_machine()
    gpus = "".join(f", {gpu}" for gpu in found.gpus)
    memory = f"{found.memory_bytes / 2**30:.0f} GiB"
    today, load = time.strftime("%Y-%m-%d"), os.getloadavg()[0]
    machine = f"{found.processor}, {found.cores} cores, {memory}{gpus}"
    return f"{machine}; lipdrop {found.lipdrop}, {today}, load {load:.1f}"


def show_suite(rows: Sequence[SuiteRow], console: Console) -> None:
    """Print the comparison of several lengths of speech."""
    _say(console, f"Seconds from the job to its video, {_runs(rows[0].comparison.measured[0])}\n")
    titles = [measured.way.title for measured in rows[0].comparison.measured]
    columns = ("speech", titles[0], *_timed_columns(titles[1:]), "frames that differ", "predecessor on an RTX 3090")
    table = _table(*columns, wraps=console.is_terminal)
    for row in rows:
        table.add_row(*_suite_cells(row))
    console.print(table)
    _say_all(console, dict.fromkeys(note for row in rows for note in notes(row.comparison)))


def _timed_columns(titles: Sequence[str]) -> Iterator[str]:
    """A column for the time of each way, and one for its speed-up."""
    for title in titles:
        yield from (title, "speed-up")


def _suite_cells(row: SuiteRow) -> Iterator[str]:
    comparison, (before, after) = row.comparison, row.length.predecessor
    first, *others = comparison.measured
    yield f"{first.typical.audio.seconds:.1f}"
    yield _spread(first)
    for measured in others:
        yield _spread(measured)
        yield f"{comparison.speed_up(measured):.2f}×"
    yield said_difference(comparison.parallel.difference) if comparison.parallel.difference else ""
    yield f"{before} / {after} ({before / after:.2f}×)"


def _spread(measured: Measured) -> str:
    if len(measured.totals) == 1:
        return f"{measured.median_seconds:.1f}"
    return f"{measured.median_seconds:.1f} ({min(measured.totals):.1f} – {max(measured.totals):.1f})"


def _table(*columns: str, wraps: bool = False) -> Table:
    """`wraps`: rather than cut off figures where there is too little room, use several lines, which Markdown cannot."""
    table = Table(box=box.MARKDOWN)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=not wraps)
    return table


def _say_all(console: Console, found: Iterable[str]) -> None:
    """Print notes, and the machine."""
    for note in (*found, f"\n{machine_line()}"):
        _say(console, note)


def _say(console: Console, text: str) -> None:
    """Print a line; on a terminal, wrapped between words."""
    console.print(text, highlight=False, markup=False, soft_wrap=not console.is_terminal)
