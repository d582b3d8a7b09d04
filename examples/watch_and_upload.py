#!/usr/bin/env python3
"""Upload each video as soon as it is done: HTTP PUT to URL/NAME.mp4.

Usage: watch_and_upload.py SPOOL URL

Runs until Ctrl-C. What was uploaded is noted in SPOOL/uploaded/, so a restart uploads nothing twice, and an upload that
failed is tried again. A token is sent if UPLOAD_TOKEN is set. The daemon can do the same by itself: hooks.on_done.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

LOOK_SECONDS = 1.0
RETRY_SECONDS = 30.0


def new_reports(spool: Path, stamps: Path) -> list[Path]:
    """The timing JSONs written since their jobs were last uploaded. Once one is there, its video is complete."""
    found = []
    for report in sorted((spool / "outbox").glob("*.json")):
        stamp = stamps / report.stem
        if not stamp.exists() or stamp.stat().st_mtime_ns < report.stat().st_mtime_ns:
            found.append(report)
    return found


def upload(video: Path, url: str) -> None:
    """Send a file, without reading it into memory. Raises OSError."""
    headers = {"Content-Type": "video/mp4", "Content-Length": str(video.stat().st_size)}
    if token := os.environ.get("UPLOAD_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    with video.open("rb") as file:
        target = f"{url.rstrip('/')}/{urllib.parse.quote(video.name)}"
        request = urllib.request.Request(target, data=file, headers=headers, method="PUT")
        with urllib.request.urlopen(request, timeout=300):
            pass  # an HTTP error has been raised by now; it is an OSError


def handle(report: Path, url: str) -> None:
    """Upload the video of one job. Raises OSError."""
    if json.loads(report.read_text("utf-8"))["status"] == "done":
        upload(report.with_suffix(".mp4"), url)
        print(f"{report.stem}: uploaded", flush=True)
    else:
        print(f"{report.stem}: failed, nothing to upload", flush=True)


def main(spool: Path, url: str) -> None:
    """Look at the outbox again and again."""
    stamps = spool / "uploaded"
    stamps.mkdir(exist_ok=True)
    not_before: dict[Path, float] = {}
    while True:
        for report in new_reports(spool, stamps):
            if time.monotonic() < not_before.get(report, 0):
                continue
            try:
                seen = report.stat()
                handle(report, url)
            except OSError as error:
                print(f"{report.stem}: {error}; next attempt in {RETRY_SECONDS:g} s", file=sys.stderr, flush=True)
                not_before[report] = time.monotonic() + RETRY_SECONDS
            else:
                stamp = stamps / report.stem
                stamp.touch()
                os.utime(stamp, ns=(seen.st_mtime_ns, seen.st_mtime_ns))  # a report that is newer is another one
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except KeyboardInterrupt:
        sys.exit(130)
