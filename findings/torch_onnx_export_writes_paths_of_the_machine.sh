#!/usr/bin/env bash
# PyTorch: a model that torch.onnx.export writes contains the paths of the machine that exported it.
#
# An ONNX file is expected to hold the graph and the weights, and to be fit for publishing. Seen with torch 2.15.0, onnx
# 1.23.2, onnxscript 0.7.2 and Python 3.11: since the exporter is based on torch.export, each node has an entry
# `pkg.torch.onnx.stack_trace` in its metadata, with the files and lines of the model's code and of the installed PyTorch,
# so the folder of the user and often the user's name. It is there without any option, also with `verbose=False`, and
# ONNX Runtime does not show it. The weights of a small network are smaller than these texts.
#
#   torch.onnx.export(network, example, path)                  the folder of the code occurs in the file
#   after clearing metadata_props of the nodes with onnx       it does not
#
# This project clears the metadata of each model that it exports, and tests it.
#
# Usage: findings/torch_onnx_export_writes_paths_of_the_machine.sh. Fails if the behavior has changed. Installs PyTorch.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${PYTHON:-python3} -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 onnx==1.23.2 onnxscript==0.7.2

mkdir "$folder/home-of-the-author"
cat > "$folder/home-of-the-author/network.py" << 'END'
from pathlib import Path

import onnx
import torch


class Network(torch.nn.Module):
    def forward(self, pixels):
        return (2 * pixels).relu()


torch.onnx.export(Network(), (torch.zeros(2, 28),), "model.onnx", external_data=False, verbose=False)
print("exported:", b"home-of-the-author" in Path("model.onnx").read_bytes())
model = onnx.load("model.onnx")
for node in model.graph.node:
    node.ClearField("metadata_props")
print("cleared:", b"home-of-the-author" in model.SerializeToString())
END

cd "$folder/home-of-the-author"
seen=$("$folder/venv/bin/python" "$folder/home-of-the-author/network.py" 2> /dev/null | grep -E "^(exported|cleared):")
expected="exported: True
cleared: False"
echo "$seen"
[ "$seen" = "$expected" ] || { echo "The behavior has changed."; exit 1; }
echo "as described"
