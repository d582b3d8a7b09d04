"""The networks of the Wav2Lip family: their layers, sizes and crops.

All see 0.2 s of the same mel spectrogram (see `pipeline.engines.mel`) and a face whose lower half is hidden. They
differ in the size of the face, and so in their layers. A checkpoint does not name its network: its tensors' shapes do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple


class Layer(NamedTuple):
    """A convolution with batch normalisation."""

    inputs: int
    """Channels."""
    outputs: int
    """Channels."""
    kernel: int = 3
    stride: int | tuple[int, int] = 1
    padding: int = 1
    residual: bool = False
    """Whether its input is added before the activation."""
    is_transposed: bool = False
    output_padding: int = 0


Block = tuple[Layer, ...]


@dataclass(frozen=True)
class Design:
    """One network of the family."""

    title: str
    pixels: int
    """Side of the square input and output faces."""
    encoder: tuple[Block, ...]
    """Of faces [6, pixels, pixels]: each block's output joins the decoder."""
    audio: Block
    """Of mel windows [1, 80, 16], to one pixel."""
    decoder: tuple[Block, ...]
    """From one pixel to the size of the face; after each block a feature of the face is appended, coarsest first."""
    output: tuple[int, int] = (80, 32)
    """Channels before the last two convolutions."""
    prelu: Literal["nowhere", "enlarging", "everywhere"] = "nowhere"
    """The layers in which negative values are scaled by a learnt factor instead of cut off."""
    has_attention: bool = False
    """Whether the decoder's features are amplified where the face's features say so."""
    pad_below: int = 10
    """Pixels that the published code adds below the face box."""
    unused: tuple[str, ...] = ()
    """What the keys of tensors begin with that checkpoints contain, but no frame depends on."""


def _residuals(channels: int, count: int) -> Block:
    return (Layer(channels, channels, residual=True),) * count


def _halved(inputs: int, outputs: int, residuals: int, kernel: int = 3) -> Block:
    """Halve height and width, rounded up."""
    return (Layer(inputs, outputs, kernel, stride=2, padding=kernel // 2), *_residuals(outputs, residuals))


def _reduced(channels: int, kernel: int = 3, points: int = 1) -> Block:
    """Reduce height and width by `kernel` - 1; then `points` convolutions of single pixels."""
    return (Layer(channels, channels, kernel, padding=0), *(_point(channels),) * points)


def _point(channels: int) -> Layer:
    return Layer(channels, channels, kernel=1, padding=0)


def _grown(inputs: int, outputs: int, kernel: int = 3) -> Block:
    """Increase height and width by `kernel` - 1."""
    return (Layer(inputs, outputs, kernel, padding=0, is_transposed=True), *_residuals(outputs, 1))


def _doubled(inputs: int, outputs: int, residuals: int = 2, output_padding: int = 1) -> Block:
    """Double height and width; without `output_padding` one pixel less."""
    up = Layer(inputs, outputs, stride=2, is_transposed=True, output_padding=output_padding)
    return (up, *_residuals(outputs, residuals))


def _all_doubled(channels: Iterable[tuple[int, int]]) -> tuple[Block, ...]:
    return tuple(_doubled(inputs, outputs) for inputs, outputs in channels)


_EARS: Block = (
    *(Layer(1, 32), *_residuals(32, 2)),
    *(Layer(32, 64, stride=(3, 1)), *_residuals(64, 2)),
    *(Layer(64, 128, stride=3), *_residuals(128, 2)),
    *(Layer(128, 256, stride=(3, 2)), *_residuals(256, 1)),
)
"""The first layers of all audio encoders: mel windows to [256, 3, 3]."""

_AUDIO: Block = (*_EARS, Layer(256, 512, padding=0), _point(512))
_AUDIO_LARGE: Block = (
    *(*_EARS, *_residuals(256, 1)),
    *(Layer(256, 512), *_residuals(512, 2)),
    *(Layer(512, 1024, padding=0), _point(1024)),
)

_ENTRY = Layer(6, 16, kernel=7, padding=3)
_LATE = ((768, 384), (512, 256), (320, 128), (160, 64))
"""Channels of the last blocks of most decoders."""

ORIGINAL = Design(
    title="Wav2Lip",
    pixels=96,
    encoder=(
        (_ENTRY,),
        *(_halved(16, 32, 2), _halved(32, 64, 3), _halved(64, 128, 2), _halved(128, 256, 2), _halved(256, 512, 1)),
        _reduced(512),
    ),
    audio=_AUDIO,
    decoder=((_point(512),), _grown(1024, 512), *_all_doubled([(1024, 512), *_LATE])),
)
"""Prajwal et al. 2020: 36,298,035 parameters."""

LIVETALKING = Design(
    title="Wav2Lip of LiveTalking (wav2lip256)",
    pixels=256,
    encoder=(
        (_ENTRY,),
        *(_halved(16, 32, 2), _halved(32, 64, 3), _halved(64, 128, 2), _halved(128, 256, 2), _halved(256, 512, 1)),
        _halved(512, 512, 1),
        _reduced(512, kernel=4),
    ),
    audio=_AUDIO,
    decoder=(
        *((_point(512),), _grown(1024, 512, kernel=4), _doubled(1024, 512, residuals=1)),
        *_all_doubled([(1024, 512), *_LATE]),
    ),
)

COMMUNITY_288 = Design(
    title="Wav2Lip 288x288",
    pixels=288,
    encoder=(
        *((_ENTRY,), _halved(16, 32, 1, kernel=5)),
        *(_halved(32, 32, 2), _halved(32, 64, 3), _halved(64, 128, 2), _halved(128, 256, 2), _halved(256, 512, 1)),
        *(_reduced(512), _reduced(512)),
    ),
    audio=_AUDIO,
    decoder=(
        *((_point(512),), _grown(1024, 512)),
        *(_doubled(1024, 512, output_padding=0), _doubled(1024, 512, output_padding=0)),
        *_all_doubled([*_LATE, (96, 64)]),
    ),
)
COMMUNITY_288_ENLARGING = replace(COMMUNITY_288, title="Wav2Lip 288x288, PReLU where it enlarges", prelu="enlarging")
COMMUNITY_288_PRELU = replace(COMMUNITY_288, title="Wav2Lip 288x288, PReLU everywhere", prelu="everywhere")

COMMUNITY_384 = Design(
    title="Wav2Lip 384x384 with spatial attention",
    pixels=384,
    encoder=(
        (_ENTRY, *_residuals(16, 3)),
        *(_halved(16, 32, 3), _halved(32, 64, 3), _halved(64, 128, 3), _halved(128, 256, 3)),
        *(_halved(256, 512, 3), _halved(512, 1024, 3), _reduced(1024, points=2)),
    ),
    audio=_AUDIO_LARGE,
    decoder=(
        *((_point(1024),), _grown(2048, 1024)),
        *_all_doubled([(2048, 1024), (1536, 768), (1024, 512), (640, 256), (320, 128), (160, 64)]),
    ),
    has_attention=True,
    pad_below=15,
    unused=("audio_refine.",),
)

DESIGNS = (ORIGINAL, LIVETALKING, COMMUNITY_288, COMMUNITY_288_ENLARGING, COMMUNITY_288_PRELU, COMMUNITY_384)
