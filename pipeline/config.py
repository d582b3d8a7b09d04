"""The configuration: one commented YAML file, checked as a whole before anything starts."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from pipeline.brand.folder import find as brand_file
from pipeline.brand.settings import BrandSettings, LogoSettings
from pipeline.engines.settings import DEFAULT_ENGINE, ModelSettings, UnknownEngineError, settings_class
from pipeline.errors import ConfigError, JobError, nearest_hint
from pipeline.extras import Kind
from pipeline.media import codecs
from pipeline.media.mastering import Loudness
from pipeline.overlay.settings import LabelKey, LabelSettings
from pipeline.provenance import certificates, signing
from pipeline.provenance.certificates import Credentials
from pipeline.settings import DuplicateKeyError, Section, parse_yaml
from pipeline.speech.voices.settings import LanguageTag, LexiconEntry, VoiceSettings, Words
from pipeline.webhooks import parse_allowed_host

CONFIG_FILE = "config.yaml"
BOTH = "both"
"""As a job's `model`: chunks alternate between the workers' models."""

AUTO_RENDERERS = 16
"""Lip-sync workers for which a job is planned if the cluster decides how many there are."""

WORKERS_MAX = 1024
"""Workers of one role: some are on other machines."""

Fps = Literal[24, 25, 30, 50, 60]

NVIDIA_GPUS = Path("/proc/driver/nvidia/gpus")
"""A folder for each GPU, by its driver: importing torch only to count them would take seconds."""

DEFAULT_MODELS: dict[str, dict[str, Any]] = {"gan": {"silence_gate": True}, "nogan": {}}
"""Models that exist without being configured; the configuration's settings take precedence over these.

`gan` has the silence gate: it was trained against a discriminator, and its mouth keeps moving in pauses.
"""


def _model_name(name: str) -> str:
    if name == BOTH:
        raise PydanticCustomError("reserved", f"{BOTH!r} is reserved", {"hint": "choose another name"})
    return name


ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$"), AfterValidator(_model_name)]


def _model_settings(value: Any) -> Any:
    """A mapping as the settings class of its engine; anything else is left for the caller's validation."""
    if not isinstance(value, dict):
        return value
    engine = value.get("engine", DEFAULT_ENGINE)
    try:
        chosen = settings_class(engine) if isinstance(engine, str) else ModelSettings
    except UnknownEngineError as error:
        raise _error_at(("engine",), "unknown_engine", str(error), error.hint, engine) from error
    return chosen.model_validate(value)


def _error_at(place: tuple[str | int, ...], code: str, message: str, hint: str, value: Any) -> ValidationError:
    """A validation error at a place within the value that is being validated."""
    # The message is passed as a value because it may contain braces.
    problem = PydanticCustomError(code, "{message}", {"message": message, "hint": hint})
    return ValidationError.from_exception_data(code, [InitErrorDetails(type=problem, loc=place, input=value)])


def _allowed_host(entry: str) -> str:
    try:
        parse_allowed_host(entry)
    except ValueError as error:
        hint = "like example.org, 10.0.0.5:8443 or http://localhost:8000"
        raise PydanticCustomError("webhook_host", "{message}", {"message": str(error), "hint": hint}) from None
    return entry


def _network(entry: str) -> str:
    try:
        ipaddress.ip_network(entry, strict=False)
    except ValueError as error:
        hint = "like 127.0.0.1 or 10.0.0.0/8"
        raise PydanticCustomError("network", "{message}", {"message": str(error), "hint": hint}) from None
    return entry


class AvatarsSettings(Section):
    """Where avatars are found, and how much is cached about them."""

    folder: str = "avatars"
    """Folder of the user's own avatars, one folder each."""
    default: str = "presenter"
    """Avatar of jobs that name none."""
    cache_bytes: Annotated[int, Field(ge=0)] = 10_000_000_000
    """Size limit of the cache in the spool: faces found, frames of videos, files derived by engines."""
    cache_days: Annotated[int, Field(ge=1)] = 30
    """Cached files unused for this long are removed."""


class BackgroundsSettings(Section):
    """What is shown behind avatars that are cut out."""

    folder: str = "backgrounds"
    """Folder of the pictures and videos that a job's `background` may name."""


def _device(value: Any) -> Any:
    """A device as torch calls it: `CUDA` is `cuda:0`. Anything but a string is left for the caller's validation."""
    if not isinstance(value, str):
        return value
    name = value.strip().lower()
    name = "cuda:0" if name == "cuda" else name
    if re.fullmatch(r"auto|cpu|cuda:\d{1,2}", name, re.ASCII) is None:
        gpus = len(list(NVIDIA_GPUS.glob("*")))
        has = ", ".join(["auto", "cpu", *(f"cuda:{number}" for number in range(gpus))])
        raise PydanticCustomError(
            "device", "unknown device {value}", {"value": repr(value[:40]), "hint": f"this machine has: {has}"}
        )
    return name


class PlaceSettings(Section):
    """What a worker needs of a node in a cluster."""

    num_cpus: Annotated[float, Field(ge=0, le=1024, strict=False)] = 1.0
    """Cores, also fractions. A worker computes with as many threads, at least one."""
    num_gpus: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.0
    """GPUs: 1, a fraction of one that workers share, or none."""
    resources: dict[str, Annotated[float, Field(gt=0, strict=False)]] = Field(default_factory=dict)
    """Amounts of what nodes offer under names of your own."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that the node must have."""

    @property
    def threads(self) -> int:
        """Threads of a worker."""
        return max(1, int(self.num_cpus))

    @property
    def amounts(self) -> dict[str, float]:
        """The amounts that it needs, by Ray's names of resources."""
        amounts = {"CPU": self.num_cpus, "GPU": self.num_gpus, **self.resources}
        return {name: amount for name, amount in amounts.items() if amount}


def _endpoint(url: str | None) -> str | None:
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ValueError("must be an http:// or https:// address, without a user or a password")
    return url


class BucketSettings(Section):
    """S3-compatible storage. Credentials are found in the environment, as obstore does."""

    url: Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?$")]
    """s3://BUCKET or s3://BUCKET/PREFIX."""
    endpoint: Annotated[str | None, AfterValidator(_endpoint)] = None
    """Of a server other than Amazon's; None: AWS_ENDPOINT_URL, else Amazon's."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] | None = None
    """None: AWS_REGION, else us-east-1."""


class RaySettings(Section):
    """The Ray cluster that runs the workers, for the executor `ray`."""

    address: Annotated[str, Field(min_length=1, max_length=300)] = "auto"
    """Of its head, HOST:PORT; auto: of the cluster that this machine is part of."""
    place: PlaceSettings = PlaceSettings()
    """What a lip-sync worker needs of its node."""
    other_place: PlaceSettings = PlaceSettings()
    """What each of the other workers needs: those that speak, split and merge."""
    transfer: Literal["shared_folder", "object_store", "s3"] = "shared_folder"
    """How files reach the nodes: through a folder that all share, with the messages, or through a bucket."""
    s3: BucketSettings | None = None
    """The bucket for `transfer: s3`."""
    node_folder: Annotated[str, Field(min_length=1, max_length=300)] = "~/.cache/lipdrop"
    """Where nodes keep files that travel."""

    @model_validator(mode="after")
    def _has_a_bucket(self) -> RaySettings:
        if self.transfer == "s3" and self.s3 is None:
            hint = "set ray.s3: {url: s3://BUCKET/PREFIX}"
            raise PydanticCustomError("bucket", "transfer: s3 needs a bucket", {"hint": hint})
        return self

    def place_of(self, worker: WorkerSettings) -> PlaceSettings:
        """What a lip-sync worker needs of its node."""
        place = worker.place or self.place
        return place.model_copy(update={"num_gpus": 0.0}) if worker.device == "cpu" else place


class WorkerSettings(Section):
    """One lip-sync worker process."""

    model: str
    """A name in `models`."""
    device: Annotated[str, BeforeValidator(_device)] = "auto"
    """auto: the GPUs in turn, or the CPU without one."""
    place: PlaceSettings | None = None
    """What it needs of its node, with the executor `ray`; None: `ray.place`."""
    count: Annotated[int, Field(ge=1, le=WORKERS_MAX)] | Literal["auto"] = 1
    """How many such workers there are; auto, with the executor `ray`: as many as its nodes have room for."""


class SplitSettings(Section):
    """How a job is cut into chunks."""

    sequential_below_seconds: Annotated[float, Field(ge=0, strict=False)] = 10.0
    """In mode auto, shorter audio is a single chunk."""
    chunk_seconds: Annotated[float, Field(ge=2, strict=False)] = 15.0
    """Approximate length of a chunk."""
    prefer_pauses: bool = True
    """Whether a cut moves into a pause nearby."""


class StreamSettings(Section):
    """Streams that stay open (`keep_open`)."""

    close_after_seconds: Annotated[float, Field(gt=0, strict=False)] = 600.0
    """A stream ends after so much silence."""
    longest_seconds: Annotated[float, Field(gt=0, le=86_400, strict=False)] = 43_200.0
    """A stream ends when it is so long."""


class VideoSettings(Section):
    """How frames are encoded."""

    fps: Fps = 25
    """Frames per second of jobs that do not set it."""
    codec: codecs.Name = "h264"
    """Of videos of jobs that do not set it, but for streams, which are H.264."""
    crf: Annotated[int, Field(ge=0, le=51)] = 20
    """x264's constant rate factor: lower is better and larger. Other codecs are about as good."""
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = (
        "veryfast"
    )


class SignSettings(Section):
    """The certificate that signs videos as C2PA content credentials."""

    certificate: str
    """PEM file with the certificate and those that vouch for it, its own first."""
    key: str
    """PEM file with its private key, without a password."""


class ProvenanceSettings(Section):
    """What videos say about their origin."""

    mark: bool = True
    """Whether videos have machine-readable metadata that they were made by AI."""
    label: LabelKey = LabelSettings()
    """Words in the picture that say so too."""
    sign: SignSettings | None = None
    """None: videos are not signed."""

    @model_validator(mode="after")
    def _signs_what_is_marked(self) -> ProvenanceSettings:
        if self.sign is not None and not self.mark:
            hint = "set provenance.mark: true, or remove provenance.sign"
            raise PydanticCustomError("unmarked", "sign needs mark: the mark is what is signed", {"hint": hint})
        return self


class LimitsSettings(Section):
    """Limits that keep one job from harming others."""

    text_characters: Annotated[int, Field(ge=1)] = 20_000
    """Characters of a job's text, or of all texts of its scenes."""
    scenes: Annotated[int, Field(ge=1, le=500)] = 50
    """Scenes of a job."""
    audio_seconds: Annotated[int, Field(ge=1, le=7200)] = 1800
    """Length of a job's audio."""
    frame_pixels: Annotated[int, Field(ge=64 * 64)] = 1920 * 1920
    """Width times height of a video."""
    picture_pixels: Annotated[int, Field(ge=64 * 64)] = 50_000_000
    """Width times height of an avatar's picture or video."""
    avatar_seconds: Annotated[int, Field(ge=1, le=600)] = 120
    """Length of an avatar's video."""
    jobs_in_flight: Annotated[int, Field(ge=1)] = 8
    """Jobs worked on at the same time."""
    attempts: Annotated[int, Field(ge=1)] = 3
    """Attempts at one work item when its worker dies or a service fails."""
    boot_seconds: Annotated[float, Field(gt=0, strict=False)] = 120.0
    """Time for a worker to load and warm up."""
    quiet_seconds: Annotated[float, Field(gt=0, strict=False)] = 2.0
    """How long an incomplete job file may stay unchanged before it is refused."""
    drain_seconds: Annotated[float, Field(ge=0, strict=False)] = 60.0
    """How long SIGTERM waits for jobs in flight."""
    free_megabytes: Annotated[int, Field(ge=0)] = 200
    """With less free space on the spool's disk, no new work starts."""


class RetentionSettings(Section):
    """How much is kept of finished jobs, in `done/` and `failed/` each. Videos are never removed."""

    days: Annotated[int, Field(ge=1)] = 90
    """Age limit."""
    megabytes: Annotated[int, Field(ge=1)] = 500
    """Size limit."""


class WebSettings(Section):
    """The web gateway, `lipdrop serve`. Of these settings the daemon uses only `webhook_hosts`."""

    host: str = "127.0.0.1"
    """Address to listen on. Any other than a loopback address requires `tokens`."""
    port: Annotated[int, Field(ge=0, le=65535)] = 3000
    """Port to listen on; 0: any free one."""
    names: list[str] = Field(default_factory=list)
    """Host names under which the gateway is reached, besides its address and localhost; others are refused."""
    tokens: str | None = None
    """File of access tokens, written by `lipdrop tokens`."""
    queued_jobs: Annotated[int, Field(ge=1)] = 200
    """While more jobs are waiting, new ones are refused."""
    requests_per_minute: Annotated[int, Field(ge=1)] = 600
    """For each token, or for each address without tokens; requests that only read do not count."""
    upload_megabytes: Annotated[int, Field(ge=1, le=2048)] = 2048
    """Largest upload."""
    origins: list[str] = Field(default_factory=list)
    """Origins of other sites whose pages may call the gateway (CORS)."""
    avatar_uploads: bool = True
    """Whether clients may add avatars."""
    webhook_hosts: list[Annotated[str, AfterValidator(_allowed_host)]] = Field(default_factory=list)
    """Hosts that a job's `webhook` may name, as `HOST`, `HOST:PORT` or `http://HOST:PORT`."""
    webhook_secret: str | None = None
    """File with the secret that signs webhooks, written by `lipdrop webhooks secret`."""
    proxies: list[Annotated[str, AfterValidator(_network)]] = Field(default_factory=list)
    """Addresses of reverse proxies whose headers X-Forwarded-For and X-Forwarded-Proto are believed."""
    root_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)*$")] = ""
    """Path under which a reverse proxy shows the gateway, like /lipdrop; the proxy removes it from requests."""


class LogSettings(Section):
    """The daemon's and the gateway's log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe records that are written."""


class MetricsSettings(Section):
    """Prometheus metrics. The gateway serves them at `/metrics` in any case."""

    textfile: str | None = None
    """File that the daemon writes them to as well, for node_exporter's textfile collector; its name ends in `.prom`."""

    @field_validator("textfile")
    @classmethod
    def _is_collected(cls, file: str | None) -> str | None:
        if file is not None and not file.endswith(".prom"):
            raise ValueError("must end with .prom")
        return file


class HooksSettings(Section):
    """A command that is run after each job."""

    on_done: Words | None = None
    """The program and its arguments; None: no program.

    `{job}`, `{status}`, `{code}`, `{report}`, `{video}` and `{attempt}` are filled in. The timing JSON arrives on
    standard input.
    """
    timeout_seconds: Annotated[float, Field(gt=0, le=3600, strict=False)] = 60.0
    """For one run; then it is killed and counts as failed."""
    at_once: Annotated[int, Field(ge=1, le=16)] = 2
    """How many may run at the same time."""

    @field_validator("on_done")
    @classmethod
    def _names_a_program(cls, argv: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if argv is not None and (not argv or not argv[0] or "\0" in "".join(argv)):
            raise ValueError("must begin with a program")
        return argv


class Config(Section):
    """The whole configuration. Relative paths in it start at `base`, the folder of the file."""

    spool: str = "."
    """The folder with inbox/, work/, outbox/, done/ and failed/."""
    language: LanguageTag = "ru"
    """Language of jobs that name none."""
    tts: VoiceSettings = VoiceSettings()
    avatars: AvatarsSettings = AvatarsSettings()
    backgrounds: BackgroundsSettings = BackgroundsSettings()
    models: dict[ModelName, Annotated[SerializeAsAny[ModelSettings], BeforeValidator(_model_settings)]] = Field(
        default_factory=dict, validate_default=True
    )
    """The lip-sync models by name; `DEFAULT_MODELS` are always present."""
    workers: Annotated[tuple[WorkerSettings, ...], Field(min_length=1, max_length=WORKERS_MAX)] = (
        WorkerSettings(model="gan"),
        WorkerSettings(model="nogan"),
    )
    """The lip-sync workers, each by itself. The model of the first one is the default for jobs with a single chunk."""
    tts_workers: Annotated[int, Field(ge=1, le=WORKERS_MAX)] = 1
    """How many workers speak."""
    split_workers: Annotated[int, Field(ge=1, le=WORKERS_MAX)] = 1
    """How many workers split the speech of jobs."""
    merge_workers: Annotated[int, Field(ge=1, le=WORKERS_MAX)] = 1
    """How many workers merge the segments of jobs."""
    split: SplitSettings = SplitSettings()
    stream: StreamSettings = StreamSettings()
    video: VideoSettings = VideoSettings()
    loudness: Loudness | None = None
    """Of the sound of jobs that do not set it. None: speech has about -16 LUFS, recordings stay as they are."""
    extras: list[Kind] = Field(default_factory=list)
    """Files beside the videos of jobs that do not say which they want."""
    provenance: ProvenanceSettings = ProvenanceSettings()
    brand: BrandSettings = BrandSettings()
    executor: Literal["processes", "threads", "ray"] = "processes"
    """Where workers run: `threads` runs everything in one process, for debugging, `ray` on a cluster."""
    ray: RaySettings = RaySettings()
    on_conflict: Literal["replace", "refuse"] = "replace"
    """Whether a different job may replace a finished one of the same name."""
    limits: LimitsSettings = LimitsSettings()
    retention: RetentionSettings = RetentionSettings()
    web: WebSettings = WebSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    hooks: HooksSettings = HooksSettings()
    base: Annotated[Path, Field(exclude=True)] = Path()
    """Folder of the configuration file; not a setting."""

    @field_validator("workers", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: Any, info: ValidationInfo) -> Any:
        if value == "auto":
            return ({"model": next(iter(info.data.get("models", DEFAULT_MODELS))), "count": "auto"},)
        return tuple(value) if isinstance(value, list) else value

    @field_validator("models", mode="before")
    @classmethod
    def _with_default_models(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        defaults = {name: value.get(name, {}) for name in DEFAULT_MODELS}
        return {**defaults, **value} | {
            name: {**DEFAULT_MODELS[name], **given} for name, given in defaults.items() if isinstance(given, dict)
        }

    @field_validator("workers")
    @classmethod
    def _each_worker(cls, workers: tuple[WorkerSettings, ...], info: ValidationInfo) -> tuple[WorkerSettings, ...]:
        """Every worker by itself; all of them have models."""
        models = info.data.get("models")
        for index, worker in enumerate(workers):
            if models is not None and worker.model not in models:
                message, hint = f"there is no model {worker.model[:100]!r}", nearest_hint(worker.model[:100], models)
                raise _error_at((index, "model"), "unknown_model", message, hint, worker.model)
            if worker.count == "auto" and len(workers) > 1:
                message, hint = "auto stands for all lip-sync workers", "remove the others, or say how many there are"
                raise _error_at((index, "count"), "auto_workers", message, hint, worker.count)
        each = tuple(
            worker if worker.count == "auto" else worker.model_copy(update={"count": 1})
            for worker in workers
            for _ in range(1 if worker.count == "auto" else worker.count)
        )
        if len(each) > WORKERS_MAX:
            raise PydanticCustomError("too_many", "there are more than {most} workers", {"most": WORKERS_MAX})
        return each

    def without_effects(self) -> Config:
        """The same settings for jobs that are nobody else's business: no hooks run, no metrics are published.

        They run on this machine: no other one has their spool.
        """
        quiet = self.model_copy(update={"hooks": HooksSettings(), "metrics": MetricsSettings()})
        return quiet._on_one_machine() if self.executor == "ray" else quiet

    def _on_one_machine(self) -> Config:
        """The same settings with processes: one worker for each model, and one for everything else."""
        of_models = {worker.model: worker for worker in reversed(self.workers)}
        one_each = dict.fromkeys(("tts_workers", "split_workers", "merge_workers"), 1)
        workers = tuple(of_models[model].model_copy(update={"count": 1}) for model in self.worker_models)
        return self.model_copy(update={"executor": "processes", "workers": workers, **one_each})

    @property
    def follows_cluster(self) -> bool:
        """Whether there are as many workers as the nodes of the cluster have room for."""
        return self.workers[0].count == "auto"

    @property
    def renderers(self) -> int:
        """How many lip-sync workers to plan a job for."""
        return AUTO_RENDERERS if self.follows_cluster else len(self.workers)

    @property
    def worker_turns(self) -> tuple[str, ...]:
        """The model of each lip-sync worker to plan a job for, in an order in which the models alternate."""
        if self.follows_cluster:
            return self.worker_models * AUTO_RENDERERS
        counts = Counter(worker.model for worker in self.workers)
        turns = zip_longest(*([model] * count for model, count in counts.items()))
        return tuple(model for turn in turns for model in turn if model is not None)

    @property
    def worker_models(self) -> tuple[str, ...]:
        """The different models of the workers, in the workers' order."""
        return tuple(dict.fromkeys(worker.model for worker in self.workers))

    @property
    def languages(self) -> list[str]:
        """The language of jobs that name none, then all others that `tts.voices` names."""
        return list(dict.fromkeys([self.language, *self.tts.voices]))

    def model_hint(self, name: str, *others: str) -> str:
        """A hint for an unknown model: the nearest of the configured names and `others`."""
        return nearest_hint(name[:100], [*self.models, *others])

    def path(self, name: str) -> Path:
        """The absolute path of a file or folder named in the configuration."""
        return (self.base / Path(name).expanduser()).absolute()

    def credentials(self) -> Credentials | None:
        """The certificate that signs videos; None if they are not signed. Raises ConfigError if it is not valid now."""
        sign = self.provenance.sign
        if sign is None:
            return None
        return certificates.load(self.path(sign.certificate), self.path(sign.key), certificates.utc_now())

    def check_signing(self) -> None:
        """Try out the certificate that signs videos. Raises ConfigError.

        Only for those who sign: other users, and the gateway's, need not be able to read the key.
        """
        sign = self.provenance.sign
        if sign is not None:
            signing.check(self.path(sign.certificate), self.path(sign.key))

    def logo(self, asked: LogoSettings | None) -> LogoSettings:
        """The logo of a job that asks for one, or for none of its own."""
        return self.brand.logo.changed_by(asked)

    def check_codec(self) -> None:
        """Raise ConfigError unless ffmpeg can encode videos of jobs that do not set their codec."""
        from pipeline.media import ffmpeg  # loads numpy

        problem = ffmpeg.codec_problem(self.video.codec)
        if problem is not None:
            raise ConfigError("no_encoder", problem, field="video.codec", hint=ffmpeg.COMPLETE)

    def model_settings(self, model: str) -> ModelSettings:
        """The settings of a configured model."""
        return self.models[model]


def load_config(file: Path | None, *, spool: Path | None = None) -> Config:
    """Read the configuration as `read_config` does. Raises ConfigError, also if a file that it names does not exist."""
    config = read_config(file, spool=spool)
    _check_files(config)
    _check_workers(config)
    return config


def read_config(file: Path | None, *, spool: Path | None = None) -> Config:
    """Read `file`; by default `config.yaml` of the current folder if it exists, else use the defaults.

    `spool` overrides the file's. Raises ConfigError.
    """
    if file is None:
        file = Path(CONFIG_FILE)
        raw = _read_yaml(file) if file.exists() else {}
    else:
        raw = _read_yaml(file)
    if "base" in raw:
        raise _unknown_key("base", list(Config.model_fields))
    if spool is not None:
        raw["spool"] = str(spool.absolute())
    return _validated(raw, file)


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        raw = parse_yaml(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError("config_unreadable", f"cannot read {file}: {error.strerror}") from error
    except DuplicateKeyError as error:
        raise ConfigError("config_duplicate_key", str(error), field=error.path, hint="keep one of them") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ConfigError("config_not_yaml", f"{file} is not valid YAML{_yaml_problem(error)}") from error
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigError("config_not_mapping", f"{file} must be a mapping of settings")
    return {str(key): value for key, value in raw.items()}


def _yaml_problem(error: Exception) -> str:
    """What is wrong, and where, in one line."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if mark is None or not isinstance(error, yaml.MarkedYAMLError):
        return ": " + " ".join(str(error).split())
    return f" at line {mark.line + 1}, column {mark.column + 1}: {error.problem}"


PLAIN_MESSAGES = {
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "must not be empty",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
}
"""Words for pydantic's error types whose own message is about Python."""


def _validated(raw: dict[str, Any], file: Path) -> Config:
    try:
        return Config.model_validate({**raw, "base": file.absolute().parent})
    except ValidationError as error:
        errors = error.errors()
        # An unknown key may be the misspelt name of one that is missing.
        first = next((problem for problem in errors if problem["type"] == "extra_forbidden"), errors[0])
        path = ".".join(str(part) for part in first["loc"] if part != "[key]")
        if first["type"] == "extra_forbidden":
            raise _unknown_key(path, _siblings(first["loc"], raw)) from error
        hint = first.get("ctx", {}).get("hint", f"see {file}")
        raise ConfigError(
            "config_value", f"{path}: {PLAIN_MESSAGES.get(first['type'], first['msg'])}", field=path, hint=hint
        ) from error


def _unknown_key(path: str, known: list[str]) -> ConfigError:
    hint = nearest_hint(path.rpartition(".")[2], known)
    return ConfigError("config_unknown_key", f"unknown key {path}", field=path, hint=hint)


def _siblings(location: tuple[int | str, ...], raw: dict[str, Any]) -> list[str]:
    """The valid keys at the location of an unknown one."""
    model: Any = Config
    if location[:2] == ("tts", "lexicon"):
        return list(LexiconEntry.model_fields)
    if location[0] == "models":
        model = settings_class(raw["models"][location[1]].get("engine", DEFAULT_ENGINE))
        location = location[2:]
    for part in location[:-1]:
        if isinstance(part, str):
            model = WorkerSettings if part == "workers" else model.model_fields[part].annotation
    return [name for name in model.model_fields if name != "base"]


def _check_workers(config: Config) -> None:
    if config.follows_cluster and config.executor != "ray":
        message, hint = "only on a cluster there are as many workers as it has room for", "list the workers"
        raise ConfigError("auto_workers", message, field="workers", hint=f"set executor: ray, or {hint}")


def _check_files(config: Config) -> None:
    brand = config.brand
    for key, name in (("logo", brand.logo.file), ("intro", brand.intro), ("outro", brand.outro)):
        try:
            if name is not None:
                brand_file(config.path(brand.folder), name, f"brand.{key}")
        except JobError as error:
            raise ConfigError("brand", error.message, field=error.field, hint=error.hint) from None
    for model, settings in config.models.items():
        for name, file in settings.files.items():
            path, key = config.path(file), f"models.{model}.{name}"
            if not path.is_file():
                raise ConfigError(
                    f"{name}_missing",
                    f"no {name} at {path}",
                    field=key,
                    hint=f"put the file there, or change {key}, or set models.{model}.engine: builtin",
                )
