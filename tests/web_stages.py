"""A cheap stage for tests of the gateway."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import JobError
from pipeline.messages import Speech, TtsItem
from tests.faults import CountedTts


class PickyTts(CountedTts):
    """Refuses a text that is just `bad`."""

    def process(self, item: TtsItem) -> Iterator[Speech]:
        if item.text == "bad":
            raise JobError("voice", "no such voice", field="voice", hint="voices: a, b")
        yield from super().process(item)
