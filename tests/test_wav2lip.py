"""Wav2Lip: the network compared with the official one, checkpoint formats, and rendered frames."""

from __future__ import annotations

import itertools
import subprocess
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.avatars import Avatars, AvatarSettings, FittedAvatar
from pipeline.avatars.faces.tracking import NoFace
from pipeline.avatars.landmarks import CONTOURS, FaceLandmarks
from pipeline.avatars.scenes import Clip, Scene, Still, cut_rgb
from pipeline.avatars.settings import Box
from pipeline.config import Config
from pipeline.engines.base import SpeechFeatures
from pipeline.engines.canvases import Canvases
from pipeline.engines.wav2lip import Wav2LipEngine, precision
from pipeline.engines.wav2lip.checkpoint import load_network
from pipeline.engines.wav2lip.designs import COMMUNITY_384, ORIGINAL
from pipeline.engines.wav2lip.engine import Wav2LipRenderer, face_pixels, regions_about
from pipeline.engines.wav2lip.face import COLOUR_SHIFT_MAX, GRAIN_MAX, SEAM, Face
from pipeline.engines.wav2lip.network import FoldedWav2Lip, Wav2Lip
from pipeline.engines.wav2lip.precision import agreement, fastest, lower_precision
from pipeline.errors import JobError, StageError
from pipeline.media.canvas import PixelBox, i420
from tests.members import slow
from tests.seeded_weights import WAV2LIP_DATA

CPU = torch.device("cpu")
PIXELS = ORIGINAL.pixels
KEY = "models.gan.checkpoint"
FACE_BOX: PixelBox = (31, 21, 124, 145)
"""Odd on purpose: the region around it must be widened."""

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def network(checkpoint: Path) -> Wav2Lip:
    return load_network(checkpoint, KEY)


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Wav2LipEngine:
    """With half the usual batch, so that few frames fill several."""
    made = Wav2LipEngine(checkpoint, CPU, config_key=KEY, exact=True)
    made.batch_frames = 4
    return made


@pytest.fixture(scope="module")
def forward() -> dict[str, torch.Tensor]:
    with np.load(WAV2LIP_DATA / "wav2lip_forward.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in ("mel", "image", "output")}


def picture() -> NDArray[np.uint8]:
    """160 x 176, smooth, with some grain."""
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.integers(30, 220, (10, 11, 3), dtype=np.uint8), (176, 160), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(coarse + rng.normal(0, 4, coarse.shape), 0, 255), np.uint8)


def avatar(box: Box | None = FACE_BOX, blend: Literal["feather", "paste"] = "feather") -> FittedAvatar:
    nothing = NoFace("no_face", "no face was found", "set face_box in avatar.yaml")
    boxes = nothing if box is None else np.array([box], np.float32)
    return FittedAvatar(Still(picture()), nothing, boxes, AvatarSettings(blend=blend))


def speech(frames: int) -> SpeechFeatures:
    mel = np.load(WAV2LIP_DATA / "mel_spectrogram.npz")["mel"]
    return SpeechFeatures(mel, frames, 25)


def whole_rgb(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An I420 frame as RGB."""
    rows, width = frame.shape
    return cut_rgb(frame, (0, 0), (width, rows * 2 // 3))


# The network


def test_it_has_the_official_parameters(weights: Weights) -> None:
    with torch.device("meta"):
        network = Wav2Lip()
    assert sum(parameter.numel() for parameter in network.parameters()) == 36_298_035
    assert {key: value.shape for key, value in network.state_dict().items()} == {
        key: value.shape for key, value in weights.items()
    }


@pytest.mark.parametrize("prepare", [lambda network: network, FoldedWav2Lip], ids=["plain", "folded"])
@pytest.mark.parametrize(
    "layout", [slow(torch.contiguous_format), torch.channels_last], ids=["planar", "channels_last"]
)
def test_it_computes_the_official_output(
    prepare: Callable[[Wav2Lip], Wav2Lip | FoldedWav2Lip],
    layout: torch.memory_format,
    network: Wav2Lip,
    forward: dict[str, Any],
) -> None:
    made = prepare(network)(forward["mel"], forward["image"].contiguous(memory_format=layout))
    assert (made - forward["output"]).abs().max() < 1e-4


def test_one_face_serves_a_whole_batch(network: Wav2Lip, forward: dict[str, Any]) -> None:
    one = forward["image"][:1]
    at_once = network(forward["mel"], one.expand(4, -1, -1, -1))
    ours = FoldedWav2Lip(network)
    assert (ours.speak(forward["mel"], ours.encode_faces(one)) - at_once).abs().max() < 1e-4


def test_folding_removes_normalisation_and_keeps_the_original(network: Wav2Lip) -> None:
    copied = FoldedWav2Lip(network)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in copied.modules())
    assert len(network.state_dict()) == len(Wav2Lip().state_dict())


# Frames


def official_frames(
    network: Wav2Lip, frames: list[NDArray[np.uint8]], boxes: list[PixelBox]
) -> list[NDArray[np.uint8]]:
    """The official loop, reimplemented: BGR frames in and out, [height, width, 3]."""
    mel = speech(len(frames)).mel
    mel_chunks = [mel[:, int(i * 80.0 / 25) : int(i * 80.0 / 25) + 16] for i in range(len(frames))]
    faces = [frame[y1:y2, x1:x2] for frame, (x1, y1, x2, y2) in zip(frames, boxes, strict=True)]
    img_batch = np.asarray([cv2.resize(np.ascontiguousarray(face), (96, 96)) for face in faces])
    img_masked = img_batch.copy()
    img_masked[:, 96 // 2 :] = 0
    img_batch = np.concatenate((img_masked, img_batch), axis=3) / 255.0
    images = torch.FloatTensor(np.transpose(img_batch, (0, 3, 1, 2)))
    pred = network(torch.FloatTensor(np.asarray(mel_chunks))[:, None], images)
    out = []
    for p, frame, c in zip(pred.numpy().transpose(0, 2, 3, 1) * 255.0, frames, boxes, strict=True):
        x1, y1, x2, y2 = c
        f = frame.copy()
        f[y1:y2, x1:x2] = cv2.resize(p.astype(np.uint8), (x2 - x1, y2 - y1))
        out.append(f)
    return out


def official_i420(network: Wav2Lip, pictures: list[NDArray[np.uint8]], boxes: list[PixelBox]) -> torch.Tensor:
    """The official frames of RGB pictures in the encoder's format."""
    official = official_frames(network, [one[:, :, ::-1] for one in pictures], boxes)
    return i420(torch.from_numpy(np.stack(official)[:, :, :, ::-1].copy()))


def landmarks(count: int) -> FaceLandmarks:
    """Lips at the mouth in some frames; a pasted face must not depend on them."""
    corners = np.array([(60, 100), (80, 96), (100, 100), (80, 110)], np.float32)
    return FaceLandmarks(**{name: np.broadcast_to(corners, (count, 4, 2)) for name in CONTOURS})


@pytest.mark.slow
def test_pasted_frames_are_the_official_ones(engine: Wav2LipEngine, network: Wav2Lip) -> None:
    still = replace(
        avatar(), landmarks=landmarks(1), settings=AvatarSettings(blend="paste", silence_gate="off", idle_motion="off")
    )
    made = torch.cat(list(engine.renderer(still, speech(6)).render(0, 6)))
    assert (made.int() - official_i420(network, [picture()] * 6, [FACE_BOX] * 6).int()).abs().max() <= 1
    assert len({frame.numpy().tobytes() for frame in made}) == 6


def scene_of(folder: Path, pictures: list[NDArray[np.uint8]]) -> Scene:
    """A video of these pictures at 25 frames per second."""
    height, width = pictures[0].shape[:2]
    (folder / "avatars" / "video").mkdir(parents=True)
    argv = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25"]
    argv += ["-i", "-", "-pix_fmt", "yuv420p", "-crf", "12", str(folder / "avatars" / "video" / "video.mp4")]
    subprocess.run(argv, input=b"".join(one.tobytes() for one in pictures), check=True)
    return Avatars(Config(base=folder)).load("video").fitted(None).scene


@pytest.mark.slow
def test_frames_pasted_into_a_video_are_the_official_ones(
    tmp_path: Path, engine: Wav2LipEngine, network: Wav2Lip
) -> None:
    """Given a face that moves and grows, and four frames for six of the job."""
    pale = picture() // 2 + 64  # so that I420 to RGB and back changes no colour
    scene = scene_of(tmp_path, [np.roll(pale, (step, 2 * step), (0, 1)) for step in range(4)])
    assert isinstance(scene, Clip)
    boxes = [(31 + 2 * step, 21 + step, 124 + 3 * step, 145 + 2 * step) for step in range(4)]
    settings = AvatarSettings(blend="paste", silence_gate="off")
    moving = FittedAvatar(scene, landmarks(4), np.array(boxes, np.float32), settings)
    made = torch.cat(list(engine.renderer(moving, speech(6)).render(0, 6)))
    shown = [0, 1, 2, 3, 2, 1]
    own = [whole_rgb(scene.read(index)) for index in shown]
    official = official_i420(network, own, [boxes[index] for index in shown])
    assert (made.int() - official.int()).abs().max() <= 1
    outside = torch.ones(made.shape[1:], dtype=torch.bool)
    outside[20:158, 30:142] = False
    outside[160:] = False
    unchanged = torch.from_numpy(np.stack([scene.read(index) for index in shown]))
    assert torch.equal(made[:, outside], unchanged[:, outside])


def test_feathered_frames_keep_the_picture_around_the_mouth(engine: Wav2LipEngine) -> None:
    made = torch.cat(list(engine.renderer(avatar(), speech(4)).render(0, 4)))[:, :160]
    own = i420(torch.from_numpy(picture())[None])[0, :160]
    x1, y1, x2, y2 = FACE_BOX
    changed = (made != own).any(dim=0)
    assert not changed[: y1 + int(SEAM[0] * (y2 - y1))].any(), "the eyes are the picture's own"
    inner = torch.zeros_like(changed)
    inner[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1] = True
    assert not changed[~inner].any(), "the box's border is the picture's own"
    mouth = changed[y1 + int(0.7 * (y2 - y1)) : y1 + int(0.85 * (y2 - y1)), x1 + 30 : x2 - 30]
    assert mouth.float().mean() > 0.9, "the mouth is the network's"


@pytest.mark.parametrize("blend", ["feather", "paste"])
@pytest.mark.parametrize("box", [(0, 0, 176, 160), (31, 21, 124, 145), (30, 20, 40, 30), (167, 151, 176, 160)])
def test_faces_are_placed_in_the_box(box: PixelBox, blend: Literal["feather", "paste"]) -> None:
    face = Face(picture(), box, None, blend, CPU, pixels=PIXELS)
    region = face.blended(torch.zeros(2, 3, 96, 96), torch.ones(2)).numpy()
    own = picture().astype(np.float32)
    assert region.shape == (2, *own.shape)
    inside = np.zeros(own.shape, bool)
    inside[box[1] : box[3], box[0] : box[2]] = True
    assert np.array_equal(region[0][~inside], own[~inside])
    assert (
        (region[0][inside] == 0).all() if blend == "paste" else (region[0] <= np.maximum(own, COLOUR_SHIFT_MAX)).all()
    )


@pytest.mark.parametrize(("blend", "left"), [("feather", 0), ("paste", 1)])
@pytest.mark.parametrize("off", [(6, -4, 3), (-10, -9, -8)])
def test_slightly_different_colours_are_corrected(
    off: tuple[int, int, int], blend: Literal["feather", "paste"], left: int
) -> None:
    face = Face(picture(), FACE_BOX, None, blend, CPU, pixels=PIXELS)
    own = face.image[:, 3:]
    shifted = own + torch.tensor(off)[None, :, None, None] / 255
    made, right = (face.blended(one, torch.ones(1))[0] for one in (shifted, own))
    mouth = (made - right)[21 + 93 : 21 + 106, 31 + 30 : 31 + 60].mean((0, 1))
    assert mouth.tolist() == pytest.approx([left * levels for levels in reversed(off)], abs=0.6)


def _sharpness(region: NDArray[Any], where: NDArray[np.bool_]) -> float:
    """Mean energy of the Laplacian."""
    grey = cv2.cvtColor(np.asarray(region, np.float32), cv2.COLOR_RGB2GRAY)
    return float(np.square(cv2.Laplacian(grey, cv2.CV_32F))[where].mean())


@pytest.mark.parametrize("blend", ["feather", "paste"])
def test_the_skin_keeps_its_grain_and_the_lips_get_none(blend: Literal["feather", "paste"]) -> None:
    """Given a network that returns its input face."""
    grainy = np.clip(128 + np.random.default_rng(0).normal(0, 3, (400, 400, 3)), 0, 255).astype(np.uint8)
    lips = np.array([(160, 280), (200, 270), (240, 280), (200, 300)], np.float32)
    box = (40, 40, 360, 360)
    with_lips, without = (Face(grainy, box, known, blend, CPU, pixels=PIXELS) for known in (lips, None))
    made, blurred = (face.blended(face.image[:, 3:], torch.ones(1))[0].numpy() for face in (with_lips, without))
    mouth, skin = np.zeros((400, 400), bool), np.zeros((400, 400), bool)
    mouth[272:296, 180:220] = True
    skin[320:340, 150:250] = True
    assert np.abs(made - blurred)[mouth].max() < 0.5
    assert _sharpness(blurred, skin) < 0.1 * _sharpness(grainy, skin)
    if blend == "paste":
        assert np.array_equal(made, blurred)
    else:
        assert _sharpness(made, skin) == pytest.approx(_sharpness(grainy, skin), rel=0.3)


def test_edges_do_not_count_as_grain() -> None:
    """Otherwise they would stay in place when the jaw moves."""
    halves = np.zeros((400, 400, 3), np.uint8)
    halves[:330] = 200
    mouth = np.array([(160, 250), (200, 240), (240, 250)], np.float32)
    face = Face(halves, (40, 40, 360, 360), mouth, "feather", CPU, pixels=PIXELS)
    moved = face.image[:, 3:].roll(4, 2)
    plain = Face(halves, (40, 40, 360, 360), None, "feather", CPU, pixels=PIXELS)
    assert (face.blended(moved, torch.ones(1)) - plain.blended(moved, torch.ones(1))).abs().max() < GRAIN_MAX + 1e-3


def test_a_very_different_colour_is_kept() -> None:
    face = Face(picture(), FACE_BOX, None, "feather", CPU, pixels=PIXELS)
    white = face.blended(torch.ones(1, 3, 96, 96), torch.ones(1))[0, 21 + 93 : 21 + 106, 31 + 30 : 31 + 60]
    assert white.min() > 255 - COLOUR_SHIFT_MAX - 1e-3


@pytest.mark.parametrize("box", [(0, 0, 176, 160), (31, 21, 124, 145), (30, 20, 40, 30), (167, 151, 176, 160)])
def test_regions_are_even_and_contain_the_boxes(box: PixelBox) -> None:
    boxes = np.array([box, (100, 80, 121, 99)])
    size, corners = regions_about(boxes, (176, 160))
    ends = corners + np.array(size)
    assert (ends % 2 == 0).all()
    assert (corners % 2 == 0).all()
    assert (corners >= 0).all()
    assert (ends <= (176, 160)).all()
    assert (corners <= boxes[:, :2]).all()
    assert (ends >= boxes[:, 2:]).all()


def test_the_colours_are_not_swapped() -> None:
    face = Face(picture(), FACE_BOX, None, "paste", CPU, pixels=PIXELS)
    blue = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 96, 96)
    assert face.blended(blue, torch.ones(1))[0, 81, 91].tolist() == pytest.approx([0, 0, 255], abs=1e-3)
    assert torch.equal(face.image[:, :3, :48], face.image[:, 3:, :48])
    assert (face.image[:, :3, 48:] == 0).all()
    assert face.image[0, 3].mean() == pytest.approx(_in_box()[:, :, 2].mean() / 255, abs=0.01)


def _in_box() -> NDArray[np.uint8]:
    x1, y1, x2, y2 = FACE_BOX
    return picture()[y1:y2, x1:x2]


@pytest.mark.parametrize(
    "box", [None, (50, 50, 50, 90), (90, 20, 30, 90), (-40, 0, 5, 60), (float("nan"), 0, 60, 60)], ids=str
)
def test_without_a_face_the_job_is_refused(box: Box | None, engine: Wav2LipEngine) -> None:
    with pytest.raises(JobError) as caught:
        engine.renderer(avatar(box), speech(1))
    assert (caught.value.code, caught.value.field) == ("no_face", "avatar")
    assert "face_box" in (caught.value.hint or "")


def test_a_box_is_clipped_to_the_picture() -> None:
    assert face_pixels(avatar((-3.2, 10.9, 500.0, 90.5)), ORIGINAL).tolist() == [[0, 10, 176, 90]]


def test_a_network_sees_as_much_of_the_chin_as_in_its_published_code() -> None:
    """Unless the avatar sets pads."""
    box = (10.0, 10.0, 100.0, 90.0)
    assert face_pixels(avatar(box), COMMUNITY_384).tolist() == [[10, 10, 100, 95]]
    padded = replace(avatar(box), settings=AvatarSettings(pads=(0, 10, 0, 0)))
    assert face_pixels(padded, COMMUNITY_384).tolist() == [[10, 10, 100, 90]]


# Chunks


def frames_of(renderer: Wav2LipRenderer, edges: list[int]) -> torch.Tensor:
    return torch.cat([batch for start, stop in itertools.pairwise(edges) for batch in renderer.render(start, stop)])


@pytest.mark.parametrize("threads", [1, slow(2)])
def test_frames_do_not_depend_on_how_the_job_is_cut(threads: int, engine: Wav2LipEngine) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        whole = frames_of(engine.renderer(avatar(), speech(7)), [0, 7])
        assert len(whole) == 7
        assert torch.equal(frames_of(engine.renderer(avatar(), speech(7)), [0, 3, 7]), whole)
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_a_model_says_how_many_frames_are_computed_at_once(checkpoint: Path) -> None:
    """Given a smaller number than the device's; the frames are the same however the job is cut."""
    settings = {"engine": "wav2lip", "checkpoint": str(checkpoint)}
    config = Config.model_validate({"models": {"gan": settings | {"batch_frames": 3}, "nogan": settings}})
    engines = [Wav2LipEngine.load(model, config, CPU) for model in ("gan", "nogan")]
    assert [engine.batch_frames for engine in engines] == [3, 8]
    whole = frames_of(engines[0].renderer(avatar(), speech(7)), [0, 7])
    assert torch.equal(frames_of(engines[0].renderer(avatar(), speech(7)), [0, 1, 5, 7]), whole)


def engine_of(network: object) -> Wav2LipEngine:
    """An engine with another network."""
    engine = Wav2LipEngine.__new__(Wav2LipEngine)
    engine.network, engine.design, engine.device, engine.batch_frames, engine.gated = network, ORIGINAL, CPU, 8, False
    engine.canvases = Canvases()
    return engine


class Meddler:
    """A network whose frames depend on their position in the batch and on earlier frames."""

    def encode_faces(self, image: torch.Tensor) -> list[torch.Tensor]:
        return []

    def speak(self, mel: torch.Tensor, features: list[torch.Tensor]) -> torch.Tensor:
        place = torch.arange(len(mel)) / 40
        mixed = (torch.sigmoid(mel.mean(dim=(1, 2, 3))).cumsum(0) / 16 + place).clamp(0, 1)
        return mixed[:, None, None, None].expand(-1, 3, 96, 96)


@pytest.mark.parametrize("edges", [[0, 5, 40], [0, 10, 15, 35, 40], list(range(41))])
def test_frames_do_not_depend_on_the_kernels_either(edges: list[int]) -> None:
    renderer = Wav2LipRenderer(engine_of(Meddler()), avatar(), speech(40))
    whole = frames_of(renderer, [0, 40])
    assert len({frame.numpy().tobytes() for frame in whole}) > 30
    assert torch.equal(frames_of(renderer, edges), whole)


class Cramped(Meddler):
    """Has memory for only a few frames."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked: list[int] = []

    def speak(self, mel: torch.Tensor, features: list[torch.Tensor]) -> torch.Tensor:
        self.asked.append(len(mel))
        if len(mel) > self.room:
            raise torch.OutOfMemoryError(f"no room for {len(mel)} frames")
        return mel.mean(dim=(1, 2, 3)).sigmoid()[:, None, None, None].expand(-1, 3, 96, 96)


@pytest.mark.parametrize("room", [1, 2, 7])
def test_out_of_memory_halves_the_batches_and_loses_no_frame(room: int) -> None:
    """Given a device whose memory is filled by other programs while a chunk is rendered."""
    network = Cramped(8)
    engine = engine_of(network)
    frames = engine.renderer(avatar(), speech(40)).render(3, 40)
    made = [next(frames)]
    network.room = room
    made += frames
    assert torch.equal(
        torch.cat(made), frames_of(Wav2LipRenderer(engine_of(Cramped(8)), avatar(), speech(40)), [3, 40])
    )
    fits = 1 << (room.bit_length() - 1)
    assert engine.batch_frames == fits
    assert network.asked == sorted(network.asked, reverse=True), "the batches do not grow again"


def test_out_of_memory_for_one_frame_ends_the_attempt() -> None:
    with pytest.raises(StageError) as caught:
        list(engine_of(Cramped(0)).renderer(avatar(), speech(5)).render(0, 5))
    assert caught.value.code == "out_of_memory"


def test_a_failed_batch_is_freed_before_the_next_attempt() -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    class Watched(Cramped):
        def speak(self, mel: torch.Tensor, features: list[torch.Tensor]) -> torch.Tensor:
            assert all(reference() is None for reference in held)
            held.append(weakref.ref(mel))
            return super().speak(mel, features)

    list(engine_of(Watched(2)).renderer(avatar(), speech(8)).render(0, 8))
    assert len(held) == 2 + 4


def test_frames_past_the_end_of_the_mel_are_silent() -> None:
    """Given eight columns of speech for six frames; three of these start later."""
    engine = engine_of(Cramped(8))
    silence = np.full((80, 80), -4, np.float32)
    padded = silence.copy()
    padded[:, :8] = speech(25).mel[:, :8].clip(0, 1)
    [ended], [same], [silent] = (
        engine.renderer(avatar(), SpeechFeatures(mel, 6, 25)).render(0, 6) for mel in (padded[:, :8], padded, silence)
    )
    assert torch.equal(ended, same)
    assert torch.equal(ended[3:], silent[3:])
    assert all((ended[frame] != silent[frame]).any() for frame in range(3))


def test_an_empty_range_has_no_frames(engine: Wav2LipEngine) -> None:
    assert list(engine.renderer(avatar(), speech(10)).render(5, 5)) == []
    assert list(engine.renderer(avatar(), speech(10)).render(0, 0)) == []


# Precision


@pytest.fixture
def one_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare precisions on one frame: a CPU without 16-bit float instructions takes seconds per frame."""
    monkeypatch.setattr(precision, "REFERENCE_FRAMES", 1)


def folded(network: Wav2Lip) -> FoldedWav2Lip:
    """In the engine's memory layout: with others, reduced precision takes three times as long on a CPU."""
    return FoldedWav2Lip(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@pytest.mark.usefixtures("one_frame")
def test_a_lower_precision_is_used_unless_its_errors_are_visible(
    network: Wav2Lip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "lower_precision", lambda _: torch.bfloat16)
    plain = folded(network)
    reduced = fastest(plain, CPU)
    assert reduced.dtype == torch.bfloat16
    assert reduced(torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)).dtype == torch.float32
    with torch.no_grad():
        plain.after_joints[-1].get_parameter("1.weight").mul_(300)  # the last layer: its rounding is visible
    assert fastest(plain, CPU) is plain


@pytest.fixture
def as_on_a_gpu(one_frame: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The precision of a GPU, tested with one frame, since it may be slow on a CPU."""
    half = lower_precision(torch.device("cuda:1"))
    assert half == torch.float16
    monkeypatch.setattr(precision, "lower_precision", lambda _: half)


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_gpu_computes_in_half_precision(network: Wav2Lip) -> None:
    assert fastest(folded(network), CPU).dtype == torch.float16


@pytest.mark.slow
@pytest.mark.usefixtures("as_on_a_gpu")
def test_weights_that_overflow_half_precision_keep_single_precision(network: Wav2Lip) -> None:
    """Given a layer whose sums overflow 16 bits, and later layers that scale them down."""
    plain = folded(network)
    layer, after = "face_encoder_blocks.0.0.conv_block.0", ("face_encoder_blocks.1.0.conv_block.0", "joints.6.face")
    with torch.no_grad():
        for name in (f"{layer}.weight", f"{layer}.bias"):
            plain.get_parameter(name).mul_(1e6)
        for name in after:
            plain.get_parameter(f"{name}.weight").mul_(1e-6)
    assert agreement(plain, folded(network), CPU) > 100, "it must be the same function"
    assert fastest(plain, CPU) is plain


# Pauses


@pytest.mark.parametrize(
    ("setting", "gated", "still"),
    [("auto", True, True), ("auto", False, False), ("on", False, True), ("off", True, False)],
)
def test_the_avatars_own_mouth_shows_in_pauses(setting: Literal["auto", "on", "off"], gated: bool, still: bool) -> None:
    """Given half a second of speech, then silence."""
    mel = np.full((80, 160), -4, np.float32)
    mel[:, :40] = speech(25).mel[:, :40].clip(0, 1)
    engine = engine_of(Cramped(8))
    engine.gated = gated
    fitted = replace(avatar(), settings=AvatarSettings(silence_gate=setting))
    frames = torch.cat(list(engine.renderer(fitted, SpeechFeatures(mel, 50, 25)).render(0, 50)))
    own = i420(torch.from_numpy(picture())[None])[0]
    assert (frames[5] != own).any()
    assert bool((frames[30:] == own).all()) == still
