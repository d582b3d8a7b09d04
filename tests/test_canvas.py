"""Frames in I420."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.engines.canvases import Drawn, composed
from pipeline.media.canvas import Displacement, Regions, StillCanvas, i420


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def at(x: int, y: int, frames: int = 1) -> NDArray[np.intp]:
    """The same corner for every frame."""
    return np.tile(np.array([x, y], np.intp), (frames, 1))


def bt709(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The standard's equations for one frame, in double precision, before rounding."""
    height, width = rgb.shape[:2]

    def converted(r: NDArray[np.float64], g: NDArray[np.float64], b: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
        return [16 + 219 * luma, 128 + 224 * (b - luma) / 1.8556, 128 + 224 * (r - luma) / 1.5748]

    full = rgb.astype(np.float64).transpose(2, 0, 1) / 255
    mean = full.reshape(3, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    return np.concatenate([converted(*full)[0].ravel(), *(plane.ravel() for plane in converted(*mean)[1:])])


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((128, 128, 128), (126, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),
        ((0, 255, 0), (173, 42, 26)),
        ((0, 0, 255), (32, 240, 118)),
    ],
)
def test_known_colours(colour: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    frame = i420(torch.tensor(colour, dtype=torch.uint8).expand(1, 4, 8, 3))[0]
    assert frame.shape == (6, 8)
    assert [frame[:4].unique().item(), frame[4].unique().item(), frame[5].unique().item()] == list(expected)


def test_the_conversion_is_bt709_rounded_to_nearest() -> None:
    rgb = noise(64, 96, 3)
    frame = i420(torch.from_numpy(rgb)[None])[0].numpy().ravel()
    assert np.abs(frame - bt709(rgb)).max() < 0.53


boxes = st.tuples(st.integers(0, 10), st.integers(0, 12), st.integers(1, 11), st.integers(1, 13)).filter(
    lambda box: box[0] + box[2] <= 11 and box[1] + box[3] <= 13
)


@settings(max_examples=60, deadline=None)
@given(halves=boxes, frames=st.integers(1, 3), kind=st.sampled_from([torch.uint8, torch.float32, torch.float16]))
def test_composing_equals_converting_the_composed_frame(
    halves: tuple[int, int, int, int], frames: int, kind: torch.dtype
) -> None:
    """Height 26 and width 22: a chroma plane ends in the middle of a row."""
    x1, y1, x2, y2 = 2 * halves[0], 2 * halves[1], 2 * (halves[0] + halves[2]), 2 * (halves[1] + halves[3])
    picture, region = noise(26, 22, 3), torch.from_numpy(noise(frames, y2 - y1, x2 - x1, 3, seed=1))
    composed = torch.from_numpy(picture).repeat(frames, 1, 1, 1)
    composed[:, y1:y2, x1:x2] = region
    made = StillCanvas(picture).compose(Regions(region.to(kind)), at(x1, y1, frames), 0)
    assert (made.shape, made.dtype) == ((frames, 39, 22), torch.uint8)
    assert torch.equal(made, i420(composed))


def test_fractions_are_rounded_and_clamped() -> None:
    canvas, corners = StillCanvas(noise(16, 16, 3)), at(4, 4, 2)
    region = torch.rand(2, 8, 8, 3) * 300 - 20
    whole = region.round().clamp(0, 255).to(torch.uint8)
    assert torch.equal(canvas.compose(Regions(region), corners, 0), canvas.compose(Regions(whole), corners, 0))


def test_the_layout_of_the_region_does_not_matter() -> None:
    canvas, corners = StillCanvas(noise(16, 16, 3)), at(4, 2, 2)
    region = torch.from_numpy(noise(2, 12, 8, 3))
    planar = region.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    assert torch.equal(canvas.compose(Regions(region), corners, 0), canvas.compose(Regions(planar), corners, 0))


@pytest.mark.parametrize(("corner", "side"), [(0, 16), (14, 2)])
def test_compositions_are_independent(corner: int, side: int) -> None:
    picture = noise(16, 16, 3)
    canvas = StillCanvas(picture)
    canvas.compose(Regions(torch.zeros(1, side, side, 3)), at(corner, corner), 0)
    own = torch.from_numpy(picture)[None, :2, :2]
    assert torch.equal(canvas.compose(Regions(own), at(0, 0), 1), i420(torch.from_numpy(picture)[None]))


def test_the_place_of_the_region_may_change_with_every_frame() -> None:
    picture, regions = noise(16, 16, 3), torch.from_numpy(noise(2, 4, 4, 3, seed=1))
    frames = StillCanvas(picture).compose(Regions(regions), np.array([[0, 2], [12, 8]]), 0)
    composed = torch.from_numpy(picture).repeat(2, 1, 1, 1)
    composed[0, 2:6, 0:4], composed[1, 8:12, 12:16] = regions
    assert torch.equal(frames, i420(composed))


def test_frames_may_share_a_region() -> None:
    canvas, drawn = StillCanvas(noise(16, 16, 3)), torch.from_numpy(noise(2, 4, 4, 3, seed=1))
    shared, repeated = Regions(drawn, np.array([1, 0, 1])), Regions(drawn[[1, 0, 1]])
    corners = np.array([[0, 2], [12, 8], [4, 4]])
    assert len(shared) == 3
    assert torch.equal(canvas.compose(shared, corners, 0), canvas.compose(repeated, corners, 0))


class OnGpu(torch.Tensor):
    """Claims to be on a GPU; copies from it arrive only when they are waited for."""

    device = torch.device("cuda", 0)
    pending: ClassVar[list[tuple[torch.Tensor, torch.Tensor]]] = []

    def to(self, where: str | torch.dtype, *, non_blocking: bool = False) -> torch.Tensor:  # type: ignore[override]
        if isinstance(where, torch.dtype):
            return super().to(where)
        assert (where, non_blocking) == ("cpu", True)
        source = self.as_subclass(torch.Tensor)
        target = torch.zeros_like(source)
        self.pending.append((target, source))
        return target


class Event:
    """Completes the copies that were started before it was recorded."""

    def record(self, stream: str) -> None:
        assert stream == "stream of cuda:0"  # of the device that copies
        self._copies = list(OnGpu.pending)
        OnGpu.pending.clear()

    def synchronize(self) -> None:
        for target, source in self._copies:
            target.copy_(source)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_regions_from_a_gpu_and_the_cpu_are_equal(kind: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    corners = np.array([[2 * n, 6 - 2 * (n % 3)] for n in range(5)])
    rgb = torch.from_numpy(noise(5, 12, 10, 3))
    rgb = rgb if kind == torch.uint8 else rgb.float() * 1.1 - 10
    canvas = StillCanvas(noise(24, 24, 3))
    shifts = torch.from_numpy(noise(5, 2, 4, 4)).float()
    around = Displacement((0, 0, 4, 4), 2, shifts.as_subclass(OnGpu))
    early, late = Regions(rgb.as_subclass(OnGpu), around=around), Regions(rgb.flip(0).as_subclass(OnGpu))
    assert early.around is not None
    assert torch.equal(early.around.shifts, shifts)
    assert torch.equal(canvas.compose(early, corners, 0), canvas.compose(Regions(rgb), corners, 0))
    assert torch.equal(canvas.compose(late, corners, 0), canvas.compose(Regions(rgb.flip(0)), corners, 0))


@pytest.mark.parametrize("batches", [0, 1, 2, 5])
def test_the_next_batch_is_drawn_before_the_previous_one_is_composed(batches: int) -> None:
    canvas, started = StillCanvas(noise(8, 8, 3)), []

    def drawn() -> Iterator[Drawn]:
        for number in range(batches):
            started.append(number)
            yield Drawn(Regions(torch.full((2, 4, 4, 3), 50 * number)), at(2, 4, 2), 2 * number)

    for number, frames in enumerate(composed(canvas, drawn())):
        assert started == [*range(min(number + 2, batches))]
        expected = canvas.compose(Regions(torch.full((2, 4, 4, 3), 50 * number)), at(2, 4, 2), 2 * number)
        assert torch.equal(frames, expected)
    assert len(started) == batches
