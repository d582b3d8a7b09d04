"""The program that imports and loads what may crash: `python -m daemon.doctor.probe`.

Its standard input is the configuration with a question and its argument; it answers with one JSON object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daemon.web.exchange import serve
from pipeline.config import Config
from pipeline.errors import ConfigError


def torch_and_gpus(config: Config, argument: None) -> dict[str, Any]:
    """Versions of torch and torchaudio, and the GPUs that torch can use."""
    import torch

    from pipeline.engines.torchaudio_cpu import torchaudio

    torchaudio.functional.melscale_fbanks(401, 55.0, 7600.0, 80, 16_000, norm="slaney", mel_scale="slaney")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "torch": torch.__version__,
        "torchaudio": torchaudio.__version__,
        "cuda": torch.version.cuda,
        "gpus": [_gpu(index) for index in range(count)],
        "threads": torch.get_num_threads(),
    }


def _gpu(index: int) -> dict[str, Any]:
    """A GPU after a first computation on it: an unsupported generation fails only there."""
    import torch

    properties = torch.cuda.get_device_properties(index)
    found = {"name": properties.name, "memory_bytes": properties.total_memory, "error": None}
    try:
        (torch.ones(8, device=f"cuda:{index}") * 2).sum().item()
    except RuntimeError as error:
        found["error"] = str(error).strip().partition("\n")[0]
    return found


def voices(config: Config, argument: None) -> dict[str, Any]:
    """Name and kind of every configured language's default voice, and how to install what is missing."""
    from pipeline.speech.alignment.aligner import Aligner
    from pipeline.speech.voices.catalogue import Voices

    catalogue = Voices(config.tts, config.base)
    defaults: dict[str, tuple[str, str] | None] = {}
    for language in config.languages:
        described = {entry.name: entry.about.kind for entry in catalogue.described(language)}
        default = next(iter(described)) if described else None
        if default is not None:
            backend, voice = catalogue.choose(language, None)
            default = f"{backend.name}:{voice}"
        defaults[language] = (default, described.get(default, "")) if default else None
    natural = catalogue.absent().get("rhvoice")
    try:
        Aligner()
        aligner = None
    except ConfigError as error:
        aligner = error.hint
    return {"defaults": defaults, "natural": natural.hint if natural else None, "aligner": aligner}


def checkpoint(config: Config, argument: list[str]) -> dict[str, Any]:
    """What a checkpoint of the Wav2Lip family is, given its path and its key in the configuration, after loading it."""
    from pipeline.engines.wav2lip.checkpoint import read_checkpoint

    path, key = Path(argument[0]), argument[1]
    found = read_checkpoint(path, key)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"network": found.design.title, "pixels": found.design.pixels, "kind": found.form, "sha256": digest}


def cluster(config: Config, argument: str) -> list[dict[str, Any]]:
    """What the nodes of the Ray cluster are like; `argument` is the folder that they must share."""
    from daemon.scheduling.workers import POOLED_ROLE, worker_specs
    from pipeline.executors.cluster.survey import survey

    renderer = next(spec for spec in worker_specs(config, 0) if spec.role == POOLED_ROLE)
    return survey(config.ray.address, Path(argument), renderer)


def avatars(config: Config, argument: None) -> list[tuple[str, str, str | None]]:
    """Name, description and error of every avatar, without searching for faces."""
    from daemon.cli.avatar_files import summaries

    return [(summary.name, summary.text, summary.problem) for summary in summaries(config)]


QUESTIONS: dict[str, Callable[[Config, Any], Any]] = {
    "torch": torch_and_gpus,
    "voices": voices,
    "checkpoint": checkpoint,
    "avatars": avatars,
    "cluster": cluster,
}

if __name__ == "__main__":
    serve(lambda config, request: QUESTIONS[request[0]](config, request[1]))
