"""A comparison as one HTML page, on which its videos play in step."""

from __future__ import annotations

from typing import Any

from daemon.bench.compare import Comparison, Measured
from daemon.bench.compare_tables import machine_line, notes, said_difference
from daemon.outputs.report_page import EMBEDDED_MAX_BYTES
from daemon.outputs.self_contained import Page, self_contained


def compare_page(comparison: Comparison, title: str) -> Page:
    """The page for the folder of the videos. It carries them unless they are too large together; then it links them."""
    is_carried = sum(measured.video.stat().st_size for measured in comparison.measured) <= EMBEDDED_MAX_BYTES
    attachments = {_element(measured): measured.video.read_bytes() for measured in comparison.measured if is_carried}
    return self_contained(
        "versus",
        title=f"{title} – lipdrop compare",
        texts=("common", "comparison", "job", "report", "versus"),
        styles=("lipdrop", "comparison", "report"),
        data={
            "title": title,
            "notes": [note.strip() for note in (*notes(comparison), machine_line())],
            "ways": [_way(comparison, measured, is_carried=is_carried) for measured in comparison.measured],
        },
        attachments=attachments,
    )


def _element(measured: Measured) -> str:
    return f"video-{measured.way.name}"


def _way(comparison: Comparison, measured: Measured, *, is_carried: bool) -> dict[str, Any]:
    return {
        "name": measured.way.name,
        "title": measured.way.title,
        "source": {"id": _element(measured)} if is_carried else {"url": measured.video.name},
        "totals": measured.totals,
        "median": measured.median_seconds,
        "speed_up": comparison.speed_up(measured),
        "difference": said_difference(measured.difference) if measured.difference else "",
        "report": measured.typical.model_dump(mode="json", exclude_unset=True),
    }
