"""The network that derives the mouth from the sound: mel spectrogram in, six mouth parameters per column out."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.engines.builtin.track import Mouth
from pipeline.engines.loudness import reference_level

BANDS = 80
CHANNELS = 128
KERNEL = 5
DILATIONS = (1, 2, 4, 1, 2, 4, 1, 2)
CONTEXT_COLUMNS = 2 + (KERNEL - 1) * sum(DILATIONS)
"""Columns that an output depends on besides its own: 70, or 0.9 s."""
AHEAD_COLUMNS = 18
"""How many of these follow it: 0.22 s, enough to recognise a silence as a closure."""

RANGE_BELOW, RANGE_ABOVE = 4.0, 1.0
"""Mel values, 12.5 dB each, that the network sees below and above the reference level."""


def normalised(mel: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Mel values relative to the reference level `level` (of the mel's leading shape), about -2 to 1."""
    relative = (mel - level[..., None, None]).clamp(-RANGE_BELOW, RANGE_ABOVE)
    return (relative + 0.5 * RANGE_BELOW) / (0.5 * RANGE_BELOW)


def both(heard: torch.Tensor, voice: torch.Tensor) -> torch.Tensor:
    """Features [..., 160, columns] of what is heard and of the voice in it, both relative to the former's level."""
    level = reference_level(heard)
    return torch.cat([normalised(heard, level), normalised(voice, level)], -2)


def padded(features: torch.Tensor) -> torch.Tensor:
    """The features, padded with silence at both ends for the network's context."""
    silence = (CONTEXT_COLUMNS - AHEAD_COLUMNS, AHEAD_COLUMNS)
    return nn.functional.pad(features, silence, value=-1.0)


class _Block(nn.Module):
    """A residual depthwise-separable convolution without padding."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.margin = dilation * (KERNEL - 1) // 2
        self.depthwise = nn.Conv1d(CHANNELS, CHANNELS, KERNEL, dilation=dilation, groups=CHANNELS, bias=False)
        self.norm = nn.BatchNorm1d(CHANNELS)
        self.expand = nn.Conv1d(CHANNELS, CHANNELS, 1)
        self.activation = nn.SiLU()
        self.project = nn.Conv1d(CHANNELS, CHANNELS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        change: torch.Tensor = self.project(self.activation(self.expand(self.norm(self.depthwise(x)))))
        return x[..., self.margin : x.shape[-1] - self.margin] + change


class MouthNetwork(nn.Module):
    """Convolutions without padding: the output for a column depends only on its context."""

    def __init__(self, spectrograms: int = 1) -> None:
        """`spectrograms`: how many it sees at a time."""
        super().__init__()
        self.enter = nn.Sequential(nn.Conv1d(spectrograms * BANDS, CHANNELS, 3), nn.SiLU())
        self.blocks = nn.Sequential(*(_Block(dilation) for dilation in DILATIONS))
        self.leave = nn.Sequential(nn.BatchNorm1d(CHANNELS), nn.SiLU(), nn.Conv1d(CHANNELS, len(Mouth), 1))

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Shape [batch, spectrograms * 80, columns + CONTEXT_COLUMNS] to [batch, 6, columns]."""
        result: torch.Tensor = self.leave(self.blocks(self.enter(features)))
        return result

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Mouth parameters [batch, 6, columns] of padded, normalised mel, of the shape of `logits`."""
        logits = self.logits(features)
        mouth = torch.sigmoid(logits)
        # Width is the only signed parameter.
        mouth[:, Mouth.LIP_WIDTH] = torch.tanh(logits[:, Mouth.LIP_WIDTH])
        return mouth
