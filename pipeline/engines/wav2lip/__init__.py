"""Wav2Lip (Prajwal et al. 2020) with a user-supplied checkpoint: `Wav2LipEngine`."""

from pipeline.engines.wav2lip.engine import Wav2LipEngine

__all__ = ["Wav2LipEngine"]
