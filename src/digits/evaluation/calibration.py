"""Calibration of the confidence by temperature scaling (C. Guo et al. 2017, arXiv:1706.04599)."""

import math

import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature in [0.05, 20] that minimizes the cross-entropy of logits float32 [N, 10] / temperature with
    labels int64 [N]. Above 1 for an overconfident network.

    The labels are smoothed as in Platt scaling (J. Platt 1999, section 2.2). Without it, a network without mistakes on
    the N images would get a temperature of 0.
    """
    label_smoothing = 10 / 9 / (len(labels) + 2)

    def loss(log_temperature: float) -> float:
        scaled = logits.double() / math.exp(log_temperature)
        return float(F.cross_entropy(scaled, labels, label_smoothing=label_smoothing))

    bounds = (math.log(0.05), math.log(20))
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)


def calibration_error(logits: Tensor, labels: Tensor, temperature: float = 1.0) -> float:
    """The expected calibration error, a fraction: the mean difference between confidence and accuracy over 15 bins of
    confidence."""
    probabilities = (logits.double() / temperature).softmax(1)
    return float(multiclass_calibration_error(probabilities, labels, num_classes=10, n_bins=15, norm="l1"))


def calibration_summary(logits: Tensor, labels: Tensor, temperature: float) -> dict[str, float]:
    """The expected calibration error `before` and `after` temperature scaling, as in `metrics.json`."""
    return {"before": calibration_error(logits, labels), "after": calibration_error(logits, labels, temperature)}
