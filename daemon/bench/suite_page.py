"""The comparisons of several lengths of speech as one HTML page, which links the page of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daemon.bench.compare import Comparison, Measured
from daemon.bench.compare_tables import machine_line, notes, said_difference
from daemon.bench.suite import SuiteRow
from daemon.outputs.self_contained import Page, self_contained


def suite_page(rows: Sequence[SuiteRow]) -> Page:
    """The page for the folder that has the folder of each comparison."""
    found = dict.fromkeys(note.strip() for row in rows for note in notes(row.comparison))
    return self_contained(
        "suite",
        title="lipdrop compare --suite",
        texts=("common", "comparison", "report", "versus"),
        styles=("lipdrop", "comparison", "report"),
        data={"rows": [_row(row) for row in rows], "notes": [*found, machine_line()]},
    )


def _row(row: SuiteRow) -> dict[str, Any]:
    return {
        "page": f"{row.length.name}/index.html",
        "seconds": row.comparison.measured[0].typical.audio.seconds,
        "predecessor": row.length.predecessor,
        "ways": [_way(row.comparison, measured) for measured in row.comparison.measured],
    }


def _way(comparison: Comparison, measured: Measured) -> dict[str, Any]:
    return {
        "title": measured.way.title,
        "totals": measured.totals,
        "median": measured.median_seconds,
        "speed_up": comparison.speed_up(measured),
        "difference": said_difference(measured.difference) if measured.difference else "",
    }
