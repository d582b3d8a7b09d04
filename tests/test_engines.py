"""The engine interface: a third engine, unknown to lipdrop's own files, renders through the real daemon."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from daemon.scheduling.fingerprints import fingerprint
from pipeline.avatars import Avatars
from pipeline.config import Config, load_config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.settings import ENGINES, settings_class
from pipeline.errors import ConfigError
from pipeline.executors.base import WorkerSpec
from pipeline.media.pcm import write_wav
from pipeline.messages import Speech, SplitItem
from pipeline.stages.lipsync import LipSyncStage
from pipeline.stages.split import SplitStage
from tests.media import frames, speech_like, write_recording
from tests.running import RunningDaemon
from tests.toy_engine import BUILDS_LOG, ToySettings

TOY = "tests.toy_engine:ToySettings"
SIZE = (128, 128)
LUMA = 200


def toy_config(tmp_path: Path, **toy: object) -> Config:
    settings = {"engine": TOY, "bar_luma": LUMA, **toy}
    workers = [{"model": "toy", "device": "cpu"}]
    return Config.model_validate({"spool": str(tmp_path), "models": {"toy": settings}, "workers": workers})


@pytest.mark.slow
def test_a_third_engine_renders_through_the_daemon(tmp_path: Path) -> None:
    """Given a recording whose second half is silent, and two workers with different models."""
    models = {"toy": {"engine": TOY, "bar_luma": LUMA}}
    workers = [{"model": "toy", "device": "cpu"}, {"model": "gan", "device": "cpu"}]
    daemon = RunningDaemon(tmp_path, models=models, workers=workers)
    daemon.environment = {BUILDS_LOG: str(tmp_path / "builds")}
    with daemon.start().ready():
        samples = speech_like(4)
        samples[2 * 16_000 :] = 0
        write_recording(tmp_path / "inbox" / "half.wav", samples)
        size = f"{SIZE[0]}x{SIZE[1]}"
        daemon.drop("alone", audio="half.wav", size=size)
        daemon.drop("again", audio="half.wav", size=size, model="toy")
        daemon.drop("mixed", audio="half.wav", size=size, mode="parallel", model="both")
        daemon.drop("unknown", audio="half.wav", model="tpy")
        alone, again, mixed, unknown = daemon.endings(["alone", "again", "mixed", "unknown"])
    assert alone["engine"] == "toy"
    assert [(chunk["model"], chunk["worker"]) for chunk in alone["chunks"]] == [("toy", "toy-0")]
    assert [(chunk["model"], chunk["engine"]) for chunk in mixed["chunks"]] == [("toy", "toy"), ("gan", "builtin")]
    assert again["status"] == "done"
    assert (unknown["error"]["code"], unknown["error"]["hint"]) == ("range", "did you mean 'toy'?")
    bars = (frames(daemon.video("alone"), SIZE) > LUMA - 30).mean((1, 2))
    assert bars[:45].max() > 0.1
    assert bars[55:].max() == 0
    assert builds(tmp_path) == ["(128, 128)"], "an avatar's file is built once for all jobs of a size"


def builds(folder: Path) -> list[str]:
    lines = (folder / "builds").read_text().splitlines()
    warm_up = [line for line in lines if line != "(128, 128)"]
    assert len(set(warm_up)) == len(warm_up)
    return [line for line in lines if line not in warm_up]


def test_derived_files_are_cached_by_the_avatars_content(tmp_path: Path) -> None:
    avatars, built = Avatars(Config(), tmp_path / "cache"), []

    def build(path: Path) -> None:
        built.append(path)
        path.write_bytes(b"derived")

    for size in (SIZE, SIZE, (256, 256)):
        for engine in ("one", "two"):
            with avatars.load("presenter").fitted(size).derive(engine, "v1", build) as file:
                assert file.read() == b"derived"
    with avatars.load("host").fitted(SIZE).derive("one", "v1", build) as file:
        assert file.read() == b"derived"
    kept = {path for path in (tmp_path / "cache").iterdir() if path.name.endswith("-v1")}
    assert (len(built), len(kept)) == (5, 5), "one per avatar, size and engine"


def test_changed_avatar_settings_discard_derived_files(tmp_path: Path) -> None:
    folder = tmp_path / "avatars" / "anna"
    folder.mkdir(parents=True)
    picture = Path(__file__).parent.parent / "pipeline" / "avatars" / "assets" / "presenter" / "picture.png"
    (folder / "face.png").write_bytes(picture.read_bytes())
    avatars, built = Avatars(Config(base=tmp_path)), []

    def build(path: Path) -> None:
        built.append(path)
        path.touch()

    for settings in ("", "", "blend: paste", "blend: paste"):
        (folder / "avatar.yaml").write_text(settings)
        avatars.load("anna").fitted(SIZE).derive("one", "v1", build).close()
    assert len(built) == 2


def test_an_engine_gets_the_jobs_samples(tmp_path: Path) -> None:
    samples = speech_like(1)
    write_wav(tmp_path / "pcm.wav", samples, 16_000)
    speech = SpeechFeatures(np.zeros((80, 80), np.float32), 25, 25, wav=tmp_path / "pcm.wav")
    assert isinstance(speech.samples, np.memmap), "a long job's samples are not read into memory"
    assert np.array_equal(speech.samples, samples)
    assert SpeechFeatures(np.zeros((80, 80), np.float32), 25, 25).samples.tolist() == [0] * 16_000


def test_the_settings_of_an_engine_are_checked_with_the_configuration(tmp_path: Path) -> None:
    for settings, field in (("bar_luma: 300", "models.toy.bar_luma"), ("bar_lumen: 200", "models.toy.bar_lumen")):
        file = tmp_path / "config.yaml"
        file.write_text(f"models: {{toy: {{engine: '{TOY}', {settings}}}}}")
        with pytest.raises(ConfigError) as caught:
            load_config(file)
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("engine", "hint"),
    [
        ("wav2lap", "did you mean 'wav2lip'?"),
        ("no.such.module:Engine", "install its package"),
        ("tests.toy_engine:NoSuchClass", "install its package"),
        ("os:system", "pipeline/engines/settings.py"),
        ("tests.toy_engine:ToyEngine", "pipeline/engines/settings.py"),
        ("../toy:Engine", "known"),
    ],
)
def test_an_engine_that_does_not_exist_is_named_with_its_path(engine: str, hint: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"models: {{toy: {{engine: '{engine}'}}}}")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert caught.value.field == "models.toy.engine"
    assert hint in (caught.value.hint or "")


def test_a_registered_engine_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Given the one line that registers a new engine."""
    monkeypatch.setitem(ENGINES, "toy", ToySettings)
    assert settings_class("toy") is ToySettings
    config = toy_config(tmp_path, engine="toy")
    stage = LipSyncStage(WorkerSpec("toy-0", "lipsync", "", config, model="toy"))
    stage.setup("cpu")
    assert stage._engine("toy").name == "toy"


def models_of(tmp_path: Path, seconds: float, mode: str, model: str | None = None) -> list[str]:
    """The models of a job's chunks, for workers with three models."""
    names = ("b", "a", "b", "c")
    workers = [{"model": name} for name in names]
    config = Config.model_validate({"models": {name: {} for name in names}, "workers": workers})
    write_recording(tmp_path / "in.wav", speech_like(seconds))
    speech = Speech("job", tmp_path, tmp_path / "in.wav")
    stage = SplitStage(WorkerSpec("split-0", "split", "", config))
    return [chunk.model for chunk in stage.process(SplitItem("job", speech, 25, mode, model, "presenter", SIZE))]


def test_chunks_alternate_over_the_workers_models(tmp_path: Path) -> None:
    assert models_of(tmp_path, 61, "auto") == ["b", "a", "c", "b"]
    assert models_of(tmp_path, 61, "auto", "c") == ["c"] * 4


def test_a_sequential_job_has_the_first_workers_model(tmp_path: Path) -> None:
    assert models_of(tmp_path, 3, "auto") == ["b"]
    assert models_of(tmp_path, 3, "sequential", "c") == ["c"]


@pytest.mark.parametrize("model", ["gan", "nogan", "studio"])
def test_results_of_a_replaced_checkpoint_are_not_reused(model: str, tmp_path: Path) -> None:
    """Given a checkpoint that is replaced by another one of the same name and size."""
    checkpoint = tmp_path / "weights.pt"
    checkpoint.write_bytes(b"one")
    config = Config.model_validate({"models": {model: {"engine": "wav2lip", "checkpoint": str(checkpoint)}}})
    before = fingerprint(b"{}", config, ["presenter"], [])
    assert fingerprint(b"{}", config, ["presenter"], []) == before
    checkpoint.write_bytes(b"two")
    os.utime(checkpoint, ns=(1, 1))
    assert fingerprint(b"{}", config, ["presenter"], []) != before
