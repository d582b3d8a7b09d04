"""Captions as SRT and WebVTT, one cue per sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daemon.outputs.report import DoneReport
from pipeline.messages import Sentence


def files(name: str) -> list[str]:
    """The names of a job's caption files in the outbox."""
    return [f"{name}.srt", f"{name}.vtt"]


def write(folder: Path, report: DoneReport) -> None:
    """Write `captions.srt` and `captions.vtt` into a job's work folder, from the sentences of its report."""
    sentences = [Sentence(said.text, said.start_seconds, said.end_seconds) for said in report.sentences]
    (folder / "captions.srt").write_text(srt(sentences), "utf-8")
    (folder / "captions.vtt").write_text(webvtt(sentences), "utf-8")


def srt(sentences: Sequence[Sentence]) -> str:
    """The sentences as SubRip."""
    cues = (f"{number}\n{_span(cue, ',')}\n{cue.text}\n" for number, cue in enumerate(sentences, start=1))
    return "\n".join(cues)


def webvtt(sentences: Sequence[Sentence]) -> str:
    """The sentences as WebVTT, with markup characters escaped."""
    cues = (f"{_span(cue, '.')}\n{_escaped(cue.text)}\n" for cue in sentences)
    return "\n".join(["WEBVTT\n", *cues])


def _span(cue: Sentence, point: str) -> str:
    return f"{_clock(cue.start_seconds, point)} --> {_clock(cue.end_seconds, point)}"


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
