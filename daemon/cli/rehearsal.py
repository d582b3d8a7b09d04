"""What a job would become: its text as it will be spoken, its voice, and an estimate of its time and size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import click

from daemon.cli.checks import Checker
from daemon.cli.place import Place
from daemon.cli.reading import lines_of
from daemon.cli.steps import duration
from daemon.reading import Reader
from daemon.scheduling.estimates import Estimate, estimate, mode_of
from daemon.scheduling.pace import PACE_FILE, Pace
from pipeline.job import Job, Outline
from pipeline.speech.reading import ReadSentence

JOBS_MAX = 10
"""Jobs that are shown in full; more are only counted and estimated."""


@dataclass(frozen=True)
class Rehearsal:
    """One job, or a scene of one."""

    name: str
    voice: str | None
    """None for a recording. Like the language and the avatar, that of the first scene."""
    language: str
    avatar: str
    mode: str
    sentences: Sequence[ReadSentence]
    estimate: Estimate | None
    """None for a recording."""
    scenes: Sequence[Rehearsal] | None = None
    """None without scenes."""

    def text(self) -> str:
        """For people."""
        if self.scenes is None:
            lines = [f"{self.name}: {self._who()}, {self.mode}", *lines_of(self.sentences, self.language)]
        else:
            lines = [f"{self.name}: {len(self.scenes)} scenes, {self.mode}"]
            for scene in self.scenes:
                lines += [f"    {scene.name}: {scene._who()}", *lines_of(scene.sentences, scene.language)]
        return "\n".join([*lines, f"       {estimate_text(self.estimate)}"])

    def _who(self) -> str:
        source = f"{self.voice} ({self.language})" if self.voice else "a recording"
        return f"{source}, {self.avatar}"

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        if self.scenes is None:
            left_out, scenes = {"name", "scenes"}, {}
        else:
            left_out = {"name", "scenes", "sentences", "voice", "language", "avatar"}
            scenes = {"scenes": [scene._as_scene() for scene in self.scenes]}
        return {"job": self.name, **{k: v for k, v in asdict(self).items() if k not in left_out}, **scenes}

    def _as_scene(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if k not in {"name", "mode", "estimate", "scenes"}}


def estimate_text(found: Estimate | None) -> str:
    """An estimate in words."""
    if found is None:
        return "as long as the recording"
    length = f"about {duration(found.video_seconds)} of video"
    if found.work_seconds is None or found.video_bytes is None:
        return f"{length}; no estimate of time and size before the first job in this spool"
    return f"{length}, {found.video_bytes / 1e6:.1f} MB, ready in {duration(found.work_seconds)}"


class Rehearser:
    """Rehearses the jobs of a place."""

    def __init__(self, place: Place, checker: Checker) -> None:
        self._config = place.config
        self._checker = checker
        self._pace = Pace.load(place.spool.run / PACE_FILE)

    def rehearse(self, name: str, job: Job, *, in_full: bool = True) -> Rehearsal:
        """Rehearse a job that has been checked; not `in_full`: without its sentences."""
        whole = self._part(name, job, job.parts[0], in_full=in_full and job.scenes is None)
        if job.scenes is None:
            return whole
        parts = enumerate(job.parts)
        return replace(
            whole,
            scenes=[self._part(f"scenes.{index}", part, part, in_full=in_full) for index, part in parts],
        )

    def _part(self, name: str, job: Job, part: Job, *, in_full: bool) -> Rehearsal:
        """A scene, or a whole job with what its first scene is."""
        language, outline = part.language or self._config.language, Outline.of(job)
        found = estimate(self._pace, outline, self._config)
        voice = self._checker.voice(language, part.voice) if part.audio is None else None
        sentences: Sequence[ReadSentence] = ()
        if part.text is not None and in_full:
            chosen, sentences = self._reader.read(part)
            voice = voice and chosen  # the avatar may have a voice of its own
        return Rehearsal(
            name=name,
            voice=voice,
            language=language,
            avatar=part.avatar or self._config.avatars.default,
            mode=mode_of(outline, found.video_seconds, self._config) if found else job.mode,
            sentences=sentences,
            estimate=found,
        )

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self._config)


def show(place: Place, checker: Checker, jobs: Sequence[tuple[str, Job]], *, as_json: bool) -> None:
    """Print what jobs would become: as JSON, one a line; as text, the first ones in full."""
    rehearser = Rehearser(place, checker)
    if as_json:
        for name, job in jobs:
            click.echo(json.dumps(rehearser.rehearse(name, job).as_dict(), ensure_ascii=False))
        return
    for name, job in jobs[:JOBS_MAX]:
        click.echo(rehearser.rehearse(name, job).text())
    if len(jobs) > JOBS_MAX:
        click.echo(f"... and {len(jobs) - JOBS_MAX} more jobs: {jobs[JOBS_MAX][0]} to {jobs[-1][0]}")
    if len(jobs) > 1:
        found = [rehearser.rehearse(name, job, in_full=False).estimate for name, job in jobs]
        click.echo(f"{len(jobs)} jobs, one after the other: {estimate_text(_total([one for one in found if one]))}")


def _total(estimates: Sequence[Estimate]) -> Estimate | None:
    """All jobs as one; None if nothing is known of any."""
    if not estimates:
        return None
    times = [one.work_seconds for one in estimates if one.work_seconds is not None]
    sizes = [one.video_bytes for one in estimates if one.video_bytes is not None]
    return Estimate(sum(one.video_seconds for one in estimates), sum(times) or None, sum(sizes) or None)
