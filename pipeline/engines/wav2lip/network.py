"""Wav2Lip's generator: a face with its lower half hidden and 0.2 s of mel spectrogram in, the whole face out.

The network of Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild"
(ACM Multimedia 2020). Names and shapes are those of the published checkpoints: 36,298,035 parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

FACE_PIXELS = 96
"""Side of the square input and output faces."""


class ConvBlock(nn.Module):
    """Convolution, batch normalisation, ReLU; a residual one adds its input before the ReLU."""

    def __init__(self, convolution: nn.Conv2d | nn.ConvTranspose2d, *, residual: bool = False) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))
        self._residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, in, h, w] to [B, out, h', w']."""
        out: torch.Tensor = self.conv_block(x)
        return torch.relu_(out.add_(x) if self._residual else out)

    def fold(self) -> None:
        """Fold the batch normalisation into the convolution: the same function with one memory pass less."""
        convolution, norm = cast(tuple[nn.Conv2d, nn.BatchNorm2d], tuple(self.conv_block))
        transposed = isinstance(convolution, nn.ConvTranspose2d)
        self.conv_block = nn.Sequential(fuse_conv_bn_eval(convolution, norm, transpose=transposed))


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int | tuple[int, int] = 1, padding: int = 1) -> ConvBlock:
    return ConvBlock(nn.Conv2d(inputs, outputs, kernel, stride, padding))


def _residuals(channels: int, count: int) -> list[ConvBlock]:
    return [ConvBlock(nn.Conv2d(channels, channels, 3, 1, 1), residual=True) for _ in range(count)]


def _doubled(inputs: int, outputs: int) -> list[ConvBlock]:
    """Double height and width."""
    up = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return [ConvBlock(up), *_residuals(outputs, 2)]


def _face_encoder() -> nn.ModuleList:
    halved = [(16, 32, 2), (32, 64, 3), (64, 128, 2), (128, 256, 2), (256, 512, 1)]
    return nn.ModuleList(
        [
            nn.Sequential(_conv(6, 16, kernel=7, padding=3)),
            *(nn.Sequential(_conv(i, o, stride=2), *_residuals(o, count)) for i, o, count in halved),
            nn.Sequential(_conv(512, 512, padding=0), _conv(512, 512, kernel=1, padding=0)),
        ]
    )


def _audio_encoder() -> nn.Sequential:
    return nn.Sequential(
        *(_conv(1, 32), *_residuals(32, 2)),
        *(_conv(32, 64, stride=(3, 1)), *_residuals(64, 2)),
        *(_conv(64, 128, stride=3), *_residuals(128, 2)),
        *(_conv(128, 256, stride=(3, 2)), *_residuals(256, 1)),
        *(_conv(256, 512, padding=0), _conv(512, 512, kernel=1, padding=0)),
    )


def _face_decoder() -> nn.ModuleList:
    from_one_pixel = ConvBlock(nn.ConvTranspose2d(1024, 512, 3))
    doubled = [(1024, 512), (768, 384), (512, 256), (320, 128), (160, 64)]
    return nn.ModuleList(
        [
            nn.Sequential(_conv(512, 512, kernel=1, padding=0)),
            nn.Sequential(from_one_pixel, *_residuals(512, 1)),
            *(nn.Sequential(*_doubled(inputs, outputs)) for inputs, outputs in doubled),
        ]
    )


class Wav2Lip(nn.Module):
    """The generator as trained."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder_blocks = _face_encoder()
        self.audio_encoder = _audio_encoder()
        self.face_decoder_blocks = _face_decoder()
        self.output_block = nn.Sequential(_conv(80, 32), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def forward(self, mel: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Faces [B, 3, 96, 96] (BGR, 0..1) from mel windows [B, 1, 80, 16] and images [B, 6, 96, 96].

        The image's channels are the face with its lower half zeroed, then the whole face (BGR, 0..1).
        """
        features = [image]
        for block in self.face_encoder_blocks:
            features.append(block(features[-1]))
        x = self.audio_encoder(mel)
        for block, feature in zip(self.face_decoder_blocks, reversed(features[1:]), strict=True):
            x = torch.cat((block(x), feature), dim=1)
        return cast(torch.Tensor, self.output_block(x))


class Joint(nn.Module):
    """A folded block at which a feature of the face joins the decoder.

    A convolution over the concatenation is the sum of two convolutions; the face's is computed once for a still face.
    """

    def __init__(self, block: ConvBlock, face_channels: int) -> None:
        """Split the block's convolution; the last `face_channels` input channels come from the face."""
        super().__init__()
        convolution = cast(nn.Conv2d, block.conv_block[0])
        own_channels = convolution.in_channels - face_channels
        self.own, self.face = (_part(convolution, part) for part in (slice(own_channels), slice(own_channels, None)))
        self.own.bias = None

    def forward(self, x: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
        """[B, in, h, w] to [B, out, h', w']; `added` is the output of `face` for the face's feature."""
        return torch.relu_(self.own(x).add_(added))


def _part(convolution: nn.Conv2d, inputs: slice) -> nn.Conv2d:
    """The part of a convolution that applies to some of its input channels."""
    part = copy.deepcopy(convolution)
    chosen = (inputs,) if isinstance(convolution, nn.ConvTranspose2d) else (slice(None), inputs)
    part.weight = nn.Parameter(convolution.weight[chosen].clone())
    part.in_channels = len(range(convolution.in_channels)[inputs])
    return part


class FoldedWav2Lip(nn.Module):
    """The same function for inference, equal except for rounding.

    Batch normalisation is folded into the convolutions, and the decoder input from a still face is computed once.
    """

    def __init__(self, network: Wav2Lip) -> None:
        """Copy a network."""
        super().__init__()
        copied = copy.deepcopy(network).eval()
        for block in [module for module in copied.modules() if isinstance(module, ConvBlock)]:
            block.fold()
        self.face_encoder_blocks = copied.face_encoder_blocks
        self.audio_encoder = copied.audio_encoder
        self.first_block, *others = cast(list[nn.Sequential], [*copied.face_decoder_blocks, copied.output_block])
        encoders: list[Any] = [*copied.face_encoder_blocks]
        channels = [block[-1].conv_block[0].out_channels for block in reversed(encoders)]
        self.joints = nn.ModuleList(
            Joint(cast(ConvBlock, block[0]), count) for block, count in zip(others, channels, strict=True)
        )
        self.after_joints = nn.ModuleList(block[1:] for block in others)
        self.requires_grad_(False)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of its computations; input and output are single precision."""
        return next(self.parameters()).dtype

    def forward(self, mel: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """See `Wav2Lip`."""
        return self.speak(mel, self.encode_faces(image))

    def encode_faces(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Images [B, 6, 96, 96] to their contributions to the decoder, coarsest first."""
        features = [image.to(self.dtype)]
        for block in self.face_encoder_blocks:
            features.append(block(features[-1]))
        joints = cast(list[Joint], [*self.joints])
        return [joint.face(feature) for joint, feature in zip(joints, reversed(features[1:]), strict=True)]

    def speak(self, mel: torch.Tensor, added: Sequence[torch.Tensor]) -> torch.Tensor:
        """Faces [B, 3, 96, 96] from mel windows [B, 1, 80, 16] and the contributions of B faces, or of one."""
        x = self.first_block(self.audio_encoder(mel.to(self.dtype)))
        for joint, after, each in zip(self.joints, self.after_joints, added, strict=True):
            x = after(joint(x, each))
        return cast(torch.Tensor, x).float()
