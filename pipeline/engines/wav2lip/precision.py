"""The precision that a device computes Wav2Lip in: the fastest one whose faces look the same."""

from __future__ import annotations

import copy
import logging

import torch

from pipeline.engines.wav2lip.network import FACE_PIXELS, FoldedWav2Lip

PSNR_MIN_DB = 45.0
"""Of the faces in a lower precision against those in single precision: differences of one level in 255 are 48 dB."""
REFERENCE_FRAMES = 4

log = logging.getLogger(__name__)


def fastest(network: FoldedWav2Lip, device: torch.device) -> FoldedWav2Lip:
    """The network, or a copy in a lower precision that the device is made for and that proves to be good enough.

    Equal devices and weights give equal answers: nothing is timed.
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
    """What the device multiplies faster than single precision; None if nothing."""
    if device.type == "cuda":
        return torch.float16
    # torch has no public way to ask.
    has_bfloat16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if device.type == "cpu" and has_bfloat16 else None


@torch.inference_mode()
def agreement(reduced: FoldedWav2Lip, network: FoldedWav2Lip, device: torch.device) -> float:
    """Peak signal-to-noise ratio in dB between the faces of two networks, for a fixed, smooth input."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(REFERENCE_FRAMES, 6, 12, 12, generator=generator)
    image = torch.nn.functional.interpolate(coarse, (FACE_PIXELS, FACE_PIXELS), mode="bilinear")
    mel = 4 * torch.rand(REFERENCE_FRAMES, 1, 80, 16, generator=generator) - 4
    faces = [one(mel.to(device), image.to(device)) for one in (reduced, network)]
    error = float((faces[0] - faces[1]).square().mean())
    return float(-10 * torch.log10(torch.tensor(max(error, 1e-12))))
