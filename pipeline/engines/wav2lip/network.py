"""The generators of the Wav2Lip family: a face with its lower half hidden and 0.2 s of mel spectrogram in, the whole
face out.

The network of Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild"
(ACM Multimedia 2020), and those derived from it. Names and shapes are those of the published checkpoints.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pipeline.engines.wav2lip.designs import ORIGINAL, Design, Layer


class ConvBlock(nn.Module):
    """Convolution, batch normalisation, activation; a residual one adds its input before the activation."""

    def __init__(self, layers: nn.Sequential, activation: nn.Module, *, residual: bool) -> None:
        super().__init__()
        self.conv_block = layers
        self.act = activation
        self._residual = residual

    @classmethod
    def of(cls, layer: Layer, design: Design) -> ConvBlock:
        """The block that a layer of a design describes."""
        has_prelu = design.prelu == "everywhere" or (layer.is_transposed and design.prelu == "enlarging")
        shape = (layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.padding)
        convolution = nn.ConvTranspose2d(*shape, layer.output_padding) if layer.is_transposed else nn.Conv2d(*shape)
        layers = nn.Sequential(convolution, nn.BatchNorm2d(layer.outputs))
        return cls(layers, nn.PReLU() if has_prelu else nn.ReLU(inplace=True), residual=layer.residual)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, in, h, w] to [B, out, h', w']."""
        out: torch.Tensor = self.conv_block(x)
        return cast(torch.Tensor, self.act(out.add_(x) if self._residual else out))

    def folded(self) -> ConvBlock:
        """A copy with the normalisation folded into the convolution: the same function with one memory pass less."""
        convolution, norm = cast(tuple[nn.Conv2d, nn.BatchNorm2d], tuple(self.conv_block))
        fused = fuse_conv_bn_eval(convolution, norm, transpose=isinstance(convolution, nn.ConvTranspose2d))
        return ConvBlock(nn.Sequential(fused), copy.deepcopy(self.act), residual=self._residual)


class SpatialAttention(nn.Module):
    """How much the decoder's features are amplified at each place, by the mean and the maximum of a face's feature."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 1, kernel_size=7, padding=3, bias=False)

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        """[B, channels, h, w] to [B, 1, h, w], 1 to 2."""
        seen = torch.cat((feature.mean(1, keepdim=True), feature.amax(1, keepdim=True)), dim=1)
        return 1 + torch.sigmoid(self.conv1(seen))


class Wav2Lip(nn.Module):
    """A generator as trained."""

    def __init__(self, design: Design = ORIGINAL) -> None:
        super().__init__()
        self.design = design
        self.face_encoder_blocks = nn.ModuleList(self._blocks(block) for block in design.encoder)
        self.audio_encoder = self._blocks(design.audio)
        self.face_decoder_blocks = nn.ModuleList(self._blocks(block) for block in design.decoder)
        inputs, inner = design.output
        self.output_block = self._blocks([Layer(inputs, inner)])
        self.output_block.extend([nn.Conv2d(inner, 3, 1), nn.Sigmoid()])
        self.sam = nn.ModuleDict({"sa": SpatialAttention()} if design.has_attention else {})

    def _blocks(self, layers: Iterable[Layer]) -> nn.Sequential:
        return nn.Sequential(*(ConvBlock.of(layer, self.design) for layer in layers))

    def forward(self, mel: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Faces [B, 3, s, s] (BGR, 0..1) from mel windows [B, 1, 80, 16] and images [B, 6, s, s], s = `design.pixels`.

        The image's channels are the face with its lower half zeroed, then the whole face (BGR, 0..1).
        """
        features = [image]
        for block in self.face_encoder_blocks:
            features.append(block(features[-1]))
        x = self.audio_encoder(mel)
        for block, feature in zip(self.face_decoder_blocks, reversed(features[1:]), strict=True):
            x = block(x)
            if self.design.has_attention:
                x = x * self.sam["sa"](feature)
            x = torch.cat((x, feature), dim=1)
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
        self.act = block.act

    def forward(self, x: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
        """[B, in, h, w] to [B, out, h', w']; `added` is the output of `face` for the face's feature."""
        return cast(torch.Tensor, self.act(self.own(x).add_(added)))


def _part(convolution: nn.Conv2d, inputs: slice) -> nn.Conv2d:
    """The part of a convolution that applies to some of its input channels."""
    chosen = (inputs,) if isinstance(convolution, nn.ConvTranspose2d) else (slice(None), inputs)
    part = copy.copy(convolution)
    part._parameters = {
        "weight": nn.Parameter(convolution.weight[chosen].clone()),
        "bias": nn.Parameter(cast(torch.Tensor, convolution.bias).clone()),
    }
    part.in_channels = len(range(convolution.in_channels)[inputs])
    return part


class FaceFeature(NamedTuple):
    """What one feature of B faces contributes to the decoder."""

    added: torch.Tensor
    """[B, channels, h, w]: added to a joint's convolution."""
    gain: torch.Tensor | None
    """[B, 1, h, w]: factor of the joint's other input; None without attention."""


class FoldedWav2Lip(nn.Module):
    """The same function for inference, equal except for rounding.

    Batch normalisation is folded into the convolutions, and the decoder input from a still face is computed once.
    """

    def __init__(self, network: Wav2Lip) -> None:
        """Copy a network."""
        super().__init__()
        network = network.eval()
        self.design = network.design
        self.face_encoder_blocks = nn.ModuleList(_folded(block) for block in network.face_encoder_blocks)
        self.audio_encoder = _folded(network.audio_encoder)
        self.first_block = _folded(network.face_decoder_blocks[0])
        self.joints, self.after_joints = nn.ModuleList(), nn.ModuleList()
        channels = [block[-1].outputs for block in reversed(network.design.encoder)]
        others = [*network.face_decoder_blocks[1:], network.output_block]
        for block, count in zip(others, channels, strict=True):
            folded = _folded(block)
            self.joints.append(Joint(cast(ConvBlock, folded[0]), count))
            self.after_joints.append(folded[1:])
        self.attention = copy.deepcopy(network.sam["sa"]) if network.design.has_attention else None
        self.requires_grad_(False)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of its computations; input and output are single precision."""
        return next(self.parameters()).dtype

    def forward(self, mel: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """See `Wav2Lip`."""
        return self.speak(mel, self.encode_faces(image))

    def encode_faces(self, image: torch.Tensor) -> list[FaceFeature]:
        """Images [B, 6, s, s] to their contributions to the decoder, coarsest first."""
        features = [image.to(self.dtype)]
        for block in self.face_encoder_blocks:
            features.append(block(features[-1]))
        joints = cast(list[Joint], [*self.joints])
        return [
            FaceFeature(joint.face(feature), None if self.attention is None else self.attention(feature))
            for joint, feature in zip(joints, reversed(features[1:]), strict=True)
        ]

    def speak(self, mel: torch.Tensor, features: Sequence[FaceFeature]) -> torch.Tensor:
        """Faces [B, 3, s, s] from mel windows [B, 1, 80, 16] and the contributions of B faces, or of one."""
        x = self.first_block(self.audio_encoder(mel.to(self.dtype)))
        for joint, after, feature in zip(self.joints, self.after_joints, features, strict=True):
            x = after(joint(x if feature.gain is None else x * feature.gain, feature.added))
        return cast(torch.Tensor, x).float()


def _folded(blocks: Any) -> nn.Sequential:
    """Copies of layers in sequence, those with a normalisation folded."""
    return nn.Sequential(
        *(block.folded() if isinstance(block, ConvBlock) else copy.deepcopy(block) for block in blocks)
    )
