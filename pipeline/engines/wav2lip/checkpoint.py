"""Reads Wav2Lip checkpoints in all published formats.

The format is detected from the content, never from the name: a zip archive with `constants.pkl` is TorchScript,
anything else is a pickle (zipped or not) of a state dict or of a mapping with the key `state_dict`. Pickles are read
without running any of their code. TorchScript is code: only the weights of such a file are used.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipeline.engines.wav2lip.network import Wav2Lip
from pipeline.errors import ConfigError

PARALLEL_PREFIX = "module."
"""Prefix of every key of a network trained with `nn.DataParallel`."""

NAMED_AT_MOST = 3
"""Maximum number of mismatching keys named in an error."""

UNREADABLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)
"""torch raises one of these for a file that is not a checkpoint, depending on its bytes."""


def load_network(path: Path, config_key: str) -> Wav2Lip:
    """The network with a checkpoint's weights, on the CPU, for inference. Raises the errors of `load_state_dict`."""
    state = load_state_dict(path, config_key)
    with torch.device("meta"):
        network = Wav2Lip()
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def load_state_dict(path: Path, config_key: str) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint, under the network's own names, on the CPU, floating point ones in float32.

    `config_key` is the configuration key of `path`. Raises ConfigError: `checkpoint_missing` if the file does not
    exist, `checkpoint_invalid` if it cannot be read, is not a Wav2Lip checkpoint, or has values that are not finite.
    """
    try:
        if not path.is_file():
            raise _error("checkpoint_missing", f"checkpoint {path} does not exist", config_key)
        state = _weights(_torchscript(path) if is_torchscript(path) else _pickle(path))
    except UNREADABLE as error:
        reason = str(error).strip().partition("\n")[0]
        if isinstance(error, pickle.UnpicklingError):  # torch's message explains how to trust the file
            reason = "it is damaged, or holds more than weights"
        raise _error("checkpoint_invalid", f"{path} cannot be read as a checkpoint: {reason}", config_key) from error
    for problem in _problems(state):
        raise _error("checkpoint_invalid", f"{path} is not a Wav2Lip checkpoint: {problem}", config_key)
    return state


def _error(code: str, message: str, config_key: str) -> ConfigError:
    hint = f"set {config_key} to a Wav2Lip checkpoint (.pth or TorchScript), or its engine to builtin"
    return ConfigError(code, message, field=config_key, hint=hint)


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, judged by its content."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _torchscript(path: Path) -> Mapping[str, Any]:
    with warnings.catch_warnings():
        # torch.jit is deprecated, but it is the only reader of its archives.
        warnings.simplefilter("ignore", DeprecationWarning)
        module = torch.jit.load(path, map_location="cpu")
    state: Mapping[str, Any] = module.state_dict()
    return state


def _pickle(path: Path) -> Mapping[str, Any]:
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping):
        raise TypeError(f"it contains a {type(loaded).__name__} instead of a state dict")
    return loaded


def _weights(state: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    """The tensors under the network's own names."""
    named = {str(key): value for key, value in state.items() if isinstance(value, torch.Tensor)}
    return {
        key.removeprefix(PARALLEL_PREFIX): value.detach().float() if value.is_floating_point() else value.detach()
        for key, value in named.items()
    }


def _problems(state: Mapping[str, torch.Tensor]) -> list[str]:
    """Reasons why these are not the network's weights; empty if they are."""
    with torch.device("meta"):
        expected = {key: tuple(value.shape) for key, value in Wav2Lip().state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    kinds = {
        "missing keys": [key for key in expected if key not in found],
        "unexpected keys": [key for key in found if key not in expected],
        "wrong shapes": [
            f"{key} is {list(found[key])} instead of {list(shape)}"
            for key, shape in expected.items()
            if found.get(key, shape) != shape
        ],
        "values that are not finite": [key for key, value in state.items() if not value.isfinite().all()],
    }
    return [f"{kind}: {_first(keys)}" for kind, keys in kinds.items() if keys]


def _first(keys: list[str]) -> str:
    more = len(keys) - NAMED_AT_MOST
    return ", ".join(keys[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
