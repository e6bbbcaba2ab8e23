"""ONNX models of other programs that do not answer with 10 probabilities for each image."""

from random import Random

import onnx

TABLE = """
shape = Shape <start = 0, end = 1> (images)
row = Constant <value = float[1, {columns}] {{{values}}}> ()
width = Constant <value_ints = [{columns}]> ()
three = Constant <value_ints = [3]> ()
target = Concat <axis = 0> ({rows}, width)
table = Expand (row, target)
"""
LOOP = """
count = Constant <value = int64 {{3}}> ()
probabilities = Loop (count, "", table) <body = body (int64 number, bool on, float[N, 10] before)
=> (bool still, float[N, 10] after) {{ still = Identity (on) after = Identity (before) }}>
"""
# values of a row, their number, the names of the rows, the length of the input, the last operation
FOREIGN = {
    "three rows for any number": (["0.1"] * 10, "three", "N", "probabilities = Identity (table)"),
    "three images only": (["0.1"] * 10, "three", "3", "probabilities = Identity (table)"),
    "negative": (["-0.8"] * 9 + ["8.2"], "shape", "N", "probabilities = Identity (table)"),
    "not a number": (["-1"] * 10, "shape", "N", "probabilities = Sqrt (table)"),
    "sum of 5": (["0.5"] * 10, "shape", "N", "probabilities = Identity (table)"),
    "five columns": (["0.2"] * 5, "shape", "N", "probabilities = Identity (table)"),
    "another name": (["0.1"] * 10, "shape", "N", "x = Identity (table)"),
    "loop of three steps": (["0.1"] * 10, "shape", "N", LOOP),
}


def foreign_model(random: Random) -> onnx.ModelProto:
    name = random.choice(list(FOREIGN))
    values, rows, length, end = FOREIGN[name]
    nodes = (TABLE + end).format(columns=len(values), values=", ".join(values), rows=rows)
    output = "x" if name == "another name" else "probabilities"
    text = f"foreign (uint8[{length}, 28, 28] images) => (float[M, {len(values)}] {output}) {{{nodes}}}"
    return onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 18]> {text}')
