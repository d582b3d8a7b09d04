"""`lipdrop bench --device`: each step of Wav2Lip's frames on one device alone, and what encoders make of them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from daemon.bench.forward_speed import shortest
from daemon.bench.measure import SEEDED_CHECKPOINT, markdown, measured_machine, tell
from daemon.bench.seeded_weights import save_seeded_checkpoint
from daemon.scheduling.workers import worker_specs
from pipeline.avatars import Avatars
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.canvases import Canvases
from pipeline.engines.mel import COLUMNS_PER_SECOND, MEL_BANDS
from pipeline.engines.wav2lip.engine import Wav2LipEngine, face_pixels, regions_about
from pipeline.engines.wav2lip.face import Face
from pipeline.errors import StageError
from pipeline.media import rate
from pipeline.media.canvas import Regions
from pipeline.media.codecs import CODECS, H264, Codec, Options
from pipeline.media.encoder import SegmentEncoder

AVATAR, SIZE, FPS = "presenter", (720, 720), 25
BATCHES = {"cpu": (1, 4, 8, 16, 32), "cuda": (8, 16, 32, 64, 128, 256)}
ROUNDS = 5
ENCODED_SECONDS = 8


@dataclass(frozen=True)
class Steps:
    """Frames per second of each step alone at one batch size: the best of several rounds."""

    batch_frames: int
    forward: float
    """Wav2Lip's network, one face for all frames."""
    graph: float | None
    """The same, recorded once as a CUDA graph; None where there are none."""
    paste: float
    """Blending the network's faces into the picture."""
    copy: float
    """Converting the drawn regions to the encoder's format and copying them to the CPU."""
    compose: float
    """Painting them into whole frames, on the CPU."""


@dataclass(frozen=True)
class DeviceReport:
    """What was measured on a device."""

    device: str
    processor: str
    date: str
    precision: str
    """In which lipdrop runs the network on this device, such as `bfloat16`."""
    batch_frames: int
    """The batch size that lipdrop uses on this device by default."""
    steps: tuple[Steps, ...]
    encoders: dict[str, float | None]
    """Frames per second of each encoder; None if it does not work on this machine."""

    @property
    def fastest(self) -> Steps:
        """The batch size with which the device's own steps take the least time."""
        return min(self.steps, key=lambda one: 1 / one.forward + 1 / one.paste + 1 / one.copy)

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, for `--json`."""
        return asdict(self) | {"fastest_batch_frames": self.fastest.batch_frames}


class _Nvenc(Codec):
    """The encoder of NVIDIA's GPUs, at about the size of ours."""

    def options(self, preset: str) -> Options:
        """Its own presets."""
        return {"vcodec": self.encoder, "preset": "p4", "rc": "vbr", "b:v": 0, "bf": 0, "pix_fmt": "yuv420p"}


def usable(name: str) -> torch.device:
    """The device of a name. Raises ValueError if this machine has none that can be measured."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"{name!r} is not the name of a device") from None
    if device.type not in BATCHES:
        raise ValueError(f"lipdrop runs on {' and '.join(BATCHES)}, not on {device.type}")
    found = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= found:
        raise ValueError(f"torch finds {found or 'no'} GPU{'s' if found > 1 else ''} on this machine")
    return device


def measure_device(
    device: torch.device, config: Config, progress: Callable[[str], None], batches: Sequence[int] = ()
) -> DeviceReport:
    """Measure with random weights and the presenter. `batches`: sizes; by default, what suits the device."""
    worker = next(spec for spec in worker_specs(config, torch.cuda.device_count()) if spec.role == "lipsync")
    torch.set_num_threads(worker.threads)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with tempfile.TemporaryDirectory(prefix="lipdrop-bench-") as scratch, torch.inference_mode():
        folder = Path(scratch)
        progress("making weights")
        save_seeded_checkpoint(folder / SEEDED_CHECKPOINT)
        engine = Wav2LipEngine(folder / SEEDED_CHECKPOINT, device, config_key="models.gan.checkpoint")
        bench = _Bench(engine)
        steps = []
        for count in batches or BATCHES[device.type]:
            progress(f"batches of {count} frames")
            steps.append(bench.steps(count))
        progress("encoding")
        encoders = bench.encoders(folder, config)
    machine = measured_machine()
    return DeviceReport(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        processor=machine.processor,
        date=machine.date,
        precision=str(engine.network.dtype).removeprefix("torch."),
        batch_frames=engine.batch_frames,
        steps=tuple(steps),
        encoders=encoders,
    )


class _Bench:
    """The steps of an engine on an avatar."""

    def __init__(self, engine: Wav2LipEngine) -> None:
        self._engine = engine
        avatar = Avatars(Config()).load(AVATAR).fitted(SIZE)
        box, lips = face_pixels(avatar, engine.design)[:1], avatar.require_landmarks().lips_outer[:1]
        (width, height), corners = regions_about(box, SIZE)
        [region] = avatar.scene.regions(np.zeros(1, np.intp), corners, (width, height))
        inside = tuple((box - np.tile(corners, 2))[0].tolist())
        self._face = Face(region, inside, lips[0] - corners[0], "feather", engine.device, pixels=engine.design.pixels)
        self._features = engine.network.encode_faces(self._face.image)
        mel = np.zeros((MEL_BANDS, COLUMNS_PER_SECOND), np.float32)
        self._canvas = Canvases().canvas(avatar, SpeechFeatures(mel, FPS, FPS))
        self._corner = corners

    def steps(self, count: int) -> Steps:
        """Each step alone, with `count` frames at once."""
        network, device = self._engine.network, self._engine.device
        mel = torch.rand(count, 1, MEL_BANDS, 16, device=device)
        opacity = torch.ones(count, device=device)
        faces = network.speak(mel, self._features)
        drawn = self._face.blended(faces, opacity)
        regions, corners = Regions(drawn), self._corner.repeat(count, 0)
        graph = _graph(lambda: network.speak(mel, self._features)) if device.type == "cuda" else None
        calls: list[Callable[[], object]] = [
            lambda: network.speak(mel, self._features),
            lambda: self._face.blended(faces, opacity),
            lambda: list(Regions(drawn)),
            lambda: self._canvas.compose(regions, corners, 0),
        ]
        seconds = shortest(calls if graph is None else [*calls, graph], device, ROUNDS)
        forward, paste, copy, compose = (count / each for each in seconds[:4])
        return Steps(count, forward, None if graph is None else count / seconds[4], paste, copy, compose)

    def encoders(self, folder: Path, config: Config) -> dict[str, float | None]:
        """Encode the same frames with each encoder."""
        frames = ENCODED_SECONDS * FPS
        mel = torch.rand(frames, 1, MEL_BANDS, 16, device=self._engine.device)
        count = self._engine.batch_frames
        pictures = []
        for start in range(0, frames, count):
            faces = self._engine.network.speak(mel[start : start + count], self._features)
            regions = Regions(self._face.blended(faces, torch.ones(len(faces), device=faces.device)))
            pictures.append(self._canvas.compose(regions, self._corner.repeat(len(faces), 0), start).numpy())
        ours = CODECS[H264]
        nvenc = _Nvenc("nvenc", "h264_nvenc", ours.moving, ours.still)
        rates: dict[Codec, Options] = {
            ours: rate.moving(FPS, config.video.crf),
            nvenc: {"cq": config.video.crf, "g": 2 * FPS},
        }
        return {
            codec.encoder: _encoding(pictures, folder / f"{codec.name}.mp4", config, codec, options)
            for codec, options in rates.items()
        }


def _encoding(
    pictures: Sequence[np.ndarray[Any, np.dtype[np.uint8]]], path: Path, config: Config, codec: Codec, options: Options
) -> float | None:
    """Frames per second; None if the encoder does not work here."""
    start = time.perf_counter()
    threads = len(os.sched_getaffinity(0))
    try:
        with SegmentEncoder(path, SIZE, FPS, config.video.preset, options, threads=threads, codec=codec) as encoder:
            for batch in pictures:
                encoder.write(batch)
    except StageError:
        return None
    return sum(map(len, pictures)) / (time.perf_counter() - start)


def _graph(call: Callable[[], object]) -> Callable[[], object]:
    """Record the kernels of a call on the current GPU; returns what launches all of them at once.

    As `torch.cuda.graph` asks for, the call first runs on a stream of its own, so that libraries set themselves up.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def show_device(report: DeviceReport, console: Console) -> None:
    """Print Markdown."""
    tell(console, f"{report.device}, {report.precision}; {report.processor}; {report.date}")
    tell(console, f"\nWav2Lip's steps alone, frames per second; {AVATAR}, {SIZE[0]}x{SIZE[1]}\n")
    table = markdown("batch", "forward", "CUDA graph", "paste", "copy", "compose")
    for one in report.steps:
        used = " (ours)" if one.batch_frames == report.batch_frames else ""
        graph = "" if one.graph is None else f"{one.graph:.0f}"
        rates = (f"{one.forward:.0f}", graph, f"{one.paste:.0f}", f"{one.copy:.0f}", f"{one.compose:.0f}")
        table.add_row(f"{one.batch_frames}{used}", *rates)
    console.print(table)
    for name, speed in report.encoders.items():
        tell(console, f"{name}: " + ("does not work here" if speed is None else f"{speed:.0f} frames per second"))
    tell(console, f"\nThe fastest: `batch_frames: {report.fastest.batch_frames}` in a model's settings")
