"""Recognises networks by the names and shapes of their tensors."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import torch

from pipeline.engines.wav2lip.designs import DESIGNS, Design
from pipeline.engines.wav2lip.network import Wav2Lip

Weights = dict[str, torch.Tensor]

WRAPPERS = re.compile(r"(?<![^.])(_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What `torch.compile`, data parallelism and the like put into names, at any depth."""

ENTRY = "face_encoder_blocks.0.0.conv_block.0.weight"
"""The first tensor of all generators and discriminators of the family; what precedes it is a prefix of all names."""

COUNTER = ".num_batches_tracked"
"""Used in training only; torch wrote none before 0.4.1."""

DEPTH_MAX = 8
ALIKE = 0.9
"""A network with this share of a design's tensors is a damaged one; with fewer it is another network."""

NAMED_AT_MOST = 3
"""Maximum number of mismatching keys named in an error."""

AVERAGED = re.compile(r"(^|[._])(ema|averaged|average|n_averaged)([._]|$)")
"""Names of exponential moving averages of weights, which are better than the weights themselves."""

OTHERS = {
    r"netcnn(aud|lip)\.": "SyncNet, which measures how well lips and sound agree",
    r"face_encoder\.\d+\.": "SyncNet, the expert that Wav2Lip is trained against",
    r"binary_pred\.": "the discriminator of Wav2Lip's training",
    r"conv1_1\.": "the face detector S3FD",
    r"(BboxHead|ClassHead)\.": "the face detector RetinaFace",
    r"(params_ema\.)?stylegan_decoder\.": "the face restorer GFPGAN",
    r"quantize\.embedding\.": "the face restorer CodeFormer",
    r"body\.\d+\.rdb1\.": "the upscaler Real-ESRGAN",
    r"cp\.resnet\.": "a face parser (BiSeNet)",
    r"audio_model\.": "the network of Ultralight-Digital-Human",
    r"down_blocks\.\d+\.attentions\.": "a diffusion network, such as MuseTalk's or LatentSync's",
    r"(encoder|decoder)\.(up|down|mid)(_block)?s?\.": "an image autoencoder, as of MuseTalk",
    r"encoder\.blocks\.\d+\.attn\.": "the speech recogniser Whisper",
    r"(wav2vec2\.|hubert\.)?feature_extractor\.conv_layers\.": "a speech model (HuBERT or wav2vec)",
}
"""Networks that people take for a generator, by a pattern at the start of the names of some tensors."""


@dataclass(frozen=True)
class Recognised:
    """The weights of a generator."""

    design: Design
    weights: Weights
    """Under the network's own names, in its order."""


class UnrecognisedError(Exception):
    """A checkpoint has no generator. The message completes "FILE ..."."""


def recognise(loaded: object) -> Recognised:
    """Find the generator in what a checkpoint contains, however it is nested and named. Raises UnrecognisedError.

    Of several ones the averaged one is taken.
    """
    found = [(where, names) for path, tensors in _states(loaded) for where, names in _networks(path, tensors)]
    fitting = [(where, names, design) for where, names in found for design in DESIGNS if not _problems(names, design)]
    if not fitting:
        raise UnrecognisedError(_reason([names for _, names in found]))
    _, names, design = next((each for each in fitting if AVERAGED.search(each[0])), fitting[0])
    weights = _in_order(names, design)
    infinite = [name for name, value in weights.items() if not value.isfinite().all()]
    if infinite:
        raise UnrecognisedError(f"is not a usable checkpoint: values that are not finite: {_first(infinite)}")
    return Recognised(design, weights)


def _states(value: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, Weights]]:
    """All mappings that contain tensors, with their places."""
    if depth > DEPTH_MAX or not isinstance(value, (Mapping, list, tuple)):
        return
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    tensors = {}
    for key, inner in items:
        if isinstance(inner, torch.Tensor):
            tensors[str(key)] = inner
        else:
            yield from _states(inner, f"{path}{key}.", depth + 1)
    if tensors and isinstance(value, Mapping):
        yield path, tensors


def _networks(path: str, tensors: Weights) -> Iterator[tuple[str, Weights]]:
    """The networks in a mapping, which has a common prefix for the names of each. Wrappers are removed from names."""
    plain = {WRAPPERS.sub("", name): value for name, value in tensors.items()}
    path = f"{path}n_averaged." if "n_averaged" in plain else path
    prefixes = [name.removesuffix(ENTRY) for name in plain if name.endswith(ENTRY)] or [""]
    for prefix in prefixes:
        nested = tuple(other for other in prefixes if other != prefix and other.startswith(prefix))
        yield (
            path + prefix,
            {
                name.removeprefix(prefix): value
                for name, value in plain.items()
                if name.startswith(prefix) and not (nested and name.startswith(nested)) and name != "n_averaged"
            },
        )


@cache
def _shapes(design: Design) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in Wav2Lip(design).state_dict().items()}


def _problems(names: Weights, design: Design) -> list[str]:
    """Reasons why these are not a network's weights; empty if they are."""
    expected = _shapes(design)
    found = {name: tuple(value.shape) for name, value in names.items() if not name.startswith(design.unused or "\0")}
    kinds = {
        "missing keys": [name for name in expected if name not in found and not name.endswith(COUNTER)],
        "unexpected keys": [name for name in found if name not in expected],
        "wrong shapes": [
            f"{name} is {list(found[name])} instead of {list(shape)}"
            for name, shape in expected.items()
            if found.get(name, shape) != shape
        ],
        # Some variants use layers that this design ignores; only those have seen batches.
        "layers that it does not have": [
            name
            for name, value in names.items()
            if design.unused and name.startswith(design.unused) and name.endswith(COUNTER) and value.any()
        ],
    }
    return [f"{kind}: {_first(wrong)}" for kind, wrong in kinds.items() if wrong]


def _in_order(names: Weights, design: Design) -> Weights:
    """The network's own tensors, floating point ones in single precision."""
    missing = torch.zeros((), dtype=torch.int64)
    values = {name: names.get(name, missing).detach() for name in _shapes(design)}
    return {name: value.float() if value.is_floating_point() else value for name, value in values.items()}


def _reason(found: Collection[Weights]) -> str:
    """Why none of the networks can be used."""
    for names in found:
        nearest = max(DESIGNS, key=lambda design: _likeness(names, design))
        if _likeness(names, nearest) >= ALIKE:
            return f"is not a checkpoint of {nearest.title}: {_problems(names, nearest)[0]}"
    for names in found:
        other = _other(names)
        if other is not None:
            return f"is {other}, not a generator"
    entry = next((names[ENTRY] for names in found if ENTRY in names), None)
    if entry is not None:
        kind = f"its face encoder begins with {entry.shape[0]} channels"
        return f"is a network of the Wav2Lip family that lipdrop does not know: {kind}"
    largest: Weights = max(found, key=len, default={})
    if not largest:
        return "contains no weights"
    return f"is not a Wav2Lip checkpoint but another network: unexpected keys: {_first([*largest])}"


def _likeness(names: Weights, design: Design) -> float:
    """The share of a design's tensors that have the right shape."""
    expected = _shapes(design)
    fitting = [name for name, shape in expected.items() if name in names and tuple(names[name].shape) == shape]
    return len(fitting) / len(expected)


def _other(names: Weights) -> str | None:
    """What a network is called that is not a generator; None if unknown."""
    for pattern, title in OTHERS.items():
        if any(re.match(pattern, name) for name in names):
            return title
    return None


def _first(names: list[str]) -> str:
    more = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
