"""A cheap stage whose workers write log records and follow orders in a job's text."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import JobError
from pipeline.messages import Speech, TtsItem
from tests.faults import CountedTts

log = logging.getLogger("pipeline.stages.tts")


class ObedientTts(CountedTts):
    """`bad` is refused, `kill` kills the worker once, `wait` waits for the file `go` in the spool."""

    def process(self, item: TtsItem) -> Iterator[Speech]:
        log.warning("speaking %d characters", len(item.text))
        order = item.text.rpartition(" ")[2]
        if order == "bad":
            raise JobError("voice", "no such voice", field="voice", hint="voices: a, b")
        if order == "kill" and not (item.folder / "killed").exists():
            (item.folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        while order == "wait" and not Path("go").exists():
            time.sleep(0.05)
        yield from super().process(item)
