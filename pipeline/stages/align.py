"""Align: a recording and its text in; the recording as speech out, with the times of what it says.

Runs on the workers that speak texts: their voice espeak-ng renders the text to compare the recording with.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError
from pipeline.media import recording
from pipeline.messages import PCM_RATE_HZ, AlignItem, Notice, Phoneme, Span, Speech
from pipeline.speech.alignment.aligner import OTHER_VARIANT, Aligner
from pipeline.speech.alignment.transcript import Expected, Transcript, transcribed
from pipeline.speech.lexicon import lexicon_for
from pipeline.speech.reading import read
from pipeline.speech.voices.settings import VoiceSettings

TOLD_SECONDS = 1.5
"""Other sound of this length is told: shorter ones are breaths and noises."""
TOLD_MAX = 5
"""Stretches of other sound that are told."""
CHECK_HINT = "check that the text has what is said, in the same language and order"


class Alignment:
    """Aligns recordings with their texts."""

    def __init__(self, settings: VoiceSettings, limit_seconds: float) -> None:
        self._settings = settings
        self._limit_seconds = limit_seconds

    @cached_property
    def aligner(self) -> Aligner | ConfigError:
        """Loaded on first use; else why it cannot be used."""
        try:
            return Aligner()
        except ConfigError as error:
            return error

    def speech(self, item: AlignItem) -> Speech:
        """The recording as speech. Raises JobError if it cannot be read."""
        start = time.monotonic()
        item.folder.mkdir(exist_ok=True)
        found, notices = self._found(item)
        return Speech(
            job=item.job,
            folder=item.folder,
            audio=item.audio,
            sentences=found.sentences if found else (),
            phonemes=write_phonemes(item.folder / "phonemes.json", found.phonemes if found else ()),
            span=Span(start, time.monotonic()),
            notices=notices,
            index=item.index,
        )

    def _found(self, item: AlignItem) -> tuple[Transcript | None, tuple[Notice, ...]]:
        aligner = self.aligner
        if isinstance(aligner, ConfigError):
            return None, (_unused(aligner.message, aligner.hint or ""),)
        if not aligner.speaks(item.language):
            return None, (_unused(f"espeak-ng does not speak {item.language!r}", "set the recording's language"),)
        samples = self._samples(item)
        found = transcribed(samples, self._expected(item, aligner)) if len(samples) else None
        return found, _notices(found) if len(samples) else ()

    def _expected(self, item: AlignItem, aligner: Aligner) -> list[Expected]:
        """The sentences of the text that are heard if they are said."""
        words = lexicon_for(self._settings, item.language, item.lexicon)
        marked = [
            (sentence.text, aligner.marked(sentence.spoken, item.language, words))
            for sentence in read(item.text, item.language, words)
        ]
        rendered = [(text, spoken, aligner.reference(spoken, item.language)) for text, spoken in marked]
        expected = [(Expected(text, reference), spoken) for text, spoken, reference in rendered if reference]
        if len(expected) != 1:
            return [one for one, _ in expected]
        one, spoken = expected[0]
        return [replace(one, other=aligner.reference(spoken, item.language, variant=OTHER_VARIANT))]

    def _samples(self, item: AlignItem) -> NDArray[np.int16]:
        """The recording; nothing if it is too long, which the next stage reports."""
        samples = recording.read(item.audio, item.folder, self._limit_seconds + 1).samples
        return samples if len(samples) <= self._limit_seconds * PCM_RATE_HZ else samples[:0]


def write_phonemes(path: Path, phonemes: Sequence[Phoneme]) -> Path | None:
    """Write phonemes for the later stages; None if there are none."""
    if not phonemes:
        return None
    path.write_text(json.dumps([[p.symbol, p.start_seconds, p.end_seconds] for p in phonemes]), "utf-8")
    return path


def _unused(reason: str, hint: str) -> Notice:
    message = f"the text was not aligned with the recording, so lips follow the sound alone: {reason}"
    return Notice("transcript_unused", message, hint)


def _notices(found: Transcript | None) -> tuple[Notice, ...]:
    """Where a recording does not say its text."""
    if found is None:
        message = "the recording does not say the text, so lips follow the sound alone, and there are no captions"
        return (Notice("transcript_mismatch", message, CHECK_HINT),)
    parts = [*_missing(found), *_others(found)]
    if not parts:
        return ()
    return (Notice("transcript_mismatch", f"{'; '.join(parts)}: there, lips follow the sound alone", CHECK_HINT),)


def _missing(found: Transcript) -> list[str]:
    if not found.missing:
        return []
    total = len(found.missing) + len(found.sentences)
    return [f"{len(found.missing)} of {total} sentences of the text are not heard, the first: {found.missing[0]!r}"]


def _others(found: Transcript) -> list[str]:
    told = [f"{start:.1f} to {end:.1f} s" for start, end in found.others if end - start >= TOLD_SECONDS]
    more = f" and {len(told) - TOLD_MAX} more" if len(told) > TOLD_MAX else ""
    return [f"something else is heard at {', '.join(told[:TOLD_MAX])}{more}"] if told else []
