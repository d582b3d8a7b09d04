"""Captions as SRT and WebVTT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from math import inf
from pathlib import Path

from daemon.outputs.report import DoneReport, SentenceReport, rounded
from pipeline.messages import Sentence, Word
from pipeline.speech.cues import Cue, cues


def files(name: str) -> list[str]:
    """The names of a job's caption files in the outbox."""
    return [f"{name}.srt", f"{name}.vtt"]


def write(folder: Path, report: DoneReport) -> None:
    """Write `captions.srt` and `captions.vtt` into a job's work folder, from the sentences of its report."""
    with_words = report.settings is not None and report.settings.captions == "words"
    shown = cues_of(report)
    (folder / "captions.srt").write_text(srt(shown), "utf-8")
    (folder / "captions.vtt").write_text(webvtt(shown, with_words=with_words), "utf-8")


def cues_of(report: DoneReport) -> list[Cue]:
    """The captions of a video: none has words of two scenes, or is shown into the next scene."""
    by_scene = groupby(report.sentences, key=lambda said: said.scene)
    return [cue for scene, said in by_scene for cue in _within(cues(list(map(_sentence, said))), _end(report, scene))]


def _end(report: DoneReport, scene: int | None) -> float:
    return inf if report.scenes is None or scene is None else report.scenes[scene].end_seconds


def _within(shown: Sequence[Cue], end_seconds: float) -> Iterator[Cue]:
    return (replace(cue, end_seconds=min(cue.end_seconds, end_seconds)) for cue in shown)


def _sentence(said: SentenceReport) -> Sentence:
    words = tuple(Word(word.text, word.start_seconds, word.end_seconds) for word in said.words or ())
    return Sentence(said.text, said.start_seconds, said.end_seconds, words)


def srt(shown: Sequence[Cue]) -> str:
    """Captions as SubRip."""
    cues = (f"{number}\n{_span(cue, ',')}\n{cue.text}\n" for number, cue in enumerate(shown, start=1))
    return "\n".join(cues)


def webvtt(shown: Sequence[Cue], *, with_words: bool = False) -> str:
    """Captions as WebVTT, with markup characters escaped; each word with its time, if wanted and where it is known."""
    cues = (f"{_span(cue, '.')}\n{_timed(cue) if with_words else _escaped(cue.text)}\n" for cue in shown)
    return "\n".join(["WEBVTT\n", *cues])


def _timed(cue: Cue) -> str:
    """The text of a cue with timestamps (https://www.w3.org/TR/webvtt1/#webvtt-cue-timestamp), which must increase.

    Words are in `c` elements: only elements can be styled as past and future.
    """
    shown, latest = "", _milliseconds(cue.start_seconds)
    for part in cue.parts:
        milliseconds = _milliseconds(part.start_seconds)
        if part.is_timed and latest < milliseconds < _milliseconds(cue.end_seconds):
            shown += f"<{_clock(part.start_seconds, '.')}>"
            latest = milliseconds
        shown += f"<c>{_escaped(part.text)}</c>{part.gap}"
    return shown


def _span(cue: Cue, point: str) -> str:
    return f"{_clock(cue.start_seconds, point)} --> {_clock(cue.end_seconds, point)}"


def _clock(seconds: float, point: str) -> str:
    minutes, rest = divmod(_milliseconds(seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _milliseconds(seconds: float) -> int:
    """As in the report, so that the captions of a stream and those of its video are equal."""
    return round(rounded(seconds) * 1000)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
