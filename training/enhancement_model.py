"""Join the networks of Hush, which enhances speech, into one that starts with a state of zeros.

Run: python -m training.enhancement_model FOLDER, where FOLDER holds `enc.onnx`, `erb_dec.onnx` and `df_dec.onnx`
(Apache-2.0; the package livekit-plugins-hush 0.3.3 carries them in `livekit/plugins/hush/models`). Needs the extra
`convert`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import compose, numpy_helper

TARGET = Path(__file__).parents[1] / "pipeline" / "engines" / "voice.onnx"
NAMES = {"feat_erb": "levels", "feat_spec": "bins", "m": "gains", "coefs": "taps"}
"""What is called otherwise in lipdrop."""
UNUSED = "lsnr"


def without_state(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with zeros as its state, which it does not return."""
    graph = model.graph
    for state in [value for value in graph.input if value.name.startswith("h_")]:
        shape = [dimension.dim_value for dimension in state.type.tensor_type.shape.dim]
        graph.input.remove(state)
        graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), state.name))
    for output in [value for value in graph.output if value.name.startswith("h_") or value.name == UNUSED]:
        graph.output.remove(output)
    return model


def joined(encoder: onnx.ModelProto, gains: onnx.ModelProto, taps: onnx.ModelProto) -> onnx.ModelProto:
    """One network of three."""
    gains = compose.add_prefix(gains, "gains/", rename_inputs=False, rename_outputs=False)
    taps = compose.add_prefix(taps, "taps/", rename_inputs=False, rename_outputs=False)
    details = [(name, name) for name in ("e0", "e1", "e2", "e3", "emb")]
    model = compose.merge_models(encoder, gains, details, outputs=["m", "emb", "c0"])
    return compose.merge_models(model, taps, [("emb", "emb"), ("c0", "c0")], outputs=["m", "coefs"])


def renamed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with names that say what they mean."""
    for value in (*model.graph.input, *model.graph.output):
        value.name = NAMES[value.name]
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [NAMES.get(name, name) for name in names]
    return model


def main() -> None:
    """Join the networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with the three .onnx files")
    folder = parser.parse_args().folder
    parts = (without_state(onnx.load(folder / f"{name}.onnx")) for name in ("enc", "erb_dec", "df_dec"))
    model = renamed(joined(*parts))
    onnx.checker.check_model(model)
    TARGET.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
