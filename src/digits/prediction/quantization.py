"""Quantization of an exported model to int8."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from digits.runs.onnx_model import import_onnxruntime


def quantize_int8(path: Path, images: NDArray[np.uint8]) -> None:
    """Replaces a float32 model by a model with int8 weights and uint8 activations. The range of each activation is its
    minimum and maximum for `images` [N, 28, 28].

    The convolution of the image and the layer of the ten logits stay in float32, so fewer labels change. Weights have
    7 bits, so the 16-bit sums of x86 CPUs without VNNI cannot saturate (2 × 255 × 64 < 2¹⁵)."""
    import_onnxruntime()
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quant_pre_process, quantize_static

    class Batches(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.starts = iter(range(0, len(images), 100))

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            start = next(self.starts, None)
            return None if start is None else {"images": images[start : start + 100]}

    # The exporter has inferred the shapes. This only adds an entry without which a warning recommends the inference.
    quant_pre_process(path, path, skip_optimization=True, skip_onnx_shape=True, skip_symbolic_shape=True)
    model = onnx.load(path)
    quantize_static(
        model, path, Batches(), op_types_to_quantize=["Conv", "Gemm", "MatMul", "MaxPool", "Relu"],
        nodes_to_exclude=_float_layers(model.graph), per_channel=True, reduce_range=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip


def _float_layers(graph: onnx.GraphProto) -> list[str]:
    """The names of the convolutions of one channel and of the dense layers with ten outputs."""
    shapes = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    names = []
    for node in graph.node:
        if len(node.input) < 2:
            continue
        shape = shapes.get(node.input[1], ())
        has_one_channel = shape[1:2] == (1,)
        has_ten_outputs = len(shape) == 2 and 10 in shape
        if has_one_channel or has_ten_outputs:
            names.append(node.name)
    return names
