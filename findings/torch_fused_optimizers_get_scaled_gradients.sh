#!/usr/bin/env bash
# PyTorch: with `fused=True`, GradScaler passes scaled and infinite gradients to the optimizer, its hooks and subclasses.
#
# `fused=True` is expected to change only the speed of an optimizer. With float16, `GradScaler.step` divides the
# gradients by its scale, and calls the optimizer only if all are finite. A fused optimizer does both itself, in its
# kernel. Whatever else runs in its step gets the raw gradients: hooks of the step, such as for the norm of the
# gradients, and a subclass that updates some weights in its own way. A weight that the subclass updates becomes NaN at
# the first overflow, and overflows are a part of the scaler's search for its scale. Seen with torch 2.15.0 and Python
# 3.11, for a loss of gradient 3, a scale of 1,024, and then an infinite gradient:
#
#   AdamW                                   the hook sees 3, and is not called for the infinite gradient
#   AdamW with fused=True                   the hook sees 3,072, and an infinite gradient
#   … with scaler.unscale_(optimizer)       the hook sees 3, and an infinite gradient
#
# This project's Muon is a subclass of the fused AdamW. It lets the scaler unscale the gradients, and tests it.
#
# Usage: findings/torch_fused_optimizers_get_scaled_gradients.sh. Fails if the behavior has changed. Installs PyTorch.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${PYTHON:-python3} -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.15.0

cat > "$folder/app.py" << 'END'
import torch


def gradients_in_step(fused, unscale):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=0.1, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(weight.grad.item()))
    for gradient in (3.0, float("inf")):
        optimizer.zero_grad()
        scaler.scale((gradient * weight).sum()).backward()
        if unscale:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    return seen


print("not fused:", gradients_in_step(fused=False, unscale=False))
print("fused:", gradients_in_step(fused=True, unscale=False))
print("fused, unscaled:", gradients_in_step(fused=True, unscale=True))
END

seen=$("$folder/venv/bin/python" "$folder/app.py" 2> /dev/null)
expected="not fused: [3.0]
fused: [3072.0, inf]
fused, unscaled: [3.0, inf]"
echo "$seen"
[ "$seen" = "$expected" ] || { echo "The behavior has changed."; exit 1; }
echo "as described"
