#!/usr/bin/env bash
# PyTorch restricted to older instructions still reports, and partly uses, newer ones.
#
# ATEN_CPU_CAPABILITY restricts the vector instructions of PyTorch, for example to test a program as on an older
# processor. A good engineer would expect that all of PyTorch follows it. Seen with torch 2.15.0 on x86-64 with AVX2 or
# AVX-512:
# - torch.backends.cpu.get_cpu_capability() follows it: DEFAULT.
# - torch.cpu.get_capabilities() ignores it: 'avx2' is still True. A program that chooses its precision by these features
#   chooses the same one as without the restriction.
# - oneDNN, which computes the convolutions, ignores it too. Only ONEDNN_MAX_CPU_ISA restricts it.
# This project asks get_cpu_capability() first, and its tests set both variables.
#
# Usage: findings/processor_features_ignore_limits.sh. Downloads about 3 GB. Fails if the behavior has changed.
set -euo pipefail
[ "$(uname -m)" = x86_64 ] && grep -qm1 '\bavx2\b' /proc/cpuinfo || { echo "needs x86-64 with AVX2" >&2; exit 1; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${PYTHON:-python3} -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0 numpy==2.4.6

cat > "$folder/report.py" << 'END'
import torch

features = torch.cpu.get_capabilities()
print("used by ATen:", torch.backends.cpu.get_cpu_capability(), flush=True)
print("reported: avx2", features["avx2"], flush=True)
images = torch.rand(8, 16, 28, 28).to(memory_format=torch.channels_last)
weights = torch.rand(16, 16, 3, 3).to(memory_format=torch.channels_last)
torch.nn.functional.conv2d(images, weights)
END

report() { ONEDNN_VERBOSE=1 ATEN_CPU_CAPABILITY=default "$@" "$folder/venv/bin/python" "$folder/report.py"; }
report env > "$folder/aten_only.txt"
report env ONEDNN_MAX_CPU_ISA=SSE41 > "$folder/both.txt"
grep -h "ATen\|reported\|info,cpu,isa\|primitive,exec,cpu,convolution" "$folder/aten_only.txt" "$folder/both.txt"

check() { grep -q "$1" "$folder/$2" || { echo "changed: no '$1' in $2" >&2; exit 1; }; }
check "used by ATen: DEFAULT" aten_only.txt
check "reported: avx2 True" aten_only.txt
check "info,cpu,isa:Intel AVX" aten_only.txt
check "exec,cpu,convolution,[^,]*avx" aten_only.txt
check "info,cpu,isa:Intel SSE4.1" both.txt
if grep -q "exec,cpu,convolution,[^,]*avx" "$folder/both.txt"; then
    echo "changed: oneDNN uses AVX although ONEDNN_MAX_CPU_ISA=SSE41" >&2
    exit 1
fi
echo "as described"
