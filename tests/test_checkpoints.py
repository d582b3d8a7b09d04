"""Checkpoints: every form and nesting in which people have them is read, and everything else is called by its name."""

from __future__ import annotations

import argparse
import io
import pickle
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.engines.wav2lip.checkpoint import load_network, read_checkpoint
from pipeline.engines.wav2lip.designs import COMMUNITY_384, DESIGNS, LIVETALKING, Design
from pipeline.engines.wav2lip.network import Wav2Lip
from pipeline.errors import ConfigError
from tests.members import few, soaking

KEY = "models.gan.checkpoint"

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def network(checkpoint: Path) -> Wav2Lip:
    return load_network(checkpoint, KEY)


def error(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_checkpoint(path, KEY)
    assert (caught.value.code, caught.value.field) == ("checkpoint_invalid", KEY)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


# Forms


def _parallel(network: Wav2Lip, path: Path) -> None:
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save({"state_dict": state, "optimizer": {"state": {}}, "global_step": 3}, path)


def _before_2020(network: Wav2Lip, path: Path) -> None:
    torch.save({"state_dict": network.state_dict()}, path, _use_new_zipfile_serialization=False)


def _bare(network: Wav2Lip, path: Path) -> None:
    torch.save(network.state_dict(), path)


def _torchscript(network: Wav2Lip, path: Path) -> None:
    traced = torch.jit.trace(network, (torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)), check_trace=False)
    traced.save(str(path))


def _safetensors(network: Wav2Lip, path: Path) -> None:
    save_file(dict(network.state_dict()), path)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("write", "name"),
    [
        *((_parallel, "a.pt"), soaking(_before_2020, "a.zip"), soaking(_bare, "a")),
        *((_torchscript, "a.pth"), (_safetensors, "b.pth")),
    ],
    ids=["parallel", "before-2020", "bare", "TorchScript", "safetensors"],
)
def test_every_published_format_is_read_under_any_name(
    write: Callable[[Wav2Lip, Path], None], name: str, network: Wav2Lip, weights: Weights, scratch: Path
) -> None:
    """Only compares weights: `test_wav2lip` checks the output."""
    write(network, scratch / name)
    state = load_network(scratch / name, KEY).state_dict()
    assert list(state) == list(weights)
    assert all(torch.equal(state[key], value) for key, value in weights.items())


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder for large files: pytest would keep them."""
    yield tmp_path
    for path in tmp_path.iterdir():
        path.unlink()


def blank(design: Design, dtype: torch.dtype = torch.float32) -> Weights:
    """Tensors of the right shapes, each a single expanded number, so that their file is small."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in Wav2Lip(design).state_dict().items()}
    kinds = {name: torch.int64 if name.endswith("tracked") else dtype for name in shapes}
    return {name: torch.ones((), dtype=kinds[name]).expand(shape) for name, shape in shapes.items()}


@pytest.fixture
def small(weights: Weights) -> Weights:
    return {key: value.flatten()[0].clone().expand(value.shape) for key, value in weights.items()}


@pytest.mark.parametrize("design", few(DESIGNS, *DESIGNS[:1]), ids=lambda design: design.title)
def test_the_network_is_recognised_by_its_shapes(design: Design, tmp_path: Path) -> None:
    torch.save({"state_dict": blank(design)}, tmp_path / "x.pth")
    assert read_checkpoint(tmp_path / "x.pth", KEY).design == design


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_precisions_are_read(dtype: torch.dtype, tmp_path: Path) -> None:
    torch.save(blank(LIVETALKING, dtype), tmp_path / "half.pth")
    loaded = read_checkpoint(tmp_path / "half.pth", KEY).weights
    assert {value.dtype for value in loaded.values()} == {torch.float32, torch.int64}


def prefixed(state: Weights, prefix: str) -> Weights:
    return {prefix + name: value for name, value in state.items()}


def compiled(state: Weights) -> Weights:
    """As if parts of a network had been compiled and wrapped, not the whole."""
    return {name.replace("audio_encoder.", "audio_encoder._orig_mod.module."): value for name, value in state.items()}


def discriminator() -> Weights:
    names = {"face_encoder_blocks.0.0.conv_block.0.weight": (32, 3, 7, 7), "binary_pred.0.weight": (1, 512, 1, 1)}
    return {name: torch.zeros(()).expand(shape) for name, shape in names.items()}


WRAPPED: dict[str, Callable[[Weights], object]] = {
    "compiled": lambda state: prefixed(state, "_orig_mod."),
    "parallel twice": lambda state: {"state_dict": prefixed(state, "module.module.")},
    "compiled and parallel": lambda state: {"model": prefixed(state, "module._orig_mod.")},
    "in parts": compiled,
    "model.": lambda state: prefixed(state, "model."),
    "generator": lambda state: {"generator": state, "discriminator": discriminator()},
    "deep": lambda state: {"epoch": 3, "nets": [{"g": {"state_dict": {"model": state}}}, {"d": discriminator()}]},
    "lightning": lambda state: {
        "state_dict": prefixed(state, "netG.") | prefixed(discriminator(), "netD.") | {"loss.weight": torch.ones(1)},
        "hparams": argparse.Namespace(lr=1e-4),
    },
    "losses as arrays": lambda state: {"state_dict": state, "loss": np.float64(0.25), "curve": np.zeros(3)},
    "optimizer": lambda state: {"state_dict": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(9)}}}},
    "without counters": lambda state: {n: value for n, value in state.items() if not n.endswith("batches_tracked")},
}


@pytest.mark.parametrize("wrap", few(WRAPPED.values(), WRAPPED["deep"], WRAPPED["lightning"]), ids=WRAPPED)
def test_weights_are_found_however_they_are_nested(
    wrap: Callable[[Weights], object], small: Weights, tmp_path: Path
) -> None:
    torch.save(wrap(small), tmp_path / "x.pth")
    found = read_checkpoint(tmp_path / "x.pth", KEY).weights
    assert list(found) == list(small)
    assert all(torch.equal(found[name], value) for name, value in small.items())


@pytest.mark.parametrize(
    "join",
    [
        lambda raw, averaged: {"state_dict": raw, "ema": averaged},
        soaking(lambda raw, averaged: {"params_ema": averaged, "params": raw}),
        soaking(lambda raw, averaged: {"g": raw, "g_ema": {"state_dict": averaged}}),
        lambda raw, averaged: raw | prefixed(averaged, "ema_model."),
        lambda raw, averaged: [raw, {"n_averaged": torch.tensor(9), **prefixed(averaged, "module.")}],
    ],
    ids=["ema", "params_ema", "g_ema", "ema_model.", "n_averaged"],
)
def test_averaged_weights_are_preferred(
    join: Callable[[Weights, Weights], object], small: Weights, tmp_path: Path
) -> None:
    averaged = {name: value.clone() * 0 + 1 for name, value in small.items()}
    torch.save(join(small, averaged), tmp_path / "x.pth")
    found = read_checkpoint(tmp_path / "x.pth", KEY).weights
    assert all((value == 1).all() for value in found.values())


def test_tensors_that_no_frame_depends_on_are_left_out(tmp_path: Path) -> None:
    state = blank(COMMUNITY_384)
    torch.save(state | {"audio_refine.0.conv_block.0.weight": torch.ones(4)}, tmp_path / "x.pth")
    assert list(read_checkpoint(tmp_path / "x.pth", KEY).weights) == list(state)


def test_a_variant_that_uses_them_is_refused(tmp_path: Path) -> None:
    """It has the same shapes, but its frames would be wrong."""
    trained = {"audio_refine.0.conv_block.1.num_batches_tracked": torch.tensor(9)}
    torch.save(blank(COMMUNITY_384) | trained, tmp_path / "x.pth")
    assert "layers that it does not have: audio_refine.0" in error(tmp_path / "x.pth").message


# What is not a checkpoint


def test_a_missing_file_is_reported_with_path_and_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_network(tmp_path / "gan.pt", "models.nogan.checkpoint")
    error = caught.value
    assert (error.code, error.field) == ("checkpoint_missing", "models.nogan.checkpoint")
    assert str(tmp_path / "gan.pt") in error.message
    assert "models.nogan.checkpoint" in (error.hint or "")


def _saved(thing: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer, **options)
    return buffer.getvalue()


def _zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"nothing")
    return buffer.getvalue()


SMALL = {"weight": torch.zeros(1000)}
BROKEN = {
    "empty": b"",
    "text": b"no weights",
    "html": b"<!DOCTYPE html><html>sign in to download</html>",
    "truncated zip": _saved(SMALL)[:2000],
    "truncated pickle": _saved(SMALL, _use_new_zipfile_serialization=False)[:2000],
    "another zip": _zipped("word/document.xml"),
    "an empty TorchScript": _zipped("x/constants.pkl"),
    "a list": _saved([torch.zeros(3)]),
    "a tensor": _saved(torch.zeros(3)),
    "numbers": _saved({"state_dict": {"weight": 3}}),
    "another network": _saved(SMALL),
    **{f"noise {seed}": random.Random(seed).randbytes(3000) for seed in range(20)},
    **{f"noise in a pickle {seed}": b"\x80\x02" + random.Random(seed).randbytes(3000) for seed in range(20)},
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "gan.pth").write_bytes(content)
    refused = error(tmp_path / "gan.pth")
    assert "weights_only" not in refused.message, "that is torch's advice on how to trust a file"


NAMED = {
    b"": "empty",
    b"\xef\xbb\xbf  <HTML><title>Google Drive - Virus scan warning</title>": "a web page",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "a Git LFS pointer",
    b'{"error": "Invalid username or password."}': "a text file that begins with",
    "Доступ запрещён".encode(): "a text file that begins with 'Доступ запрещён'",
    _saved(SMALL)[:-300]: "an incomplete download",
    bytes(4096): "filled with zeros",
    _zipped("wav2lip/wav2lip_gan.pth"): "a zip archive that contains 'wav2lip/wav2lip_gan.pth'",
    _zipped("word/document.xml"): "a zip archive of other files",
    _zipped("arr_0.npy"): "an archive of NumPy arrays",
    b"Rar!\x1a\x07\x01\x00": "a RAR archive",
    b"\x08\x08\x12\x07pytorch\x1a\x052.1.0": "an ONNX model",
    b"\x00\x00\x00\x18ftypmp42": "a video",
}


@pytest.mark.parametrize(("content", "name"), NAMED.items(), ids=NAMED.values())
def test_a_file_that_was_downloaded_wrongly_is_called_what_it_is(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / "gan.pth").write_bytes(content)
    refused = error(tmp_path / "gan.pth")
    assert f"gan.pth is {name}" in refused.message
    assert not (refused.hint or "").startswith("set "), "it says what to do with the file first"


OTHERS = {
    "the discriminator of Wav2Lip's training": {
        "face_encoder_blocks.0.0.conv_block.0.weight": (32, 3, 7, 7),
        "binary_pred.0.weight": (1, 512, 1, 1),
    },
    "SyncNet, the expert that Wav2Lip is trained against": {"face_encoder.0.conv_block.0.weight": (32, 15, 7, 7)},
    "SyncNet, which measures how well lips and sound agree": {"netcnnaud.0.weight": (64, 1, 3, 3)},
    "the face detector S3FD": {"conv1_1.weight": (64, 3, 3, 3)},
    "the face restorer GFPGAN": {"stylegan_decoder.style_mlp.1.weight": (512, 512)},
    "a diffusion network": {"down_blocks.0.attentions.0.norm.weight": (320,)},
    "a network of the Wav2Lip family that lipdrop does not know": {
        "face_encoder_blocks.0.0.conv_block.0.weight": (8, 6, 7, 7)
    },
    "not a Wav2Lip checkpoint but another network": {"fc.weight": (10, 10)},
}


@pytest.mark.parametrize(("name", "shapes"), OTHERS.items(), ids=OTHERS)
def test_another_network_is_called_by_its_name(name: str, shapes: dict[str, tuple[int, ...]], tmp_path: Path) -> None:
    state = {f"module.{key}": torch.zeros(()).expand(shape) for key, shape in shapes.items()}
    torch.save({"state_dict": state, "global_step": 1}, tmp_path / "x.pth")
    assert f"x.pth is {name}" in error(tmp_path / "x.pth").message


class Whole:
    """A network that was saved with its code."""


def test_a_network_saved_with_its_code_is_answered_with_how_to_save_it(tmp_path: Path) -> None:
    torch.save(Whole(), tmp_path / "x.pth")
    refused = error(tmp_path / "x.pth")
    assert "it needs the code of tests.test_checkpoints.Whole" in refused.message
    assert "model.state_dict()" in (refused.hint or "")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_checkpoint(tmp_path, KEY)
    assert caught.value.code == "checkpoint_missing"


def test_a_truncated_checkpoint_is_refused(checkpoint: Path, scratch: Path) -> None:
    with checkpoint.open("rb") as file:
        (scratch / "cut.pth").write_bytes(file.read(checkpoint.stat().st_size // 2))
    with pytest.raises(ConfigError) as caught:
        read_checkpoint(scratch / "cut.pth", KEY)
    assert caught.value.code == "checkpoint_invalid"


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def _pickled(thing: object) -> bytes:
    return pickle.dumps(thing, protocol=2)


@pytest.mark.parametrize("dump", [_saved, _pickled], ids=["torch", "pickle"])
def test_unpickling_runs_no_code(dump: Callable[[object], bytes], tmp_path: Path) -> None:
    content = dump({"state_dict": Bomb(tmp_path / "exploded")})
    pickle.loads(content) if dump is _pickled else torch.load(io.BytesIO(content), weights_only=False)
    assert (tmp_path / "exploded").exists(), "the bomb must work"
    (tmp_path / "exploded").unlink()
    (tmp_path / "bomb.pth").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_checkpoint(tmp_path / "bomb.pth", KEY)
    assert caught.value.code == "checkpoint_invalid"
    assert not (tmp_path / "exploded").exists()


BIAS = "output_block.1.bias"


def _without(state: Weights) -> None:
    del state[BIAS]


def _with_more(state: Weights) -> None:
    state["netD.weight"] = torch.zeros(1)


def _misshapen(state: Weights) -> None:
    state[BIAS] = torch.zeros(4)


def _not_finite(state: Weights) -> None:
    state[BIAS] = torch.tensor([0, torch.nan, 0])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_without, f"missing keys: {BIAS}"),
        (_with_more, "unexpected keys: netD.weight"),
        (_misshapen, f"wrong shapes: {BIAS} is [4] instead of [3]"),
        (_not_finite, f"values that are not finite: {BIAS}"),
    ],
)
def test_a_wrong_state_dict_is_reported_with_its_keys(
    spoil: Callable[[Weights], None], reason: str, small: Weights, tmp_path: Path
) -> None:
    spoil(small)
    torch.save(small, tmp_path / "gan.pth")
    assert error(tmp_path / "gan.pth").message.endswith(reason)


def test_only_the_first_wrong_keys_are_named(tmp_path: Path) -> None:
    torch.save({f"x{number}": torch.zeros(1) for number in range(9)}, tmp_path / "gan.pth")
    assert error(tmp_path / "gan.pth").message.endswith("x0, x1, x2 and 6 more")
