"""Reads checkpoints of the Wav2Lip family in all forms in which people have them.

The form is detected from the content, never from the name: safetensors, TorchScript (a zip archive with
`constants.pkl`), or a pickle, zipped or not. Pickles are read without running any of their code. TorchScript is code:
only the weights of such a file are used. Files are mapped into memory where possible, so that an optimizer's state,
twice as large as the network, is not read.
"""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pipeline.engines.wav2lip.designs import DESIGNS, Design
from pipeline.engines.wav2lip.network import Wav2Lip
from pipeline.engines.wav2lip.recognition import UnrecognisedError, Weights, recognise
from pipeline.engines.wrong_files import wrong_file
from pipeline.errors import ConfigError

UNREADABLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)
"""A reader raises one of these for a file that is not a checkpoint, depending on its bytes."""

_NUMPY_MAKERS: list[Any] = [np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]]
PLAIN_DATA: list[Any] = [
    *(argparse.Namespace, np.ndarray, np.dtype),
    *((maker, f"numpy.{core}.multiarray.{maker.__name__}") for maker in _NUMPY_MAKERS for core in ("core", "_core")),
    *(type(np.dtype(name)) for name in ("bool", "int32", "int64", "float32", "float64")),
]
"""What training scripts store beside weights: their arguments, and losses as NumPy values. Making these runs no code
of the file's choice."""

SAFETENSORS_HEADER_MAX_BYTES = 100 << 20
KNOWN = ", ".join(sorted({f"{design.pixels}" for design in DESIGNS}, key=int))


@dataclass(frozen=True)
class Checkpoint:
    """The generator in a checkpoint."""

    design: Design
    weights: Weights
    """Under the network's own names, on the CPU, floating point ones in single precision."""
    form: str
    """The kind of file: state dict, TorchScript or safetensors."""


def load_network(path: Path, config_key: str) -> Wav2Lip:
    """The network with a checkpoint's weights, on the CPU, for inference. Raises the errors of `read_checkpoint`."""
    checkpoint = read_checkpoint(path, config_key)
    with torch.device("meta"):
        network = Wav2Lip(checkpoint.design)
    network.load_state_dict(checkpoint.weights, assign=True)
    return network.eval().requires_grad_(False)


def read_checkpoint(path: Path, config_key: str) -> Checkpoint:
    """The generator in a checkpoint. `config_key` is the configuration key of `path`.

    Raises ConfigError: `checkpoint_missing` if the file does not exist, `checkpoint_invalid` if it cannot be read, has
    no generator of the family, or values that are not finite.
    """
    hint = f"set {config_key} to a Wav2Lip generator (.pth, .safetensors or TorchScript), or its engine to builtin"
    try:
        if not path.is_file():
            raise ConfigError("checkpoint_missing", f"checkpoint {path} does not exist", field=config_key, hint=hint)
        wrong = wrong_file(path)
        if wrong is not None:
            raise _invalid(f"{path} is {wrong.what}", config_key, f"{wrong.advice}; or {hint}")
        form, loaded = _read(path)
        found = recognise(loaded)
    except UnrecognisedError as error:
        sizes = f"lipdrop knows generators for faces of {KNOWN} pixels"
        raise _invalid(f"{path} {error}", config_key, f"{hint}; {sizes}") from None
    except UNREADABLE as error:
        reason, advice = _why(error)
        message = f"{path} cannot be read as a checkpoint: {reason}"
        raise _invalid(message, config_key, f"{advice}; or {hint}") from error
    return Checkpoint(found.design, found.weights, form)


def _invalid(message: str, config_key: str, hint: str) -> ConfigError:
    return ConfigError("checkpoint_invalid", message, field=config_key, hint=hint)


def _why(error: BaseException) -> tuple[str, str]:
    """Why a file cannot be read, and what to do."""
    again = "download it again"
    if not isinstance(error, pickle.UnpicklingError):
        return str(error).strip().partition("\n")[0] or type(error).__name__, again
    # torch's message explains how to trust the file.
    needed = re.search(r"Unsupported global: GLOBAL (\S+) was not", str(error))
    if needed is None:
        return "it is damaged, or holds more than weights", again
    advice = "where it was made, save its weights alone: torch.save(model.state_dict(), ...)"
    return f"it holds more than weights: it needs the code of {needed[1][:100]}", advice


def _read(path: Path) -> tuple[str, object]:
    """What a file contains, and its form. Raises the errors in `UNREADABLE`."""
    if _is_safetensors(path):
        return "safetensors", load_file(path)
    if _is_torchscript(path):
        return "TorchScript", _torchscript(path)
    return "state dict", _pickle(path)


def _is_safetensors(path: Path) -> bool:
    """It begins with the length of a JSON object, and the object."""
    with path.open("rb") as file:
        head = file.read(9)
    length = int.from_bytes(head[:8], "little")
    return head[8:] == b"{" and length <= min(path.stat().st_size - 8, SAFETENSORS_HEADER_MAX_BYTES)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _torchscript(path: Path) -> Weights:
    with warnings.catch_warnings():
        # torch.jit is deprecated, but it is the only reader of its archives.
        warnings.simplefilter("ignore", DeprecationWarning)
        module = torch.jit.load(path, map_location="cpu")
    state: Weights = module.state_dict()
    return state


def _pickle(path: Path) -> object:
    mapped = zipfile.is_zipfile(path)
    with torch.serialization.safe_globals(PLAIN_DATA):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
