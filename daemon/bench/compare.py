"""`lipdrop compare`: the same speech, made in several ways on one warm daemon, and how long each took."""

from __future__ import annotations

import itertools
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from daemon.bench import equality
from daemon.bench.equality import Difference
from daemon.bench.trial import Trial
from daemon.outputs.machine import this_machine
from daemon.outputs.report import DoneReport, JobReport
from pipeline.config import Config
from pipeline.engines.settings import ModelSettings, UnknownEngineError, settings_class
from pipeline.errors import ConfigError, JobError

SEQUENTIAL, PARALLEL, STREAM = "sequential", "parallel", "stream"
RECORDING = "speech.wav"
SPEECH_KEYS = frozenset({"text", "language", "voice", "speed", "audio"})

Progress = Callable[[str], None]
"""Gets the current step."""


@dataclass(frozen=True)
class Way:
    """One way to make the video."""

    name: str
    """Also of its files."""
    title: str
    changes: Mapping[str, Any]
    """Keys of the job."""


def ways(*, stream: bool, models: Iterable[str], engines: Iterable[str], workers: Iterable[int]) -> tuple[Way, ...]:
    """Sequential, parallel, and what was asked for beyond that."""
    found = [Way(SEQUENTIAL, SEQUENTIAL, {"mode": SEQUENTIAL}), Way(PARALLEL, PARALLEL, {"mode": PARALLEL})]
    found += [Way(STREAM, STREAM, {"mode": STREAM})] if stream else []
    parallel = {"mode": PARALLEL}
    found += [Way(f"model-{name}", f"parallel, model {name}", {**parallel, "model": name}) for name in models]
    found += [
        Way(_model_of(name), f"parallel, engine {name}", {**parallel, "model": _model_of(name)}) for name in engines
    ]
    found += [Way(f"workers-{n}", f"parallel, workers: {n}", {**parallel, "num_workers": n}) for n in workers]
    return tuple(found)


def _model_of(engine: str) -> str:
    """The name of the model that a trial adds for an engine."""
    return "engine-" + "".join(letter if letter.isalnum() else "-" for letter in engine)[:24]


@dataclass(frozen=True)
class Plan:
    """What is measured, and where it is kept."""

    ways: Sequence[Way]
    """Sequential and parallel first."""
    runs: int
    """Measured runs of each way."""
    folder: Path
    """Gets a video of each way."""


@dataclass(frozen=True)
class Subject:
    """What is said, and by whom."""

    name: str
    job: Mapping[str, Any]
    """The job without its mode."""
    recording: Path | None = None
    """The file that its key `audio` names."""


@dataclass(frozen=True)
class Measured:
    """One way, measured."""

    way: Way
    reports: tuple[DoneReport, ...]
    """Of each run."""
    video: Path
    """Of the first run."""
    difference: Difference | None
    """From the sequential video; None for that one itself."""

    @property
    def totals(self) -> list[float]:
        """Seconds that each run took, from when the daemon saw the job to its report."""
        return [report.timing.total_seconds for report in self.reports]

    @property
    def median_seconds(self) -> float:
        """Median of the runs."""
        return statistics.median(self.totals)

    @cached_property
    def typical(self) -> DoneReport:
        """The report of the run that is nearest to the median."""
        return min(self.reports, key=lambda report: abs(report.timing.total_seconds - self.median_seconds))


@dataclass(frozen=True)
class Comparison:
    """All ways, the sequential one first."""

    measured: tuple[Measured, ...]
    is_recorded: bool
    """Whether the speech was made once, before, and is not part of the times."""

    def speed_up(self, measured: Measured) -> float:
        """How many times as fast as sequentially, by the medians."""
        return self.measured[0].median_seconds / measured.median_seconds

    @property
    def parallel(self) -> Measured:
        """The parallel way."""
        return self.measured[1]

    def as_dict(self) -> dict[str, Any]:
        """All figures, for `--json`."""
        figures = [self._figures(measured) for measured in self.measured]
        return {"is_recorded": self.is_recorded, "machine": this_machine().model_dump(), "runs": figures}

    def _figures(self, measured: Measured) -> dict[str, Any]:
        return {
            "name": measured.way.name,
            "video": measured.video.name,
            "median_seconds": measured.median_seconds,
            "all_seconds": measured.totals,
            "speed_up": round(self.speed_up(measured), 3),
            "difference": asdict(measured.difference) if measured.difference else None,
            "timing": measured.typical.timing.model_dump(),
        }


def trial_config(config: Config, chosen: Sequence[Way], engines: Iterable[str]) -> Config:
    """The user's configuration for a temporary spool: with all paths absolute, more models and, if asked, workers."""
    models = {name: _rooted(settings, config) for name, settings in config.models.items()}
    models |= {_model_of(name): _rooted(_engine_settings(config, name), config) for name in engines}
    most = max((way.changes.get("num_workers", 0) for way in chosen), default=0)
    workers = tuple(itertools.islice(itertools.cycle(config.workers), max(most, len(config.workers))))
    piper, command = config.tts.piper, config.tts.command
    changes = {
        "piper": piper.model_copy(update={"folder": piper.folder and str(config.path(piper.folder))}),
        "command": command.model_copy(update={"argv": command.argv and _rooted_program(command.argv, config)}),
    }
    return config.without_effects().model_copy(
        update={
            "models": models,
            "workers": workers,
            "avatars": config.avatars.model_copy(update={"folder": str(config.path(config.avatars.folder))}),
            "tts": config.tts.model_copy(update=changes),
        }
    )


def _rooted(settings: ModelSettings, config: Config) -> ModelSettings:
    """A model's settings with absolute paths."""
    return settings.model_copy(update={key: str(config.path(file)) for key, file in settings.files.items()})


def _rooted_program(argv: Sequence[str], config: Config) -> tuple[str, ...]:
    program = str(config.path(argv[0])) if "/" in argv[0] else argv[0]
    return (program, *argv[1:])


def _engine_settings(config: Config, engine: str) -> ModelSettings:
    """The settings of a configured model with this engine, or the engine's defaults. Raises ConfigError."""
    known = next((settings for settings in config.models.values() if settings.engine == engine), None)
    if known is not None:
        return known
    try:
        return settings_class(engine).model_validate({"engine": engine})
    except UnknownEngineError as error:
        raise ConfigError("config_value", str(error), hint=error.hint) from error
    except ValidationError as error:
        hint = "configure a model with it, under models"
        raise ConfigError("config_value", f"engine {engine}: {error.errors()[0]['msg']}", hint=hint) from error


def compare(trial: Trial, subject: Subject, plan: Plan, progress: Progress) -> Comparison:
    """Make the videos, the ways taking turns. Raises JobError if one fails.

    Not measured: the first round, which loads voice, avatar and models.
    """
    job = _with_recording(trial, subject)
    warm = {}
    for way in plan.ways:
        progress(f"{subject.name}: {way.title}, to warm up")
        warm[way.name] = _run(trial, f"{way.name}-{subject.name[:50]}-warm", job, way)
    if "text" in job and not _speaks_alike(trial, plan.ways, warm):
        job = _recorded(trial, job, warm[SEQUENTIAL])
    reports: dict[str, list[DoneReport]] = {way.name: [] for way in plan.ways}
    for number, way in itertools.product(range(plan.runs), plan.ways):
        progress(f"{subject.name}: {way.title}, run {number + 1} of {plan.runs}")
        reports[way.name].append(_run(trial, f"{way.name}-{subject.name[:50]}-{number}", job, way))
    progress(f"{subject.name}: comparing the frames")
    return Comparison(tuple(_kept(trial, plan, reports)), "audio" in job and "text" in subject.job)


def _with_recording(trial: Trial, subject: Subject) -> dict[str, Any]:
    if subject.recording is None:
        return dict(subject.job)
    name = f"recording{subject.recording.suffix}"
    shutil.copyfile(subject.recording, trial.spool.inbox / name)
    return {**subject.job, "audio": name}


def _run(trial: Trial, name: str, job: Mapping[str, Any], way: Way) -> DoneReport:
    _, report = trial.run(name, **{**job, **way.changes})
    return _done(report)


def _done(report: JobReport) -> DoneReport:
    if isinstance(report, DoneReport):
        return report
    error = report.error
    raise JobError(error.code, error.message, field=error.field, hint=error.hint)


def _speaks_alike(trial: Trial, chosen: Sequence[Way], warm: Mapping[str, DoneReport]) -> bool:
    """Whether the voice said the same, sample for sample, each time. In a stream it speaks in pieces."""
    if any(way.changes["mode"] == STREAM for way in chosen):
        return False
    return len({equality.sound_hash(trial.spool.video_file(one.job), one.audio.seconds) for one in warm.values()}) == 1


def _recorded(trial: Trial, job: Mapping[str, Any], spoken: DoneReport) -> dict[str, Any]:
    """The job with what was spoken as its recording."""
    equality.extract_sound(trial.spool.video_file(spoken.job), trial.spool.inbox / RECORDING, spoken.audio.seconds)
    return {key: value for key, value in job.items() if key not in SPEECH_KEYS} | {"audio": RECORDING}


def _kept(trial: Trial, plan: Plan, reports: Mapping[str, list[DoneReport]]) -> Iterator[Measured]:
    """The measured ways, with their videos copied to the folder."""
    first = reports[plan.ways[0].name][0]
    first_video = trial.spool.video_file(first.job)
    for way in plan.ways:
        own = reports[way.name]
        made = trial.spool.video_file(own[0].job)
        kept = plan.folder / f"{way.name}.mp4"
        shutil.copyfile(made, kept)
        differs = None if own[0] is first else equality.difference(first_video, first.video, made, own[0].video)
        yield Measured(way, tuple(own), kept, differs)


def measure(config: Config, subject: Subject, plan: Plan, progress: Progress) -> Comparison:
    """Compare the ways on a daemon and a spool of their own."""
    progress("starting a daemon")
    with tempfile.TemporaryDirectory(prefix="lipdrop-compare-") as spool, Trial(Path(spool), config) as trial:
        return compare(trial, subject, plan, progress)
