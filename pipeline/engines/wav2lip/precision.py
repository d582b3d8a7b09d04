"""Chooses the precision for a device: the fastest one that renders indistinguishable faces."""

from __future__ import annotations

import copy
import logging

import torch

from pipeline.engines.wav2lip.network import FoldedWav2Lip

PSNR_MIN_DB = 45.0
"""Minimum for faces in a lower precision compared with single precision; differences of one level in 255 are 48 dB."""
REFERENCE_FRAMES = 4

log = logging.getLogger(__name__)


def fastest(network: FoldedWav2Lip, device: torch.device) -> FoldedWav2Lip:
    """The network, or a copy in a lower precision if that is faster on the device and accurate enough.

    Deterministic for equal devices and weights: nothing is timed.
    """
    lower = lower_precision(device)
    if lower is None:
        return network
    reduced = copy.deepcopy(network).to(lower)
    psnr_db = agreement(reduced, network, device)
    if psnr_db >= PSNR_MIN_DB:
        return reduced
    log.warning("%s on %s differs too much from float32: %.1f dB", lower, device, psnr_db)
    return network


def lower_precision(device: torch.device) -> torch.dtype | None:
    """A precision that is faster than single precision on the device; None if there is none."""
    if device.type == "cuda":
        return torch.float16
    # torch has no public API for this.
    has_bfloat16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if device.type == "cpu" and has_bfloat16 else None


@torch.inference_mode()
def agreement(reduced: FoldedWav2Lip, network: FoldedWav2Lip, device: torch.device) -> float:
    """Peak signal-to-noise ratio in dB between the faces of two networks, for a fixed, smooth input."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(REFERENCE_FRAMES, 6, 12, 12, generator=generator)
    image = torch.nn.functional.interpolate(coarse, (network.design.pixels,) * 2, mode="bilinear")
    mel = 4 * torch.rand(REFERENCE_FRAMES, 1, 80, 16, generator=generator) - 4
    faces = [one(mel.to(device), image.to(device)) for one in (reduced, network)]
    error = float((faces[0] - faces[1]).square().mean())
    return float(-10 * torch.log10(torch.tensor(max(error, 1e-12))))
