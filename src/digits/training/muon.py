"""Muon: gradient descent with orthogonalized updates of the convolutions."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.optimizer import ParamsT

from digits.private_apis.pytorch import take_unscaled_gradients

NEWTON_SCHULZ_STEPS = 3  # instead of the 5 of K. Jordan: the recipes were chosen with 3
ADAMW_RMS = 0.2
"""The usual root mean square of an update of AdamW, as a part of its rate."""


class Muon(AdamW):
    """AdamW, but with Muon for the weights of convolutions (K. Jordan et al. 2024, kellerjordan.github.io/posts/muon).

    A weight [O, I, K, K] is updated as a matrix [O, I·K·K]; torch.optim.Muon takes matrices only. Its momentum is the
    first of the `betas`. Its update has the size of AdamW's updates (J. Liu et al. 2025, arXiv:2502.16982), so that one
    rate serves both."""

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.02,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True)
        take_unscaled_gradients(self)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.ndim == 4 and weight.grad is not None:
                    self._update_convolution(weight, weight.grad, group)
                    weight.grad = None  # AdamW skips it
        super().step()  # calls hooks of the step again if PyTorch has wrapped AdamW.step
        return loss

    def _update_convolution(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())  # AdamW expects it in each state that it loads
            state["momentum"] = torch.zeros_like(weight)
        state["step"] += 1
        momentum, (beta, _) = state["momentum"], group["betas"]
        momentum.lerp_(gradient, 1 - beta)
        nesterov = gradient.lerp(momentum, beta)
        direction = orthogonalize(nesterov.flatten(1)).view(weight.shape)
        longer_side = max(weight.shape[0], weight[0].numel())
        scale = ADAMW_RMS * longer_side**0.5  # an orthogonal matrix has the root mean square 1 / √longer_side
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(direction, alpha=-scale * group["lr"])


def orthogonalize(matrix: Tensor) -> Tensor:
    """The matrix with singular values near 1: U V of the decomposition U S V, by a Newton–Schulz iteration.

    A step applies the polynomial 3.4445 s - 4.7750 s³ + 2.0315 s⁵ to each singular value s: it multiplies the matrix X
    by a polynomial of its Gram matrix G = X Xᵀ. Here the small factors are multiplied first, in float32: faster than to
    change X in each step."""
    is_tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = (matrix.T if is_tall else matrix).float()
    x = x / (x.norm() + 1e-7)
    gram = x @ x.T
    product = torch.eye(len(gram), device=gram.device)
    for _ in range(NEWTON_SCHULZ_STEPS):
        factor = torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        factor.diagonal().add_(3.4445)
        product = factor @ product
        gram = factor @ gram @ factor
    x = (product @ x).to(matrix.dtype)
    return x.T if is_tall else x
